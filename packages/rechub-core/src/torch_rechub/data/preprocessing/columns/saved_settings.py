"""Checks of fitted settings that were read from a file."""

import math
from collections.abc import Collection, Mapping
from typing import Any


def check_saved(
    settings: Mapping[str, Any],
    whole: Collection[str] = ("rows", "missing"),
    numbers: Collection[str] = (),
    optional: Collection[str] = (),
    others: Collection[str] = (),
) -> None:
    """Check the names and the types of fitted settings.

    Args:
        settings: The settings.
        whole: Names of whole numbers of at least 0.
        numbers: Names of finite numbers.
        optional: Names of finite numbers that may be None.
        others: Names of settings that are checked elsewhere.

    Raises:
        ValueError: A setting is missing, unknown, or of another type.

    Example:
        >>> check_saved({"rows": 3, "missing": "x"})
        Traceback (most recent call last):
        ValueError: the fitted setting 'missing' must be a whole number of at least 0, got 'x'
    """
    expected = {*whole, *numbers, *optional, *others}
    if set(settings) != expected:
        raise ValueError(f"the fitted settings must be {sorted(expected)}, got {sorted(settings)}")
    for name, value in settings.items():
        if name in whole and not (_is_number(value, int) and value >= 0):
            raise ValueError(
                f"the fitted setting {name!r} must be a whole number of at least 0, got {value!r}"
            )
        if name in numbers and not _is_number(value, int, float):
            raise ValueError(f"the fitted setting {name!r} must be a number, got {value!r}")
        if name in optional and value is not None and not _is_number(value, int, float):
            raise ValueError(f"the fitted setting {name!r} must be a number or null, got {value!r}")


def _is_number(value: Any, *kinds: type) -> bool:
    # a constant of JSON such as 1e999 is infinite
    return type(value) in kinds and bool(math.isfinite(value))
