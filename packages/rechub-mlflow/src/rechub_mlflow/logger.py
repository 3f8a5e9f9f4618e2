"""`MLflowLogger`: a run of MLflow behind the logger interface of Torch-RecHub."""

import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from torch_rechub.basic.tracking import RunLogger
from torch_rechub.basic.tracking.copied import NoEnd, given_time, record_time
from torch_rechub.basic.tracking.labels import run_labels
from torch_rechub.basic.tracking.plugin import (
    ending,
    failure_text,
    in_utf8,
    load_sdk,
    plain_config,
    without_secrets,
)

from .names import Names
from .params import param_texts
from .process import quiet
from .resumed import Mark
from .runs import OpenRun, open_run, remove_run
from .values import ERROR, NAMES, RESUMED, leaves, tag_texts

_STATES = {"finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
_ROWS = 800  # that wait; MLflow writes up to 1,000 at once


class MLflowLogger(RunLogger):
    """Records one run in MLflow: in a database on this machine, or on a server.

    The run belongs to this logger alone: MLflow's active run and its tracking address are neither
    used nor changed. MLflow's telemetry is off during the calls of this logger, unless the
    environment variable ``MLFLOW_DISABLE_TELEMETRY`` is set; neither the user's name nor code or
    git state is recorded. Requests to a server wait 10 s and are repeated twice, unless MLflow's
    own environment variables, such as ``MLFLOW_HTTP_REQUEST_TIMEOUT``, say otherwise.

    Every record is in the database when the call returns. Hyper-parameters are parameters of
    MLflow, nested ones with names such as ``model/dropout``. MLflow changes no parameter and
    shortens those of more than 6,000 characters: a later value, and a long one, is the tag
    ``hyperparams/<name>``, which `torch_rechub.runs` reads in its place. Texts, figures, histograms
    and tables are artifacts, one file for each name and step; one that is recorded again at its
    step replaces the earlier one. Names that MLflow does not accept are changed, which is reported;
    `torch_rechub.runs` reads the original ones.

    Args:
        project: MLflow's experiment, created if it does not exist.
        name: The run's name; MLflow invents one by default.
        config: Initial hyper-parameters; a value logged later under the same name replaces it.
        tags: Labels of the run, each a tag of MLflow with the value ``true``.
        notes: A longer description.
        dir: The folder of the database ``mlflow.db``, made if it does not exist; ``~`` is expanded.
            Artifacts are in its folder ``mlartifacts``. By default the environment variable
            ``MLFLOW_TRACKING_URI``, else the working directory, where ``mlflow ui`` looks.
        tracking_uri: MLflow's address of the runs instead of `dir`: ``http://…`` of a server,
            ``sqlite:///…`` of a database.
        id: A name by which the run can be continued; letters, digits and ``_ . -``.
        resume: Whether to continue the run of this id: ``allow`` does so if there is one, ``must``
            raises if there is none, None or ``never`` raises if there is one. A logger that
            records a metric again at a step that the run already has writes a new run with the id
            ``<id>-2``, unless the run is continued by `fit` with ``resume=True``.
        group: The runs that belong together, such as the folds of a cross-validation.
        parent: The id of the run that this one belongs to. If it is that of a run of the same
            experiment, MLflow shows this run below it.

    Attributes:
        client: The ``mlflow.MlflowClient``, for direct use of MLflow.
        run_id: The id of the run in MLflow.
        database: The file of the database, a ``Path``; None if the run is not in a local one.

    Raises:
        ImportError: mlflow is missing or broken.
        TypeError: `config` is not a dict, or a label has another type.
        ValueError: Both `dir` and `tracking_uri` are given; `dir` is empty or a URL; `id` has other
            characters or holds a secret; `resume` has another value, or needs `id`.
        FileExistsError: A run of this id exists, and `resume` does not continue it.
        FileNotFoundError: `resume` is ``must``, and no run of this id exists.
        BlockingIOError: Another logger is writing the run.
        ConnectionError: The database or server cannot be used.
        OSError: The folder cannot be created or written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with MLflowLogger("demo", dir=folder) as logger:
        ...         logger.log_metrics({"val/auc": 0.75}, step=0)
    """

    run_id: str

    def __init__(
        self,
        project: str,
        name: str | None = None,
        config: Mapping[str, Any] | None = None,
        tags: Sequence[str] | None = None,
        notes: str | None = None,
        dir: str | os.PathLike[str] | None = None,
        tracking_uri: str | None = None,
        id: str | None = None,
        resume: Literal["allow", "must", "never"] | None = None,
        *,
        group: str | None = None,
        parent: str | None = None,
    ) -> None:
        super().__init__()
        params = plain_config("MLflowLogger", config) or {}
        labels = run_labels("MLflowLogger", group, parent, tags)
        about = {"project": project, "name": name, "notes": notes, "id": id}
        safe = without_secrets("MLflowLogger", about)
        self._last_time = 0
        self._axis_of: dict[str, str] = {}
        self._held: list[Callable[[], None]] | None = None
        self._rows: list[Any] = []
        self._times: dict[tuple[str, int], int] = {}
        self._use(open_run(safe, labels, dir, tracking_uri, resume))
        if self._run.tags:
            self._held = []  # until it is clear whether the run goes on or another one begins
        self.write_hyperparams({**params, **labels})

    def _use(self, run: OpenRun) -> None:
        self._run = run
        self.client, self.database, self.run_id = run.store.client, run.store.database, run.run_id
        self._names = Names("MLflowLogger", run.tag(NAMES))
        self._params, self._last_time = dict(run.params), max(run.last_time, self._last_time)
        self._next_step = max([self._next_step, *(step + 1 for step in run.earlier.values())])

    @property
    def recovery(self) -> str:
        """Where the run is stored."""
        return f"Its run is {self.run_id} of {self.database or 'the server of MLflow'}."

    def write_metrics(self, metrics: dict[str, float], step: int) -> None:
        """Write one row per metric, in one transaction."""
        again = [name for name in metrics if step <= self._run.earlier.get(name, -1)]
        if again:
            self._use(self._run.another(again[0]))
        self._release()
        entities: Any = load_sdk("mlflow.entities", "rechub-mlflow")
        copied, now = given_time(), self._time()
        rows = [
            entities.Metric(self._names["metric", name], value, self._free(now, name, step), step)
            for name, value in metrics.items()
        ]
        if copied is not None and len(self._rows) < _ROWS:
            self._rows += rows  # a transaction for each row of a long run would take minutes
        else:
            self._write(metrics=rows)

    def write_hyperparams(self, params: dict[str, Any]) -> None:
        """Write parameters; later and long values are tags."""
        if not self._is_held(lambda: self.write_hyperparams(params)):
            self._write_params(dict(leaves(in_utf8(params))), set(in_utf8(params)))

    def _write_params(self, values: dict[tuple[str, ...], Any], given: set[str]) -> None:
        known = self._params.copy()
        new, later = param_texts(self._names, known, values, given)
        entities: Any = load_sdk("mlflow.entities", "rechub-mlflow")
        self._write(params=[entities.Param(*item) for item in new.items()], tags=later)
        self._params = known

    def define_axis(self, axis: str, metrics: Sequence[str]) -> None:
        """Remember the axis of the metrics."""
        self._axis_of |= dict.fromkeys(metrics, axis)

    def write_resume(self, step: int, others: dict[str, int]) -> None:
        """Store the step from which each metric is superseded: MLflow deletes no values."""
        steps = {name: others[axis] for name, axis in self._axis_of.items() if axis in others}
        self._release()
        self._run.supersede(Mark(self._time(), step, in_utf8(steps)))
        marks = [vars(mark) for mark in self._run.marks]
        self._write(tags=tag_texts(RESUMED, json.dumps(marks, ensure_ascii=False)))

    def write_text(self, name: str, text: str, step: int) -> None:
        """Write the file ``texts/<name>/step-<step>.txt``."""
        data = in_utf8(text).encode()
        self._write_file("texts", name, step, "txt", lambda path: path.write_bytes(data))

    def write_figure(self, name: str, figure: Any, step: int) -> None:
        """Write the file ``figures/<name>/step-<step>.png``."""
        self._write_file("figures", name, step, "png", figure.savefig)

    def write_histogram(self, name: str, counts: list[int], edges: list[float], step: int) -> None:
        """Write the file ``histograms/<name>/step-<step>.json``."""
        self._write_json("histograms", name, step, {"counts": counts, "edges": edges})

    def write_table(
        self,
        name: str,
        columns: list[str],
        rows: list[list[bool | int | float | str | None]],
        step: int,
    ) -> None:
        """Write the file ``tables/<name>/step-<step>.json``, in MLflow's own form of a table."""
        self._write_json("tables", name, step, {"columns": columns, "data": rows})

    def write_artifact(self, name: str, path: str, kind: str) -> None:
        """Store a file in the folder ``files/<name>``, or a folder with all its files."""
        if self._is_held(lambda: self.write_artifact(name, path, kind)):
            return
        folder = f"files/{self._names['artifact', name]}"
        self._write()
        store = self.client.log_artifacts if os.path.isdir(path) else self.client.log_artifact
        with quiet():
            store(self.run_id, path, folder)

    def flush(self) -> None:
        """Write the rows of a copy; other records are written at once."""
        self._require_open()
        self._write()

    @staticmethod
    def remove(
        project: str,
        id: str,
        dir: str | os.PathLike[str] | None = None,
        tracking_uri: str | None = None,
    ) -> None:
        """Delete the run of an id and its local artifacts, if there is one; see `MLflowLogger`."""
        remove_run(project, id, dir, tracking_uri)

    def close(self, failure: BaseException | None) -> None:
        """Write the status of the run."""
        try:
            self._release()
            self._write()
            if isinstance(failure, NoEnd):
                return
            if failure is not None:
                self._write(tags=tag_texts(ERROR, failure_text(failure)))
            self._run.store.check()
            with quiet():
                self.client.set_terminated(self.run_id, _STATES[ending(failure)], self._time())
        finally:
            self._run.release()

    def _write_json(self, kind: str, name: str, step: int, content: dict[str, Any]) -> None:
        data = json.dumps(in_utf8(content), ensure_ascii=False).encode()
        self._write_file(kind, name, step, "json", lambda path: path.write_bytes(data))

    def _write_file(
        self, kind: str, name: str, step: int, ending: str, write: Callable[[Path], object]
    ) -> None:
        """Store what `write` writes to a path."""
        if self._is_held(lambda: self._write_file(kind, name, step, ending, write)):
            return
        folder = f"{kind}/{self._names['record', name]}"
        with tempfile.TemporaryDirectory() as temporary:
            path = Path(temporary) / f"step-{step}.{ending}"
            write(path)
            self._write()
            with quiet():
                self.client.log_artifact(self.run_id, str(path), folder)

    def _write(
        self, metrics: Sequence[Any] = (), params: Sequence[Any] = (), tags: Any = None
    ) -> None:
        """Write records, with the names that are new and the rows that wait."""
        self._run.store.check()
        metrics, self._rows = [*self._rows, *metrics], []
        changed = self._names.changes()
        texts = {**(tag_texts(NAMES, changed) if changed else {}), **(tags or {})}
        entities: Any = load_sdk("mlflow.entities", "rechub-mlflow")
        records = [entities.RunTag(*item) for item in texts.items()]
        with quiet():
            self.client.log_batch(self.run_id, metrics, params, records, synchronous=True)
        self._names.stored()

    def _is_held(self, call: Callable[[], None]) -> bool:
        """Hold a call back while it is not clear which run it is for; return whether it is."""
        if self._held is not None:
            self._held.append(call)
        return self._held is not None

    def _release(self) -> None:
        """Make the calls that were held back."""
        held, self._held = self._held, None
        if held is not None and self._run.tags:
            self._run.go_on()
        for call in held or ():
            call()

    def _time(self) -> int:
        """The time in ms; it grows, because MLflow drops an equal value of the same time."""
        if given_time() is None:
            self._last_time = max(round(record_time() * 1000), self._last_time + 1)
            return self._last_time
        return round(record_time() * 1000)

    def _free(self, time: int, metric: str, step: int) -> int:
        """A time at which the run has no value of a metric at a step; of a copy it is given."""
        if given_time() is None:
            return time
        self._times[metric, step] = max(time, self._times.get((metric, step), -1) + 1)
        return self._times[metric, step]
