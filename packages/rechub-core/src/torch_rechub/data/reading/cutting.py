"""Blocks of at most a number of rows, from batches of any size."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def cut(batches: "Iterable[pa.RecordBatch]", rows: int) -> "Iterator[pa.Table]":
    """Join and slice batches to tables of `rows` rows, the last one smaller; nothing is copied.

    Args:
        batches: The batches; a table ends where the types change.
        rows: Number of rows per table.
    """
    import pyarrow as pa

    held: list[pa.RecordBatch] = []
    count = 0
    for whole in batches:
        batch = whole
        if held and held[0].schema != batch.schema:
            yield pa.Table.from_batches(held)
            held, count = [], 0
        while count + batch.num_rows >= rows:
            head = batch.slice(0, rows - count)
            yield pa.Table.from_batches([*held, head])
            batch, held, count = batch.slice(rows - count), [], 0
        if batch.num_rows:
            held.append(batch)
            count += batch.num_rows
    if held:
        yield pa.Table.from_batches(held)
