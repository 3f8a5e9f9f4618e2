"""A fitted preprocessor as a folder: JSON, and Arrow files of vocabularies and vectors.

``preprocessor.json`` lists the columns, their fitted settings, and the tables with their checksums.
Nothing in it leads to code being run: kinds of columns are looked up in a fixed table, functions of
numeric columns are given by the caller, names of files are plain.
"""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..._files import naming
from ..._paths import local_path
from ...types import FilePath
from .columns import (
    Bucketized,
    Categorical,
    Column,
    ColumnWithVocabulary,
    Crossed,
    Embedding,
    Encoder,
    Hashed,
    MultiCategorical,
    Numeric,
    Text,
    Timestamp,
)
from .columns.numeric import TRANSFORMS
from .vocabulary import Vocabulary

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT, VERSION = "torch_rechub preprocessor", 1
FILE = "preprocessor.json"

KINDS: Mapping[str, type[Column]] = {
    kind.__name__: kind
    for kind in (
        Bucketized,
        Categorical,
        Crossed,
        Embedding,
        Hashed,
        MultiCategorical,
        Numeric,
        Text,
        Timestamp,
    )
}

_TABLE = re.compile(r"table-[0-9]+\.arrow")


def write(
    folder: FilePath,
    columns: Sequence[Column],
    encoders: Mapping[str, Encoder],
    declared: Mapping[str, Any],
) -> None:
    """Write a fitted preprocessor, whole or not at all; an earlier one in the folder is replaced.

    Args:
        folder: The folder.
        columns: The columns.
        encoders: The fitted columns by name of the input.
        declared: Targets and weight, as JSON-like data.

    Raises:
        FileExistsError: The folder holds other files.
        TypeError: A column is of a kind that cannot be saved.
        OSError: Writing failed, as on a full disk.
    """
    target = local_path("folder", folder)
    if target.exists() and not (target / FILE).is_file() and any(target.iterdir()):
        raise FileExistsError(f"{target} holds other files: give a new folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as scratch:
        new = Path(scratch) / "new"
        new.mkdir()
        with naming(target):
            _write_into(new, columns, encoders, declared)
            if target.exists():
                os.replace(target, Path(scratch) / "old")
            os.replace(new, target)


def _write_into(
    folder: Path,
    columns: Sequence[Column],
    encoders: Mapping[str, Encoder],
    declared: Mapping[str, Any],
) -> None:
    n_tables = 0

    def saved(table: "pa.Table") -> dict[str, str]:
        nonlocal n_tables
        name = f"table-{n_tables}.arrow"
        n_tables += 1
        return {"file": name, "sha256": _write_table(folder / name, table)}

    entries = []
    for column in columns:
        kind = type(column).__name__
        if KINDS.get(kind) is not type(column):
            raise TypeError(f"columns of kind {kind} cannot be saved; these can: {sorted(KINDS)}")
        settings, tables = encoders[column.input_name].saved()
        entry: dict[str, Any] = {
            "kind": kind,
            "settings": column.settings(),
            "fitted": settings,
            "tables": {name: saved(table) for name, table in tables.items()},
        }
        if isinstance(column, ColumnWithVocabulary) and column.shared_with is None:
            vocabulary = encoders[column.input_name].vocabulary  # type: ignore[attr-defined]
            entry["vocabulary"] = {
                **saved(_as_table(vocabulary)),
                "missing_id": vocabulary.missing_id,
                "n_dropped": vocabulary.n_dropped,
                "cells_dropped": vocabulary.cells_dropped,
            }
        entries.append(entry)
    document = {"format": FORMAT, "version": VERSION, "columns": entries, **declared}
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    with open(folder / FILE, "wb") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())


def _as_table(vocabulary: Vocabulary) -> "pa.Table":
    import pyarrow as pa

    return pa.table({"value": vocabulary.values, "count": vocabulary.counts})


def _write_table(path: Path, table: "pa.Table") -> str:
    """Write a table, and return the checksum of the file."""
    import pyarrow as pa

    with open(path, "wb") as file:
        with pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
        file.flush()
        os.fsync(file.fileno())
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Saved:
    """A saved preprocessor.

    Attributes:
        columns: The columns.
        encoders: The fitted columns by name of the input.
        declared: Targets and weight, as JSON-like data.
    """

    def __init__(
        self, columns: list[Column], encoders: dict[str, Encoder], declared: dict[str, Any]
    ) -> None:
        self.columns, self.encoders, self.declared = columns, encoders, declared


def read(folder: FilePath, functions: Mapping[str, Callable[..., Any]]) -> Saved:
    """Read a saved preprocessor.

    Args:
        folder: The folder.
        functions: Functions of numeric columns, by the name that they were saved under.

    Raises:
        FileNotFoundError: The folder has no preprocessor.
        ValueError: It is damaged, of another format or of a newer version, or lacks a function.
    """
    path = local_path("folder", folder) / FILE
    if not path.is_file():
        raise FileNotFoundError(f"there is no preprocessor in {path.parent}: it has no {FILE}")
    try:
        document = json.loads(path.read_bytes())
        found = document["format"], document["version"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} is damaged, or no preprocessor: {error!r}") from error
    if found[0] != FORMAT:
        raise ValueError(f"{path} is of format {found[0]!r}, not {FORMAT!r}")
    if found[1] != VERSION:
        raise ValueError(
            f"{path} has version {found[1]!r}, this release reads {VERSION}: upgrade rechub-core, "
            "or fit and save it again"
        )
    try:
        return _restored(path.parent, document, functions)
    except (KeyError, TypeError, AttributeError, AssertionError) as error:
        raise ValueError(f"{path} is damaged: {error!r}") from error


def _restored(
    folder: Path, document: dict[str, Any], functions: Mapping[str, Callable[..., Any]]
) -> Saved:
    entries = document["columns"]
    columns = [_column(folder, entry, functions) for entry in entries]
    vocabularies = {}
    for column, entry in zip(columns, entries, strict=True):
        if isinstance(column, ColumnWithVocabulary) and column.shared_with is None:
            saved = entry["vocabulary"]
            table = _read_table(folder, saved)
            vocabularies[column.owner] = Vocabulary(
                table["value"].combine_chunks(),
                table["count"].to_numpy(),
                saved["missing_id"],
                saved["n_dropped"],
                saved["cells_dropped"],
            )
    encoders = {}
    for column, entry in zip(columns, entries, strict=True):
        tables = {name: _read_table(folder, saved) for name, saved in entry["tables"].items()}
        owner = column.owner if isinstance(column, ColumnWithVocabulary) else None
        vocabulary = None if owner is None else vocabularies[owner]
        encoders[column.input_name] = column.restored(entry["fitted"], tables, vocabulary)
    declared = {"targets": document["targets"], "weight": document["weight"]}
    return Saved(columns, encoders, declared)


def _column(
    folder: Path, entry: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]]
) -> Column:
    kind, settings = entry["kind"], dict(entry["settings"])
    if kind not in KINDS:
        raise ValueError(
            f"{folder / FILE} has a column of kind {kind!r}, this release knows {sorted(KINDS)}"
        )
    name = settings.get("transform")
    if name is not None and name not in TRANSFORMS:
        if name not in functions:
            raise ValueError(
                f"column {settings['column']!r} was fitted with the function {name!r}: give it, "
                f"functions={{{name!r}: {name}}}"
            )
        settings["transform"] = functions[name]
    return KINDS[kind](**settings)


def _read_table(folder: Path, saved: Mapping[str, Any]) -> "pa.Table":
    """Read a table, after a comparison of its checksum."""
    import pyarrow as pa

    name = saved["file"]
    if not isinstance(name, str) or not _TABLE.fullmatch(name):
        raise ValueError(f"{folder / FILE} is damaged: {name!r} is no name of a table")
    path = folder / name
    if not path.is_file():
        raise ValueError(f"{folder} is damaged: {name} is missing")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != saved["sha256"]:
        raise ValueError(f"{path} is damaged: its checksum is not that in {FILE}")
    return pa.ipc.open_file(data).read_all()


__all__ = ["Saved", "read", "write"]
