"""Weights on disk: written whole or not at all, read without running anything they contain."""

import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..basic.ranks import process_rank


def prepare_folder(folder: str | os.PathLike[str]) -> Path:
    """Make sure that files can be written to `folder`, creating it if need be.

    Raises:
        OSError: It cannot be created or written to; the message names it and the reason.
    """
    path = Path(folder).expanduser()
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


class CheckpointError(RuntimeError):
    """A file of weights or a checkpoint cannot be used; the message says why and what to do."""


def save_weights(weights: dict[str, Any], file: Path) -> None:
    """Write a state dict to `file`: to a temporary file first, synced, then renamed over it.

    Where several processes train together, only the first writes.

    Raises:
        OSError: It cannot be written, as on a full disk; what was there before is whole.
    """
    if process_rank() > 0:
        return
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream, _without_checksums():
            torch.save(weights, stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, file)
    except RuntimeError as error:
        reason = error.__context__  # torch raises one of its own over the system's
        if not isinstance(reason, OSError):
            raise
        raise OSError(reason.errno, f"{file} cannot be written: {reason.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _without_checksums() -> Iterator[None]:
    """Save without checksums, which take longer than writing and which torch.load never reads."""
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        yield
    finally:
        torch.serialization.set_crc32_options(before)


def load_weights(file: str | os.PathLike[str]) -> dict[str, Any]:
    """Read what `save_weights` or torch-rechub 0.9 wrote, onto the CPU; nothing in it is executed.

    Raises:
        FileNotFoundError: There is no such file.
        CheckpointError: It is damaged, or holds more than tensors and plain data.
    """
    try:
        weights: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # what torch raises on damaged bytes is of half a dozen types
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{os.fspath(file)} cannot be read: it is damaged, or holds more than tensors and "
            f"plain data, which is never executed ({reason}). Remove it, or put a sound copy there."
        ) from error
    return weights


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
