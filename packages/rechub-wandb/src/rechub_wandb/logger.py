"""`WandbLogger`: a run of Weights & Biases behind the logger interface of Torch-RecHub."""

import html
import inspect
import io
import logging
import os
import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from torch_rechub._streams import forgiving_streams
from torch_rechub.basic.tracking.copied import given_time
from torch_rechub.basic.tracking.labels import accepted_tags, run_labels
from torch_rechub.basic.tracking.logger import RunLogger
from torch_rechub.basic.tracking.names import distinct
from torch_rechub.basic.tracking.plugin import (
    LegalNames,
    exit_code,
    in_utf8,
    plain_config,
    refuse_unknown_options,
    without_secrets,
)
from torch_rechub.basic.tracking.presence import Presence
from torch_rechub.basic.tracking.stored_files import folder_name, store_file

from .ending import is_there, is_written
from .hooks import load_wandb
from .media import ARTIFACTS
from .opening import given_settings, open_run, release_when_closed, working_folder, writable

# Seconds, for a process that is starved; as a rule it takes three hundredths of one.
_LONGEST_OPENING, _LONGEST_WRITING = 10.0, 30.0

log = logging.getLogger("torch_rechub.tracking")

_NO_ARTIFACT_NAME = re.compile(r"[^a-zA-Z0-9_.-]")
_LONGEST_ARTIFACT = 120
_LONGEST_TAG = 64

# reserved columns: wandb's own, which would silently overwrite a metric of that name, and ours
_RESERVED = frozenset({"", "_runtime", "_step", "_timestamp", "_wandb", "step"})


class WandbLogger(RunLogger):
    """Records one run in Weights & Biases.

    The run is opened here, so a missing key or package fails before training, and closed by
    `finish()`, which a trainer calls: exit code 0, 1 when the run died of an error, 130 or 143
    when Ctrl-C or SIGTERM interrupted it. When another run is active in this process the new one
    is opened next to it, unless `reinit` says otherwise.

    Code, git state, console output, machine statistics and the list of packages are not collected
    unless you ask for them: with `settings`, with `save_code=True`, or with wandb's environment
    variables.

    wandb writes to the disk ten times a second, so a killed process loses at most its last row,
    which wandb holds back until the next step or `flush()`; trainers flush after each epoch.

    wandb's own step can only grow. Values for an earlier step are recorded at wandb's next step
    with their own in the column ``step``, and reported once. A name logged twice at one step keeps
    the later value. A metric called ``step``, or by one of wandb's own names (``_step``,
    ``_runtime``, ``_timestamp``, ``_wandb``), is recorded with ``_`` appended; so is a
    hyper-parameter called ``_wandb``. wandb takes ``-`` off both ends of a hyper-parameter's name,
    and keeps one that is NaN as None.

    Args:
        project: The project the run belongs to.
        name: The run's display name; wandb invents one by default.
        config: Initial hyper-parameters; a value logged later under the same name replaces it.
        tags: Labels of the run.
        notes: A longer description.
        dir: Where local files go, made if it does not exist; ``~`` is expanded. By default the
            environment variable ``WANDB_DIR``, else the working directory.
        group: The group of runs that it belongs to, such as the trials of a search.
        parent: The id of the run that it belongs to or continues.
        **kwargs: Any other argument of ``wandb.init``: ``mode="offline"``, ``settings={…}``, …

    Attributes:
        run: The open ``wandb.Run``, for direct use of wandb.

    Raises:
        ImportError: wandb is missing or broken.
        TypeError: An argument that ``wandb.init`` does not know, or a `config` that is not a dict.
        ValueError: An id of a run that holds a secret.
        OSError: `dir` cannot be created or written.
        wandb.errors.Error: wandb could not open the run, for instance for lack of an API key.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     logger = WandbLogger("demo", dir=folder, mode="offline", settings={"silent": True})
        ...     logger.log_metrics({"val/auc": 0.75}, step=0)
        ...     logger.finish()
    """

    run: Any

    def __init__(
        self,
        project: str,
        name: str | None = None,
        config: Mapping[str, Any] | None = None,
        tags: Sequence[str] | None = None,
        notes: str | None = None,
        dir: str | os.PathLike[str] | None = None,
        *,
        group: str | None = None,
        parent: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        wandb = load_wandb()
        known = {*inspect.signature(wandb.init).parameters, "parent"}
        refuse_unknown_options("WandbLogger", kwargs, known)
        labels = run_labels("WandbLogger", group, parent, tags)
        plain = {**(plain_config("WandbLogger", config) or {}), **labels}
        accepted = accepted_tags(tags, _LONGEST_TAG)
        about = {"name": name, "tags": accepted, "notes": notes, "group": in_utf8(group)}
        called = {**kwargs, "project": project, **about}
        options = {
            **without_secrets("WandbLogger", called, ids=("id", "fork_from", "resume_from")),
            "config": _config(plain) if plain or config is not None else None,
            "dir": working_folder(given_settings(kwargs)) if dir is None else writable(dir),
        }
        self.run = open_run(wandb, options)
        self._wandb = wandb
        self._names = LegalNames("WandbLogger", lambda n: f"{n}_" if n in _RESERVED else n)
        # in shared mode several processes write to a run, so wandb must number the steps
        self._own_steps = getattr(self.run.settings, "mode", None) == "shared"
        self._axis_of: dict[str, str] = {}
        self._recorded: dict[str, int] = {}
        self._warned_of_order = False
        path = _file(self.run)
        there = path and is_there(path, _LONGEST_OPENING)
        self._file = Presence("WandbLogger", path) if there else None
        if path and not there:
            log.warning("WandbLogger: wandb has not made its file %s, as on a full disk.", path)

    @property
    def recovery(self) -> str:
        """Where the run's files are, and the command that uploads them."""
        folder = self.run.settings.sync_dir
        return f"Its files are in {folder}; send them with: wandb sync {folder}"

    def define_axis(self, axis: str, metrics: Sequence[str]) -> None:
        """Give these metrics an x-axis of their own; all others get the axis ``step``.

        From now on a row has its step in the column of its axis, and wandb numbers the rows.
        """
        self._own_steps = True
        self._axis_of |= dict.fromkeys(metrics, axis)
        for column in (axis, "step"):
            self.run.define_metric(column, hidden=True)
        for name in metrics:
            self.run.define_metric(self._names[name], step_metric=axis)
        self.run.define_metric("*", step_metric="step")

    def write_metrics(self, metrics: dict[str, float], step: int) -> None:
        """Write one row for each axis; see the class for steps that go back."""
        self._check_file()
        rows: dict[str, dict[str, Any]] = {}
        for name, value in metrics.items():
            rows.setdefault(self._axis_of.get(name, "step"), {})[self._names[name]] = value
        for axis, row in rows.items():
            self._write_row(row, step, axis)

    def write_resume(self, step: int, others: dict[str, int]) -> None:
        """Skip steps that a resumed run already has, because wandb does not overwrite them.

        Online only; offline, wandb starts a run of the same id and merges the two on upload.
        """
        if self.run.resumed:
            columns = {axis: self.run.summary.get(axis, -1) for axis in ("step", *others)}
            last = columns["step"] if self._own_steps else self.run.step - 1
            if any(name.startswith("test/") for name in self.run.summary.keys()):  # noqa: SIM118
                last = min(last, step - 1)  # the last row is that of a test, not of an epoch
            self._recorded = {**columns, "step": last}

    def _write_row(self, row: dict[str, Any], step: int, axis: str = "step") -> None:
        if step <= self._recorded.get(axis, -1):
            return
        time = given_time()
        row = row if time is None else {**row, "_timestamp": time}
        if self._own_steps:
            self.run.log({axis: step, **row})
            return
        next_step = self.run.step
        if step >= next_step:
            self.run.log(row, step=step)
            return
        if not self._warned_of_order:
            self._warned_of_order = True
            log.warning(
                "WandbLogger: wandb is at step %d already and would drop values for step %d; they "
                "are recorded at wandb's next step with step=%d in the column 'step'.",
                next_step,
                step,
                step,
            )
        # at the next step, and committed, so that neither the previous nor the next row is
        # overwritten
        self.run.log({"step": step, **row}, step=next_step + 1, commit=True)

    def flush(self) -> None:
        """Commit the row of the last step, which wandb holds back for later values."""
        self._require_open()
        if not self._own_steps:
            time = given_time()
            self.run.log({} if time is None else {"_timestamp": time}, commit=True)

    def write_text(self, name: str, text: str, step: int) -> None:
        """Write a page that shows the text verbatim."""
        page = f"<pre>{html.escape(text)}</pre>"
        self._write_media(name, self._wandb.Html(page, inject=False), step)

    def write_figure(self, name: str, figure: Any, step: int) -> None:
        """Write an image."""
        # wandb takes figures only where the user has imported pyplot.
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png")
        image = import_module("PIL.Image").open(drawn)  # a dependency of matplotlib
        self._write_media(name, self._wandb.Image(image), step)

    def write_histogram(self, name: str, counts: list[int], edges: list[float], step: int) -> None:
        """Write a histogram."""
        histogram = self._wandb.Histogram(np_histogram=(counts, edges))
        self._write_media(name, histogram, step)

    def _write_media(self, name: str, value: Any, step: int) -> None:
        # media of a step whose row is committed are shown at the next step
        at = step if self._own_steps else max(step, self.run.step)
        self._write_row({self._names[name]: value}, at)

    def write_table(self, name: str, columns: list[str], rows: list[list[Any]], step: int) -> None:
        """Write a table."""
        table = self._wandb.Table(columns=columns, data=rows, allow_mixed_types=True)
        self._write_media(name, table, step)

    def write_artifact(self, name: str, path: str, kind: str) -> None:
        """Keep a copy of a file as a version of an artifact, the newest one being the best."""
        legal = _NO_ARTIFACT_NAME.sub("-", name)[:_LONGEST_ARTIFACT] or "file"
        folder = os.path.join(str(self.run.dir), ARTIFACTS, folder_name(name))
        copy = store_file(folder, name, path)
        artifact = self._wandb.Artifact(legal, type=_NO_ARTIFACT_NAME.sub("-", kind) or "file")
        # the copy does not change, so wandb needs none of its own
        artifact.add_file(copy, name=os.path.basename(path), policy="immutable")
        self.run.log_artifact(artifact, aliases=["best"])

    def write_hyperparams(self, params: dict[str, Any]) -> None:
        """Write to the run's config; the last value of a name wins."""
        self._check_file()
        # Without the flag wandb raises for a name that `config` had with another value.
        self.run.config.update(_config(params), allow_val_change=True)

    def close(self, failure: BaseException | None) -> None:
        """Finish the run, as failed after an exception, and remove wandb's hooks."""
        try:
            with forgiving_streams():
                self.run.finish(exit_code=exit_code(failure))
        finally:
            release_when_closed(self._wandb)
        self._check_file()
        if self._file is not None and not is_written(self._file.path, _LONGEST_WRITING):
            log.warning(
                "WandbLogger: after %g s, %s lacks the end of the run: wandb could not write it, "
                "as on a full disk.",
                _LONGEST_WRITING,
                self._file.path,
            )

    def _check_file(self) -> None:
        # online, the file is uploaded anyway
        if self._file is not None and self.run.settings.mode == "offline":
            self._file.check()


def _file(run: Any) -> str:
    """The file that wandb writes; empty if there is none, or if others write to the run, too."""
    settings, mode = run.settings, run.settings.mode
    if getattr(run, "disabled", False) or mode not in ("online", "offline"):
        return ""
    if mode == "online" and getattr(settings, "x_skip_transaction_log", False):
        return ""
    return str(settings.sync_file)


def _config(params: Mapping[str, Any]) -> dict[str, Any]:
    """Rename `params` for wandb: no ``-`` at the ends, and not ``_wandb``, which is reserved."""
    names = ((name.strip("-"), value) for name, value in in_utf8(params).items())
    return distinct((f"{n}_" if n == "_wandb" else n, value) for n, value in names)
