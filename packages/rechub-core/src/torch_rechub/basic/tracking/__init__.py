"""Experiment logging: `BaseLogger`, and the loggers of the tracker packages that are installed.

A tracker is a package with an entry point in the group ``torch_rechub.loggers``; its logger is
imported from here by name, whatever package it came from::

    from torch_rechub.basic.tracking import TensorBoardXLogger, WandbLogger

Nothing is imported before a name is asked for: neither torch, nor a tracker, nor its SDK.
"""

from typing import TYPE_CHECKING, Any

from ..._installation import refuse_mixed_installation
from .base import BaseLogger, LoggerClosedError
from .discovery import KNOWN_LOGGERS, available_loggers, find_logger
from .fanout import LoggerGroup
from .logger import RunLogger
from .redaction import redact_messages

if TYPE_CHECKING:
    from .jsonl import JSONLLogger

refuse_mixed_installation()
redact_messages()

__all__ = [
    "BaseLogger",
    "JSONLLogger",
    "LoggerClosedError",
    "LoggerGroup",
    "RunLogger",
    "SwanLabLogger",
    "TensorBoardXLogger",
    "WandbLogger",
    "available_loggers",
]


def __getattr__(name: str) -> Any:
    logger_class = None if name.startswith("_") else find_logger(name)
    if logger_class is None:
        raise AttributeError(
            f"module {__name__!r} has no attribute {name!r}; "
            f"loggers of installed trackers: {', '.join(available_loggers()) or 'none'}"
        )
    globals()[name] = logger_class
    return logger_class


def __dir__() -> list[str]:
    return sorted({*__all__, *KNOWN_LOGGERS, *available_loggers()})
