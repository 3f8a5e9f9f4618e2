"""Keeps MLflow quiet and brief: no telemetry, no messages, no open connections, short time-outs."""

import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch_rechub.basic.tracking.plugin import load_sdk

# read by MLflow on import and on each call; the user's own take precedence
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # a connection that stays open survives in forked processes, and to a removed file
    "MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool",
    # MLflow's own are 120 s and 7: an unreachable server would hold a call for minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}
_NOT_WITH = {"MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE"}
_TALKATIVE = ("mlflow.store.db.utils", "alembic")

_lock = threading.Lock()
_calls = 0
_added: list[str] = []
_levels: dict[str, int] = {}


@contextmanager
def quiet() -> Iterator[None]:
    """Set MLflow's options for the calls in a block, and restore those of the process after it."""
    global _calls
    with _lock:
        if _calls == 0:
            _set()
        _calls += 1
    try:
        yield
    finally:
        with _lock:
            _calls -= 1
            if _calls == 0:
                _restore()


def load_tracking() -> Any:
    """Import ``mlflow.tracking``, without the variables that it adds to the environment.

    Raises:
        ImportError: mlflow is missing or broken.
    """
    if "mlflow.tracking" in sys.modules:
        return load_sdk("mlflow.tracking", "rechub-mlflow")
    before = set(os.environ)
    try:
        return load_sdk("mlflow.tracking", "rechub-mlflow")
    finally:
        for name in set(os.environ) - before:
            del os.environ[name]


def _set() -> None:
    for name, value in _ENVIRONMENT.items():
        if name not in os.environ and _NOT_WITH.get(name, name) not in os.environ:
            os.environ[name] = value
            _added.append(name)
    for name in _TALKATIVE:
        logger = logging.getLogger(name)
        _levels[name] = logger.level
        logger.setLevel(max(logger.level, logging.WARNING))


def _restore() -> None:
    for name in _added:
        os.environ.pop(name, None)
    for name, level in _levels.items():
        logging.getLogger(name).setLevel(level)
    _added.clear()
    _levels.clear()
