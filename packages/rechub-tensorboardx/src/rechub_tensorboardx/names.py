"""Names: of files and folders of a run, of options, and of what is recorded."""

import inspect
import itertools
import os
import re
from typing import Any

from torch_rechub.basic.tracking.plugin import local_directory

_ILLEGAL = re.compile(r"[^-/\w.]")
_HPARAMS = "_hparams_/"
_serial = itertools.count()


def suffix() -> str:
    """A unique suffix: two runs that start in the same second would overwrite each other's file.

    The numbers have a fixed length because TensorBoard sorts files by name.
    """
    return f".{os.getpid()}.{next(_serial):06d}"


def writer_options(tensorboardx: Any) -> set[str]:
    """The options of a writer that the logger does not set itself."""
    parameters = inspect.signature(tensorboardx.SummaryWriter).parameters.values()
    ours = {"logdir", "log_dir", "comment"}
    return {p.name for p in parameters if p.kind is not p.VAR_KEYWORD} - ours


def directory(log_dir: str | os.PathLike[str], comment: str) -> str:
    """The directory of a run."""
    path = os.fspath(log_dir)
    joined = (path.rstrip("/\\") or path) + comment if path else path
    return local_directory("TensorBoardXLogger", "log_dir", joined)


def legal(name: str) -> str:
    """A name that TensorBoard accepts."""
    legal = _ILLEGAL.sub("_", name).lstrip("/") or "_"
    return f"_{legal}" if legal.startswith(_HPARAMS) else legal


def legal_text(name: str) -> str:
    """`hyperparameters` and `status` are texts of the logger's own."""
    return f"{name}_" if name in ("hyperparameters", "status") else legal(name)
