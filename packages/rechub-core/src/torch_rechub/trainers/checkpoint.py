"""Weights on disk: written whole or not at all, read without running anything they contain."""

import os
import tempfile
from pathlib import Path
from typing import Any

import torch


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


def save_weights(weights: dict[str, Any], file: Path) -> None:
    """Write a state dict to `file`: to a temporary file first, synced, then renamed over it."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            torch.save(weights, stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)


def load_weights(file: str | os.PathLike[str], device: Any = "cpu") -> dict[str, Any]:
    """Read a state dict that `save_weights` or torch-rechub 0.9 wrote; nothing in it is executed.

    Raises:
        FileNotFoundError: There is no such file.
    """
    weights: dict[str, Any] = torch.load(file, map_location=device, weights_only=True)
    return weights
