"""Opening a run of wandb: collected data, folder."""

import logging
import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from torch_rechub._streams import forgiving_streams
from torch_rechub.basic.tracking.foreign import undisturbed
from torch_rechub.basic.tracking.plugin import local_directory

from .hooks import hooks_followed, leave_forked_processes_alone, release_hooks

log = logging.getLogger("torch_rechub.tracking")

# Data that wandb collects by default. The x_ names are private, so only those that the installed
# version knows are used.
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
# Interval in seconds at which wandb writes its file; with the default, a killed process loses 15
# seconds.
_OFTEN = {"x_transaction_log_flush_interval": 0.1}


def open_run(wandb: Any, options: dict[str, Any]) -> Any:
    """Open a run, in parallel with others, that collects only requested data."""
    try:
        with hooks_followed():
            run = _init(wandb, options)
        leave_forked_processes_alone(wandb)
        return run
    finally:
        release_when_closed(wandb)


def _init(wandb: Any, options: dict[str, Any]) -> Any:
    if _a_run_is_active(wandb):
        options.setdefault("reinit", "create_new")
    options["settings"] = _settings(wandb, options)
    _report_what_silence_hides(wandb)
    try:
        with forgiving_streams():
            return undisturbed(wandb.init)(**options)
    except wandb.Error as error:
        raise type(error)(
            f"{error} (WandbLogger could not open its run. Log in once with `wandb login` or set "
            "WANDB_API_KEY, or record on this machine only with mode='offline'.)"
        ) from error


def _report_what_silence_hides(wandb: Any) -> None:
    """Log warnings that WANDB_SILENT hides from the terminal.

    A failed upload is not reported anywhere else.
    """
    term = import_module("wandb.errors.term")
    if getattr(term, "_silent", False) and getattr(term, "_logger", True) is None:
        wandb.termsetup(wandb.setup().settings, log)


def _a_run_is_active(wandb: Any) -> bool:
    # runs opened with reinit="create_new" are not in wandb.run, but wandb.init may return such a
    # run
    # again, and two loggers would share it
    newest = getattr(wandb.setup(), "most_recent_active_run", None)
    return wandb.run is not None or newest is not None


def given_settings(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """The options in the user's `settings`, a mapping or an object of wandb's class."""
    given: Any = options.get("settings") or {}
    if isinstance(given, Mapping):
        return given
    return {name: getattr(given, name) for name in given.model_fields_set}


def _settings(wandb: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Collect nothing by default and write often; the user's own settings take precedence."""
    given = given_settings(options)
    elsewhere = wandb.setup().settings  # environment variables and settings files
    known = set(wandb.Settings.model_fields) - elsewhere.model_fields_set
    defaults = {name: value for name, value in {**_PRIVACY, **_OFTEN}.items() if name in known}
    if options.get("save_code") is not None:
        defaults.pop("save_code", None)
    if given.get("save_code") or options.get("save_code") or elsewhere.save_code:
        defaults.pop("disable_code", None)
    # None, as of the folder, leaves the setting to the arguments of wandb.init
    return {**defaults, **given}


def working_folder(settings: Mapping[str, Any]) -> str | None:
    """The folder of files without `dir`; None leaves it to wandb, which uses a temporary folder.

    Absolute, because wandb's process keeps its first working directory.
    """
    given = settings.get("root_dir") or os.environ.get("WANDB_DIR")
    if given:
        return local_directory("WandbLogger", "dir", given)
    here = os.getcwd()
    return here if os.access(here, os.W_OK) else None


def writable(folder: str | os.PathLike[str]) -> str:
    """Return `folder` as an absolute path, created if needed; wandb would fall back to another."""
    path = local_directory("WandbLogger", "dir", folder)
    os.makedirs(path, exist_ok=True)
    if not os.access(path, os.W_OK):
        raise PermissionError(f"WandbLogger cannot write to dir={path!r}")
    return path


def release_when_closed(wandb: Any) -> None:
    """Remove wandb's hooks if no run of wandb is open."""
    if not _a_run_is_active(wandb):
        release_hooks()
