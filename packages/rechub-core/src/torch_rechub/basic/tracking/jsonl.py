"""`JSONLLogger`: a run as one file of JSON lines; needs no package, account or service."""

import json
import math
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from .logger import RunLogger
from .plain import plain_hyperparams
from .plugin import ending, failure_text, local_directory, plain_config

VERSION = 1
SUFFIX = ".run.jsonl"

_FLOAT = "$float"
_NO_FILE_NAME = re.compile(r"[^\w.-]+")


class JSONLLogger(RunLogger):
    r"""Records one run as a file of JSON lines, which `torch_rechub.runs` and ``rechub`` read back.

    Every record is one line, handed to the operating system before the call returns: what was
    logged survives the death of the process, ``kill -9`` included. Runs never share a file, however
    many are started at once. Numbers are kept to the last digit, NaN and infinities included.

    A line has ``v`` (the format's version, 1), ``event``, ``time`` (ISO 8601, UTC) and, by event,
    ``start``: ``id``, ``name``, ``project``, ``tags``, ``notes``; ``hyperparams``: ``hyperparams``,
    to be merged with those before; ``metrics``: ``step`` and ``metrics``; ``finish``: ``status``
    (``finished``, ``failed``, ``interrupted``) and ``error``. NaN and the infinities, which JSON
    lacks, are ``{"$float": "nan"}``, ``"inf"`` and ``"-inf"``; a key that begins with ``$`` is
    written with another ``$``.

    Args:
        project: What the run belongs to.
        name: The run's name; its id by default.
        config: Initial hyper-parameters; a value logged later under the same name replaces it.
        tags: Labels of the run.
        notes: A longer description.
        dir: The folder of the file, made if it does not exist; ``~`` is expanded.

    Attributes:
        path: The file; only the user who started the run may read it.
        run_id: Eight hexadecimal digits.

    Raises:
        TypeError: `config` is no dict.
        ValueError: `dir` is empty or a URL such as ``s3://…``.
        OSError: The folder cannot be made or written.

    Example:
        >>> import tempfile
        >>> from torch_rechub.runs import read_runs
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with JSONLLogger("demo", "first", dir=folder) as logger:
        ...         logger.log_metrics({"val/auc": 0.75}, step=0)
        ...     (run,) = read_runs(folder)
        >>> run.name, run.status, run.metrics
        ('first', 'finished', {'val/auc': [(0, 0.75)]})
    """

    path: str
    run_id: str

    def __init__(
        self,
        project: str | None = None,
        name: str | None = None,
        config: Mapping[str, Any] | None = None,
        tags: Sequence[str] | None = None,
        notes: str | None = None,
        dir: str | os.PathLike[str] = "runs",
    ) -> None:
        super().__init__()
        params = plain_config("JSONLLogger", config)
        folder = local_directory("JSONLLogger", "dir", dir)
        os.makedirs(folder, exist_ok=True)
        self.run_id = secrets.token_hex(4)
        about = {"name": name, "project": project, "tags": list(tags or []), "notes": notes}
        self.path = os.path.join(folder, _file_name(name, self.run_id))
        self._file = open(self.path, "xb", buffering=0, opener=_private)  # noqa: SIM115
        self._torn = False
        self._write("start", id=self.run_id, **plain_hyperparams(about))
        if params:
            self.write_hyperparams(params)

    def write_metrics(self, metrics: dict[str, float], step: int) -> None:
        """Append one line."""
        self._write("metrics", step=step, metrics=metrics)

    def write_hyperparams(self, params: dict[str, Any]) -> None:
        """Append one line; the last value of a name wins."""
        self._write("hyperparams", hyperparams=params)

    def close(self, failure: BaseException | None) -> None:
        """Append how the run ended and close the file."""
        try:
            error = None if failure is None else failure_text(failure)
            self._write("finish", status=ending(failure), error=error)
        finally:
            self._file.close()

    def _write(self, event: str, **fields: Any) -> None:
        now = datetime.now(timezone.utc).isoformat()
        line = json_line({"v": VERSION, "event": event, "time": now, **fields})
        rest = memoryview(b"\n" + line if self._torn else line)
        self._torn = True
        while rest:  # a full disk takes a part and refuses the rest
            rest = rest[self._file.write(rest) :]
        self._torn = False


def json_line(record: dict[str, Any]) -> bytes:
    r"""A record as a line of strict JSON in UTF-8.

    Example:
        >>> json_line({"loss": float("nan"), "名": "a"}).decode()
        '{"loss":{"$float":"nan"},"名":"a"}\n'
    """
    text = json.dumps(_encode(record), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # A lone surrogate, from a file name that is no UTF-8, becomes JSON's own escape of it.
    return text.encode("utf-8", "backslashreplace") + b"\n"


def from_json_line(line: bytes) -> Any:
    """What `json_line` was given.

    Raises:
        ValueError: The line is no JSON, or a part of it.
    """
    return json.loads(line, object_hook=_decode)


def _encode(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return {_FLOAT: str(value)}
    if isinstance(value, dict):
        return {f"${k}" if k.startswith("$") else k: _encode(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_encode(item) for item in value]
    return value


def _decode(value: dict[str, Any]) -> Any:
    if value.keys() == {_FLOAT}:
        return float(value[_FLOAT])
    return {k[1:] if k.startswith("$") else k: v for k, v in value.items()}


def _file_name(name: str | None, run_id: str) -> str:
    now = datetime.now().strftime("%Y%m%d-%H%M%S")
    readable = _NO_FILE_NAME.sub("-", name or "").strip("-.")[:60]
    return "-".join(filter(None, [readable, now, run_id])) + SUFFIX


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_APPEND, 0o600)
