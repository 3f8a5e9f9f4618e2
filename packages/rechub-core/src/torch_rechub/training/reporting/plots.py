"""Pictures of what a model predicts, drawn with matplotlib, which is imported when they are."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Numbers = NDArray[Any]


def roc(labels: Numbers, predictions: Numbers) -> "Figure":
    """The share of clicks found against the share of others taken for clicks, over all thresholds.

    Args:
        labels: 0 or 1, (N,).
        predictions: Probabilities, (N,).

    Returns:
        The figure; without a curve where only one class occurs.
    """
    figure, axes = _square("false positives", "true positives")
    if 0 < labels.sum() < labels.size:
        axes.plot(*roc_points(labels, predictions))
    axes.set_title("ROC")
    return figure


def roc_points(labels: Numbers, predictions: Numbers) -> tuple[Numbers, Numbers]:
    """The corners of the ROC curve, from (0, 0) to (1, 1), by falling threshold.

    Args:
        labels: 0 or 1, (N,), at least one of each.
        predictions: Scores, (N,).

    Returns:
        The share of negatives and the share of positives that each threshold takes.

    Example:
        >>> false, true = roc_points(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]))
        >>> false.tolist(), true.tolist()
        ([0.0, 0.0, 0.5, 0.5, 1.0], [0.0, 0.5, 0.5, 1.0, 1.0])
    """
    order = np.argsort(-predictions, kind="stable")
    last_of_a_score = np.append(np.diff(predictions[order]) != 0, True)
    true = np.cumsum(labels[order], dtype=float)[last_of_a_score]
    false = np.flatnonzero(last_of_a_score) + 1 - true
    corner = np.ones(len(true), dtype=bool)  # a point on a straight line adds nothing
    corner[1:-1] = (np.diff(true, 2) != 0) | (np.diff(false, 2) != 0)
    return np.append(0, false[corner]) / false[-1], np.append(0, true[corner]) / true[-1]


def calibration(labels: Numbers, predictions: Numbers, bins: int = 10) -> "Figure":
    """The share of clicks against the mean prediction, in bins of as many rows each.

    Args:
        labels: 0 or 1, (N,).
        predictions: Probabilities, (N,).
        bins: How many, at most one a row.
    """
    figure, axes = _square("mean prediction", "share of clicks")
    predicted, observed = calibration_points(labels, predictions, bins)
    axes.plot(predicted, observed, marker="o")
    axes.set_title("Calibration")
    return figure


def calibration_points(
    labels: Numbers, predictions: Numbers, bins: int
) -> tuple[list[float], list[float]]:
    """The mean prediction and the mean label of each bin, by growing prediction.

    Example:
        >>> calibration_points(np.array([0, 1, 0, 1]), np.array([0.75, 0.5, 0.25, 1.0]), 2)
        ([0.375, 0.875], [0.5, 0.5])
    """
    order = np.argsort(predictions, kind="stable")
    parts = [part for part in np.array_split(order, bins) if part.size]
    means = [(float(predictions[part].mean()), float(labels[part].mean())) for part in parts]
    return [predicted for predicted, _ in means], [observed for _, observed in means]


def confusion(labels: Numbers, predictions: Numbers, threshold: float = 0.5) -> "Figure":
    """How many rows of each label are predicted as each label.

    Args:
        labels: 0 or 1, (N,).
        predictions: Probabilities, (N,).
        threshold: From where on a row is predicted as 1.
    """
    counts = confusion_counts(labels, predictions, threshold)
    figure, axes = _figure()
    axes.imshow(counts, cmap="Blues")
    for (row, column), count in np.ndenumerate(counts):
        color = "white" if count > counts.max() / 2 else "black"
        axes.text(column, row, f"{count:,}", ha="center", va="center", color=color)
    axes.set(xticks=(0, 1), yticks=(0, 1), xlabel=f"predicted (≥ {threshold:g})", ylabel="label")
    axes.set_title("Confusion")
    return figure


def confusion_counts(labels: Numbers, predictions: Numbers, threshold: float) -> Numbers:
    """(2, 2): by label, then by predicted label.

    Example:
        >>> confusion_counts(np.array([0, 1, 1]), np.array([0.2, 0.5, 0.1]), 0.5).tolist()
        [[1, 0], [1, 1]]
    """
    cells = 2 * labels.astype(int) + (predictions >= threshold)
    return np.bincount(cells, minlength=4).reshape(2, 2)


def task_weights(history: Sequence[Mapping[str, float]]) -> "Figure | None":
    """How much the loss of each task counted in each epoch; None where losses are not balanced."""
    names = [name for name in (history[0] if history else {}) if name.startswith("loss_weight/")]
    if not names:
        return None
    figure, axes = _figure()
    for name in names:
        axes.plot([r["epoch"] for r in history], [r[name] for r in history], marker=".", label=name)
    axes.set(xlabel="epoch", ylabel="weight", title="Weights of the tasks' losses")
    axes.legend()
    return figure


def _figure() -> tuple["Figure", Any]:
    from matplotlib.figure import Figure  # of its own, not of pyplot: no window, no global state

    figure = Figure(figsize=(5, 4.5), layout="constrained")
    return figure, figure.subplots()


def _square(x: str, y: str) -> tuple["Figure", Any]:
    figure, axes = _figure()
    axes.plot((0, 1), (0, 1), linestyle=":", color="gray")
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel=x, ylabel=y, aspect="equal")
    return figure, axes
