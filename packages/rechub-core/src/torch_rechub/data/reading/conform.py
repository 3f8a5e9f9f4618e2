"""Blocks in the forms that were asked for: columns of text, of numbers, and others."""

from typing import TYPE_CHECKING, Any

import numpy as np

from .forms import is_list, is_text, mapped, missing_nan, text_of
from .number_forms import numbers_of
from .options import Place, ReadingOptions

if TYPE_CHECKING:
    import pyarrow as pa


def conform(
    table: "pa.Table", options: ReadingOptions, place: Place, kinds: dict[str, Any]
) -> "pa.Table":
    """Convert the columns of a block; see `read_blocks`.

    Args:
        table: The block, as its format gives it.
        options: The options; `columns` is the list of those in the table.
        place: The place of its first row.
        kinds: The type of each column that keeps its own, which later blocks must have too.

    Raises:
        TypeError: A column has another type than in the blocks before.
        ValueError: A value is not of its column.
    """
    import pyarrow as pa

    columns = {}
    for name in options.columns or ():
        column = table.column(name)
        if options.null_values == () and _has_form(name, column.type, options):
            columns[name] = column
            continue
        chunks, row = [], 0
        for chunk in column.chunks or [pa.array([], column.type)]:
            chunks.append(_converted(chunk, name, options, place.skip(row)))
            row += len(chunk)
        columns[name] = _joined(chunks)
        free = options.mixed or name in options.text_columns or name in options.number_columns
        if not free:
            _check_kind(name, columns[name].type, place, kinds)
    return pa.table(columns)


def _has_form(name: str, kind: "pa.DataType", options: ReadingOptions) -> bool:
    """Whether a column of a type has the form that was asked for; floats may hold NaN."""
    import pyarrow as pa

    if name in options.number_columns:
        return bool(kind == pa.int64())
    text = pa.dictionary(pa.int32(), pa.string()) if options.dictionary else pa.string()
    return name in options.text_columns and bool(kind == text)


def _converted(array: "pa.Array", name: str, options: ReadingOptions, place: Place) -> "pa.Array":
    import pyarrow as pa

    if name in options.number_columns:
        if is_text(array.type):
            array = _without(text_of(array, name, place), options.null_values)
        return numbers_of(array, name, place)
    if name in options.text_columns:
        text = _without(text_of(array, name, place), options.null_values)
        return _as_dictionary(text) if options.dictionary else _decoded(text)
    if pa.types.is_floating(array.type):
        return missing_nan(array)
    return _without(array, options.null_values)


def _without(array: "pa.Array", null_values: tuple[str, ...]) -> "pa.Array":
    """Replace the texts that stand for a missing value by null; other types stay."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    if not null_values:
        return array
    if is_list(kind):
        return mapped(array, lambda values: _without(values, null_values))
    if pa.types.is_dictionary(kind) and is_text(kind.value_type):
        return _without_values(array, null_values)
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return array
    if len(null_values) == 1:
        missing = pc.equal(array, pa.scalar(null_values[0], kind))
    else:
        missing = pc.is_in(array, pa.array(null_values, kind))
    if not pc.any(missing).as_py():
        return array
    # if_else of pyarrow 15 gives broken texts for a null
    missing = pc.fill_null(missing, fill_value=False)
    return pc.replace_with_mask(array, missing, pa.scalar(None, kind))


def _without_values(array: "pa.DictionaryArray", null_values: tuple[str, ...]) -> "pa.Array":
    """Drop values of a dictionary; cells that hold them become null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = array.dictionary
    dropped = pc.is_in(values, pa.array(null_values, values.type)).to_numpy(zero_copy_only=False)
    if not dropped.any():
        return array
    kept = pa.array(np.cumsum(~dropped) - 1, array.indices.type, mask=dropped)
    return pa.DictionaryArray.from_arrays(
        kept.take(array.indices), values.filter(pa.array(~dropped))
    )


def _decoded(array: "pa.Array") -> "pa.Array":
    import pyarrow as pa

    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _as_dictionary(array: "pa.Array") -> "pa.Array":
    import pyarrow as pa

    if pa.types.is_string(array.type):
        return array.dictionary_encode()
    return array


def _joined(chunks: "list[pa.Array]") -> "pa.ChunkedArray":
    """Chunks of one type: floats if some are whole numbers and others are not."""
    import pyarrow as pa

    kinds = {chunk.type for chunk in chunks}
    for number in (pa.float64(), pa.list_(pa.float64())):
        if len(kinds) > 1 and number in kinds:
            chunks = [chunk.cast(number) for chunk in chunks]
    return pa.chunked_array(chunks)


def _check_kind(name: str, kind: Any, place: Place, kinds: dict[str, Any]) -> None:
    before = kinds.setdefault(name, kind)
    if before != kind:
        raise TypeError(
            f"column {name!r} has the type {kind} from {place.row(0)}, but {before} before: name "
            "it in text_columns or number_columns, or write it with one type"
        )
