"""The arguments of a trainer as JSON-like data, so that a later run can have the same settings."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
import torch

from .. import optim

# what belongs to one run, one machine or one data set
_OF_A_RUN = {
    "callbacks", "device", "gpus", "item_frequency", "model", "model_logger", "model_path",
    "prefetch", "progress", "record", "retrieval",
}  # fmt: skip
_ROOMS: dict[str, ModuleType] = {
    "torch.optim": torch.optim,
    "torch.optim.lr_scheduler": torch.optim.lr_scheduler,
    "torch_rechub.optim": optim,
}


def written(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments as JSON-like data, without those of a single run, such as `model_path`.

    An object, such as a loss with settings of its own, leaves a mark of its class: a run that
    continues has to be given one.

    Example:
        >>> written({"optimizer_fn": torch.optim.SGD, "n_epoch": 3, "device": "cuda:1"})
        {'optimizer_fn': {'class': ['torch.optim', 'SGD']}, 'n_epoch': 3}
    """
    return {name: _written(value) for name, value in arguments.items() if name not in _OF_A_RUN}


def read(forms: Any, given: Mapping[str, Any], trainer: str) -> dict[str, Any]:
    """Return the arguments of a trainer: those written, and in their place those given.

    Args:
        forms: As `written` returns them; nothing in them is trusted.
        given: The caller's arguments, which take precedence.
        trainer: The class of the trainer, for messages.

    Raises:
        ValueError: An argument could not be written, or is not as written, and is not given.

    Example:
        >>> forms = written({"loss": "focal", "optimizer_params": {"lr": 0.1}})
        >>> read(forms, {"loss": "mse"}, "CTRTrainer")
        {'optimizer_params': {'lr': 0.1}, 'loss': 'mse'}
    """
    known = forms if isinstance(forms, dict) else {}
    found = {
        name: _read(form, name, trainer)
        for name, form in known.items()
        if name not in given and name not in _OF_A_RUN
    }
    return found | dict(given)


def _written(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else {"float": repr(value)}
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_written(part) for part in value]}
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {"dict": {key: _written(part) for key, part in value.items()}}
    name = str(getattr(value, "__name__", type(value).__name__))
    rooms = [room for room, module in _ROOMS.items() if vars(module).get(name) is value]
    return {"class": [rooms[0], name]} if rooms else {"object": name}


def _read(form: Any, name: str, trainer: str) -> Any:
    if form is None or isinstance(form, bool | int | float | str):
        return form
    kind, value = next(iter(form.items())) if isinstance(form, dict) and form else ("", None)
    if kind in ("list", "tuple") and isinstance(value, list):
        parts = [_read(part, name, trainer) for part in value]
        return parts if kind == "list" else tuple(parts)
    if kind == "dict" and isinstance(value, dict):
        return {key: _read(part, name, trainer) for key, part in value.items()}
    if kind == "float" and value in ("inf", "-inf"):
        return float(value)
    if kind == "class" and isinstance(value, list) and len(value) == 2:
        found = getattr(_ROOMS.get(str(value[0])), str(value[1]), None)
        if isinstance(found, type):
            return found
    raise ValueError(
        f"the bundle cannot restore the argument {name} of {trainer}, {value or form!r:.80}: give "
        f"it, as in continue_from(..., {name}=...)"
    )
