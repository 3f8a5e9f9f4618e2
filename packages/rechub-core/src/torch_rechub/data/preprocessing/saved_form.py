"""A fitted preprocessor as a folder: JSON, and Arrow files of vocabularies and vectors.

``preprocessor.json`` lists the columns, their fitted settings, and the tables with their checksums.
Nothing in it leads to code being run: kinds of columns are looked up in a fixed table, functions of
numeric columns are given by the caller, names of files are plain.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..._files import written_folder
from ..._paths import local_path
from ..._strict_json import refuse_constant
from ...types import FilePath
from .checks import check_columns
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
from .parsing import Declaration
from .saved_tables import NAME, read_table, read_vocabulary, settings_of, table_of, write_table
from .targets import Target

Functions = Mapping[str, Callable[..., Any]]

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


def write(folder: FilePath, declaration: Declaration, encoders: Mapping[str, Encoder]) -> None:
    """Write a fitted preprocessor, whole or not at all; an earlier one in the folder is replaced.

    Args:
        folder: The folder.
        declaration: Columns, targets and weight.
        encoders: The fitted columns by name of the input.

    Raises:
        FileExistsError: The folder holds other files.
        TypeError: A column is of a kind that cannot be saved.
        ValueError: Functions of two columns have one name, or none that can be written.
        OSError: Writing failed, as on a full disk.
    """
    _check_functions(declaration.columns)
    target = local_path("folder", folder)
    _refuse_other_files(target)
    with written_folder(target) as new:
        _write_into(new, declaration, encoders)


def _refuse_other_files(folder: Path) -> None:
    """Refuse a folder with files that are not of a preprocessor: saving would remove them."""
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is a file: give a new folder")
    names = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    others = [name for name in names if name != FILE and not NAME.fullmatch(name)]
    if others:
        raise FileExistsError(f"{folder} holds {others[0]!r}, another file: give a new folder")


def _check_functions(columns: Sequence[Column]) -> None:
    functions: dict[str, Any] = {}
    for column in columns:
        if isinstance(column, Numeric) and callable(column.transform):
            name = column.transform.__name__
            if not name.isidentifier():
                raise ValueError(
                    f"the transform of column {column.column!r} has no name to be saved by, only "
                    f"{name!r}: define it with def"
                )
            if functions.setdefault(name, column.transform) is not column.transform:
                raise ValueError(f"two transforms have the name {name!r}: give one another name")


def _write_into(folder: Path, declaration: Declaration, encoders: Mapping[str, Encoder]) -> None:
    n_tables = 0

    def saved(table: Any) -> dict[str, str]:
        nonlocal n_tables
        n_tables += 1
        return write_table(folder / f"table-{n_tables - 1}.arrow", table)

    entries = []
    for column in declaration.columns:
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
            entry["vocabulary"] = saved(table_of(vocabulary)) | settings_of(vocabulary)
        entries.append(entry)
    document = {
        "format": FORMAT,
        "version": VERSION,
        "columns": entries,
        "targets": [target.settings() for target in declaration.targets],
        "weight": declaration.weight,
    }
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    with open(folder / FILE, "wb") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())


@dataclass(frozen=True)
class Saved:
    """A saved preprocessor: what was declared, and the fitted columns by name of the input."""

    declaration: Declaration
    encoders: dict[str, Encoder]


def read(folder: FilePath, functions: Functions) -> Saved:
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
        document = json.loads(path.read_bytes(), parse_constant=refuse_constant)
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
    except ValueError as error:
        raise ValueError(f"{path} cannot be loaded: {error}") from error
    except (LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise ValueError(f"{path} is damaged: {error!r}") from error


def _restored(folder: Path, document: Mapping[str, Any], functions: Functions) -> Saved:
    entries = document["columns"]
    columns = [_column(entry, functions) for entry in entries]
    targets = [Target.of(target) for target in document["targets"]]
    check_columns(Declaration(columns, targets, document["weight"]))
    vocabularies = {
        column.owner: read_vocabulary(folder, entry["vocabulary"])
        for column, entry in zip(columns, entries, strict=True)
        if isinstance(column, ColumnWithVocabulary) and column.shared_with is None
    }
    encoders = {}
    for number, (column, entry) in enumerate(zip(columns, entries, strict=True)):
        tables = {name: read_table(folder, saved) for name, saved in entry["tables"].items()}
        owner = column.owner if isinstance(column, ColumnWithVocabulary) else None
        vocabulary = None if owner is None else vocabularies[owner]
        encoder = column.restored(entry["fitted"], tables, vocabulary)
        encoders[column.input_name], columns[number] = encoder, encoder.column
    return Saved(Declaration(tuple(columns), tuple(targets), document["weight"]), encoders)


def _column(entry: Mapping[str, Any], functions: Functions) -> Column:
    kind, settings = entry["kind"], dict(entry["settings"])
    if kind not in KINDS:
        raise ValueError(f"columns of kind {kind!r} are unknown, this release has {sorted(KINDS)}")
    name = settings.get("transform")
    if name is not None and name not in TRANSFORMS:
        if name not in functions:
            raise ValueError(
                f"column {settings['column']!r} was fitted with the function {name!r}: give it, "
                f"functions={{{name!r}: {name}}}"
            )
        settings["transform"] = functions[name]
    return KINDS[kind](**settings)


__all__ = ["Saved", "read", "write"]
