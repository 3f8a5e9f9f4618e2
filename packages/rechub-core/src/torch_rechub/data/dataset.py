"""Tables on disk that do not fit in memory, read batch by batch."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from ..types import FilePath
from .convert import pa_array_to_tensor


class ParquetIterableDataset(IterableDataset[dict[str, Tensor]]):
    """Batches of Parquet files, one file after the other, each batch of one file.

    Give it to a `torch.utils.data.DataLoader` with ``batch_size=None``. Its workers share the
    files among themselves: as many workers as files at most have something to do.

    Args:
        file_paths: The files, all with the columns that are read.
        columns: The columns to read; None reads all.
        batch_size: Rows a batch; the last one of a file has what is left.

    Raises:
        ImportError: pyarrow is missing.
        FileNotFoundError: A file is missing.
        KeyError: In reading, a file lacks a column.
        ValueError: There is no file, or no row to a batch.

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
        try:
            import pyarrow.parquet  # noqa: F401
        except ImportError as error:
            raise ImportError(
                "ParquetIterableDataset needs pyarrow: pip install pyarrow"
            ) from error
        if isinstance(file_paths, str | Path) or len(file_paths) == 0:
            raise ValueError(f"file_paths must be a list of one or more files, got {file_paths!r}")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size!r}")
        self.file_paths = [Path(path) for path in file_paths]
        self.columns = None if columns is None else list(columns)
        self.batch_size = batch_size
        for path in self.file_paths:
            if not path.is_file():
                raise FileNotFoundError(f"there is no file {str(path)!r}")

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        worker = get_worker_info()
        first, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for path in self.file_paths[first::step]:
            yield from self._batches(path)

    def _batches(self, path: Path) -> Iterator[dict[str, Tensor]]:
        import pyarrow.parquet as pq

        with pq.ParquetFile(path) as file:
            there = file.schema_arrow.names
            missing = [name for name in self.columns or () if name not in there]
            if missing:
                raise KeyError(f"{path} has no column {missing[0]!r}: its columns are {there}")
            for batch in file.iter_batches(self.batch_size, columns=self.columns):
                names, arrays = batch.schema.names, batch.columns
                yield {name: pa_array_to_tensor(a) for name, a in zip(names, arrays, strict=True)}
