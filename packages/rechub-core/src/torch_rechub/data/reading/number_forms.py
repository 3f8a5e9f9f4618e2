"""Numbers of columns, exact whichever format they were read from: int64, else float64."""

import re
from typing import TYPE_CHECKING, Any

from .forms import EXACT, is_list, is_text, mapped, missing_nan, text_of
from .options import Place

if TYPE_CHECKING:
    import pyarrow as pa

_WHOLE = re.compile(r"[+-]?[0-9]+", re.ASCII)
_HEX = re.compile(r"0[xX][0-9a-fA-F]+")
_BOOLS = {"true": 1, "false": 0}


def numbers_of(array: "pa.Array", name: str, place: Place) -> "pa.Array":
    """Convert an array to int64 where it holds whole numbers, else to float64.

    Numbers written as text are read, bools become 0 and 1, missing values and NaN null. Lists
    become lists of numbers.

    Args:
        array: Numbers, bools, or texts of them, dictionaries and lists too.
        name: The name of the column, for messages.
        place: The place of its first row.

    Raises:
        TypeError: The values are not numbers, such as dates.
        ValueError: A text is no number, or a whole number is beyond int64; the message names
            column, value and row.

    Example:
        >>> import pyarrow as pa
        >>> numbers_of(pa.array(["3", None, "0.5"]), "price", Place("a dict")).to_pylist()
        [3.0, None, 0.5]
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    types, kind = pa.types, array.type
    if types.is_int64(kind):
        return array
    if types.is_dictionary(kind):
        return numbers_of(array.dictionary_decode(), name, place)
    if types.is_float16(kind):  # pyarrow 15 casts it through NumPy only
        array = pa.array(array.to_numpy(zero_copy_only=False).astype("float64"))
    if types.is_floating(kind):
        return missing_nan(array.cast(pa.float64()))
    if types.is_null(kind):
        return array.cast(pa.float64())
    if types.is_boolean(kind) or types.is_integer(kind):
        if types.is_uint64(kind):
            beyond = pc.greater(array, pa.scalar(2**63 - 1, pa.uint64()))
            if pc.any(beyond).as_py():
                raise _beyond_int64(array, pc.index(beyond, True).as_py(), name, place)
        return array.cast(pa.int64())
    if types.is_decimal(kind):
        return _numbers_of_decimals(array, name, place)
    if is_list(kind):
        return mapped(array, lambda values: numbers_of(values, name, place))
    if is_text(kind):
        return _numbers_of_text(text_of(array, name, place), name, place)
    raise TypeError(
        f"column {name!r} of {place.source} holds values of {kind}, not numbers: map them to "
        "numbers first, or declare the column as what it is"
    )


def _numbers_of_decimals(array: "pa.Array", name: str, place: Place) -> "pa.Array":
    import pyarrow as pa

    if array.type.scale > 0:
        return array.cast(pa.float64())
    return _numbers_of_text(array.cast(pa.string()), name, place)


def _numbers_of_text(array: "pa.Array", name: str, place: Place) -> "pa.Array":
    """Read numbers written as text; the quick ways first."""
    import pyarrow as pa

    kind = narrowest(array)
    if kind != pa.string():
        numbers = array.cast(kind)
        return numbers if kind == pa.int64() else missing_nan(numbers)
    cells = [_number(cell, i, name, place) for i, cell in enumerate(array.to_pylist())]
    if all(cell is None or isinstance(cell, int) for cell in cells):
        for index, cell in enumerate(cells):
            if cell is not None and not -(2**63) <= cell < 2**63:
                raise _beyond_int64(array, index, name, place)
        return pa.array(cells, pa.int64())
    for index, cell in enumerate(cells):
        if isinstance(cell, int) and int(float(cell)) != cell:
            raise ValueError(
                f"column {name!r} holds the whole number {cell} in {place.row(index)} among "
                "fractions, and float64 does not hold it exactly: declare a column of ids as "
                "categorical, which reads it as text"
            )
    numbers = [None if cell is None else float(cell) for cell in cells]
    return missing_nan(pa.array(numbers, pa.float64()))


def narrowest(texts: "pa.Array") -> "pa.DataType":
    """The type that holds numbers written as text exactly: int64, float64, or text if none does."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for kind in (pa.int64(), pa.float64()):
        try:
            texts.cast(kind)
        except pa.ArrowInvalid:
            continue
        long = pc.match_substring_regex(texts, r"^\s*[+-]?[0-9]{16,}\s*$")
        if kind == pa.int64() or not pc.any(long).as_py():
            return kind
    return pa.string()


def is_rounded(array: "pa.Array | pa.ChunkedArray") -> bool:
    """Whether a float64 is so large that it, or one that infinity hides, may be rounded."""
    import pyarrow.compute as pc

    found = pc.min_max(array).as_py().values()
    return any(value is not None and abs(value) >= EXACT for value in found)


def _number(cell: str | None, index: int, name: str, place: Place) -> int | float | None:
    if cell is None:
        return None
    text = cell.strip()
    if _WHOLE.fullmatch(text):
        return int(text)
    if _HEX.fullmatch(text):  # as Arrow reads it
        return int(text, 16)
    if text.lower() in _BOOLS:
        return _BOOLS[text.lower()]
    try:
        if "_" not in text:
            return float(text)
    except ValueError:
        pass
    raise ValueError(
        f"column {name!r} holds {shown(cell)} in {place.row(index)}, which is no number: if it "
        f"stands for a missing value, add {shown(cell)} to null_values (by default ('',)); if the "
        "column holds text, declare it so: Categorical, or Target(…, positive=…) for labels"
    )


def shown(cell: Any) -> str:
    """A value for a message, cut to 40 characters."""
    text = repr(cell)
    return text if len(text) <= 42 else f"{text[:40]}…{text[-1]}"


def _beyond_int64(array: "pa.Array", index: int, name: str, place: Place) -> ValueError:
    return ValueError(
        f"column {name!r} holds the whole number {array[index].as_py()} in {place.row(index)}, "
        "which is beyond int64: declare a column of ids as categorical, which reads it as text"
    )
