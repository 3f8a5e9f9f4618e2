"""Weights on disk: written whole or not at all, read without running anything they contain."""

import copy
import os
import random
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..._files import CheckpointError, read_tensors, written_whole
from ..._paths import local_path
from ...distributed import process_rank
from ...types import FilePath
from .form import refuse_nan, refuse_other_kinds

_CHECKSUMS = threading.Lock()


def prepare_folder(folder: str | os.PathLike[str]) -> Path:
    """Make sure that files can be written to `folder`, creating it if need be.

    Raises:
        OSError: It cannot be created or written to; the message names it and the reason.
    """
    path = local_path("model_path", folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path, prefix=".writable-"):
            pass
    except OSError as error:
        raise type(error)(
            f"model_path={str(folder)!r} cannot be written to ({error.strerror or error}); the "
            "model would be lost after training. Give a folder you may write to."
        ) from error
    return path


def save_weights(weights: dict[str, Any], file: Path) -> None:
    """Write a state dict to `file`: to a temporary file first, synced, then renamed over it.

    Where several processes train together, only the first writes.

    Raises:
        OSError: It cannot be written, as on a full disk; what was there before is whole.
    """
    if process_rank() > 0:
        return
    try:
        with written_whole(file) as stream, _without_checksums():
            torch.save(weights, stream)
    except RuntimeError as error:
        reason = error.__context__  # torch raises one of its own over the system's
        if not isinstance(reason, OSError):
            raise
        raise OSError(reason.errno, reason.strerror, str(file)) from error


@contextmanager
def _without_checksums() -> Iterator[None]:
    """Save without checksums, which take longer than writing and which torch.load never reads."""
    # The setting is the process's: a second thread would take the first one's for the user's.
    with _CHECKSUMS:
        before = torch.serialization.get_crc32_options()
        torch.serialization.set_crc32_options(False)
        try:
            yield
        finally:
            torch.serialization.set_crc32_options(before)


def load_weights(file: FilePath) -> dict[str, Any]:
    """Read a state dict that `save_weights` or torch-rechub 0.9 wrote, onto the CPU.

    Nothing in the file is executed.

    Raises:
        FileNotFoundError: There is no such file.
        CheckpointError: It is damaged, holds more than tensors and plain data, or is no dict.
    """
    weights = read_tensors(file)
    if not isinstance(weights, Mapping):
        raise CheckpointError(
            f"{os.fspath(file)} holds a {type(weights).__name__}, not a state dict: save "
            "model.state_dict() there"
        )
    return dict(weights)


def put_weights(model: nn.Module, file: FilePath) -> None:
    """Load the weights of a file into a model, which keeps its own if they do not fit.

    Raises:
        FileNotFoundError: There is no such file.
        CheckpointError: It cannot be used, or holds the weights of another model.
    """
    weights, own = load_weights(file), model.state_dict()
    # torch copies what fits before it raises; weights of the very same names and shapes all fit
    before = None if shapes(weights) == shapes(own) else copy.deepcopy(own)
    refuse_nan(weights, file)
    refuse_other_kinds(weights, own, file)
    try:
        model.load_state_dict(weights)
    except Exception as error:
        if before is not None:
            model.load_state_dict(before)
        raise CheckpointError(
            f"{os.fspath(file)} holds the weights of another model than this "
            f"{type(model).__name__}: build it with the arguments it was trained with ({error})"
        ) from error


def shapes(weights: Mapping[str, Any]) -> dict[str, Any]:
    """The shape of each entry of a state dict, by which two of one model can be told to fit."""
    return {name: getattr(value, "shape", None) for name, value in weights.items()}


def random_state() -> dict[str, Any]:
    """The state of every generator that training draws from, as tensors and plain data."""
    state: Any = np.random.get_state()  # noqa: NPY002 - scripts draw from it
    kind, keys, position, has_gauss, gauss = state
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": (kind, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, gauss),
        "python": random.getstate(),
    }


def restore_random_state(state: dict[str, Any]) -> None:
    """Put every generator back to where `random_state` found it."""
    torch.set_rng_state(state["torch"])
    if len(state["cuda"]) == torch.cuda.device_count() > 0:
        torch.cuda.set_rng_state_all(state["cuda"])
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    random.setstate(state["python"])
