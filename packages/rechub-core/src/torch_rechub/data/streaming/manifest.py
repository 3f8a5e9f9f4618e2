"""The manifest of a folder of shards: its parts, their row groups, and the roles of columns."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..._files import written_whole

MANIFEST = "manifest.json"
_FORMAT, _VERSION = "torch_rechub shards", 1
# also keeps the paths of a manifest inside its folder
_PART = re.compile(r"part-\d{5,9}\.parquet")


@dataclass(frozen=True)
class Part:
    """A part, a Parquet file.

    Attributes:
        file: The name of the file.
        row_groups: The number of rows of each row group.
    """

    file: str
    row_groups: tuple[int, ...]

    @property
    def rows(self) -> int:
        """The number of rows."""
        return sum(self.row_groups)


@dataclass(frozen=True)
class Manifest:
    """The manifest of a folder of shards.

    Attributes:
        inputs: The columns of inputs.
        labels: The columns of labels.
        weight: The column of weights, or None.
        parts: The parts, in order.
        vocabulary: The digest of the preprocessor that made the ids, if one did.
    """

    inputs: tuple[str, ...]
    labels: tuple[str, ...]
    weight: str | None
    parts: tuple[Part, ...]
    vocabulary: str | None = None

    @property
    def rows(self) -> int:
        """The number of rows of all parts."""
        return sum(part.rows for part in self.parts)

    def write(self, folder: Path) -> None:
        """Write the manifest atomically; a folder without one is incomplete.

        Raises:
            OSError: Writing failed.
        """
        parts = [
            {"file": part.file, "rows": part.rows, "row_groups": list(part.row_groups)}
            for part in self.parts
        ]
        contents = {
            "format": _FORMAT,
            "version": _VERSION,
            "inputs": list(self.inputs),
            "labels": list(self.labels),
            "weight": self.weight,
            "parts": parts,
            "rows": self.rows,
            **({} if self.vocabulary is None else {"vocabulary": self.vocabulary}),
        }
        with written_whole(folder / MANIFEST) as stream:
            stream.write(json.dumps(contents, indent=1).encode())

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Read and check the manifest of a folder.

        Raises:
            FileNotFoundError: The folder or its manifest does not exist.
            ValueError: The manifest is damaged, or of another format; the message names the entry.
        """
        file = folder / MANIFEST
        if not file.is_file():
            reason = "writing it was interrupted, or it holds other files than ShardWriter's"
            raise FileNotFoundError(
                f"there is no folder {str(folder)!r}"
                if not folder.is_dir()
                else f"{str(folder)!r} has no {MANIFEST}: {reason}. Write the shards again; for "
                f'other Parquet files give a glob, "{folder}/*.parquet"'
            )
        try:
            contents = json.loads(file.read_bytes())
        except ValueError as error:
            raise ValueError(f"{file} is damaged ({error}): write the shards again") from error
        return _checked(file, contents)


def _checked(file: Path, contents: Any) -> Manifest:
    """Check the contents of a manifest.

    Raises:
        ValueError: An entry is missing or invalid.
    """
    if not isinstance(contents, dict) or contents.get("format") != _FORMAT:
        raise ValueError(f"{file} is no manifest of shards: its format is not {_FORMAT!r}")
    if contents.get("version") != _VERSION:
        raise ValueError(
            f"{file} has version {contents.get('version')!r}, and this torch_rechub reads version "
            f"{_VERSION}: upgrade it, or write the shards again"
        )
    inputs, labels = (_names(file, name, contents.get(name)) for name in ("inputs", "labels"))
    weight = contents.get("weight")
    if not isinstance(weight, str | None):
        raise _damaged(file, "weight", weight)
    every = [*inputs, *labels, *([] if weight is None else [weight])]
    if repeated := [name for name in every if every.count(name) > 1]:
        raise ValueError(f"{file} is damaged: it lists the column {repeated[0]!r} twice")
    given = contents.get("parts")
    if not isinstance(given, list):
        raise _damaged(file, "parts", given)
    parts = tuple(_part(file, i, part) for i, part in enumerate(given))
    if len({part.file for part in parts}) < len(parts):
        raise ValueError(f"{file} is damaged: it lists a part twice")
    vocabulary = contents.get("vocabulary")  # absent from shards of earlier releases
    if not isinstance(vocabulary, str | None):
        raise _damaged(file, "vocabulary", vocabulary)
    found = Manifest(inputs, labels, weight, parts, vocabulary)
    if contents.get("rows") != found.rows:
        raise _damaged(file, "rows", contents.get("rows"), f", its parts have {found.rows}")
    return found


def _part(file: Path, number: int, given: Any) -> Part:
    name = f"parts[{number}]"
    if not isinstance(given, dict):
        raise _damaged(file, name, given)
    part, groups = given.get("file"), given.get("row_groups")
    if not isinstance(part, str) or not _PART.fullmatch(part):
        raise _damaged(file, f"{name}.file", part, ", not a name such as 'part-00000.parquet'")
    if not isinstance(groups, list) or not all(type(n) is int and n >= 0 for n in groups):
        raise _damaged(file, f"{name}.row_groups", groups)
    if given.get("rows") != sum(groups):
        raise _damaged(file, f"{name}.rows", given.get("rows"), f", not {sum(groups)}")
    return Part(part, tuple(groups))


def _names(file: Path, name: str, given: Any) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise _damaged(file, name, given)
    return tuple(given)


def _damaged(file: Path, entry: str, value: Any, expected: str = "") -> ValueError:
    return ValueError(
        f"{file} is damaged: its entry {entry!r} is {value!r:.80}{expected}: write the shards again"
    )


def part_name(number: int) -> str:
    """The name of the file of a part.

    Example:
        >>> part_name(3)
        'part-00003.parquet'
    """
    return f"part-{number:05d}.parquet"
