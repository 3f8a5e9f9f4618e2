"""Tensors as safetensors: nothing in such a file is code."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .._extras import require
from .errors import BundleError

FILE = "weights.safetensors"


def write_tensors(file: Path, tensors: Mapping[str, Any]) -> dict[str, str]:
    """Write tensors, those that share a storage once.

    Args:
        file: The file.
        tensors: The tensors by name, on any device.

    Returns:
        The name of the written tensor for each name that shares it.

    Raises:
        BundleError: A value is no tensor, or not finite.
    """
    require("safetensors", "a bundle", "bundle")
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    owners: dict[Any, str] = {}
    aliases: dict[str, str] = {}
    written: dict[str, Tensor] = {}
    for name, value in tensors.items():
        if not isinstance(value, Tensor):
            raise BundleError(
                f"the weights hold {name!r}, a {type(value).__name__} and no tensor: bundles hold "
                "tensors only, so keep it among the arguments of the model"
            )
        _refuse_nan(name, value, "train again with a lower learning rate before saving")
        value = value.detach()
        place = (value.data_ptr(), value.shape, value.stride(), value.dtype, value.device)
        owner = owners.setdefault(place, name) if value.numel() else name
        if owner != name:
            aliases[name] = owner
        else:
            written[name] = value.cpu().contiguous().clone()
    try:
        save_file(written, file)
    except SafetensorError as error:  # such as a full disk
        raise OSError(f"{file} cannot be written: {error}") from error
    return aliases


def read_tensors(file: Path, aliases: Mapping[str, str] | None = None) -> dict[str, Tensor]:
    """Read tensors onto the CPU.

    Args:
        file: The file.
        aliases: Additional names of tensors, as `write_tensors` returned them.

    Raises:
        BundleError: The file is no sound file of safetensors.
    """
    require("safetensors", "load_bundle", "bundle")
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        found = dict(load(file.read_bytes()))
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{file} is no sound file of safetensors: {error}") from error
    for name, value in found.items():
        _refuse_nan(name, value, "it was saved by a run that diverged", str(file))
    for name, owner in (aliases or {}).items():
        if owner not in found:
            raise BundleError(f"{file} is damaged: it has no {owner!r}, which {name!r} shares")
        found[name] = found[owner]
    return found


def put_weights(model: nn.Module, weights: Mapping[str, Tensor], file: Any) -> None:
    """Load weights into a model.

    Raises:
        BundleError: They are of another model; the message names the first that differs.
    """
    own = model.state_dict()
    for name in [*own, *weights]:
        here, there = own.get(name), weights.get(name)
        form = [None if t is None else (t.dtype, tuple(t.shape)) for t in (here, there)]
        if form[0] != form[1]:
            raise BundleError(
                f"{file} holds the weights of another model than {type(model).__name__}: {name!r} "
                f"is {_described(there)}, not {_described(here)}"
            )
    model.load_state_dict(dict(weights))


def _described(value: Tensor | None) -> str:
    return "missing" if value is None else f"{value.dtype} {tuple(value.shape)}"


def _refuse_nan(name: str, value: Tensor, remedy: str, file: str = "the model") -> None:
    if value.is_floating_point():
        for block in value.detach().reshape(-1).split(2**22):
            if not torch.isfinite(block).all() and block.isnan().any():
                raise BundleError(f"{file} holds NaN in {name!r}: {remedy}")
