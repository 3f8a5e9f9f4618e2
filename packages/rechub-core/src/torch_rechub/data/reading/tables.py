"""Tables in memory, in blocks: slices of Arrow columns."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .memory import arrow_column, check_column
from .options import Place, ReadingOptions

if TYPE_CHECKING:
    import pyarrow as pa


def read_table(
    data: Any, options: ReadingOptions, place: Place
) -> "Iterator[tuple[pa.Table, Place]]":
    """Read columns of a table in memory in blocks.

    Raises:
        ValueError: Columns differ in length.
    """
    import pyarrow as pa

    keys: dict[str, Any] = {}
    if not isinstance(data, pa.Table | pa.RecordBatch):
        keys = {str(key): key for key in (data if isinstance(data, Mapping) else data.columns)}
    columns = {name: data[keys.get(name, name)] for name in options.columns or ()}
    for name, values in columns.items():
        check_column(values, name)
        free = options.mixed or name in options.text_columns or name in options.number_columns
        if not free:
            columns[name] = arrow_column(values, name, place=place)  # one type for all blocks
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"the columns differ in length: {lengths}")
    for start in range(0, max(lengths.values()), options.block_rows):
        here, stop = place.skip(start), start + options.block_rows
        yield (
            pa.table({n: _part(c, n, start, stop, options, here) for n, c in columns.items()}),
            here,
        )


def _part(
    column: Any, name: str, start: int, stop: int, options: ReadingOptions, place: Place
) -> "pa.Array | pa.ChunkedArray":
    """Some rows of a column as Arrow, without a copy if possible."""
    rows = column.iloc[start:stop] if hasattr(column, "iloc") else column[start:stop]
    as_text = options.mixed or name in options.text_columns
    return arrow_column(rows, name, as_text=as_text, place=place)
