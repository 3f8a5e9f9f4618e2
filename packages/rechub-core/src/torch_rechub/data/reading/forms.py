"""The forms of values: text and numbers that are equal, whichever format they were read from."""

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from .options import Place

if TYPE_CHECKING:
    import pyarrow as pa

_EXACT = 2**53  # from here on, float64 cannot represent every integer
_WHOLE = re.compile(r"[+-]?[0-9]+", re.ASCII)
_HEX = re.compile(r"0[xX][0-9a-fA-F]+")
_BOOLS = {"true": 1, "false": 0}


def text_of(array: "pa.Array", name: str, place: Place) -> "pa.Array":
    """Convert an array to its text forms.

    Text stays as it is. Whole numbers become decimal, floats the shortest text that reads back the
    same, and without a fraction where they are whole (``3.0`` is ``"3"``), bools ``"true"`` and
    ``"false"``, dates ISO 8601, missing values and NaN null. Lists become lists of text.

    Args:
        array: Any Arrow array, dictionaries too.
        name: The name of the column, for messages.
        place: The place of its first row.

    Raises:
        TypeError: The values have no text form, such as structs.
        ValueError: Bytes are not UTF-8.

    Example:
        >>> import pyarrow as pa
        >>> text_of(pa.array([3.0, 0.5, None]), "price", Place("a dict")).to_pylist()
        ['3', '0.5', None]
    """
    import pyarrow as pa

    types, kind = pa.types, array.type
    if types.is_string(kind):
        return array
    if types.is_dictionary(kind):
        return _text_of_dictionary(array, name, place)
    if types.is_floating(kind):
        return _text_of_floats(array)
    if is_list(kind):
        return mapped(array, lambda values: text_of(values, name, place))
    if types.is_struct(kind) or types.is_map(kind) or types.is_union(kind):
        raise TypeError(
            f"column {name!r} holds objects of {kind} in {place.row(0)}: make a column of each of "
            "their fields first (pandas.json_normalize, pyarrow.Table.flatten), or leave it out"
        )
    try:
        return array.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise _no_text(array, name, place) from error


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


def missing_nan(array: "pa.Array") -> "pa.Array":
    """Replace NaN by null in an array of floats."""
    import pyarrow as pa
    import pyarrow.compute as pc

    nan = pc.is_nan(array)
    if not pc.any(nan).as_py():
        return array
    return pc.if_else(nan, pa.scalar(None, array.type), array)


def is_list(kind: "pa.DataType") -> bool:
    """Whether a type is one of lists."""
    import pyarrow as pa

    types = pa.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def is_text(kind: "pa.DataType") -> bool:
    """Whether a type is one of text or bytes."""
    import pyarrow as pa

    types = pa.types
    views = [getattr(types, name, lambda _: False) for name in ("is_string_view", "is_binary_view")]
    usual = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    return any(of(kind) for of in (*usual, types.is_fixed_size_binary, *views))


def mapped(array: "pa.Array", function: Any) -> "pa.Array":
    """Apply a function to the elements of lists."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lengths = pc.fill_null(pc.list_value_length(array), 0)
    offsets = np.zeros(len(array) + 1, dtype=np.int32)
    np.cumsum(lengths.to_numpy(zero_copy_only=False), out=offsets[1:])
    missing = array.is_null() if array.null_count else None
    return pa.ListArray.from_arrays(offsets, function(array.flatten()), mask=missing)


def _text_of_dictionary(array: "pa.Array", name: str, place: Place) -> "pa.Array":
    """Convert the dictionary alone; decode it where two values have one text, or one is missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = text_of(array.dictionary, name, place)
    if values.null_count or pc.count_distinct(values).as_py() < len(values):
        return values.take(array.indices)
    return pa.DictionaryArray.from_arrays(array.indices.cast(pa.int32()), values)


def _text_of_floats(array: "pa.Array") -> "pa.Array":
    import pyarrow as pa
    import pyarrow.compute as pc

    array = missing_nan(array.cast(pa.float32()) if pa.types.is_float16(array.type) else array)
    whole = pc.and_(pc.equal(pc.floor(array), array), pc.less(pc.abs(array), float(_EXACT)))
    whole = pc.fill_null(whole, fill_value=False)
    decimal = pc.if_else(whole, array, pa.scalar(None, array.type)).cast(pa.int64())
    if decimal.null_count == array.null_count:
        return decimal.cast(pa.string())
    text = array.cast(pa.string())
    size = pc.abs(array)
    powers = pc.or_(pc.less(size, 1e-4), pc.greater_equal(size, float(_EXACT)))
    powers = pc.fill_null(powers, fill_value=False)
    if pc.any(powers).as_py():  # Python and pandas write 1e-05 and 1e+20, Arrow 0.00001 and 1e20
        written = [repr(float(cell)) for cell in text.filter(powers).to_pylist()]
        text = pc.replace_with_mask(text, powers, pa.array(written, text.type))
    return pc.if_else(whole, decimal.cast(pa.string()), text)


def _no_text(array: "pa.Array", name: str, place: Place) -> Exception:
    """The error for values without a text form: the first bytes that are not UTF-8, or a type."""
    if is_text(array.type):
        for index, cell in enumerate(array.to_pylist()):
            try:
                cell is None or cell.decode()
            except UnicodeDecodeError:
                return ValueError(
                    f"column {name!r} holds bytes that are not UTF-8, {cell[:40]!r}, in "
                    f"{place.row(index)}: decode them first, with the encoding they are in"
                )
    return TypeError(
        f"column {name!r} of {place.source} holds values of {array.type}, which have no text: "
        "convert them first, or leave the column out"
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
    return any(value is not None and abs(value) >= _EXACT for value in found)


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
        f"stands for a missing value, pass null_values=('', {shown(cell)}); if the column holds "
        "text, declare it as such"
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
