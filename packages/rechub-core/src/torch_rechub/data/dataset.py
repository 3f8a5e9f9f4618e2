"""Tables on disk that do not fit in memory, read batch by batch."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from .._bounds import whole_number
from .._extras import require
from .._paths import local_path
from ..types import FilePath
from .convert import column_of, pa_array_to_tensor
from .reading.options import ReadingOptions
from .reading.parquet import parquet_names, read_parquet
from .reading.paths import DataFile

# scripts of 0.9 import `pa_array_to_tensor` from here
__all__ = ["ParquetIterableDataset", "pa_array_to_tensor"]


class ParquetIterableDataset(IterableDataset[dict[str, Tensor]]):
    """Iterates over batches of Parquet files, file by file.

    Pass it to a `torch.utils.data.DataLoader` with ``batch_size=None``. The files are divided among
    the workers, so more workers than files are idle.

    Args:
        file_paths: The files, all with the columns that are read.
        columns: The columns to read; None reads all.
        batch_size: Number of rows per batch; the last batch of a file may be smaller.

    Raises:
        ImportError: pyarrow is missing.
        FileNotFoundError: A file is missing.
        KeyError: On reading, a file lacks a column.
        TypeError: On reading, a column is not numeric.
        ValueError: There is no file, or `batch_size` is below 1; on reading, a file is damaged, or
            a column holds nulls or lists of several lengths. The message names file, column, row.

    Example:
        >>> import tempfile, pyarrow as pa, pyarrow.parquet
        >>> file = tempfile.mkdtemp() + "/clicks.parquet"
        >>> pa.parquet.write_table(pa.table({"item": [7, 8, 9], "price": [0.5, 1.5, 2.5]}), file)
        >>> for batch in ParquetIterableDataset([file], columns=["item"], batch_size=2):
        ...     batch
        {'item': tensor([7, 8])}
        {'item': tensor([9])}
    """

    def __init__(
        self,
        file_paths: Sequence[FilePath],
        /,
        columns: Sequence[str] | None = None,
        batch_size: int = 1024,
    ) -> None:
        require("pyarrow.parquet", "ParquetIterableDataset", "bigdata")
        if isinstance(file_paths, str | Path) or len(file_paths) == 0:
            raise ValueError(f"file_paths must be a list of one or more files, got {file_paths!r}")
        self.file_paths = [local_path("file_paths", path) for path in file_paths]
        self.columns = None if columns is None else list(columns)
        self.batch_size = whole_number(1, batch_size=batch_size)
        for path in self.file_paths:
            if not path.is_file():
                raise FileNotFoundError(f"there is no file {str(path)!r}")

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        worker = get_worker_info()
        first, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for path in self.file_paths[first::step]:
            yield from self._batches(path)

    def _batches(self, path: Path) -> Iterator[dict[str, Tensor]]:
        file = DataFile(path, "parquet")
        there = parquet_names(file)
        columns = there if self.columns is None else self.columns
        missing = [name for name in columns if name not in there]
        if missing:
            raise KeyError(f"{path} has no column {missing[0]!r}: its columns are {there}")
        options = ReadingOptions(block_rows=self.batch_size)
        for table, place in read_parquet(file, columns, options):
            yield {
                name: column_of(table.column(name), f"{path}, column {name!r}", place.first_row)
                for name in columns
            }
