"""Helpers for tracker packages, in addition to `RunLogger`."""

import difflib
import hashlib
import logging
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from importlib import import_module
from typing import Any, Literal

from ..._paths import local_path
from .foreign import error_text, undisturbed
from .names import distinct, free_name
from .plain import plain_hyperparams
from .redaction import REDACTED, redact

log = logging.getLogger("torch_rechub.tracking")


def load_sdk(module: str, distribution: str) -> Any:
    """Import a tracker's SDK; call it when a logger is created, not when its package is imported.

    Args:
        module: The SDK's import name, for instance ``wandb``.
        distribution: The tracker package that depends on the SDK, for instance ``rechub-wandb``.

    Raises:
        ImportError: The SDK is missing, or its import raises any exception.

    Example:
        >>> load_sdk("json", "rechub-example").dumps({})
        '{}'
    """
    try:
        return undisturbed(import_module)(module)
    except Exception as error:
        raise ImportError(
            f"importing {module} failed ({error_text(error, repr)}). "
            f"Install it with: pip install {distribution}"
        ) from error


def refuse_unknown_options(owner: str, given: Collection[str], allowed: Collection[str]) -> None:
    """Raise TypeError for the first name in `given` that is not `allowed`, before a run is opened.

    Raises:
        TypeError: The message names the option, the closest allowed one, and all allowed ones.

    Example:
        >>> refuse_unknown_options("ListLogger", {"tagz"}, {"tags", "notes"})
        Traceback (most recent call last):
        ...
        TypeError: ListLogger got an unknown option 'tagz'; did you mean 'tags'? ...
    """
    for name in given:
        if name not in allowed:
            near = difflib.get_close_matches(name, allowed, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise TypeError(
                f"{owner} got an unknown option {name!r}; {hint}"
                f"Allowed options: {', '.join(sorted(allowed))}"
            )


def plain_config(owner: str, config: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Convert a user's initial hyper-parameters to plain data without secrets; None stays None.

    Raises:
        TypeError: `config` is neither a mapping nor None.
    """
    if config is None:
        return None
    if not isinstance(config, Mapping):
        raise TypeError(f"{owner}: config must be a dict or None, got {type(config).__name__}")
    return plain_hyperparams(config)


def without_secrets(
    owner: str, options: Mapping[str, Any], ids: Iterable[str] = ("id",)
) -> dict[str, Any]:
    """Copy the options of a run, with each secret in their texts replaced by ``<redacted>``.

    The names of the changed options are reported. Folders are left out of `options`: they are not
    part of the run.

    Args:
        owner: The logger's class name.
        options: Name to value; strings and sequences of strings are searched.
        ids: Options that must not be changed.

    Raises:
        ValueError: One of `ids` holds a secret.

    Example:
        >>> without_secrets("ListLogger", {"tags": ["a", "token=s3cret"], "id": "a1"})
        {'tags': ['a', 'token=<redacted>'], 'id': 'a1'}
    """
    safe = {name: _redacted(value) for name, value in options.items()}
    changed = [name for name, value in safe.items() if value is not options[name]]
    for name in changed:
        if name in ids:
            raise ValueError(
                f"{owner}: {name}={safe[name]!r} holds a secret, which every record of the run "
                f"would show: give another {name}"
            )
    if changed:
        log.warning("%s: secrets in %s are recorded as %s.", owner, ", ".join(changed), REDACTED)
    return safe


def _redacted(value: Any) -> Any:
    """Return `value` itself if there is nothing to redact."""
    if isinstance(value, str):
        safe: Any = redact(value)
    elif type(value) in (list, tuple, set):
        safe = type(value)(map(_redacted, value))
    else:
        return value
    return value if safe == value else safe


def in_utf8(data: Any) -> Any:
    r"""Copy plain data such that every string can be encoded as UTF-8, which most trackers need.

    Lone surrogates, as in a file name that is not UTF-8, become escapes.

    Example:
        >>> in_utf8({"file": ["caf\udce9"]})
        {'file': ['caf\\udce9']}
    """
    if isinstance(data, str):
        return data.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(data, Mapping):
        return distinct((in_utf8(name), in_utf8(value)) for name, value in data.items())
    return [in_utf8(item) for item in data] if isinstance(data, list) else data


def failure_text(error: BaseException) -> str:
    """Describe a failure in one line, without secrets and without the paths of a traceback.

    Example:
        >>> failure_text(ValueError("loss is nan"))
        'ValueError: loss is nan'
    """
    text = f"{type(error).__name__}: {error_text(error)}".removesuffix(": ")
    return str(in_utf8(redact(text)))


def ending(failure: BaseException | None) -> Literal["finished", "failed", "interrupted"]:
    """The status of a run that ended with `failure`, or without one; Ctrl-C and exits interrupt it.

    Example:
        >>> ending(None), ending(ValueError()), ending(KeyboardInterrupt())
        ('finished', 'failed', 'interrupted')
    """
    if failure is None:
        return "finished"
    return "failed" if isinstance(failure, Exception) else "interrupted"


def exit_code(failure: BaseException | None) -> int:
    """The exit code of a process that ends with `failure`: 0, 1, 130 for Ctrl-C, 143 for SIGTERM.

    Example:
        >>> exit_code(None), exit_code(ValueError()), exit_code(SystemExit(143))
        (0, 1, 143)
    """
    if ending(failure) != "interrupted":
        return 0 if failure is None else 1
    return 143 if isinstance(failure, SystemExit) and failure.code == 143 else 130


def local_directory(owner: str, argument: str, path: str | os.PathLike[str]) -> str:
    """Return `path`, absolute and with ``~`` expanded, if it is or can become a directory.

    Raises:
        ValueError: `path` is empty or a URL such as ``s3://…``.
        NotADirectoryError: `path` is a file.
    """
    if path in ("", b""):
        raise ValueError(f"{owner}: {argument} must name a directory, got {path!r}")
    text = str(local_path(f"{owner}: {argument}", path))
    if os.path.exists(text) and not os.path.isdir(text):
        raise NotADirectoryError(f"{owner}: {argument} must be a directory, but {text!r} is a file")
    return text


class LegalNames:
    """Maps metric names to unique names that a tracker accepts.

    The mapping is deterministic and injective, and each change is reported once.

    Args:
        owner: The logger's class name, for the report.
        legal: Returns a legal name for any name; it must return legal names unchanged.

    Example:
        >>> names = LegalNames("ListLogger", lambda name: name.replace(" ", "_"))
        >>> names["val/auc"], names["val auc"], names["val_auc"]
        ('val/auc', 'val_auc', 'val_auc_')
    """

    def __init__(self, owner: str, legal: Callable[[str], str]) -> None:
        self._owner = owner
        self._legal = legal
        self._recorded: dict[str, str] = {}
        self._taken: set[str] = set()

    def __getitem__(self, name: str) -> str:
        recorded = self._recorded.get(name)
        if recorded is None:
            recorded = free_name(self._legal(in_utf8(name)), self._taken)
            self._recorded[name] = recorded
            self._taken.add(recorded)
            if recorded != name:
                log.warning("%s records the metric %r as %r.", self._owner, name, recorded)
        return recorded


def shortened(name: str, length: int) -> str:
    """Truncate `name` to `length` characters; a digest at the end distinguishes long names.

    Example:
        >>> shortened("val/auc", 20), shortened("a" * 30, 20)
        ('val/auc', 'aaaaaaaaaaa#3a54fc0c')
    """
    if len(name) <= length:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:8]
    return f"{name[: length - 9]}#{digest}"
