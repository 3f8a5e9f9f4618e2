"""Splits of interactions into training, validation and test."""

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ..._bounds import check_number, check_whole, refuse_none
from .rows import Rows
from .split import Split

Ids = npt.NDArray[np.int64]
S = TypeVar("S", bound="Splitting")

SHARES = (0.8, 0.1, 0.1)


class Splitting(Rows):
    """The splits of `Interactions`."""

    def random(self: S, shares: Sequence[float] = SHARES, seed: int = 0) -> Split[S]:
        """Split rows at random.

        Histories come from earlier training rows only. A row in two parts is a leak.

        Args:
            shares: Of training, validation and test, which sum to 1; two are those of training and
                test. A part has round(share × rows) rows, training the rest.
            seed: Seed of the draw.

        Raises:
            ValueError: Shares are not two or three numbers from 0 to 1 with the sum 1.
        """
        number = _numbers(len(self), shares, seed)
        return self._parts(number, "random", shares=list(shares), seed=seed)

    def by_user(self: S, shares: Sequence[float] = SHARES, seed: int = 0) -> Split[S]:
        """Split users at random, each with all of the user's rows.

        Histories of a validation or test user come from the user's own earlier rows. A user with
        rows in two parts is a leak.

        Args:
            shares: As in `random`, of users.
            seed: Seed of the draw.

        Raises:
            ValueError: As in `random`.
        """
        users, code = np.unique(self._log.user[self._place], return_inverse=True)
        number = _numbers(len(users), shares, seed)[code]
        return self._parts(number, "by_user", shares=list(shares), seed=seed)

    def by_time(
        self: S, cutoffs: Sequence[Any] | None = None, shares: Sequence[float] | None = None
    ) -> Split[S]:
        """Split at times: of two cutoffs, t < c₁ is training, c₁ ≤ t < c₂ validation, t ≥ c₂ test.

        Equal times are in one part. A row is a leak if it is not later than every row of an earlier
        part, of whichever user.

        Args:
            cutoffs: c₁ and c₂, or only one, for training and test. For a column of numbers they
                are numbers, otherwise anything that `pandas.Timestamp` reads, such as "2024-03-01".
            shares: In place of cutoffs, as in `random`: the cutoff is the time of the first row
                after the share, in the order of time, so that a part may be smaller than its share
                by rows of equal time.

        Raises:
            TypeError: There are both cutoffs and shares, or neither.
            ValueError: Cutoffs are not one or two, or descend; shares are wrong as in `random`, or
                so many rows have one time that nothing remains for training.
        """
        if (cutoffs is None) == (shares is None):
            raise TypeError(
                "by_time needs either cutoffs or shares, as in by_time(shares=(0.9, 0.1))"
            )
        time = self._log.time[self._place]
        moments = self._moments(cutoffs) if shares is None else _quantiles(time, shares)
        number = np.searchsorted(np.asarray(moments), time, side="right")
        if len(moments) == 1:
            number = number * 2  # without validation
        at = {"cutoffs": [str(moment) for moment in moments]}
        return self._parts(number, "by_time", **at)

    def leave_one_out(self: S, k: int = 1) -> Split[S]:
        """Split each user: the last k rows are test, the k rows before are validation.

        The order is that of time, and of rows at equal times. Users with at most k rows have only
        test rows, those with at most 2 k none in training. A row is a leak if it comes before a row
        of the same user in an earlier part.

        Args:
            k: Number of rows.

        Raises:
            ValueError: k is below 1.
        """
        refuse_none(k=k)
        check_whole(1, k=k)
        user = self._log.user[self._place]
        stop = np.cumsum(np.bincount(user, minlength=self._log.n_users))
        ahead = stop[user] - 1 - np.arange(len(user))
        return self._parts(2 - np.minimum(ahead // k, 2), "in_order", k=k)

    def k_folds(self: S, k: int = 5, seed: int = 0) -> list[Split[S]]:
        """Split rows at random into k folds: each is the test of a split once, others its training.

        Validation is empty. Leaks and histories are those of `random`.

        Args:
            k: Number of folds, at least 2, whose sizes differ by at most one row.
            seed: Seed of the draw.

        Raises:
            ValueError: k is below 2, or above the number of rows.
        """
        refuse_none(k=k)
        check_whole(2, k=k)
        if k > len(self):
            raise ValueError(f"k must be at most the number of rows, {len(self)}, got {k}")
        fold = np.random.default_rng(seed).permutation(len(self)) % k
        return [
            self._parts(np.where(fold == i, 2, 0), "random", folds=k, fold=i, seed=seed)
            for i in range(k)
        ]

    def _parts(self: S, number: Ids, rule: str, **arguments: Any) -> Split[S]:
        """Return the split with the parts 0, 1 and 2 of rows, and record the arguments."""
        train, validation, test = (self._at(self._place[number == i]) for i in range(3))
        split = Split(train, validation, test, rule)
        split._record({"rule": rule, **arguments})
        return split

    def _moments(self, cutoffs: Any) -> list[Any]:
        if isinstance(cutoffs, str) or not isinstance(cutoffs, Sequence | np.ndarray):
            raise TypeError(f"cutoffs must be a list of one or two times, got {cutoffs!r}")
        if len(cutoffs) not in (1, 2):
            raise ValueError(f"cutoffs must be one or two times, got {len(cutoffs)}")
        moments = [self._log.moment(cutoff) for cutoff in cutoffs]
        if moments != sorted(moments):
            raise ValueError(f"cutoffs must ascend, got {list(cutoffs)}")
        return moments


def _three(shares: Sequence[float]) -> tuple[float, float, float]:
    """Check shares, and return those of training, validation and test."""
    if not isinstance(shares, list | tuple) or len(shares) not in (2, 3):
        raise ValueError(
            "shares must be two (training, test) or three (with validation between), got "
            f"{shares!r}"
        )
    for share in shares:
        refuse_none(shares=share)
        check_number("[0, 1]", shares=share)
    if abs(sum(shares) - 1) > 1e-6:
        raise ValueError(f"shares must add up to 1, got {tuple(shares)!r}")
    return (shares[0], shares[1] if len(shares) == 3 else 0.0, shares[-1])


def _sizes(n: int, shares: Sequence[float]) -> tuple[int, int, int]:
    _, validation, test = _three(shares)
    n_test = round(n * test)
    n_validation = min(round(n * validation), n - n_test)
    return n - n_validation - n_test, n_validation, n_test


def _numbers(n: int, shares: Sequence[float], seed: int) -> Ids:
    """Draw the part of each of n rows or users: 0, 1 or 2."""
    number = np.repeat(np.arange(3), _sizes(n, shares))
    return np.random.default_rng(seed).permutation(number)


def _quantiles(time: npt.NDArray[Any], shares: Sequence[float]) -> list[Any]:
    """Return the times at which validation and test begin."""
    n_train, n_validation, _ = _sizes(len(time), shares)
    if not len(time):
        return [0, 0]
    in_order = np.sort(time)
    after = in_order[-1] + 1  # a time after all rows, for an empty part
    bounds = [n_train, n_train + n_validation]
    moments = [in_order[i] if i < len(time) else after for i in bounds]
    if n_train and moments[0] == in_order[0]:
        raise ValueError(
            f"the time {in_order[0]} is that of more rows than the share of training: nothing "
            "remains for training"
        )
    return moments
