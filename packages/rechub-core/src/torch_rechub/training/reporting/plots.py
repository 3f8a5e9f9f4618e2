"""Plots of predictions with matplotlib, which is imported on use."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Numbers = NDArray[Any]


def roc(labels: Numbers, predictions: Numbers) -> "Figure":
    """Plot the ROC curve.

    Args:
        labels: 0 or 1, (N,).
        predictions: Probabilities, (N,).

    Returns:
        The figure; without a curve if only one class occurs.
    """
    figure, axes = _square("false positives", "true positives")
    if 0 < labels.sum() < labels.size:
        axes.plot(*roc_points(labels, predictions))
    axes.set_title("ROC")
    return figure


def roc_points(labels: Numbers, predictions: Numbers) -> tuple[Numbers, Numbers]:
    """Return the corners of the ROC curve, from (0, 0) to (1, 1), by decreasing threshold.

    Args:
        labels: 0 or 1, (N,), at least one of each.
        predictions: Scores, (N,).

    Returns:
        The false positive rate and the true positive rate of each threshold.

    Example:
        >>> false, true = roc_points(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]))
        >>> false.tolist(), true.tolist()
        ([0.0, 0.0, 0.5, 0.5, 1.0], [0.0, 0.5, 0.5, 1.0, 1.0])
    """
    order = np.argsort(-predictions, kind="stable")
    last_of_a_score = np.append(np.diff(predictions[order]) != 0, True)
    true = np.cumsum(labels[order], dtype=float)[last_of_a_score]
    false = np.flatnonzero(last_of_a_score) + 1 - true
    corner = np.ones(len(true), dtype=bool)  # drop points on a straight line
    corner[1:-1] = (np.diff(true, 2) != 0) | (np.diff(false, 2) != 0)
    return np.append(0, false[corner]) / false[-1], np.append(0, true[corner]) / true[-1]


def calibration(labels: Numbers, predictions: Numbers, bins: int = 10) -> "Figure":
    """Plot the calibration curve: click rate against mean prediction, in bins of equal size.

    Args:
        labels: 0 or 1, (N,).
        predictions: Probabilities, (N,).
        bins: Number of bins, at most one per row.
    """
    figure, axes = _square("mean prediction", "share of clicks")
    predicted, observed = calibration_points(labels, predictions, bins)
    axes.plot(predicted, observed, marker="o")
    axes.set_title("Calibration")
    return figure


def calibration_points(
    labels: Numbers, predictions: Numbers, bins: int
) -> tuple[list[float], list[float]]:
    """Return the mean prediction and the mean label of each bin, by increasing prediction.

    Example:
        >>> calibration_points(np.array([0, 1, 0, 1]), np.array([0.75, 0.5, 0.25, 1.0]), 2)
        ([0.375, 0.875], [0.5, 0.5])
    """
    order = np.argsort(predictions, kind="stable")
    parts = [part for part in np.array_split(order, bins) if part.size]
    means = [(float(predictions[part].mean()), float(labels[part].mean())) for part in parts]
    return [predicted for predicted, _ in means], [observed for _, observed in means]


def confusion(labels: Numbers, predictions: Numbers, threshold: float = 0.5) -> "Figure":
    """Plot the confusion matrix.

    Args:
        labels: 0 or 1, (N,).
        predictions: Probabilities, (N,).
        threshold: Predictions of at least this value count as 1.
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
    """Return the confusion matrix (2, 2), by label and predicted label.

    Example:
        >>> confusion_counts(np.array([0, 1, 1]), np.array([0.2, 0.5, 0.1]), 0.5).tolist()
        [[1, 0], [1, 1]]
    """
    cells = 2 * labels.astype(int) + (predictions >= threshold)
    return np.bincount(cells, minlength=4).reshape(2, 2)


def task_weights(history: Sequence[Mapping[str, float]]) -> "Figure | None":
    """Plot the weights of the tasks' losses by epoch; None if losses are not balanced."""
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
    from matplotlib.figure import Figure  # no pyplot: it would open windows and change global state

    figure = Figure(figsize=(5, 4.5), layout="constrained")
    return figure, figure.subplots()


def _square(x: str, y: str) -> tuple["Figure", Any]:
    figure, axes = _figure()
    axes.plot((0, 1), (0, 1), linestyle=":", color="gray")
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel=x, ylabel=y, aspect="equal")
    return figure, axes
