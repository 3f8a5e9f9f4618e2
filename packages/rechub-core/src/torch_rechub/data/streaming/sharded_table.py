"""`ShardedTable`: a folder of Parquet shards, opened and checked."""

from typing import Any

from ..._extras import require
from ..._paths import AnyPath, local_path
from .loader import StreamingLoader
from .manifest import Manifest
from .source import open_source


class ShardedTable:
    """A table in a folder of shards, written by `ShardWriter`.

    Opening it checks the manifest, and the metadata of each part.

    Args:
        folder: The folder.

    Attributes:
        folder: The folder.
        inputs: The columns of inputs.
        labels: The columns of labels.
        weight: The column of weights, or None.
        unknown: Number of unknown values of each input that has some, where `Preprocessor` has just
            written the table; not kept in the folder.

    Raises:
        ImportError: pyarrow is missing.
        FileNotFoundError: The folder, its manifest or a part is missing.
        ValueError: The manifest or a part is damaged, or they differ.

    Example:
        >>> import tempfile, pyarrow as pa
        >>> from torch_rechub.data.streaming import ShardWriter
        >>> folder = tempfile.mkdtemp()
        >>> with ShardWriter(folder, labels=["click"]) as writer:
        ...     writer.write(pa.table({"item": [7, 8, 9], "click": [0, 1, 0]}))
        >>> table = ShardedTable(folder)
        >>> len(table), table.inputs, table.labels
        (3, ('item',), ('click',))
        >>> list(table.loader(batch_size=2))
        [({'item': tensor([7, 8])}, tensor([0, 1])), ({'item': tensor([9])}, tensor([0]))]
    """

    def __init__(self, folder: AnyPath) -> None:
        require("pyarrow.parquet", "ShardedTable", "data")
        self.folder = local_path("folder", folder)
        manifest = Manifest.read(self.folder)
        open_source(self.folder)
        self.inputs, self.labels, self.weight = manifest.inputs, manifest.labels, manifest.weight
        self.unknown: dict[str, int] = {}
        self._rows = manifest.rows

    def __len__(self) -> int:
        return self._rows

    @property
    def n_rows(self) -> int:
        """Number of rows N, as of an `EncodedTable`."""
        return self._rows

    def __repr__(self) -> str:
        columns = f"{len(self.inputs)} inputs, {len(self.labels)} labels"
        return f"ShardedTable({str(self.folder)!r}: {self._rows} rows, {columns})"

    def loader(self, batch_size: int, shuffle: bool = False, **options: Any) -> StreamingLoader:
        """Return a loader of the rows.

        Args:
            batch_size: Number of rows per batch.
            shuffle: Whether to shuffle in each epoch.
            options: See `StreamingLoader`, such as seed, columns and num_workers.
        """
        return StreamingLoader(self.folder, batch_size, shuffle=shuffle, **options)
