"""Early stopping."""

import copy
import math
from typing import Any

from ..._bounds import check_number, check_whole, refuse_none
from ..._errors import UnknownChoiceError


class EarlyStopper:
    """Stops training after `patience` consecutive calls without an improvement of the score.

    Args:
        patience: Number of consecutive calls without an improvement; infinity never stops.
        mode: "max" if larger scores are better, "min" if smaller ones are. After assigning it, call
            `reset`.
        min_delta: A score is an improvement if it is better than the best one by more than this; at
            least 0.

    Attributes:
        best_auc: The score of the last improvement (of any metric); ∓inf before the first.
        best_weights: A copy, on the CPU, of the weights with that score, or None.
        trial_counter: Number of calls since that score.
        improved: Whether the last score was an improvement.

    Raises:
        TypeError: patience or min_delta is not a number.
        UnknownChoiceError: `mode` has another value.
        ValueError: patience is below 1, or min_delta is negative or not finite.

    Example:
        >>> stopper = EarlyStopper(patience=2)
        >>> [stopper.stop_training(auc, {}) for auc in (0.7, 0.6, float("nan"))]
        [False, False, True]
        >>> stopper.best_auc
        0.7
    """

    def __init__(self, patience: float, mode: str = "max", *, min_delta: float = 0.0) -> None:
        if patience != math.inf:
            check_whole(1, patience=patience)
        refuse_none(min_delta=min_delta)
        check_number("[0, inf)", min_delta=min_delta)
        self.patience = patience
        self.mode = mode
        self.min_delta = min_delta
        self.reset()

    def reset(self) -> None:
        """Reset the best score.

        Raises:
            UnknownChoiceError: The mode is neither "max" nor "min".
        """
        if self.mode not in ("max", "min"):
            raise UnknownChoiceError(f"mode must be 'max' or 'min', got {self.mode!r}")
        self.best_auc = -math.inf if self.mode == "max" else math.inf
        self.best_weights: dict[str, Any] | None = None
        self.trial_counter = 0
        self.improved = False

    def is_better(self, val_auc: float) -> bool:
        """Whether a score is an improvement on the best one so far; NaN never is."""
        gain = val_auc - self.best_auc if self.mode == "max" else self.best_auc - val_auc
        return bool(gain > self.min_delta)

    def stop_training(self, val_auc: float, weights: dict[str, Any]) -> bool:
        """Update with the score of an epoch.

        Args:
            val_auc: The score; NaN is never an improvement.
            weights: The model's state dict; copied if the score is an improvement.

        Returns:
            Whether to stop now.
        """
        self.improved = self.is_better(val_auc)
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
