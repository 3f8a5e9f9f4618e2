"""The files of a streaming loader: found, opened and checked before the first row is read."""

import glob
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..._paths import AnyPath, local_path
from .arrow import check_type
from .manifest import MANIFEST, Manifest

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_PATHS = (str, bytes, os.PathLike)


@dataclass(frozen=True)
class File:
    """A Parquet file: its path, and the number of rows of each row group."""

    path: Path
    row_groups: tuple[int, ...]


@dataclass(frozen=True)
class Source:
    """The files and columns of a loader.

    Attributes:
        files: The files, in order.
        inputs: The columns of inputs.
        labels: The columns of labels.
        weight: The column of weights, or None.
        schema: The Arrow schema of these columns.
        vocabulary: The digest of the preprocessor that made the ids, if the manifest has one.
    """

    files: tuple[File, ...]
    inputs: tuple[str, ...]
    labels: tuple[str, ...]
    weight: str | None
    schema: "pa.Schema"
    vocabulary: str | None = None

    @property
    def rows(self) -> int:
        """The number of rows of all files."""
        return sum(sum(file.row_groups) for file in self.files)


def open_source(
    source: Any,
    columns: Sequence[str] | None = None,
    labels: str | Sequence[str] | None = None,
    weight: str | None = None,
) -> Source:
    """Find and check the files of a loader, from their metadata alone.

    Args:
        source: A folder of shards, or Parquet files: a path, a glob, or a list of these.
        columns: The columns of inputs; None takes all but labels and weights.
        labels: The columns of labels; None takes those of the manifest.
        weight: The column of weights; None takes that of the manifest.

    Raises:
        FileNotFoundError: There is no such file, or a part is missing.
        KeyError: A file lacks a column.
        TypeError: A column is not numeric.
        ValueError: A file is damaged, or has another schema than the first.
    """
    import pyarrow as pa

    paths, manifest = _found(source)
    inputs = None if columns is None else _names("columns", columns)
    known: tuple[str, ...] = ()
    if manifest is not None:
        known = (*manifest.labels, *([] if manifest.weight is None else [manifest.weight]))
        labels = manifest.labels if labels is None else labels
        weight = manifest.weight if weight is None and labels else weight
    targets = _names("labels", labels or ())
    taken = (*targets, *([] if weight is None else [weight]))
    files, schemas = _opened(paths, manifest)
    of_rows = [i for i, file in enumerate(files) if sum(file.row_groups)]  # others have no types
    first = of_rows[0] if of_rows else 0
    there = schemas[first].names if schemas else []
    if inputs is None:
        of_manifest = None if manifest is None else manifest.inputs
        inputs = of_manifest or tuple(name for name in there if name not in (*taken, *known))
    _check_roles(inputs, targets, weight, known)
    names = [*inputs, *taken]
    for i in of_rows or range(len(files[:1])):
        _check_schema(files[i].path, schemas[i], names, files[first].path, schemas[first])
    fields = [schemas[first].field(name) for name in names] if schemas else []
    vocabulary = None if manifest is None else manifest.vocabulary
    return Source(tuple(files), inputs, targets, weight, pa.schema(fields), vocabulary)


@contextmanager
def opened(path: Path) -> Iterator["pq.ParquetFile"]:
    """Open a Parquet file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no Parquet file, or is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise FileNotFoundError(f"there is no file {str(path)!r}")
    try:
        # without pre_buffer no thread pool is used, which a forked process would not have
        file = pq.ParquetFile(path, pre_buffer=False, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path} is no Parquet file, or is damaged: {error}") from error
    with file:
        yield file


def _found(source: Any) -> tuple[list[Path], Manifest | None]:
    """The paths of a source, and the manifest of a folder of shards."""
    given = getattr(source, "folder", source)
    if not isinstance(given, _PATHS):
        if not isinstance(given, Sequence) or not given:
            raise ValueError(
                "source must be a folder of shards, a glob, or a list of one or more Parquet "
                f"files, got {source!r}"
            )
        paths = [path for one in given for path in _files_of(one)]
        if repeated := [path for path, times in Counter(paths).items() if times > 1]:
            raise ValueError(f"source has the file {str(repeated[0])!r} twice: list it once")
        return paths, None
    folder = local_path("source", given)
    if folder.is_dir():
        manifest = Manifest.read(folder)
        return [folder / part.file for part in manifest.parts], manifest
    return _files_of(given), None


def _files_of(given: AnyPath) -> list[Path]:
    path = local_path("source", given)
    if path.is_file():
        return [path]
    found = [Path(one) for one in sorted(glob.glob(str(path), recursive=True))]
    files = [one for one in found if one.is_file()]
    if not files:
        raise FileNotFoundError(f"there is no file {str(path)!r}")
    return files


def _opened(paths: Sequence[Path], manifest: Manifest | None) -> tuple[list[File], list[Any]]:
    """Open every file once; return the files and their schemas.

    Raises:
        ValueError: A file differs from the manifest.
    """
    files, schemas = [], []
    for i, path in enumerate(paths):
        with opened(path) as file:
            meta = file.metadata
            groups = tuple(meta.row_group(g).num_rows for g in range(meta.num_row_groups))
            files.append(File(path, groups))
            schemas.append(file.schema_arrow)
        listed = groups if manifest is None else manifest.parts[i].row_groups
        if groups != listed:
            raise ValueError(
                f"{path} has {sum(groups)} rows in {len(groups)} row groups, but {MANIFEST} lists "
                f"{sum(listed)} in {len(listed)}: write the shards again"
            )
    return files, schemas


def _names(argument: str, given: str | Sequence[str]) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) else tuple(given)
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"{argument} must be names of columns, got {given!r}")
    if repeated := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"{argument} names the column {repeated[0]!r} twice")
    return names


def _check_roles(
    inputs: Sequence[str], labels: Sequence[str], weight: str | None, known: Sequence[str]
) -> None:
    """Refuse columns of two roles, and weights without labels.

    Args:
        inputs: The columns of inputs.
        labels: The columns of labels.
        weight: The column of weights, or None.
        known: The labels and the weight of a manifest, which leak if they are inputs.
    """
    for name in inputs:
        if name in labels or name == weight or name in known:
            raise ValueError(f"columns has {name!r}, which is a label or the weight: leave it out")
    if weight in labels:
        raise ValueError(f"weight={weight!r} is a label too: give another column")
    if weight is not None and not labels:
        raise ValueError(f"weight={weight!r} needs labels, as batches are (x, y, weights)")


def _check_schema(
    path: Path, schema: "pa.Schema", names: Sequence[str], first: Path, expected: "pa.Schema"
) -> None:
    """Refuse a file that lacks a column, or has it in another type than the first file.

    Raises:
        KeyError: A column is missing.
        TypeError: A column is not numeric.
        ValueError: A column has another type, or is there twice.
    """
    for name in names:
        times = schema.names.count(name)
        if times == 0:
            raise KeyError(f"{path} has no column {name!r}: its columns are {schema.names}")
        if times > 1:
            raise ValueError(f"{path} has {times} columns {name!r}: rename or drop all but one")
        kind = schema.field(name).type
        if path == first:
            check_type(kind, f"{path}, column {name!r}")
        elif kind != expected.field(name).type:
            raise ValueError(
                f"{path}, column {name!r} is {kind}, but {expected.field(name).type} in {first}: "
                "write both with one type"
            )
