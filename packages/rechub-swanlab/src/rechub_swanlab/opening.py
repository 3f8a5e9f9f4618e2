"""Opening a run of swanlab: arguments, collected data, folder."""

import os
import signal
import sys
from collections.abc import Mapping
from functools import wraps
from typing import Any

from torch_rechub.basic.tracking.plugin import local_directory
from torch_rechub.basic.tracking.redaction import redact

# data that swanlab collects by default
_PRIVACY: dict[str, Any] = {
    "probe": {
        "hardware": False,
        "runtime": False,
        "requirements": False,
        "conda": False,
        "git": False,
        "monitor": False,
    },
    "terminal": {"proxy_type": "none"},
}

# swanlab's newer names for three arguments of the logger, accepted as well.
NEWER_NAMES = {"name": "experiment_name", "notes": "description", "log_dir": "logdir"}


def left_to_python(run: Any, on_ctrl_c: Any) -> bool:
    """Restore the previous handler of Ctrl-C; return whether any thread may finish the run.

    KeyboardInterrupt still reaches swanlab: by the trainer, or by its hook for uncaught exceptions.
    Only the main thread can remove swanlab's own handler.
    """
    if signal.getsignal(signal.SIGINT) is on_ctrl_c:
        return True
    if on_ctrl_c is None or not hasattr(run, "_is_main_thread"):
        return False
    signal.signal(signal.SIGINT, on_ctrl_c)
    run._is_main_thread = False
    return True


def with_older_names(kwargs: Mapping[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Move swanlab's newer names from `kwargs` into `own`; returns the rest."""
    rest = dict(kwargs)
    for newer, older in NEWER_NAMES.items():
        value = rest.pop(newer, None)
        if value is not None and own[older] is not None:
            raise TypeError(f"SwanLabLogger got both {older!r} and {newer!r}, which mean the same")
        own[older] = own[older] if value is None else value
    return rest


def quiet_settings(swanlab: Any, given: Any) -> dict[str, Any]:
    """Collect nothing that the user did not request, and never prompt."""
    explicit = {} if given is None else given
    if not isinstance(explicit, Mapping):
        explicit = explicit.model_dump(exclude_unset=True)
    # Environment variables and settings files are the user's choice, too. They are left out of
    # the defaults rather than copied, so that swanlab.merge_settings() keeps its precedence.
    elsewhere = swanlab.Settings().model_dump(exclude_unset=True)
    defaults = {
        group: {k: v for k, v in values.items() if k not in elsewhere.get(group, {})}
        for group, values in _PRIVACY.items()
    }
    merged = {**defaults, **explicit}
    for group, values in defaults.items():
        merged[group] = {**values, **_as_dict(explicit.get(group))}
    return {**merged, "interactive": False}


def working_folder(swanlab: Any, logdir: str | os.PathLike[str] | None, settings: Any) -> str:
    """The absolute folder of files: swanlab would resolve it later, in another working directory.

    Args:
        swanlab: The SDK.
        logdir: The logger's argument; None means the setting elsewhere, or swanlab's default.
        settings: The result of `quiet_settings`.
    """
    if logdir is None:
        logdir = settings.get("log_dir")
    if logdir is None:  # includes settings of `swanlab.merge_settings`, if they are accessible
        module = sys.modules.get("swanlab.sdk.internal.settings")
        logdir = getattr(module, "create_settings", swanlab.Settings)().log_dir
    return local_directory("SwanLabLogger", "logdir", logdir)


def _as_dict(group: Any) -> dict[str, Any]:
    if group is None or isinstance(group, Mapping):
        return dict(group or {})
    return dict(group.model_dump(exclude_unset=True))


def redact_errors(run: Any) -> None:
    """Redact the traceback that swanlab's own hook records for an uncaught exception."""
    finish = run.finish

    @wraps(finish)
    def without_secrets(state: str = "success", error: str | None = None, **options: Any) -> Any:
        return finish(state=state, error=None if error is None else redact(error), **options)

    run.finish = without_secrets
