"""The file of test values: a NumPy archive of plain columns and one JSON text, without pickle.

Files come from trackers and colleagues and are not trusted: every size is checked before it is
read, and only columns of two types are accepted.
"""

import errno
import json
import os
import re
import stat
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._files import naming, written_whole
from .._strict_json import refuse_constant, unique_keys
from .tables import RowTable, UnitTable

if TYPE_CHECKING:
    from ..types import FilePath

VERSION = 1
_ABOUT = "about"
_MOST_BYTES = 2**31
_MOST_MEMBERS = 10_000
_MOST_TEXT = 2**22
_COLUMN = re.compile(
    r"([0-9]{1,4})\.(labels|scores|weights|group_keys|group_codes|keys|values\.[0-9]{1,4})\.npy"
)
_FIELDS = {"metrics": list, "tables": list, "untested": list, "data": dict}
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError,
    LookupError, TypeError, RecursionError,
)  # fmt: skip
_TYPES = (np.dtype("<f4"), np.dtype("<u8"), np.dtype("<u4"))


@dataclass(frozen=True, eq=False)
class Contents:
    """The contents of a file.

    Attributes:
        about: Metrics, protocol and data, as plain data.
        tables: The tables.
    """

    about: dict[str, Any]
    tables: tuple[RowTable | UnitTable, ...]


def write_contents(contents: Contents, path: "FilePath") -> Path:
    """Write a file atomically; return its path.

    Raises:
        OSError: The file cannot be written.
        ValueError: The columns have more than 2 GiB.
    """
    kinds = [
        {"kind": "rows"}
        if isinstance(table, RowTable)
        else {"kind": "units", "columns": len(table.values), "truth": table.truth}
        for table in contents.tables
    ]
    about = {"version": VERSION, **contents.about, "tables": kinds}
    text = json.dumps(about, ensure_ascii=False, allow_nan=False)
    columns: dict[str, Any] = {_ABOUT: np.frombuffer(text.encode(), dtype=np.uint8)}
    for number, table in enumerate(contents.tables):
        for name, column in _columns(table).items():
            columns[f"{number}.{name}"] = column
    size = sum(column.nbytes for column in columns.values())
    if size > _MOST_BYTES:
        raise ValueError(f"the values have {size} bytes, and a file holds {_MOST_BYTES} at most")
    with written_whole(path) as stream:
        np.savez_compressed(stream, **columns)
    return Path(path)


def read_contents(path: "FilePath") -> Contents:
    """Read a file.

    Raises:
        OSError: The file cannot be opened.
        ValueError: It is damaged, of another form or version, or too large; the message names it.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):  # to open a pipe would wait for its writer
        raise ValueError(f"{path} is no file of test values: it is no regular file")
    with naming(path), open(path, "rb") as stream:
        try:
            with zipfile.ZipFile(stream) as archive:
                return _read(archive)
        except _DAMAGE as error:
            raise ValueError(f"{path} is damaged, or no file of test values: {error}") from error
        except OSError as error:
            if error.errno != errno.EINVAL:  # that of an offset before the start of the file
                raise
            raise ValueError(f"{path} is damaged: an offset is outside the file") from error


def _read(archive: zipfile.ZipFile) -> Contents:
    members = archive.infolist()
    size = sum(member.file_size for member in members)
    if len(members) > _MOST_MEMBERS or size > _MOST_BYTES:
        raise ValueError(f"{len(members)} members of {size} bytes are too much")
    names = [member.filename for member in members]
    if len(set(names)) < len(names):
        raise ValueError("a member occurs twice")
    about = _json(archive)
    kinds = about.pop("tables")
    tables: list[dict[str, Any]] = [{} for _ in kinds]
    for name in names:
        if name == f"{_ABOUT}.npy":
            continue
        found = _COLUMN.fullmatch(name)
        if found is None or int(found[1]) >= len(tables):
            raise ValueError(f"an unknown member {name[:80]!r}")
        tables[int(found[1])][found[2]] = _column(archive, name)
    pairs = zip(kinds, tables, strict=True)
    return Contents(about, tuple(_table(kind, columns) for kind, columns in pairs))


def _json(archive: zipfile.ZipFile) -> dict[str, Any]:
    """The description in a file."""
    text = _array(archive, f"{_ABOUT}.npy", (np.dtype("u1"),), _MOST_TEXT).tobytes()
    hooks: Any = {"object_pairs_hook": unique_keys, "parse_constant": refuse_constant}
    about = json.loads(text.decode("utf-8"), **hooks)
    if not isinstance(about, dict):
        raise ValueError("its description is no object")
    version = about.pop("version", None)
    if version != VERSION:
        raise ValueError(
            f"it has format {version!r}, and this version of rechub-core reads {VERSION}: "
            "pip install -U rechub-core"
        )
    for name, kind in _FIELDS.items():
        if not isinstance(about.get(name), kind):
            raise ValueError(f"{name} must be a JSON {'array' if kind is list else 'object'}")
    return about


def _column(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    return _array(archive, name, _TYPES, _MOST_BYTES)


def _array(
    archive: zipfile.ZipFile, name: str, types: tuple[np.dtype[Any], ...], most: int
) -> NDArray[Any]:
    """Read a member: one dimension, of one of the types, as long as its header says."""
    with archive.open(name) as stream:
        if np.lib.format.read_magic(stream) != (1, 0):
            raise ValueError(f"{name} has another format than 1.0")
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
        if dtype not in types or len(shape) != 1 or not 0 <= shape[0] * dtype.itemsize <= most:
            raise ValueError(f"{name} is no column of numbers, but {dtype} of shape {shape}")
        content = stream.read(shape[0] * dtype.itemsize + 1)
    if len(content) != shape[0] * dtype.itemsize:
        raise ValueError(f"{name} does not have the length that its header says")
    return np.frombuffer(content, dtype=dtype)


def _table(kind: Any, columns: dict[str, Any]) -> RowTable | UnitTable:
    if not isinstance(kind, dict) or kind.get("kind") not in ("rows", "units"):
        raise ValueError("a table has an unknown kind")
    if kind["kind"] == "rows":
        keys, codes = (columns.pop(name, None) for name in ("group_keys", "group_codes"))
        groups = None if keys is None else keys[codes]  # an IndexError where a code has no key
        return RowTable(groups=groups, **columns)
    n, truth = kind.get("columns"), kind.get("truth")
    if type(n) is not int or not 1 <= n <= len(columns) or not isinstance(truth, str):
        raise ValueError("a table of units lacks columns or truth")
    values = tuple(columns.pop(f"values.{i}") for i in range(n))
    return UnitTable(values, truth=truth, **columns)


def _columns(table: RowTable | UnitTable) -> dict[str, Any]:
    if isinstance(table, RowTable):
        found: dict[str, Any] = {n: getattr(table, n) for n in ("labels", "scores", "weights")}
        if table.groups is not None:  # a group has many rows: codes take half the space of keys
            keys, codes = np.unique(table.groups, return_inverse=True)
            found |= {"group_keys": keys, "group_codes": codes.reshape(-1).astype(np.uint32)}
    else:
        found = {f"values.{i}": column for i, column in enumerate(table.values)}
        found |= {"weights": table.weights, "keys": table.keys}
    return {
        name: column.astype(column.dtype.newbyteorder("<"), copy=False)
        for name, column in found.items()
        if column is not None
    }
