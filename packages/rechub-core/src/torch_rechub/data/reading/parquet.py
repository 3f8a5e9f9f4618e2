"""Parquet files, row group by row group."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..._extras import require
from .cutting import cut
from .options import Place, ReadingOptions, refuse_twice
from .paths import DataFile

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_BUFFER = 1 << 20  # bytes of a column chunk in memory at a time


def parquet_names(file: DataFile) -> list[str]:
    """The names of the columns of a Parquet file."""
    with _opened(file, []) as opened:
        names = list(opened.schema_arrow.names)
    refuse_twice(names, str(file), ": write it again with other names")
    return names


def read_parquet(
    file: DataFile, columns: list[str], options: ReadingOptions
) -> "Iterator[tuple[pa.Table, Place]]":
    """Read columns of a Parquet file in blocks.

    Raises:
        ValueError: The file is damaged; the message names the column.
    """
    import pyarrow as pa

    texts = [name for name in columns if name in options.text_columns and options.dictionary]
    place = Place(str(file))
    with _opened(file, texts) as opened:
        batches = opened.iter_batches(min(options.block_rows, 65_536), columns=columns)
        try:
            for table in cut(batches, options.block_rows):
                yield table.select(columns), place
                place = place.skip(table.num_rows)
        except (pa.ArrowException, OSError) as error:
            where = _damaged_column(opened, columns)
            raise ValueError(
                f"{file}{where} is damaged, after {place.row(0)}: {error}; copy or write it again"
            ) from error


@contextmanager
def _opened(file: DataFile, dictionaries: list[str]) -> "Iterator[pq.ParquetFile]":
    pq = require("pyarrow.parquet", "reading Parquet files", "data")
    import pyarrow as pa

    try:
        opened = pq.ParquetFile(
            file.path,
            read_dictionary=dictionaries,
            buffer_size=_BUFFER,
            pre_buffer=False,
            page_checksum_verification=True,  # of files that were written with them
        )
    except (pa.ArrowException, OSError) as error:
        raise ValueError(
            f"{file} is no Parquet file, or is damaged: {error}; copy or write it again"
        ) from error
    with opened:
        yield opened


def _damaged_column(file: "pq.ParquetFile", columns: list[str]) -> str:
    """The first column that cannot be read, for a message; empty if all can."""
    for name in columns:
        try:
            for _ in file.iter_batches(columns=[name]):
                pass
        except Exception:  # pyarrow raises many types for damaged bytes
            return f", column {name!r},"
    return ""
