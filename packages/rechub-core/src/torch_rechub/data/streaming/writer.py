"""`ShardWriter`: writes tables as Parquet shards with a manifest."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..._bounds import refuse_none, whole_number
from ..._extras import require
from ..._files import naming
from ..._paths import AnyPath, local_path
from .arrow import check_type, check_weights, rows_of
from .manifest import MANIFEST, Manifest, Part, part_name

if TYPE_CHECKING:
    import pyarrow as pa


class ShardWriter:
    """Writes blocks of rows to a folder of Parquet parts, as a context manager.

    The manifest is written last, when the block of `with` ends without an error: a folder without
    it is incomplete. After an error the parts are removed.

    Args:
        folder: The folder; created if needed, and empty of shards.
        labels: The columns of labels, where NaN, and null in columns of floats, are allowed.
        weight: The column of weights, or None. The other columns are inputs: numbers, lists of
            whole numbers, or vectors (lists of floats of one length).
        rows_per_part: Number of rows of a part; the last may have fewer.
        rows_per_group: Number of rows of a row group, the unit in which rows are read and shuffled.
        vocabulary: The digest of the preprocessor that made the ids, which runs record; None if
            there is none.

    Raises:
        ImportError: pyarrow is missing.
        FileExistsError: The folder holds shards, complete or not.
        ValueError: A number is out of range, or a column has two roles.

    Example:
        >>> import tempfile, pyarrow as pa
        >>> folder = tempfile.mkdtemp()
        >>> with ShardWriter(folder, labels=["click"]) as writer:
        ...     writer.write(pa.table({"item": [7, 8], "click": [0.0, 1.0]}))
        ...     writer.write(pa.table({"item": [9], "click": [0.0]}))
        >>> sorted(os.listdir(folder))
        ['manifest.json', 'part-00000.parquet']
    """

    def __init__(
        self,
        folder: AnyPath,
        labels: Sequence[str] = (),
        weight: str | None = None,
        rows_per_part: int = 1_000_000,
        rows_per_group: int = 65_536,
        *,
        vocabulary: str | None = None,
    ) -> None:
        require("pyarrow.parquet", "ShardWriter", "data")
        refuse_none(rows_per_part=rows_per_part, rows_per_group=rows_per_group)
        self.folder = local_path("folder", folder)
        self.labels = (labels,) if isinstance(labels, str) else tuple(labels)
        self.weight, self.vocabulary = weight, vocabulary
        self.rows_per_part: int = whole_number(1, rows_per_part=rows_per_part)
        self.rows_per_group: int = whole_number(1, rows_per_group=rows_per_group)
        if weight is not None and (weight in self.labels or not self.labels):
            raise ValueError(
                f"weight={weight!r} must be a column other than labels, which it needs, got "
                f"labels={list(self.labels)}"
            )
        self._schema: pa.Schema | None = None
        self._pending: list[pa.Table] = []  # rows not yet written
        self._rows = 0  # received
        self._parts: list[Part] = []  # complete ones
        self._groups: list[int] = []  # of the part being written
        self._file: Any = None

    def __enter__(self) -> "ShardWriter":
        self.folder.mkdir(parents=True, exist_ok=True)
        found = sorted(p.name for p in self.folder.iterdir())
        taken = [name for name in found if name == MANIFEST or name == part_name(0)]
        if taken:
            raise FileExistsError(
                f"{str(self.folder)!r} holds {taken[0]}, of shards that were written or begun "
                "before: give an empty folder, or remove it"
            )
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            if kind is None:
                self._finish()
        except BaseException:
            self._discard()
            raise
        if kind is not None:
            self._discard()

    def write(self, table: "pa.Table") -> None:
        """Write a block of rows.

        Raises:
            KeyError: A column of labels or of weights is missing.
            TypeError: A column does not hold numbers.
            ValueError: The columns are others than those of the first block, or a value is missing
                or not finite; the message names column and row.
        """
        table = self._checked(table)
        self._pending.append(table)
        self._rows += table.num_rows
        while (rows := self._next_group()) and sum(map(len, self._pending)) >= rows:
            self._write_group(rows)

    def _next_group(self) -> int:
        """The number of rows of the next row group, if there are enough."""
        return min(self.rows_per_group, self.rows_per_part - sum(self._groups))

    def _checked(self, table: "pa.Table") -> "pa.Table":
        """Check a block, and bring its columns into the order of the first."""
        if self._schema is None:
            self._check_columns(table)
            self._schema = table.schema.remove_metadata()
        if other := set(table.column_names) ^ set(self._schema.names):
            here = "lacks" if min(other) in self._schema.names else "has"
            raise ValueError(
                f"a block {here} the column {min(other)!r}, unlike the first block: write the same "
                "columns in each"
            )
        table = table.select(self._schema.names)
        for name, column in zip(table.column_names, table.columns, strict=True):
            kind = self._schema.field(name).type
            if column.type != kind:
                raise ValueError(
                    f"column {name!r} of a block is {column.type}, but {kind} in the first block: "
                    "cast it"
                )
            rows = rows_of(column, f"column {name!r}", self._rows, missing=name in self.labels)
            if name == self.weight:
                check_weights(rows, f"column {name!r}", self._rows)
        return table.cast(self._schema)

    def _check_columns(self, table: "pa.Table") -> None:
        names = table.column_names
        if repeated := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"a block has two columns {repeated[0]!r}: rename or drop one")
        for name in (*self.labels, *([] if self.weight is None else [self.weight])):
            if name not in names:
                raise KeyError(f"a block has no column {name!r}: its columns are {names}")
        for field in table.schema:
            check_type(field.type, f"column {field.name!r}")

    def _write_group(self, rows: int) -> None:
        """Write the first rows that are pending as a row group."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.concat_tables(self._pending)
        self._pending = [table.slice(rows)]
        path = self.folder / part_name(len(self._parts))
        with naming(path):
            if self._file is None:
                self._file = pq.ParquetWriter(path, self._schema, write_page_checksum=True)
            self._file.write_table(table.slice(0, rows), row_group_size=rows)
        self._groups.append(rows)
        if sum(self._groups) == self.rows_per_part:
            self._close_part()

    def _close_part(self) -> None:
        path = self.folder / part_name(len(self._parts))
        with naming(path):
            self._file.close()
            self._file = None
            with path.open("rb+") as stream:
                os.fsync(stream.fileno())  # the manifest must not outlive its parts
        self._parts.append(Part(path.name, tuple(self._groups)))
        self._groups = []

    def _finish(self) -> None:
        if rows := sum(map(len, self._pending)):
            self._write_group(rows)
        if self._groups:
            self._close_part()
        names = [] if self._schema is None else self._schema.names
        taken = (*self.labels, self.weight)
        inputs = tuple(name for name in names if name not in taken)
        parts = tuple(self._parts)
        Manifest(inputs, self.labels, self.weight, parts, self.vocabulary).write(self.folder)

    def _discard(self) -> None:
        """Remove the parts after an error."""
        if self._file is not None:
            self._file.close()
        for number in range(len(self._parts) + 1):
            (self.folder / part_name(number)).unlink(missing_ok=True)
