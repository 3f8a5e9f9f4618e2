"""The constructor arguments of models, recorded so that a model can be saved and rebuilt.

Every model of this package inherits `RecordsArguments`; a `torch.nn.Module` of the user can too.
"""

import copy
import inspect
from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import Any, ClassVar, TypeVar

from torch import nn

from ..basic.features import DenseFeature, SequenceFeature, SparseFeature
from .links import Linked
from .logits import LogitsOf

_M = TypeVar("_M", bound="RecordsArguments")
_RECORD = "recorded_arguments"


class RecordsArguments:
    """A mixin of modules that records the arguments of the constructor by name.

    Lists, tuples, dicts and features are copied, so that a later change of them has no effect on
    the record; tensors, arrays and modules are not. Arguments that were not given are recorded with
    their default. Copies made by `copy.deepcopy` and pickle have the record of the original.

    Attributes:
        held_arguments: Arguments that are not recorded, because the module itself holds them, by
            the attribute that does: a table of embeddings in the state dict, for example.
        later_settings: Attributes that a method sets after construction, and that a copy needs.

    Example:
        >>> import torch
        >>> class Scaled(RecordsArguments, torch.nn.Module):
        ...     def __init__(self, width, scale=2.0):
        ...         super().__init__()
        ...         self.linear, self.scale = torch.nn.Linear(width, 1), scale
        >>> arguments_of(Scaled(3))
        {'width': 3, 'scale': 2.0}
    """

    held_arguments: ClassVar[Mapping[str, str]] = {}
    later_settings: ClassVar[tuple[str, ...]] = ()

    # `__init__` of the subclass could not be intercepted by that of a base, which sees only the
    # arguments that the subclass hands on; `__new__` sees those of the outermost call, once
    def __new__(cls: type[_M], *args: Any, **kwargs: Any) -> _M:
        """Create the module and record the arguments, before `__init__` can change them."""
        module = super().__new__(cls)
        try:
            bound = constructor(cls).bind(*args, **kwargs)
        except TypeError:
            # copy and pickle give no arguments, and restore the record with all other attributes;
            # of a wrong call, `__init__` raises the error
            return module
        bound.apply_defaults()
        # nn.Module is not initialized yet, and would register modules among the arguments
        module.__dict__[_RECORD] = {
            name: _copied(value)
            for name, value in _flat(bound).items()
            if name not in cls.held_arguments
        }
        return module


class ConsumedIterator:
    """Stands in a record for an iterator, which the constructor consumed."""


def arguments_of(model: nn.Module) -> dict[str, Any]:
    """Return the arguments that a model was created with, by name, defaults included.

    Args:
        model: A model that inherits `RecordsArguments`, or one wrapped by `torch.compile`,
            `DataParallel` or `DistributedDataParallel`.

    Returns:
        The arguments in the order of the constructor, such that ``type(model)(**arguments)`` is an
        untrained model of the same form.

    Raises:
        ValueError: The model has no record.

    Example:
        >>> from torch_rechub.basic.features import SparseFeature
        >>> from torch_rechub.models.ranking import DeepFM
        >>> fields = [SparseFeature("user", 10, 4), SparseFeature("item", 20, 4)]
        >>> arguments_of(DeepFM(fields, fields, {"dims": [8]}))["mlp_params"]
        {'dims': [8]}
    """
    model = unwrapped(model)
    record = vars(model).get(_RECORD)
    if record is None or not isinstance(model, RecordsArguments):
        name = type(model).__name__
        raise ValueError(
            f"{name} has no record of its arguments: define it as class "
            f"{name}(RecordsArguments, torch.nn.Module), with RecordsArguments of "
            "torch_rechub.models"
        )
    held = {name: attrgetter(path)(model) for name, path in model.held_arguments.items()}
    known = {**{name: _copied(value) for name, value in record.items()}, **held}
    order = constructor(type(model)).parameters
    return {name: known[name] for name in [*order, *record] if name in known}


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the model that trainers, `torch.compile` or `DataParallel` have wrapped.

    Example:
        >>> linear = nn.Linear(1, 1)
        >>> unwrapped(nn.DataParallel(linear)) is linear
        True
    """
    while True:
        if isinstance(model, Linked | LogitsOf):
            model = model.model
        elif isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            model = model.module
        elif isinstance(inner := vars(model).get("_modules", {}).get("_orig_mod"), nn.Module):
            model = inner
        else:
            return model


def create(kind: type[nn.Module], arguments: Mapping[str, Any]) -> nn.Module:
    """Create a module with arguments by name, as `arguments_of` returns them.

    Args:
        kind: The class; its constructor may have positional-only arguments and ``*args``.
        arguments: The arguments by name.
    """
    parameters = constructor(kind).parameters.values()
    several = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    by_position = [p for p in parameters if p.kind is p.POSITIONAL_ONLY]
    by_position += [p for p in parameters if several and p.kind is p.POSITIONAL_OR_KEYWORD]
    positional = [arguments[p.name] for p in by_position if p.name in arguments]
    for p in parameters:
        if p.kind is p.VAR_POSITIONAL:
            positional += arguments.get(p.name, ())
    left = {p.name for p in by_position} | {
        p.name for p in parameters if p.kind is p.VAR_POSITIONAL
    }
    return kind(*positional, **{k: v for k, v in arguments.items() if k not in left})


def constructor(kind: type[Any]) -> inspect.Signature:
    """Return the signature of the constructor of a class, without `self`."""
    signature = inspect.signature(kind.__init__)
    return signature.replace(parameters=list(signature.parameters.values())[1:])


def _flat(bound: inspect.BoundArguments) -> dict[str, Any]:
    """The arguments by name, those of ``**kwargs`` among them."""
    found: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        kind = bound.signature.parameters[name].kind
        found.update(value if kind is inspect.Parameter.VAR_KEYWORD else {name: value})
    return found


def _copied(value: Any) -> Any:
    if type(value) in (list, tuple):
        return type(value)(_copied(part) for part in value)
    if type(value) is dict:
        return {key: _copied(part) for key, part in value.items()}
    if isinstance(value, SparseFeature | SequenceFeature | DenseFeature):
        return copy.copy(value)
    # an iterator can be neither read twice nor pickled
    return ConsumedIterator() if isinstance(value, Iterator) else value
