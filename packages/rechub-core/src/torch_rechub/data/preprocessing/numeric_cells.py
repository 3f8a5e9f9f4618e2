"""Cells as numbers and as vectors of numbers."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .cells import Cells

if TYPE_CHECKING:
    import pyarrow as pa


def numbers(cells: Cells) -> npt.NDArray[np.float64]:
    """Convert cells to float64; missing cells are NaN.

    Raises:
        ValueError: A cell is no number, or infinite. The message names column, row and remedy.

    Example:
        >>> import pyarrow as pa
        >>> numbers(Cells(pa.array(["1", "", "2.5"]), "price"))
        array([1. , nan, 2.5])
    """
    import pyarrow as pa

    array = cells.array
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        array = _parsed(cells.with_array(array))
    elif pa.types.is_decimal(array.type) or pa.types.is_boolean(array.type):
        array = array.cast(pa.float64())
    elif pa.types.is_null(array.type):
        return np.full(len(array), np.nan)
    elif not (pa.types.is_integer(array.type) or pa.types.is_floating(array.type)):
        hint = "Timestamp" if pa.types.is_temporal(array.type) else "Embedding or MultiCategorical"
        raise ValueError(
            f"{cells.where(0)} {array.type} is no type of numbers: declare the column as {hint}, "
            "or convert it first"
        )
    if not pa.types.is_floating(array.type):
        array = array.cast(pa.float64(), safe=False)
    floats = np.asarray(array.to_numpy(zero_copy_only=False), dtype=np.float64)
    infinite = np.isinf(floats)
    if infinite.any():
        row = int(infinite.argmax())
        cells.refuse(f"{floats[row]} is no finite number", row, "replace it, or drop the row")
    return floats


def _parsed(cells: Cells) -> "pa.Array":
    """Parse text as numbers."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pc.utf8_trim_whitespace(cells.array)
    text = pc.if_else(pc.equal(text, ""), pa.scalar(None, text.type), text)
    try:
        return text.cast(pa.float64())
    except pa.ArrowInvalid:
        for row, cell in enumerate(text.to_pylist()):
            try:
                _number(cell)
            except ValueError:
                cells.refuse(
                    f"{_short(cell)} is no number",
                    row,
                    "declare the column as Categorical, or convert or drop such cells",
                )
        return pa.array([_number(cell) for cell in text.to_pylist()], pa.float64())


def _number(text: str | None) -> float | None:
    if text is not None and "_" in text:  # Python reads 1_000 as a number
        raise ValueError(text)
    return None if text is None else float(text)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…'"


def vectors(cells: Cells, fill: bool) -> npt.NDArray[np.float32]:
    """Convert cells that are lists of D numbers to an array of shape (N, D).

    Args:
        cells: The cells.
        fill: Whether missing vectors are zeros; else they are an error.

    Raises:
        ValueError: A cell is no list of numbers, is missing, not finite, or of another length.

    Example:
        >>> import pyarrow as pa
        >>> vectors(Cells(pa.array([[1.0, 2.0], None]), "image"), fill=True)
        array([[1., 2.],
               [0., 0.]], dtype=float32)
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    array = cells.array
    if pa.types.is_null(array.type):
        array = array.cast(pa.list_(pa.float32()))
    if not any(
        test(array.type)
        for test in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    ):
        raise ValueError(
            f"{cells.where(0)} {array.type} is no type of vectors: give lists of numbers, or the "
            "vectors of ids with vectors="
        )
    missing = array.is_null().to_numpy(zero_copy_only=False)
    if missing.any() and not fill:
        cells.refuse(
            "is missing", int(missing.argmax()), 'drop such rows, or choose missing="zeros"'
        )
    lengths = pc.list_value_length(array.drop_null()).to_numpy(zero_copy_only=False)
    if len(lengths) and (lengths != lengths[0]).any():
        row = int(np.flatnonzero(~missing)[(lengths != lengths[0]).argmax()])
        cells.refuse(
            f"has {lengths[lengths != lengths[0]][0]} numbers, the first vector {lengths[0]}",
            row,
            "give vectors of one width",
        )
    if len(lengths) and not lengths[0]:
        cells.refuse("has no numbers", int((~missing).argmax()), "give vectors of one width")
    width = int(lengths[0]) if len(lengths) else 0
    values = array.drop_null().flatten()
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_null)
    if not any(test(values.type) for test in tests):
        raise ValueError(
            f"{cells.where(0)} lists of {values.type} are no vectors: convert them to lists of "
            "numbers first"
        )
    flat = values.cast(pa.float32(), safe=False).to_numpy(zero_copy_only=False)
    found = np.zeros((len(array), width), np.float32)
    found[~missing] = flat.reshape(-1, width) if width else 0
    broken = ~np.isfinite(found).all(axis=1)
    if broken.any():
        cells.refuse("has a number that is not finite", int(broken.argmax()), "replace it")
    return found
