"""Checks of checkpoints that torch can load, but that would give wrong results or crash."""

import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..._files import CheckpointError
from ...types import FilePath

REMEDY = "give another model_path, or remove the file to start afresh"


def without_numpy(value: Any) -> Any:
    """Convert NumPy numbers in a state to Python numbers, because torch refuses to load them.

    They come from metrics of scikit-learn and from settings computed with NumPy.
    """
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        plain = {without_numpy(key): without_numpy(part) for key, part in value.items()}
        return Counter(plain) if isinstance(value, Counter) else plain
    if type(value) in (list, tuple):
        return type(value)(without_numpy(part) for part in value)
    return value


def check_history(path: Path, rows: list[Any], loss_names: Sequence[str]) -> None:
    """Refuse a history without a row of numbers for each epoch, or without the task's losses.

    Raises:
        CheckpointError: The history is invalid; the message names the epoch.
    """
    for i, row in enumerate(rows):
        if not isinstance(row, dict) or row.get("epoch") != i:
            raise CheckpointError(f"{path} is damaged: its history lacks epochs: {REMEDY}")
        if not all(isinstance(v, int | float) for v in row.values()):
            raise CheckpointError(f"{path} is damaged: epoch {i} has no numbers: {REMEDY}")
        if missing := set(loss_names) - row.keys():
            raise CheckpointError(
                f"{path} is damaged, or of another task: epoch {i} has no {min(missing)!r}: "
                f"{REMEDY}"
            )


def classes_of(optimizer: Any, scheduler: Any) -> dict[str, str]:
    """The classes of the states in a checkpoint; torch loads those of other classes silently."""
    parts = getattr(optimizer, "optimizers", [optimizer])
    name = " with ".join(type(part).__name__ for part in parts)
    return {"optimizer": name, "scheduler": type(scheduler).__name__}


def form_of(state: Mapping[str, Any], classes: Mapping[str, str]) -> dict[str, str]:
    """Return the type of every value that torch loads unchecked, by its path, and tensor shapes.

    Optimizers do not check the shape of moments, and crash the process if they are shorter than the
    weights.

    Args:
        state: The entries of a checkpoint.
        classes: The classes of its optimizer and scheduler, which are part of the form.
    """
    loaded = {name: state[name] for name in ("optimizer", "scheduler", "task")}
    loaded["within_epoch"] = state.get("within_epoch", {})
    return dict(classes) | dict(_leaves(loaded, ""))


def _leaves(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Tensor):
        yield name, f"{value.dtype} {tuple(value.shape)}"
    elif isinstance(value, Mapping | list | tuple):
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, part in items:
            yield from _leaves(part, f"{name}.{key}")
    else:
        yield name, type(value).__name__


def check_form(
    path: Path, state: dict[str, Any], classes: Mapping[str, str], parts: Mapping[str, Any]
) -> None:
    """Refuse a state that does not have its stored form, or belongs to another trainer.

    Args:
        path: The file, for the message.
        state: The entries of the file.
        classes: See `form_of`.
        parts: The stateful parts of the task, by name.

    Raises:
        CheckpointError: An entry is invalid; the message names it.
    """
    written = state["form"]
    for name, maker in classes.items():
        if written.get(name) != maker:
            raise CheckpointError(
                f"{path} is the checkpoint of another {name}, {written.get(name)}, not {maker}: "
                f"{REMEDY}"
            )
    found = form_of(state, classes)
    for name in [*written, *found]:
        if written.get(name) != found.get(name):
            raise CheckpointError(
                f"{path} is damaged: {str(name).lstrip('.')!r} is {found.get(name, 'missing')}, "
                f"not {written.get(name, 'there')}: {REMEDY}"
            )
    if other := state["task"].keys() ^ parts.keys():
        raise CheckpointError(f"{path} is the checkpoint of another task: {min(other)!r}: {REMEDY}")


def refuse_nan(values: Any, file: FilePath, name: str = "") -> None:
    """Refuse NaN in numbers and tensors, and tensors with fewer stored values than elements.

    Args:
        values: The contents of a file: a tensor, a number, or dicts, lists and tuples of them.
        file: The file, for the message.
        name: The name of the values in the file.

    Raises:
        CheckpointError: A value is invalid; the message names the first.
    """
    if isinstance(values, Tensor):
        if values.layout != torch.strided or values.device.type == "meta":
            raise CheckpointError(
                f"{os.fspath(file)} holds no plain tensor in {name.lstrip('.')!r}, but one that is "
                f"{'meta' if values.device.type == 'meta' else values.layout}: save "
                "model.state_dict() there"
            )
        stored = values.untyped_storage().nbytes() // values.element_size()
        if values.numel() > stored:  # an expanded tensor: one stored value for all elements
            values = values.as_strided((stored,), (1,), 0)
        blocks = values.reshape(-1).split(2**22) if values.is_floating_point() else ()
        if any(block.isnan().any() for block in blocks):
            raise _diverged(file, name)
    elif isinstance(values, float) and math.isnan(values):
        raise _diverged(file, name)
    elif isinstance(values, Mapping):
        for key, value in values.items():
            refuse_nan(value, file, f"{name}.{key}")
    elif isinstance(values, list | tuple):
        for value in values:
            refuse_nan(value, file, name)


def refuse_other_kinds(weights: Mapping[str, Any], own: Mapping[str, Any], file: FilePath) -> None:
    """Refuse weights that torch would convert with a loss: integers or complex numbers for floats.

    Raises:
        CheckpointError: A value is invalid; the message names the first.
    """
    for name, there in weights.items():
        here = own.get(name)
        if not (isinstance(there, Tensor) and isinstance(here, Tensor)):
            continue
        if there.is_floating_point() != here.is_floating_point() or there.is_complex():
            raise CheckpointError(
                f"{os.fspath(file)} holds {name!r} as {there.dtype}, which this model has as "
                f"{here.dtype}: save model.state_dict() there"
            )


def _diverged(file: FilePath, name: str) -> CheckpointError:
    return CheckpointError(
        f"{os.fspath(file)} holds NaN in {name.lstrip('.')!r}: the run that wrote it "
        "diverged. Remove it and train again, with a lower learning rate or max_grad_norm"
    )
