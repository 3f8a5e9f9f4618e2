"""The fingerprint of Parquet files: their metadata, and the content of a few row groups."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..streaming.source import Source, open_source, opened
from .columns import Given
from .hashing import TablePrint, table_print
from .mixing import text_digest

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_GROUPS = 16


def parquet_of(loader: Any) -> Source | None:
    """Return the Parquet files behind a loader; None if it reads others."""
    found = getattr(loader, "_source", None)
    if isinstance(found, Source):
        return found
    dataset = getattr(loader, "dataset", loader)
    paths = getattr(dataset, "file_paths", None)
    if not isinstance(paths, list) or not hasattr(dataset, "columns"):
        return None
    return open_source(paths, dataset.columns)


def files_of(source: Source) -> dict[str, Any]:
    """Return how many files there are, their size in bytes, and a digest of their metadata.

    The digest covers the number of rows of each row group, and of each of its columns the size and
    the least and largest value: it differs where files were written anew in another way.
    """
    size, parts = 0, list[str]()
    for file in source.files:
        size += file.path.stat().st_size
        with opened(file.path) as parquet:
            meta = parquet.metadata
            for group in range(meta.num_row_groups):
                parts += [str(meta.row_group(group).num_rows), *_of_chunks(meta.row_group(group))]
    return {"count": len(source.files), "bytes": size, "digest": text_digest(parts)}


def stream_print(source: Source, limit: int) -> tuple[TablePrint, list[Given]]:
    """Return the fingerprint of a sample, and its columns.

    The sample are the first rows of up to 16 row groups, evenly spread over all files.

    Args:
        source: The files.
        limit: The largest number of values that are read.
    """
    import pyarrow as pa

    schema = source.schema
    groups = [(f, g, n) for f, file in enumerate(source.files)
              for g, n in enumerate(file.row_groups) if n]  # fmt: skip
    chosen = groups[:: -(-len(groups) // _MOST_GROUPS)] if groups else []
    most = max(1, limit // (max(1, len(schema.names)) * max(1, len(chosen))))
    tables = [_first_rows(source, f, g, min(most, n)) for f, g, n in chosen]
    table = pa.concat_tables(tables) if tables else schema.empty_table()
    roles = dict.fromkeys(source.labels, "label")
    roles |= {} if source.weight is None else {source.weight: "weight"}
    columns = [Given(n, roles.get(n, "input"), table.column(n)) for n in schema.names]
    found = table_print(columns, table.num_rows)
    return replace(found, rows=source.rows), columns


def _first_rows(source: Source, file: int, group: int, rows: int) -> "pa.Table":
    import pyarrow as pa

    names = list(source.schema.names)
    with opened(source.files[file].path) as parquet:
        for batch in parquet.iter_batches(
            batch_size=rows, row_groups=[group], columns=names, use_threads=False
        ):
            return pa.Table.from_batches([batch]).select(names)
    return source.schema.empty_table()


def _of_chunks(group: Any) -> Iterator[str]:
    for number in range(group.num_columns):
        chunk = group.column(number)
        found = chunk.statistics
        bounds = (found.min, found.max, found.null_count) if _has_bounds(found) else ()
        yield f"{chunk.path_in_schema} {chunk.total_compressed_size} {bounds}"


def _has_bounds(statistics: Any) -> bool:
    return statistics is not None and statistics.has_min_max
