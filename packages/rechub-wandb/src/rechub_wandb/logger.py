"""`WandbLogger`: a run of Weights & Biases behind the logger interface of Torch-RecHub."""

import html
import inspect
import io
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from torch_rechub.basic.tracking.logger import RunLogger
from torch_rechub.basic.tracking.plugin import (
    LegalNames,
    exit_code,
    in_utf8,
    load_sdk,
    plain_config,
    refuse_unknown_options,
)

log = logging.getLogger("torch_rechub.tracking")

# What wandb collects unless told not to. The x_ names are private to wandb, so only those that the
# installed version knows are used.
_PRIVACY: dict[str, Any] = {
    "console": "off",
    "disable_code": True,
    "disable_git": True,
    "disable_job_creation": True,
    "save_code": False,
    "x_disable_machine_info": True,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_save_requirements": False,
}
# How often wandb writes to its file, in seconds: by default what 15 seconds brought is lost when
# the process is killed.
_OFTEN = {"x_transaction_log_flush_interval": 0.1}

# wandb's own columns, which it would write over a metric of that name without a word, and ours.
_RESERVED = frozenset({"", "_runtime", "_step", "_timestamp", "_wandb", "step"})


class WandbLogger(RunLogger):
    """Records one run in Weights & Biases.

    The run is opened here, so a missing key or package fails before training, and closed by
    `finish()`, which a trainer calls: exit code 0, 1 when the run died of an error, 130 or 143
    when Ctrl-C or SIGTERM interrupted it. When another run is active in this process the new one
    is opened beside it, unless `reinit` says otherwise.

    Code, git state, console output, machine statistics and the list of packages are not collected
    unless you ask for them: with `settings`, with `save_code=True`, or with wandb's environment
    variables.

    wandb writes to the disk ten times a second, so a killed process loses no more than its last
    row, which wandb holds back until the next step.

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
        **kwargs: Any other argument of ``wandb.init``: ``mode="offline"``, ``group=…``,
            ``settings={…}``, …

    Attributes:
        run: The open ``wandb.Run``, for whatever else wandb can do.

    Raises:
        ImportError: wandb is missing or broken.
        TypeError: An argument that ``wandb.init`` does not know, or a `config` that is no dict.
        OSError: `dir` cannot be made or written.
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
        **kwargs: Any,
    ) -> None:
        super().__init__()
        wandb = load_sdk("wandb", "rechub-wandb")
        refuse_unknown_options("WandbLogger", kwargs, inspect.signature(wandb.init).parameters)
        plain = plain_config("WandbLogger", config)
        options = {
            **kwargs,
            "project": project,
            "name": name,
            "config": plain and _config(plain),
            "tags": tags,
            "notes": notes,
            "dir": _working_folder(kwargs) if dir is None else _writable(dir),
        }
        before = [hook.get() for hook in _HOOKS]
        try:
            self.run = _open_run(wandb, options)
        finally:
            for hook, function in zip(_HOOKS, before, strict=True):
                hook.opened(function)
            _release_hooks(wandb)
        self._wandb = wandb
        self._names = LegalNames("WandbLogger", lambda n: f"{n}_" if n in _RESERVED else n)
        # Several processes may write to a run in shared mode, so steps are not ours to set there.
        self._own_steps = getattr(self.run.settings, "mode", None) == "shared"
        self._axis_of: dict[str, str] = {}
        self._recorded: dict[str, int] = {}
        self._warned_of_order = False

    @property
    def recovery(self) -> str:
        """Where the run's files are, and the command that sends them."""
        folder = self.run.settings.sync_dir
        return f"Its files are in {folder}; send them with: wandb sync {folder}"

    def define_axis(self, axis: str, metrics: Sequence[str]) -> None:
        """Give these metrics an x-axis of their own; all others get the axis ``step``.

        From here on a row has its step in the column of its axis, and wandb numbers the rows.
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
        rows: dict[str, dict[str, Any]] = {}
        for name, value in metrics.items():
            rows.setdefault(self._axis_of.get(name, "step"), {})[self._names[name]] = value
        for axis, row in rows.items():
            self._write_row(row, step, axis)

    def write_resume(self, step: int, others: dict[str, int]) -> None:
        """Leave out the steps that a run opened with `resume` has already: wandb overwrites none.

        Online only; offline, wandb begins a run of the same id, and unites the two at the upload.
        """
        if self.run.resumed:
            columns = {axis: self.run.summary.get(axis, -1) for axis in ("step", *others)}
            last = columns["step"] if self._own_steps else self.run.step - 1
            self._recorded = {**columns, "step": last}

    def _write_row(self, row: dict[str, Any], step: int, axis: str = "step") -> None:
        if step <= self._recorded.get(axis, -1):
            return
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
        # One step on, and committed: neither the row before nor the row after is written over.
        self.run.log({"step": step, **row}, step=next_step + 1, commit=True)

    def write_text(self, name: str, text: str, step: int) -> None:
        """Write a page that shows the text as it is."""
        page = f"<pre>{html.escape(text)}</pre>"
        self._write_row({self._names[name]: self._wandb.Html(page, inject=False)}, step)

    def write_figure(self, name: str, figure: Any, step: int) -> None:
        """Write an image."""
        # wandb takes figures only where the user has imported pyplot.
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png")
        image = import_module("PIL.Image").open(drawn)  # which matplotlib brings
        self._write_row({self._names[name]: self._wandb.Image(image)}, step)

    def write_histogram(self, name: str, counts: list[int], edges: list[float], step: int) -> None:
        """Write a histogram."""
        histogram = self._wandb.Histogram(np_histogram=(counts, edges))
        self._write_row({self._names[name]: histogram}, step)

    def write_artifact(self, name: str, path: str, kind: str) -> None:
        """Keep a file as a version of an artifact, the newest one being the best."""
        self.run.log_artifact(path, name=name, type=kind, aliases=["best"])

    def write_hyperparams(self, params: dict[str, Any]) -> None:
        """Write to the run's config; the last value of a name wins."""
        # Without the flag wandb raises for a name that `config` had with another value.
        self.run.config.update(_config(params), allow_val_change=True)

    def close(self, failure: BaseException | None) -> None:
        """Finish the run, as failed if it died of something, and take wandb's hooks out again."""
        try:
            self.run.finish(exit_code=exit_code(failure))
        finally:
            _release_hooks(self._wandb)


def _config(params: Mapping[str, Any]) -> dict[str, Any]:
    """`params` as wandb can keep them; what is called ``_wandb`` is its own."""
    return {
        f"{n}_" if n.strip("-") == "_wandb" else n: value for n, value in in_utf8(params).items()
    }


def _open_run(wandb: Any, options: dict[str, Any]) -> Any:
    if _a_run_is_active(wandb):
        options.setdefault("reinit", "create_new")
    options["settings"] = _settings(wandb, options)
    try:
        return wandb.init(**options)
    except wandb.Error as error:
        raise type(error)(
            f"{error} (WandbLogger could not open its run. Log in once with `wandb login` or set "
            "WANDB_API_KEY, or record on this machine only with mode='offline'.)"
        ) from error


def _a_run_is_active(wandb: Any) -> bool:
    # Runs opened with reinit="create_new" are not in wandb.run, yet wandb.init would hand out such
    # a run again, and two loggers would share it.
    newest = getattr(wandb.setup(), "most_recent_active_run", None)
    return wandb.run is not None or newest is not None


def _settings(wandb: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Collect nothing unasked, write soon; what the user set anywhere wins."""
    given = options.get("settings") or {}
    if not isinstance(given, Mapping):
        given = {name: getattr(given, name) for name in given.model_fields_set}
    elsewhere = wandb.setup().settings  # environment variables and settings files
    known = set(wandb.Settings.model_fields) - elsewhere.model_fields_set
    defaults = {name: value for name, value in {**_PRIVACY, **_OFTEN}.items() if name in known}
    if options.get("save_code") is not None:
        defaults.pop("save_code", None)
    if given.get("save_code") or options.get("save_code") or elsewhere.save_code:
        defaults.pop("disable_code", None)
    return {**defaults, **given}


def _working_folder(options: Mapping[str, Any]) -> str | None:
    """Where files go without `dir`: wandb would remember the first working directory it saw."""
    settings = options.get("settings") or {}
    if "root_dir" in (settings if isinstance(settings, Mapping) else settings.model_fields_set):
        return None
    here = os.getcwd()
    return os.environ.get("WANDB_DIR") or (here if os.access(here, os.W_OK) else None)


def _writable(folder: str | os.PathLike[str]) -> str:
    """`folder`, made if needed: wandb would go to the system's temporary folder by itself."""
    path = os.path.expanduser(os.fspath(folder))
    os.makedirs(path, exist_ok=True)
    if not os.access(path, os.W_OK):
        raise PermissionError(f"WandbLogger cannot write to dir={path!r}")
    return path


class _Hook:
    """One of the two functions of `sys` that wandb replaces once in a process, for good.

    It is put back when no run of wandb is active, and wandb's is put in again for the next run.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.original: Any = None
        self.wandbs: Any = None

    def get(self) -> Any:
        return getattr(sys, self.name)

    def opened(self, before: Any) -> None:
        now = self.get()
        if now is not before:
            self.original, self.wandbs = before, now
        elif now is self.original:
            setattr(sys, self.name, self.wandbs)

    def closed(self) -> None:
        if self.wandbs is not None and self.get() is self.wandbs:
            setattr(sys, self.name, self.original)


_HOOKS = (_Hook("excepthook"), _Hook("exit"))


def _release_hooks(wandb: Any) -> None:
    if not _a_run_is_active(wandb):
        for hook in _HOOKS:
            hook.closed()
