"""Weights on disk: written atomically, loaded without executing code."""

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
    """Create a folder if needed, and check that it is writable.

    Raises:
        OSError: The folder cannot be created or written to; the message gives the reason.
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
    """Write a state dict to `file` atomically.

    In distributed training only rank 0 writes.

    Raises:
        OSError: Writing failed, as on a full disk; an existing file is unchanged.
    """
    if process_rank() > 0:
        return
    try:
        with written_whole(file) as stream, _without_checksums():
            torch.save(weights, stream)
    except RuntimeError as error:
        reason = error.__context__  # torch raises its own error on top of the OSError
        if not isinstance(reason, OSError):
            raise
        raise OSError(reason.errno, reason.strerror, str(file)) from error


@contextmanager
def _without_checksums() -> Iterator[None]:
    """Save without checksums, which take longer than writing and are not read by torch.load."""
    # the setting is global: without the lock a second thread would restore the wrong value
    with _CHECKSUMS:
        before = torch.serialization.get_crc32_options()
        torch.serialization.set_crc32_options(False)
        try:
            yield
        finally:
            torch.serialization.set_crc32_options(before)


def load_weights(file: FilePath) -> dict[str, Any]:
    """Load a state dict of `save_weights` or torch-rechub 0.9 onto the CPU, without executing code.

    Raises:
        FileNotFoundError: The file does not exist.
        CheckpointError: The file is damaged, holds other objects than tensors and plain data, or
            is not a dict.
    """
    weights = read_tensors(file)
    if not isinstance(weights, Mapping):
        raise CheckpointError(
            f"{os.fspath(file)} holds a {type(weights).__name__}, not a state dict: save "
            "model.state_dict() there"
        )
    return dict(weights)


def put_weights(model: nn.Module, file: FilePath) -> None:
    """Load the weights of a file into a model; if they do not fit, the model is unchanged.

    Raises:
        FileNotFoundError: The file does not exist.
        CheckpointError: The file cannot be used, or holds the weights of another model.
    """
    weights, own = load_weights(file), model.state_dict()
    # checked first, because load_state_dict copies matching weights before it raises
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
    """Return the shape of each entry of a state dict."""
    return {name: getattr(value, "shape", None) for name, value in weights.items()}


def random_state() -> dict[str, Any]:
    """Return the states of all random generators of training, as tensors and plain data."""
    state: Any = np.random.get_state()  # noqa: NPY002 - scripts draw from it
    kind, keys, position, has_gauss, gauss = state
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": (kind, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, gauss),
        "python": random.getstate(),
    }


def restore_random_state(state: dict[str, Any]) -> None:
    """Restore the states returned by `random_state`."""
    torch.set_rng_state(state["torch"])
    if len(state["cuda"]) == torch.cuda.device_count() > 0:
        torch.cuda.set_rng_state_all(state["cuda"])
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    random.setstate(state["python"])
