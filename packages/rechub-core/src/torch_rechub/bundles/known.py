"""Names of the classes and functions that a bundle may refer to.

A bundle names a class, and never a module to import: the classes are those of
`torch_rechub.models`, activations of torch, and the caller's own.
"""

import inspect
from collections.abc import Iterable
from types import ModuleType
from typing import Any, TypeVar

import torch
from torch import nn

from ..basic.activation import Dice
from ..models import generative, matching, multi_class, multi_task, ranking
from ..models.matching import dssm_senet
from .errors import BundleError

_T = TypeVar("_T")

OWN = "own."
_ROOMS: dict[str, ModuleType] = {
    "generative": generative,
    "matching": matching,
    "multi_task": multi_task,
    "ranking": ranking,
}
_OTHERS: dict[str, type[nn.Module]] = {
    "matching.dssm_senet.DSSM": dssm_senet.DSSM,
    "multi_class.MultiClass": multi_class.MultiClass,
    "Dice": Dice,
}
_OF_TORCH = (
    "CELU", "Dropout", "ELU", "GELU", "GLU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh",
    "Identity", "LeakyReLU", "LogSigmoid", "Mish", "PReLU", "ReLU", "ReLU6", "SELU", "SiLU",
    "Sigmoid", "Softmax", "Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink", "Threshold",
)  # fmt: skip
_FUNCTIONS: dict[str, Any] = {
    **{f"torch.{n}": getattr(torch, n) for n in ("relu", "sigmoid", "tanh")},
    **{
        f"torch.nn.functional.{n}": getattr(nn.functional, n)
        for n in ("elu", "gelu", "leaky_relu", "mish", "relu", "selu", "silu", "softplus")
    },
}
ACTIVATIONS: dict[str, type[nn.Module]] = {f"torch.{n}": getattr(nn, n) for n in _OF_TORCH}

_registered: dict[str, Any] = {}


def register(known: _T) -> _T:
    """Make a class or function of yours known to bundles under its name, as a decorator or a call.

    A bundle that refers to it is loaded after the same registration in the new process; in place of
    it, `load_bundle` takes ``models=``.

    Raises:
        BundleError: It has no name, or the name is that of another one.

    Example:
        >>> @register
        ... class Doubled(nn.Module):
        ...     def forward(self, x):
        ...         return 2 * x
        >>> named(OWN + "Doubled") is Doubled
        True
    """
    name = _own_name(known)
    if name is None:
        raise BundleError(f"{known!r} has no name: register a class or a function made by def")
    other = _registered.get(name)
    # the cell of a notebook that defines it may be run again
    if other is not None and _origin(other) != _origin(known):
        raise BundleError(
            f"the name {name!r} is registered for that of {_origin(other)[0]}: rename the one of "
            f"{_origin(known)[0]}"
        )
    _registered[name] = known
    return known


def name_of(known: Any) -> str | None:
    """Return the name by which a bundle refers to a class or a function; None if it has none."""
    short, module = getattr(known, "__name__", None), str(getattr(known, "__module__", ""))
    for room, package in _ROOMS.items():
        # of TIGERModel, getattr imports transformers: it is called if the module is the one
        ours = short in package.__all__ and module.startswith(package.__name__)
        if ours and getattr(package, str(short)) is known:
            return f"{room}.{short}"
    for name, kind in {**_OTHERS, **ACTIVATIONS, **_FUNCTIONS}.items():
        if kind is known:
            return name
    own = _own_name(known)
    local = own not in _registered and "<locals>" in getattr(known, "__qualname__", "")
    # a function in a function often depends on the variables around it; a registered one is known
    return None if own is None or (local and not inspect.isclass(known)) else OWN + own


def named(name: str, given: Iterable[Any] = ()) -> Any:
    """Return the class or the function of a name.

    Args:
        name: As `name_of` returns it.
        given: Classes and functions of the caller, in addition to those registered.

    Raises:
        BundleError: The name is unknown; the message gives the remedy.
    """
    room, _, of_room = name.partition(".")
    if room in _ROOMS and of_room in _ROOMS[room].__all__:
        return getattr(_ROOMS[room], of_room)
    known = {**_OTHERS, **ACTIVATIONS, **_FUNCTIONS}
    if name in known:
        return known[name]
    if not name.startswith(OWN):
        raise BundleError(
            f"the bundle refers to {name!r}, which is no class of torch_rechub.models: it was "
            "written by another release, or edited"
        )
    own = {**_registered, **_by_name(given)}
    if (short := name.removeprefix(OWN)) not in own:
        raise BundleError(
            f"the bundle refers to {short!r}, a class or a function of the one who wrote it: give "
            f"it, as in load_bundle(path, models=({short},)), or register it with "
            "torch_rechub.bundles.register"
        )
    return own[short]


def _by_name(given: Iterable[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for known in (given,) if callable(given) else given:
        name = _own_name(known)
        if name is None or found.get(name, known) is not known:
            raise BundleError(
                f"models must be classes and functions of different names, got {known!r}"
            )
        found[name] = known
    return found


def _own_name(known: Any) -> str | None:
    named = inspect.isclass(known) or inspect.isfunction(known)
    return known.__name__ if named and known.__name__.isidentifier() else None


def _origin(known: Any) -> tuple[str, str]:
    return known.__module__, known.__qualname__
