"""`Split`: the parts of a log for training, validation and test, with its leak check."""

from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from ..._errors import UnknownChoiceError
from .leaks import RULES, LeakError, check_rule, members
from .rows import Rows, Scope

Array = npt.NDArray[Any]
Ids = npt.NDArray[np.int64]
R = TypeVar("R", bound=Rows)


class Split(Generic[R]):
    """The interactions for training, validation and test; a leak is refused.

    Histories of a part come from rows of the split that its rule allows, and always from before the
    target in the order of user, time and row. A filter of a part, such as
    `split.test.positives(4)`, selects targets; the rows of its histories stay.

    | rule | a leak is | histories of validation / of test come from |
    | --- | --- | --- |
    | "by_time" | a row that is not later in time than every row of an earlier part | training / training and validation, and earlier rows of the part |
    | "in_order" | a row that is not after all rows of the same user in an earlier part | as above |
    | "by_user" | a user with rows in two parts | the user's earlier rows, which are in that part |
    | "random" | a row in two parts (so under every rule) | training |

    "in_order" is that of `leave_one_out`. It compares rows of one user only: other users' training
    rows may be later than a test row, and only "by_time" excludes that. With "random" training
    rows may be later than a test row of the same user, though never in its history.

    Args:
        train: The interactions for training.
        validation: Those for validation; may be empty.
        test: Those for test; may be empty.
        rule: The rule above.

    Raises:
        UnknownChoiceError: The rule is unknown.
        ValueError: The parts are not selections of one log.
        LeakError: There is a leak; the message names the rows.

    Example:
        >>> from torch_rechub.data.interactions import Interactions
        >>> log = Interactions({"u": [1, 1, 1], "i": [7, 8, 9], "t": [1, 2, 3]}, "u", "i", "t")
        >>> first, last = log.between(stop=3), log.between(start=3)
        >>> Split(first, log.between(3, 3), last, "by_time").test["i"]
        array([9])
        >>> Split(last, log.between(3, 3), first, "by_time")
        Traceback (most recent call last):
        torch_rechub.data.interactions.leaks.LeakError: row 0 of test (time 1) is not later than...
    """  # noqa: E501  # rows of a table cannot be broken

    def __init__(self, train: R, validation: R, test: R, rule: str) -> None:
        if rule not in RULES:
            raise UnknownChoiceError(f"rule must be one of {list(RULES)}, got {rule!r}")
        self.rule = rule
        self.train, self.validation, self.test = _in_scope(train, validation, test, rule)
        self._record({"rule": rule})
        self.check()

    def __iter__(self) -> Iterator[R]:
        """Iterate over training, validation and test, for `train, validation, test = split`."""
        return iter((self.train, self.validation, self.test))

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name}: {len(part):,} rows" for name, part in self.parts().items())
        return f"Split({sizes}; rule {self.rule!r})"

    def parts(self) -> dict[str, R]:
        """Return the parts by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def _record(self, split: Mapping[str, Any]) -> None:
        """Have the parts know the rule, its arguments and its seed, for the records of runs."""
        parts = (part._changed(_split=dict(split)) for part in self)
        self.train, self.validation, self.test = parts

    def check(self) -> None:
        """Raise LeakError if the parts break the rule of the split; see the class."""
        places = {name: part._place for name, part in self.parts().items()}
        check_rule(self.train._log, places, self.rule)

    def encode(self, by: Any = None) -> "Split[R]":
        """Return a split with ids in place of values; see `Interactions.encode`.

        Args:
            by: As there; None means the values of training, so that values that occur in
                validation and test alone are unknown, id 1.
        """
        log = self.train._encoded(by)
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        new.train, new.validation, new.test = (part._changed(_log=log) for part in self)
        return new

    @property
    def sizes(self) -> dict[str, int]:
        """The vocabulary size of each column of ids; see `Interactions.sizes`."""
        return self.train.sizes

    @property
    def vocabularies(self) -> dict[str, Array]:
        """The values of each encoded column; see `Interactions.vocabularies`."""
        return self.train.vocabularies


def _in_scope(train: R, validation: R, test: R, rule: str) -> list[R]:
    """Return the parts with the rows that their histories may come from."""
    parts = [train, validation, test]
    if any(part._log is not train._log for part in parts):
        raise ValueError(
            "the parts are not selections of one log: make them by filters, such as where(), of "
            "the same Interactions, and encode the split afterwards"
        )
    places = [part._place for part in parts]
    log, (first, second, _) = train._log, places
    whole = np.flatnonzero(members(log, *places))
    two = np.flatnonzero(members(log, first, second))
    pasts = {"random": [first] * 3, "by_user": places}.get(rule, [first, two, whole])
    earlier = [first, first, first if rule == "random" else two]
    scopes = [Scope(past, rows, whole) for past, rows in zip(pasts, earlier, strict=True)]
    return [part._changed(_scope=scope) for part, scope in zip(parts, scopes, strict=True)]


__all__ = ["LeakError", "Split"]
