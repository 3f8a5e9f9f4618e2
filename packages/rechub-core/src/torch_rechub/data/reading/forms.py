"""The text of values, equal whichever format they were read from; and kinds of Arrow's types."""

from typing import TYPE_CHECKING, Any

import numpy as np

from .options import Place

if TYPE_CHECKING:
    import pyarrow as pa

EXACT = 2**53
"""From here on, float64 cannot represent every integer."""


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
    whole = pc.and_(pc.equal(pc.floor(array), array), pc.less(pc.abs(array), float(EXACT)))
    whole = pc.fill_null(whole, fill_value=False)
    decimal = pc.if_else(whole, array, pa.scalar(None, array.type)).cast(pa.int64())
    if decimal.null_count == array.null_count:
        return decimal.cast(pa.string())
    text = array.cast(pa.string())
    size = pc.abs(array)
    powers = pc.or_(pc.less(size, 1e-4), pc.greater_equal(size, 1e9))
    powers = pc.fill_null(powers, fill_value=False)
    if pc.any(powers).as_py():  # Arrow begins to write powers elsewhere than Python and pandas
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
