"""Checks of labels."""

import logging

from torch import Tensor

from ..basic.layers.values import FILL_LABELS, check_finite, find, plural

log = logging.getLogger("torch_rechub")


def check_binary(y: Tensor, name: str = "y") -> None:
    """Refuse labels other than 0 and 1.

    Raises:
        ValueError: Labels are missing or have another value; the message gives their number and
            the first row.
    """
    if wrong := find(y, lambda block: (block != 0) & (block != 1)):
        check_present(y, name)
        raise ValueError(
            f"{name} must hold the labels 0 and 1, but holds {wrong.value:g}: map your labels to "
            "0 and 1 first (ratings, for example, with rating >= 4). "
            f"{plural(wrong.count, 'such value')}, first in row {wrong.row}"
        )


def check_present(y: Tensor, name: str = "y") -> None:
    """Refuse labels that are missing (NaN), infinite, or infinite in single precision.

    Raises:
        ValueError: There are such labels; the message gives their number and the first row.
    """
    check_finite(y, name, remedy=FILL_LABELS)


def warn_of_one_class(y: Tensor) -> None:
    """Warn of constant validation labels, for which AUC is undefined."""
    if len(y) and (y == y[0]).all():
        log.warning(
            "Every validation label is %g, so AUC is undefined (NaN) and no epoch is better "
            "than another: the last weights are kept. Validate on rows of both labels.",
            float(y[0]),
        )
