"""``bundle.json``: the description of a bundle, with a digest of its own."""

import hashlib
import json
import math
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib.metadata import version
from typing import Any

from .._strict_json import refuse_constant, unique_keys
from .errors import BundleError

FORMAT, VERSION = "torch_rechub bundle", 1
FILE = "bundle.json"
MOST_BYTES = 64 * 2**20

TASKS = ("ranking", "multi_task", "retrieval", "next_item", "generative", "semantic_ids")

# the type of the values of entries that are flat
_VALUES: dict[str, Any] = {"metrics": int | float, "versions": str, "aliases": str}


def versions() -> dict[str, str]:
    """Return the versions of the libraries that write a bundle."""
    names = ("rechub-core", "torch", "numpy")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


@dataclass(frozen=True, kw_only=True)
class BundleDocument:
    """The content of ``bundle.json``; all of it is JSON-like data.

    Attributes:
        task: One of `TASKS`.
        model: The class of the model and its arguments; see `model_form`.
        outputs: How predictions are made of the model's output, by task.
        parts: The settings of additional parts by name, such as "items".
        metrics: The metrics of training by recorded name; those that are not finite are left out.
        data: The digest of the preprocessor, and the number of rows that it was fitted on.
        trainer: The hyper-parameters of training.
        run: The id of the training run, and that of the run that it continues.
        versions: The versions of the libraries that wrote it.
        aliases: Names of weights that share the storage of another, by name.
        files: The size and the checksum of every other file, by its relative name.
    """

    task: str
    model: dict[str, Any]
    outputs: dict[str, Any] = field(default_factory=dict)
    parts: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    trainer: dict[str, Any] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=versions)
    aliases: dict[str, str] = field(default_factory=dict)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The digest of the content, which names the bundle: it covers the checksums of files."""
        return digest_of(self._content())

    def _content(self) -> dict[str, Any]:
        return {"format": FORMAT, "version": VERSION, **asdict(self)}

    def to_json(self) -> bytes:
        """Return the document as JSON, with its digest."""
        whole = {**self._content(), "digest": self.digest}
        return (json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()

    @classmethod
    def from_json(cls, text: bytes, path: Any) -> "BundleDocument":
        """Read a document.

        Args:
            text: The content of the file.
            path: The file, for messages.

        Raises:
            BundleError: It is damaged, foreign, edited, or of another version.
        """
        found = parsed(text, path)
        _check_format(found, path)
        if found.pop("digest", None) != digest_of(found):
            raise BundleError(
                f"{path} was edited or is damaged: its content does not match its digest. Save the "
                "bundle again, or copy it again from where it was written"
            )
        del found["format"], found["version"]
        kinds = {f.name: str if f.name == "task" else dict for f in fields(cls)}
        wrong = [n for n, kind in kinds.items() if not isinstance(found.get(n), kind)]
        wrong += [n for n, kind in _VALUES.items() if n not in wrong and not _all(found[n], kind)]
        if wrong or found.keys() != kinds.keys():
            name = wrong[0] if wrong else min(found.keys() - kinds.keys())
            raise BundleError(f"{path} is damaged: its entry {name!r} is missing or not as written")
        document = cls(**found)
        if document.task not in TASKS:
            raise BundleError(f"{path} has the task {document.task!r}, not one of {TASKS}")
        return document


def digest_of(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of JSON-like data, whatever the order of its keys."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def parsed(text: bytes, path: Any) -> dict[str, Any]:
    """Parse JSON strictly.

    Raises:
        BundleError: It is no JSON object, is too deep, has a key twice, or a number that is not
            finite.
    """
    try:
        found = json.loads(
            text, parse_constant=refuse_constant, parse_float=_finite, object_pairs_hook=unique_keys
        )
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path} is damaged, or no bundle: {error}") from error
    if not isinstance(found, dict):
        raise BundleError(f"{path} is no bundle: it holds a {type(found).__name__}")
    return found


def _check_format(found: Mapping[str, Any], path: Any) -> None:
    if found.get("format") != FORMAT:
        raise BundleError(f"{path} is of format {found.get('format')!r}, not {FORMAT!r}")
    number, wrote = found.get("version"), found.get("versions")
    by = wrote.get("rechub-core", "unknown") if isinstance(wrote, Mapping) else "unknown"
    if number != VERSION or isinstance(number, bool):
        newer = isinstance(number, int) and number > VERSION
        remedy = "upgrade rechub-core" if newer else "save it again with this release"
        raise BundleError(
            f"{path} has version {number!r} of the format, written by rechub-core {by}; this "
            f"release reads version {VERSION}: {remedy}"
        )


def _all(values: Mapping[str, Any], kind: Any) -> bool:
    return all(isinstance(v, kind) and not isinstance(v, bool) for v in values.values())


def _finite(number: str) -> float:
    """Parse a number; Python reads 1e999 as infinity, which no document may have."""
    if not math.isfinite(found := float(number)):
        raise ValueError(f"{number[:20]} is beyond the range of numbers")
    return found
