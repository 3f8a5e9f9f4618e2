"""The best value of a metric so far."""

import math
from collections.abc import Mapping
from typing import Any


class Best:
    """Follows one metric: its best value, and the number of values since then.

    Args:
        metric: The recorded name; None until `follow` names it.
        direction: "max" or "min", the better values; None means "max" until `follow` gives it.
        min_delta: The smallest improvement that counts.

    Attributes:
        metric: The recorded name.
        value: The best value; None without one.
        step: Its step.
        since: The number of values since then, or of all values while none is a number.

    Example:
        >>> best = Best("val/auc", "max")
        >>> for epoch, auc in enumerate([0.5, 0.75, 0.625]):
        ...     best.add(auc, epoch)
        >>> best.value, best.step, best.since, best.worse_by(0.625)
        (0.75, 1, 1, 0.125)
    """

    metric: str | None
    value: float | None
    step: int | None

    def __init__(
        self, metric: str | None = None, direction: Any = None, min_delta: float = 0.0
    ) -> None:
        self.metric, self.value, self.step, self.since = metric, None, None, 0
        self._given, self._min_delta = direction, min_delta
        self._sign = -1 if direction == "min" else 1

    def follow(self, params: Mapping[str, Any]) -> None:
        """Follow the monitored metric that the hyper-parameters name."""
        monitor, direction = params.get("monitor"), params.get("monitor_direction")
        if not isinstance(monitor, str) or direction not in ("max", "min"):
            return
        if monitor != self.metric:
            self.metric, self.value, self.step, self.since = monitor, None, None, 0
        self._sign = -1 if (self._given or direction) == "min" else 1

    def add(self, value: float, step: int | None) -> None:
        """Add a value; one that is not finite is no improvement."""
        if math.isfinite(value) and self._is_better(value):
            self.value, self.step, self.since = value, step, 0
        else:
            self.since += 1

    def worse_by(self, value: float) -> float:
        """How much worse a value is than the best, below 0 if it is better; NaN is not worse."""
        if self.value is None or math.isnan(value):
            return 0.0
        return self._sign * (self.value - value)

    def data(self) -> dict[str, Any]:
        """The values of a message."""
        return {"metric": self.metric, "best": self.value, "best_step": self.step}

    def _is_better(self, value: float) -> bool:
        if self.value is None:
            return True
        return self._sign * (value - self.value) > self._min_delta
