"""Labels: which are of a task."""

import logging

from torch import Tensor

log = logging.getLogger("torch_rechub")


def check_binary(y: Tensor, name: str = "y") -> None:
    """Refuse labels other than 0 and 1.

    Raises:
        ValueError: Names one of them.
    """
    wrong = (y != 0) & (y != 1)
    if wrong.any():
        raise ValueError(
            f"{name} must hold the labels 0 and 1, but holds {y[wrong].flatten()[0].item():g}: map "
            "your labels to 0 and 1 first (ratings, for example, with rating >= 4)"
        )


def warn_of_one_class(y: Tensor) -> None:
    """Warn of validation labels that are all the same: their AUC is undefined."""
    if len(y) and (y == y[0]).all():
        log.warning(
            "Every validation label is %g, so AUC is undefined (NaN) and no epoch is better "
            "than another: the last weights are kept. Validate on rows of both labels.",
            float(y[0]),
        )
