"""The tables of a saved preprocessor: Arrow files with checksums."""

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .columns.saved_settings import check_saved
from .vocabulary import FIRST, UNKNOWN, Vocabulary

if TYPE_CHECKING:
    import pyarrow as pa

NAME = re.compile(r"table-[0-9]+\.arrow")


def write_table(path: Path, table: "pa.Table") -> dict[str, str]:
    """Write a table, and return its entry: the name of the file and its checksum."""
    import pyarrow as pa

    with open(path, "wb") as file:
        with pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
        file.flush()
        os.fsync(file.fileno())
    return {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def read_table(folder: Path, entry: Mapping[str, Any]) -> "pa.Table":
    """Read a table, after a comparison of its checksum.

    Raises:
        ValueError: Its name leads elsewhere, it is missing or damaged; the message names the file.
    """
    import pyarrow as pa

    name = entry["file"]
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a table")
    path = folder / name
    if not path.is_file():
        raise ValueError(f"{folder} is damaged: {name} is missing")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise ValueError(f"{path} is damaged: its checksum differs from the saved one")
    try:
        table = pa.ipc.open_file(data).read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    return table


def table_of(vocabulary: Vocabulary) -> "pa.Table":
    """Return a vocabulary as a table; `settings_of` has the rest of it."""
    import pyarrow as pa

    return pa.table({"value": vocabulary.values, "count": vocabulary.counts})


def settings_of(vocabulary: Vocabulary) -> dict[str, int]:
    """Return the settings of a vocabulary other than its table."""
    names = ("missing_id", "n_dropped", "cells_dropped")
    return {name: getattr(vocabulary, name) for name in names}


def read_vocabulary(folder: Path, entry: Mapping[str, Any]) -> Vocabulary:
    """Read a vocabulary from its table and its settings.

    Raises:
        ValueError: It is damaged; the message names the file.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    table = read_table(folder, entry)
    settings = {name: entry[name] for name in ("missing_id", "n_dropped", "cells_dropped")}
    check_saved(settings, whole=tuple(settings))
    kinds = dict(zip(table.column_names, table.schema.types, strict=True))
    right = kinds in (
        {"value": kind, "count": pa.int64()} for kind in (pa.int64(), pa.large_string())
    )
    if (
        not right
        or any(column.null_count for column in table.columns)
        or pc.count_distinct(table["value"]).as_py() < len(table)
        or not UNKNOWN <= settings["missing_id"] <= FIRST + len(table)
    ):
        raise ValueError(f"{folder / entry['file']} is damaged: it is no vocabulary")
    return Vocabulary(table["value"].combine_chunks(), table["count"].to_numpy(), **settings)
