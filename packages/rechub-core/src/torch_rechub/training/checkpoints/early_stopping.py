"""Early stopping."""

import copy
import math
from typing import Any

from ..._bounds import check_number, check_whole


class EarlyStopper:
    """Stops training when a score has not improved for `patience` calls, and keeps the best.

    Args:
        patience: How many calls in a row without improvement stop training; 1 stops at the first.
        mode: "max" if larger scores are better, "min" if smaller ones are.
        min_delta: A score is better only if it exceeds the best by more than this.

    Attributes:
        best_auc: The best score so far (whatever the metric is); ∓inf before the first.
        best_weights: A copy, on the CPU, of the weights given with the best score, or None.
        trial_counter: Calls since the best score.
        improved: Whether the last call brought the best score so far.

    Example:
        >>> stopper = EarlyStopper(patience=2)
        >>> [stopper.stop_training(auc, {}) for auc in (0.7, 0.6, float("nan"))]
        [False, False, True]
        >>> stopper.best_auc
        0.7
    """

    def __init__(self, patience: float, mode: str = "max", *, min_delta: float = 0.0) -> None:
        if mode not in ("max", "min"):
            raise ValueError(f"mode must be 'max' or 'min', got {mode!r}")
        if patience != math.inf:
            check_whole(1, patience=patience)
        check_number("[0, inf)", min_delta=min_delta)
        self.patience, self.min_delta = patience, min_delta
        self.mode = mode
        self.reset()

    def reset(self) -> None:
        """Forget every score."""
        self.best_auc = -math.inf if self.mode == "max" else math.inf
        self.best_weights: dict[str, Any] | None = None
        self.trial_counter = 0
        self.improved = False

    def stop_training(self, val_auc: float, weights: dict[str, Any]) -> bool:
        """Take the score of one epoch.

        Args:
            val_auc: The score; NaN is never an improvement.
            weights: The model's state dict; copied if the score is the best so far.

        Returns:
            Whether to stop now.
        """
        gain = val_auc - self.best_auc if self.mode == "max" else self.best_auc - val_auc
        self.improved = bool(gain > self.min_delta)
        if self.improved:
            self.best_auc = val_auc
            self.best_weights = {name: _copy_to_cpu(value) for name, value in weights.items()}
            self.trial_counter = 0
        else:
            self.trial_counter += 1
        return self.trial_counter >= self.patience


def _copy_to_cpu(value: Any) -> Any:
    if hasattr(value, "detach"):
        return value.detach().to("cpu", copy=True)
    return copy.deepcopy(value)
