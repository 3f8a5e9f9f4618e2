"""Paths, globs and lists of them as the files to read, each with its format."""

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..._paths import local_path

FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
}
COMPRESSED = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2", ".lz4": "lz4"}


@dataclass(frozen=True)
class DataFile:
    """A file to read: its format is "csv", "tsv", "json" or "parquet"."""

    path: Path
    format: str
    compression: str | None = None

    def __str__(self) -> str:
        return str(self.path)


def is_path(data: Any) -> bool:
    """Whether data are a path, a glob, or a list of these."""
    if isinstance(data, str | os.PathLike):
        return True
    some = isinstance(data, Sequence) and len(data) > 0
    return some and isinstance(data[0], str | os.PathLike)


def files_of(data: Any, separator: str | None) -> list[DataFile]:
    """Find the files of a path, of a glob, or of a list of these.

    A glob gives its files in the order of their names.

    Args:
        data: The path, glob or list.
        separator: A given separator makes files of any ending ones of separated columns.

    Raises:
        FileNotFoundError: A file is missing, or a glob matches nothing.
        IsADirectoryError: A path is a folder.
        TypeError: The list holds something else.
        ValueError: A file occurs twice, or its ending is that of no known format.
    """
    given = [data] if isinstance(data, str | os.PathLike) else list(data)
    paths = [path for item in given for path in _matches(item)]
    seen: dict[str, Path] = {}
    for path in paths:
        real = os.path.realpath(path)
        if real in seen:
            raise ValueError(
                f"{path} occurs twice among the files to read, so its rows would count twice: "
                "give each file once"
            )
        seen[real] = path
    return [_file(path, separator) for path in paths]


def _matches(item: Any) -> list[Path]:
    if not isinstance(item, str | os.PathLike):
        raise TypeError(f"a list of paths holds {item!r}, which is not a path")
    path = local_path("data", item)
    if path.is_dir():
        raise IsADirectoryError(
            f"{path} is a folder: name its files, such as by the glob {str(path / '*.parquet')!r}"
        )
    if path.exists():
        return [path]
    if not glob.has_magic(str(path)):
        raise FileNotFoundError(f"there is no file {str(path)!r}")
    found = sorted(glob.glob(str(path), recursive=True))
    files = [Path(match) for match in found if os.path.isfile(match)]
    if not files:
        raise FileNotFoundError(f"no file matches the glob {str(path)!r}")
    return files


def _file(path: Path, separator: str | None) -> DataFile:
    endings = [ending.lower() for ending in path.suffixes]
    compression = COMPRESSED.get(endings[-1]) if endings else None
    ending = (endings[:-1] if compression else endings)[-1:]
    form = FORMATS.get(ending[0]) if ending else None
    if separator is not None and form not in ("json", "parquet"):
        form = "csv"
    if form is None:
        raise ValueError(
            f"the format of {path} is not known from its name, which ends in none of "
            f"{', '.join(FORMATS)}: rename it, or pass separator=',' or '\\t' for a file of "
            "separated columns"
        )
    if form == "parquet" and compression:
        raise ValueError(f"{path} is a compressed Parquet file: decompress it first")
    return DataFile(path, form, compression)
