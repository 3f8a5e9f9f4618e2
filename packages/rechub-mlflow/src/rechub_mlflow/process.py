"""Keeps MLflow quiet and brief: no telemetry, no messages, no open connections, short time-outs."""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

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
