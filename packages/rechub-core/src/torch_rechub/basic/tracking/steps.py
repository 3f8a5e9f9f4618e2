"""Steps: the positions of records on the x-axis."""

from typing import Any

_TOO_LARGE = 2**62  # trackers keep steps in 64 bits


def whole_step(step: Any) -> int:
    """A step as an int, of whatever types `plain_metrics` takes as values."""
    try:
        if isinstance(step, str | bytes):
            raise TypeError
        # numpy numbers, arrays and tensors of one element
        given = step.item() if hasattr(step, "item") else step
        number = int(given)
        if number != given:
            raise ValueError
    except Exception:  # what an object of any type raises that is no whole number
        raise ValueError(f"step must be a non-negative integer, got {step!r}") from None
    if not 0 <= number < _TOO_LARGE:
        raise ValueError(f"step must be a non-negative integer below 2**62, got {step!r}")
    return number
