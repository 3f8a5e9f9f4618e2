"""`JSONLLogger`: records a run as a file of JSON lines, without a package, account or service."""

import errno
import logging
import os
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from itertools import count
from typing import TYPE_CHECKING, Any, Literal

from ..._files import naming
from .claim import Claim
from .copied import NoEnd, record_time
from .json_lines import SUFFIX, VERSION, json_line, read_records, step_of
from .jsonl_files import check_id, file_name, files_folder, is_continued, private, relative_path
from .labels import TAGS, run_labels
from .logger import RunLogger
from .plain import plain_hyperparams
from .plugin import ending, failure_text, local_directory, plain_config, without_secrets
from .presence import Presence
from .stored_files import store_figure, store_file
from .table_cells import Cell

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger("torch_rechub.tracking")


class JSONLLogger(RunLogger):
    r"""Records one run as a file of JSON lines, which `torch_rechub.runs` and ``rechub`` read back.

    Every record is one line, passed to the operating system before the call returns, so that
    records survive the death of the process, ``kill -9`` included. Runs never share a file, even if
    many are started at once. Numbers are stored exactly, NaN and infinities included.

    A line has ``v`` (the version of the format, 1), ``event``, ``time`` (ISO 8601, UTC) and, by
    event, ``start``: ``id``, ``name``, ``project``, ``tags``, ``notes``; ``hyperparams``:
    ``hyperparams``, merged with earlier ones; ``metrics``: ``step`` and ``metrics``; ``text``:
    ``name``, ``text``, ``step``; ``histogram``: ``name``, ``counts``, ``edges``, ``step``;
    ``table``: ``name``, ``columns``, ``rows``, ``step``; ``figure``: ``name``, ``file``, ``step``;
    ``artifact``: ``name``, ``kind``, ``file``;
    ``resume``: ``step``, from which earlier metrics are superseded, and ``steps`` of metrics with
        another axis;
    ``finish``: ``status`` (``finished``,
    ``failed``, ``interrupted``) and ``error``. NaN and the infinities, which JSON lacks, are
    ``{"$float": "nan"}``, ``"inf"`` and ``"-inf"``; a key that begins with ``$`` is written with
    another ``$``. Figures, as PNG, and copies of artifacts are in the folder ``<name>.files``
    next to the file ``<name>.run.jsonl``.

    Args:
        project: The project of the run.
        name: The run's name; its id by default.
        config: Initial hyper-parameters; a value logged later under the same name replaces it.
        tags: Labels of the run.
        notes: A longer description.
        dir: The folder of the file, made if it does not exist; ``~`` is expanded.
        id: The run's id and the name of the file; eight random hexadecimal digits by default.
        resume: Whether to continue the run of this id: ``allow`` does so if there is one, ``must``
            raises if there is none, None or ``never`` raises if there is one. A logger that
            records a metric again at a step that the run already has writes a new run to the file
            ``<id>-2``, unless the run is continued by `fit` with ``resume=True``.
        group: The group of runs that it belongs to, such as the trials of a search.
        parent: The id of the run that it belongs to or continues.

    Attributes:
        path: The file, readable only by the user who started the run.
        run_id: The run's id.

    Raises:
        TypeError: `config` is not a dict, or a label is not a text.
        ValueError: `dir` is empty or a URL such as ``s3://…``; `id` cannot be in a file's name;
            `resume` has another value, or needs `id`; `id` holds a secret; the run to continue has
            a later format.
        FileExistsError: A run of this id exists, and `resume` does not continue it.
        FileNotFoundError: `resume` is ``must``, and no run of this id exists.
        BlockingIOError: Another logger, in this process or another, is writing the run.
        OSError: The folder cannot be created or written.

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
        id: str | None = None,
        resume: Literal["allow", "must", "never"] | None = None,
        *,
        group: str | None = None,
        parent: str | None = None,
    ) -> None:
        super().__init__()
        params = plain_config("JSONLLogger", config) or {}
        labels = run_labels("JSONLLogger", group, parent, tags)
        labels.pop(TAGS, None)  # which the first line holds
        check_id(id, resume)
        self.run_id = id or secrets.token_hex(4)
        told = {"name": name, "project": project, "tags": list(tags or []), "notes": notes}
        about = without_secrets("JSONLLogger", {"id": self.run_id, **told})
        folder = local_directory("JSONLLogger", "dir", dir)
        os.makedirs(folder, exist_ok=True)
        texts = {
            key: text for key, text in about.items() if isinstance(text, str)
        }  # numbers of any length
        self._about = {**plain_hyperparams({**about, **dict.fromkeys(texts)}), **texts}
        file = f"{id}{SUFFIX}" if id else file_name(about["name"], self.run_id)
        self._axis_of: dict[str, str] = {}
        self._earlier: dict[str, int] = {}
        path = os.path.join(folder, file)
        self._open(path, new=not is_continued(path, resume))
        if params or labels:
            self.write_hyperparams({**params, **labels})

    def _open(self, path: str, new: bool) -> None:
        """Lock a file that no other logger writes, and start or continue its run."""
        file: Any = open(  # noqa: SIM115
            path, "x+b" if new else "a+b", buffering=0, opener=private
        )
        claim = Claim(path)
        if not claim.held:
            file.close()
            raise BlockingIOError(
                errno.EWOULDBLOCK,
                "JSONLLogger: another logger is writing this run: finish it, or give another id",
                path,
            )
        self.path, self._file, self._claim = path, file, claim
        self._presence = Presence("JSONLLogger", path)
        self._begun = os.path.getsize(path)
        try:
            self._torn = self._begun > 0 and self._goes_on()
        except ValueError:
            file.close()
            claim.release()
            raise
        if self._begun == 0:
            self._write("start", **self._about)

    def _goes_on(self) -> bool:
        """Read the steps of the file; return whether its last line was truncated."""
        with open(self.path, "rb") as lines:
            for _, record in read_records(lines, lambda number, reason: None):
                if record["v"] > VERSION:
                    raise ValueError(
                        f"JSONLLogger cannot continue {self.path!r}: it has format {record['v']}, "
                        f"this version of rechub-core writes {VERSION}: pip install -U rechub-core"
                    )
                if "step" in record:
                    with suppress(ValueError):  # readers skip the truncated line
                        self._next_step = max(self._next_step, step_of(record) + 1)
                        self._add_earlier(record)
            lines.seek(max(lines.tell() - 1, 0))
            return lines.read(1) not in (b"\n", b"")

    def _add_earlier(self, record: dict[str, Any]) -> None:
        step, metrics, steps = step_of(record), record.get("metrics"), record.get("steps")
        if record.get("event") == "metrics" and isinstance(metrics, dict):
            for name in metrics:
                self._earlier[name] = max(step, self._earlier.get(name, -1))
        elif record.get("event") == "resume" and isinstance(steps, dict):
            self._supersede(step, {n: step_of({"step": at}) for n, at in steps.items()})

    def _supersede(self, step: int, steps: Mapping[str, int]) -> None:
        self._earlier = {n: min(s, steps.get(n, step) - 1) for n, s in self._earlier.items()}

    def _begin_another_run(self, metric: str) -> None:
        """Continue in a new file, because the run in this one already has these steps."""
        before, file, claim, begun = self.path, self._file, self._claim, self._begun
        file.seek(begun)
        mine = file.read().lstrip(b"\n")
        stem = before.removesuffix(SUFFIX)
        number = next(n for n in count(2) if not os.path.lexists(f"{stem}-{n}{SUFFIX}"))
        self.run_id, self._earlier, self._next_step = f"{self.run_id}-{number}", {}, 0
        self._open(f"{stem}-{number}{SUFFIX}", new=True)
        self._file.write(mine)
        file.truncate(begun)
        file.close()
        claim.release()
        log.warning(
            "JSONLLogger: %s holds a run with %r at this step: this run is recorded in %s. To "
            "continue that one, pass resume=True to fit.",
            before,
            metric,
            self.path,
        )

    @property
    def recovery(self) -> str:
        """Where the run is stored."""
        return f"Its records are in {self.path}."

    def write_metrics(self, metrics: dict[str, float], step: int) -> None:
        """Append one line."""
        again = [name for name in metrics if step <= self._earlier.get(name, -1)]
        if again:
            self._begin_another_run(again[0])
        self._write("metrics", step=step, metrics=metrics)

    def write_hyperparams(self, params: dict[str, Any]) -> None:
        """Append one line; a later value of a name replaces an earlier one."""
        self._write("hyperparams", hyperparams=params)

    def define_axis(self, axis: str, metrics: Sequence[str]) -> None:
        """Remember the axis of the metrics."""
        self._axis_of |= dict.fromkeys(metrics, axis)

    def write_resume(self, step: int, others: dict[str, int]) -> None:
        """Append one line: the step from which each metric is superseded."""
        steps = {name: others[axis] for name, axis in self._axis_of.items() if axis in others}
        self._write("resume", step=step, steps=steps)
        self._supersede(step, steps)

    def write_text(self, name: str, text: str, step: int) -> None:
        """Append one line."""
        self._write("text", name=name, text=text, step=step)

    def write_histogram(self, name: str, counts: list[int], edges: list[float], step: int) -> None:
        """Append one line."""
        self._write("histogram", name=name, counts=counts, edges=edges, step=step)

    def write_table(self, name: str, columns: list[str], rows: list[list[Cell]], step: int) -> None:
        """Append one line."""
        self._write("table", name=name, columns=columns, rows=rows, step=step)

    def write_figure(self, name: str, figure: "Figure", step: int) -> None:
        """Write a PNG file, and append one line with its path."""
        file = store_figure(files_folder(self.path), name, figure)
        self._write("figure", name=name, file=relative_path(file), step=step)

    def write_artifact(self, name: str, path: str, kind: str) -> None:
        """Copy the file, and append one line with the path of the copy."""
        file = store_file(files_folder(self.path), name, path)
        self._write("artifact", name=name, kind=kind, file=relative_path(file))

    def close(self, failure: BaseException | None) -> None:
        """Append the status of the run and close the file."""
        try:
            if isinstance(failure, NoEnd):
                return
            error = None if failure is None else failure_text(failure)
            self._write("finish", status=ending(failure), error=error)
        finally:
            self._file.close()
            self._claim.release()

    def _write(self, event: str, **fields: Any) -> None:
        self._presence.check()
        now = datetime.fromtimestamp(record_time(), timezone.utc).isoformat()
        line = json_line({"v": VERSION, "event": event, "time": now, **fields})
        rest = memoryview(b"\n" + line if self._torn else line)
        self._torn = True
        with naming(self.path):
            while rest:  # on a full disk, write accepts a part of the line and refuses the rest
                rest = rest[self._file.write(rest) :]
        self._torn = False
