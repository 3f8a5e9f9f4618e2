"""`WandbLogger`: a run of Weights & Biases behind the logger interface of Torch-RecHub."""

import inspect
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch_rechub.basic.tracking.logger import RunLogger
from torch_rechub.basic.tracking.plugin import (
    LegalNames,
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

# wandb's own columns, which it would write over a metric of that name without a word, and ours.
_RESERVED = frozenset({"", "_runtime", "_step", "_timestamp", "_wandb", "step"})


class WandbLogger(RunLogger):
    """Records one run in Weights & Biases.

    The run is opened here, so a missing key or package fails before training, and closed by
    `finish()`, which a trainer calls: exit code 0, or 1 when the run died of an error. When another
    run is active in this process the new one is opened beside it, unless `reinit` says otherwise.

    Code, git state, console output, machine statistics and the list of packages are not collected
    unless you ask for them: with `settings`, with `save_code=True`, or with wandb's environment
    variables.

    wandb's own step can only grow. Values for an earlier step are recorded at wandb's next step
    with their own in the column ``step``, and reported once. A name logged twice at one step keeps
    the later value. A metric called ``step``, or by one of wandb's own names (``_step``,
    ``_runtime``, ``_timestamp``, ``_wandb``), is recorded with ``_`` appended.

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
        setup = wandb.setup()
        options = {**kwargs, "settings": _settings(wandb, setup, kwargs)}
        if _another_run_is_active(wandb, setup):
            options.setdefault("reinit", "create_new")
        self._hooks = _ProcessHooks()
        try:
            self.run = wandb.init(
                project=project,
                name=name,
                config=plain,
                tags=tags,
                notes=notes,
                dir=None if dir is None else _writable(dir),
                **options,
            )
        except wandb.Error as error:
            raise type(error)(
                f"{error} (WandbLogger could not open its run. Log in once with `wandb login` or "
                "set WANDB_API_KEY, or record on this machine only with mode='offline'.)"
            ) from error
        self._hooks.opened()
        self._names = LegalNames("WandbLogger", lambda n: f"{n}_" if n in _RESERVED else n)
        # Several processes may write to a run in shared mode, so steps are not ours to set there.
        self._own_steps = getattr(self.run.settings, "mode", None) == "shared"
        self._warned_of_order = False

    def write_metrics(self, metrics: dict[str, float], step: int) -> None:
        """Write one row; see the class for steps that go back."""
        row = {self._names[name]: value for name, value in metrics.items()}
        if self._own_steps:
            self.run.log({"step": step, **row})
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

    def write_hyperparams(self, params: dict[str, Any]) -> None:
        """Write to the run's config; the last value of a name wins."""
        # Without the flag wandb raises for a name that `config` had with another value.
        self.run.config.update(params, allow_val_change=True)

    def close(self, failure: BaseException | None) -> None:
        """Finish the run, as failed if it died of something, and take wandb's hooks out again."""
        try:
            self.run.finish(exit_code=0 if failure is None else 1)
        finally:
            self._hooks.restore()


def _another_run_is_active(wandb: Any, setup: Any) -> bool:
    # Runs opened with reinit="create_new" are not in wandb.run, yet wandb.init would hand out such
    # a run again, and two loggers would share it.
    return wandb.run is not None or getattr(setup, "most_recent_active_run", None) is not None


def _settings(wandb: Any, setup: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Collect nothing that the user did not ask for; what the user set anywhere wins."""
    given = kwargs.get("settings") or {}
    if not isinstance(given, Mapping):
        given = {name: getattr(given, name) for name in given.model_fields_set}
    elsewhere = set(setup.settings.model_fields_set)  # environment variables and settings files
    wants_code = bool(given.get("save_code") or kwargs.get("save_code") or setup.settings.save_code)
    known = wandb.Settings.model_fields
    defaults = {k: v for k, v in _PRIVACY.items() if k in known and k not in elsewhere}
    if kwargs.get("save_code") is not None:
        defaults.pop("save_code")
    if wants_code:
        defaults.pop("disable_code", None)
    return {**defaults, **given}


def _writable(folder: str | os.PathLike[str]) -> str:
    """`folder`, made if needed: wandb would go to the system's temporary folder by itself."""
    path = os.path.expanduser(os.fspath(folder))
    os.makedirs(path, exist_ok=True)
    if not os.access(path, os.W_OK):
        raise PermissionError(f"WandbLogger cannot write to dir={path!r}")
    return path


class _ProcessHooks:
    """Takes out `sys.excepthook` and `sys.exit` as wandb left them; wandb does so at exit only."""

    _stack: ClassVar["list[_ProcessHooks]"] = []

    def __init__(self) -> None:
        self._before = (sys.excepthook, sys.exit)
        self._wandbs = self._before

    def opened(self) -> None:
        self._wandbs = (sys.excepthook, sys.exit)
        self._stack.append(self)

    def restore(self) -> None:
        if self not in self._stack:
            return
        self._stack.remove(self)
        if sys.excepthook is self._wandbs[0]:
            sys.excepthook = self._before[0]
        if sys.exit is self._wandbs[1]:
            sys.exit = self._before[1]
        for later in self._stack:
            # A run that was opened on top of this one now goes back to what was there before both.
            later._before = tuple(  # type: ignore[assignment]
                mine if theirs is wandbs else theirs
                for theirs, wandbs, mine in zip(
                    later._before, self._wandbs, self._before, strict=True
                )
            )
