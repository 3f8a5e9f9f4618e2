"""Tables in memory, in blocks: slices of Arrow columns."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .memory import arrow_column
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
    found = {
        name: arrow_column(
            data[keys.get(name, name)],
            name,
            as_text=name in options.text_columns,
            place=place,
        )
        for name in options.columns or ()
    }
    lengths = {name: len(column) for name, column in found.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"the columns differ in length: {lengths}")
    table = pa.table(found)
    for start in range(0, table.num_rows, options.block_rows):
        yield table.slice(start, options.block_rows), place.skip(start)
