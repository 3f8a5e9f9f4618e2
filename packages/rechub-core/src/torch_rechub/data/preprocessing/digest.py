"""The digest of fitted columns: of their settings, vocabularies and statistics."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .columns import Column, ColumnWithVocabulary, Encoder
from .saved_tables import settings_of, table_of

if TYPE_CHECKING:
    import pyarrow as pa


class FittedDigest:
    """The digest of fitted columns, computed when it is read, and once.

    Args:
        columns: The columns.
        encoders: The fitted columns by name of the input.
    """

    def __init__(self, columns: Sequence[Column], encoders: Mapping[str, Encoder]) -> None:
        self._columns, self._encoders = tuple(columns), encoders

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal digits."""
        found = hashlib.blake2b(digest_size=8)
        for column in self._columns:
            encoder: Any = self._encoders[column.input_name]
            settings, tables = encoder.saved()
            of_column: list[Any] = [type(column).__name__, column.settings(), settings]
            if isinstance(column, ColumnWithVocabulary) and column.shared_with is None:
                tables = {**tables, "": table_of(encoder.vocabulary)}
                of_column.append(settings_of(encoder.vocabulary))
            found.update(json.dumps(of_column, sort_keys=True, default=str).encode())
            for name, table in sorted(tables.items()):
                found.update(name.encode() + b"\0")
                _add(found, table)
        return found.hexdigest()


def _add(digest: "hashlib.blake2b", table: "pa.Table") -> None:
    """Add a table in the form in which it is sent, of one piece."""
    import pyarrow as pa

    sink = pa.PythonFile(_Sink(digest), mode="w")
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())


class _Sink:
    """A file that only hashes."""

    closed = False

    def __init__(self, digest: "hashlib.blake2b") -> None:
        self._digest = digest

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is buffered."""

    def close(self) -> None:
        """Nothing is open."""
