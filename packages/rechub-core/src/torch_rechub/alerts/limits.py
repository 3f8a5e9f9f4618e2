"""Limits of the rate of alerts."""

import time
from collections import deque
from collections.abc import Callable


class Limits:
    """Decides which alerts are sent: per rule one in an interval, in total n an hour.

    Args:
        interval: Seconds between two alerts of one rule.
        per_hour: The number of alerts of all rules in an hour.
        clock: A clock in seconds that does not jump.

    Example:
        >>> now = iter([0.0, 10.0, 70.0])
        >>> limits = Limits(60.0, 20, clock=lambda: next(now))
        >>> [limits.allow("stalled"), limits.allow("stalled"), limits.allow("stalled")]
        [True, False, True]
        >>> limits.take_suppressed(), limits.take_suppressed()
        (1, 0)
    """

    def __init__(
        self, interval: float, per_hour: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._interval, self._per_hour, self._clock = interval, per_hour, clock
        self._last: dict[str, float] = {}
        self._sent: deque[float] = deque()
        self._suppressed = 0

    def allow(self, rule: str) -> bool:
        """Whether an alert of the rule may be sent now; otherwise it is counted."""
        now = self._clock()
        while self._sent and now - self._sent[0] >= 3600:
            self._sent.popleft()
        too_soon = rule in self._last and now - self._last[rule] < self._interval
        if too_soon or len(self._sent) >= self._per_hour:
            self._suppressed += 1
            return False
        self._last[rule] = now
        self._sent.append(now)
        return True

    def take_suppressed(self) -> int:
        """Return the number of alerts that were not sent, and count anew."""
        number, self._suppressed = self._suppressed, 0
        return number
