"""The identity of a run: its data, and on request its code and its environment."""

import logging
from collections.abc import Mapping
from typing import Any

from torch import nn

from ...basic.layers.embedding import input_columns
from ...basic.tracking.listed import listed
from ...data.fingerprint import fingerprint
from ...distributed import process_rank
from ..recording import Recording
from .code_state import code_state
from .environment import imported_packages

log = logging.getLogger("torch_rechub")

SAMPLED_ABOVE = 2**20
"""The number of values of a table above which a run records the hash of a sample of its rows."""

_SIZES = "ids input"


def describe_identity(
    recording: Recording, data: Mapping[str, Any], model: nn.Module
) -> dict[str, Any]:
    """The hyper-parameters that identify what was trained: data, code, environment.

    Args:
        recording: Which of them to record.
        data: The loaders of `fit` by name: train, val, test; None where there are no such data.
        model: The model, whose vocabulary sizes are recorded with the data.
    """
    if process_rank() != 0:  # the loggers of other processes record nothing
        return {}
    found: dict[str, Any] = {}
    if recording.data:
        limit = None if recording.data == "all" else SAMPLED_ABOVE
        found["data"] = describe_splits(data, limit) | _sizes(model)
    if recording.code:
        found["code"] = code_state()
    if recording.environment:
        found["environment"] = imported_packages()
    return found


def describe_splits(data: Mapping[str, Any], limit: int | None) -> dict[str, Any]:
    """The fingerprint of each data set of `fit`, by name."""
    known: dict[int, tuple[str, str]] = {}
    records: dict[int, dict[str, Any]] = {}
    for name, loader in data.items():
        if loader is not None and id(loader) not in records:
            records[id(loader)] = _record(name, loader, limit, known)
    return {name: records[id(loader)] for name, loader in data.items() if loader is not None}


def _record(
    name: str, loader: Any, limit: int | None, known: dict[int, tuple[str, str]]
) -> dict[str, Any]:
    try:
        # a tuple of batches could be taken for (x, y)
        data = list(loader) if isinstance(loader, tuple) else loader
        return fingerprint(data, limit, known).record()
    except Exception as error:  # data of any library; training goes on without their fingerprint
        log.warning("The fingerprint of the %s data was not recorded: %r", name, error)
        return {"unread": type(error).__name__}


def _sizes(model: nn.Module) -> dict[str, list[str]]:
    """The vocabulary size of each input of ids."""
    sizes = {name: size for name, (_, size) in input_columns(model).items() if size is not None}
    return {"sizes": listed(_SIZES, (f"{n} {name}" for name, n in sizes.items()))} if sizes else {}
