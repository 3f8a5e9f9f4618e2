"""Checks of labels by what is predicted: probabilities, values or classes."""

import math

from torch import Tensor

from ..basic.layers.values import find, plural
from .labels import check_present


def is_binary(y: Tensor) -> bool:
    """Whether all labels are 0 or 1."""
    return find(y, lambda block: (block != 0) & (block != 1)) is None


def check_probabilities(y: Tensor, name: str = "y") -> None:
    """Refuse labels outside [0, 1].

    Raises:
        ValueError: Labels are missing or outside; the message gives their number, the first row and
            the remedy.
    """
    if wrong := find(y, lambda block: ~((block >= 0) & (block <= 1))):
        check_present(y, name)
        raise ValueError(
            f"{name} must hold the labels 0 and 1, but holds {wrong.value:g}: map your labels to "
            "0 and 1 first (ratings, for example, with rating >= 4), or to probabilities between "
            'them; or predict the number itself: loss="mse" in CTRTrainer, the task type '
            f'"regression" in MTLTrainer. {plural(wrong.count, "such value")}, first in row '
            f"{wrong.row}"
        )


def check_values(
    y: Tensor,
    least: float | None = None,
    largest: float | None = None,
    loss: str = "",
    name: str = "y",
) -> None:
    """Refuse labels that are not finite, or outside the range of a loss.

    Args:
        y: The labels.
        least: The least label of the loss; None means any.
        largest: The largest.
        loss: The loss, for the message.
        name: The labels, for the message.

    Raises:
        ValueError: The message gives the number of such labels and the first row.
    """
    check_present(y, name)
    if least is None and largest is None:
        return
    low, high = -math.inf if least is None else least, math.inf if largest is None else largest
    if wrong := find(y, lambda block: (block < low) | (block > high)):
        raise ValueError(
            f"{name} must hold labels from {low:g} to {high:g} for {loss}, but holds "
            f"{wrong.value:g}: choose another loss, or scale the labels. "
            f"{plural(wrong.count, 'such value')}, first in row {wrong.row}"
        )


def check_classes(y: Tensor, n_classes: int | None) -> None:
    """Refuse labels that are no classes: other than 0, 1, …, C − 1.

    Args:
        y: The labels.
        n_classes: C; None means unknown.

    Raises:
        ValueError: The message gives the number of such labels and the first row.
    """
    end, y = math.inf if n_classes is None else n_classes, y * 1  # bool becomes a number
    if wrong := find(y, lambda block: (block < 0) | (block >= end) | (block != block.floor())):
        check_present(y)
        last = "and so on" if n_classes is None else f"to {n_classes - 1}"
        more = "" if n_classes is None else ", or build the model with more classes"
        raise ValueError(
            f"y must hold the classes 0 {last}, but holds {wrong.value:g}: number your classes "
            f"from 0 (scikit-learn's LabelEncoder, pandas' factorize){more}. "
            f"{plural(wrong.count, 'such value')}, first in row {wrong.row}"
        )
