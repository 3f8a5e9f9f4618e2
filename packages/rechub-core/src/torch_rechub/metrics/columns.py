"""Columns of rows as arrays, of one length."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._bounds import refuse_masked


def pair(y_true: Any, y_pred: Any, dtype: Any = np.float64) -> tuple[NDArray[Any], NDArray[Any]]:
    """Labels and predictions as arrays (N,).

    Raises:
        ValueError: Lengths differ, or values are masked.
    """
    refuse_masked(y_true, "y_true")
    refuse_masked(y_pred, "y_pred")
    labels = np.asarray(y_true, dtype=dtype).reshape(-1)
    scores = np.asarray(y_pred, dtype=dtype).reshape(-1)
    if len(labels) != len(scores):
        raise ValueError(f"{len(labels)} labels, but {len(scores)} predictions")
    return labels, scores


def binary_pair(y_true: Any, y_pred: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Labels and predictions as arrays (N,), where a label other than 0 and 1 is a mistake.

    Raises:
        ValueError: Lengths differ, values are masked, or a label is neither 0 nor 1.
    """
    labels, scores = pair(y_true, y_pred)
    refuse_other_labels(labels)
    return labels, scores


def soft_pair(y_true: Any, y_pred: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Labels in [0, 1], such as click rates, and predictions, as arrays (N,).

    Raises:
        ValueError: Lengths differ, values are masked, or a label is outside [0, 1].
    """
    labels, scores = pair(y_true, y_pred)
    outside = ~((labels >= 0) & (labels <= 1))
    if outside.any():
        raise ValueError(f"labels must be in [0, 1], got {labels[outside][0]:g}")
    return labels, scores


def refuse_other_labels(labels: NDArray[Any]) -> None:
    """Refuse labels other than 0 and 1.

    Raises:
        ValueError: Names the first.
    """
    other = ~np.isin(labels, (0, 1))
    if other.any():
        raise ValueError(f"labels must be 0 or 1, got {labels[other][0]:g}")


def of_length(users: ArrayLike, n: int) -> NDArray[Any]:
    """A column of users, or of other groups, as an array (N,).

    Raises:
        ValueError: It has another length than N.
    """
    column = np.asarray(users).reshape(-1)
    if len(column) != n:
        raise ValueError(f"{n} labels, but {len(column)} users")
    return column
