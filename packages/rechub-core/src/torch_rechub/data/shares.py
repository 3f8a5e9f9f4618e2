"""Shares of a data set: their checks, and the random parts that they describe."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch.utils.data import Dataset, Subset

from .._bounds import check_number, refuse_none
from .origin import Origin


def check_shares(shares: Any) -> None:
    """Check that shares are a list of numbers from 0 to 1.

    Raises:
        TypeError: The shares are not a list of numbers.
        ValueError: A share is below 0, above 1, or NaN.
    """
    if isinstance(shares, str) or not isinstance(shares, Iterable):
        raise TypeError(f"split_ratio must be a list such as [0.7, 0.1], got {shares!r}")
    for share in shares:
        refuse_none(split_ratio=share)
        check_number("[0, 1]", split_ratio=share)


def random_parts(dataset: Dataset[Any], ratio: Sequence[float]) -> list[Subset[Any]]:
    """Split a data set at random, from torch's global random state.

    Args:
        dataset: The data set to split.
        ratio: Shares of training and validation, such as [0.7, 0.1]; the rest is for testing.

    Returns:
        The parts for training, validation and test.

    Raises:
        ValueError: The shares are impossible.
    """
    check_two_shares(ratio)
    n_rows = len(dataset)  # type: ignore[arg-type]
    n_train, n_val = (int(n_rows * share) for share in ratio)
    split = {"rule": "random", "shares": list(ratio), "seed": torch.initial_seed()}
    order = torch.randperm(n_rows)
    sizes = [n_train, n_val, n_rows - n_train - n_val]
    # as a tensor, because a Subset then looks up the indices of a whole batch at once
    return parts_of(dataset, order.split(sizes), split)


def parts_of(
    dataset: Dataset[Any], rows: Iterable[Any], split: Mapping[str, Any]
) -> list[Subset[Any]]:
    """Return the parts of a data set, which know the split that they are of.

    Args:
        dataset: The data set.
        rows: The rows of each part.
        split: The rule and its arguments; see `Origin`.
    """
    parts: list[Subset[Any]] = [Subset(dataset, indices) for indices in rows]
    for part in parts:
        vars(part)["origin"] = Origin(split=split)
    return parts


def check_two_shares(ratio: Sequence[float]) -> None:
    """Refuse what are no shares of training and validation.

    Raises:
        ValueError: They are not two, or sum to more than 1.
    """
    check_shares(ratio)
    if len(ratio) != 2 or sum(ratio) > 1 + 1e-9:
        raise ValueError(
            "split_ratio takes two shares, of training and validation, that leave the rest for "
            f"testing, such as [0.7, 0.1]; got {ratio!r}"
        )
