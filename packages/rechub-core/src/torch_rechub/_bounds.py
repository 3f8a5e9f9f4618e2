"""Checks of arguments, with the same messages everywhere."""

import operator
import re
from collections.abc import Iterable
from numbers import Real
from typing import Any


def check_whole(least: int, /, **values: Any) -> None:
    """Check that values are whole numbers of at least `least`; None is left to the caller.

    Args:
        least: The smallest value allowed.
        values: The arguments by name.

    Raises:
        TypeError: A value is not a number, or is a bool.
        ValueError: A value is fractional, or below `least`.

    Example:
        >>> check_whole(1, batch_size=0)
        Traceback (most recent call last):
        ValueError: batch_size must be at least 1, got 0
    """
    for name, value in values.items():
        if value is None:
            continue
        _refuse_other_types(name, value, "a whole number")
        try:
            whole = operator.index(value)
        except TypeError:
            raise ValueError(f"{name} must be a whole number, got {value!r}") from None
        if whole < least:
            raise ValueError(f"{name} must be at least {least}, got {value!r}")


def whole_number(least: int, /, **values: Any) -> Any:
    """The setting of one name as an int, of any type that holds a whole number; None stays None.

    Args:
        least: The smallest value allowed.
        values: One argument by name: an int, a NumPy integer, or an array or a tensor of integers
            without dimensions.

    Raises:
        TypeError: It is no number, or a bool.
        ValueError: It is fractional, or below `least`.

    Example:
        >>> import numpy as np
        >>> whole_number(1, batch_size=np.int64(64)), whole_number(1, batch_size=np.array(64))
        (64, 64)
    """
    ((name, given),) = values.items()
    value = (
        given.item() if hasattr(given, "item") and getattr(given, "shape", None) == () else given
    )
    check_whole(least, **{name: value})
    return None if value is None else operator.index(value)


def check_number(interval: str, /, **values: Any) -> None:
    """Check that values lie in an interval and are not NaN; None is left to the caller.

    Args:
        interval: In the usual notation, such as "[0, 1)" or "(0, inf)"; round brackets exclude
            the bound.
        values: The arguments by name.

    Raises:
        TypeError: A value is not a number, or is a bool.
        ValueError: A value is outside the interval.

    Example:
        >>> check_number("[0, 1)", dropout=1.5)
        Traceback (most recent call last):
        ValueError: dropout must be at least 0 and below 1, got 1.5
    """
    left, low, high, right = re.fullmatch(r"([\[(])(\S+), (\S+)([\])])", interval).groups()  # type: ignore[union-attr]
    for name, value in values.items():
        if value is None:
            continue
        _refuse_other_types(name, value, "a number")
        above = value >= float(low) if left == "[" else value > float(low)
        below = value <= float(high) if right == "]" else value < float(high)
        if not (above and below):
            infinite = abs(value) == float("inf") or low == "-inf"
            words = _words(left, low, high, right, finite=infinite)
            raise ValueError(f"{name} must be {words}, got {value!r}")


def check_choice(choices: Iterable[Any], /, **values: Any) -> None:
    """Check that values are among the choices; None is left to the caller.

    Args:
        choices: The values allowed.
        values: The arguments by name.

    Raises:
        ValueError: A value is not among them; the message lists them.

    Example:
        >>> check_choice(("mean", "sum"), pooling="max")
        Traceback (most recent call last):
        ValueError: pooling must be one of 'mean', 'sum', got 'max'
    """
    known = tuple(choices)
    for name, value in values.items():
        if value is not None and value not in known:
            listed = ", ".join(map(repr, known))
            raise ValueError(f"{name} must be one of {listed}, got {value!r}")


def refuse_none(**values: Any) -> None:
    """Refuse None for required numbers.

    Raises:
        TypeError: A value is None.
    """
    for name, value in values.items():
        if value is None:
            raise TypeError(f"{name} must be a number, got None")


def refuse_masked(values: Any, name: str) -> None:
    """Refuse an array with masked values: NumPy would convert the data under the mask.

    Raises:
        ValueError: There are masked values; the message gives their number.
    """
    if type(values).__name__ == "MaskedArray" and (masked := int(values.mask.sum())):
        raise ValueError(
            f"{name} has {masked} masked values, which stand for no number: give them one first, "
            "such as with .filled(0)"
        )


def _refuse_other_types(name: str, value: Any, wanted: str) -> None:
    # NumPy scalars are registered as Real; a tensor of one element is not, and is refused
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be {wanted}, got {value!r}")


def _words(left: str, low: str, high: str, right: str, finite: bool) -> str:
    lower = "" if low == "-inf" else f"{'at least' if left == '[' else 'above'} {low}"
    upper = f"{'at most' if right == ']' else 'below'} {high}"
    if high == "inf":
        upper = "finite" if finite and right == ")" else ""
    return " and ".join(part for part in (lower, upper) if part)
