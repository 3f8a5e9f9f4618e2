"""A model as JSON and tensors: its class and the arguments of its constructor, without weights.

The model that is rebuilt has the same keys and shapes in its state dict; with the weights loaded,
its outputs are equal to the last bit.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from ..models import RecordsArguments, arguments_of
from ..models.arguments import constructor, create, unwrapped
from .allocation import AllocationLimit
from .errors import BundleError
from .known import name_of, named
from .value_reader import ValueReader, wrong
from .value_writer import ValueWriter

_DTYPES = {
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "float32": torch.float32,
    "float64": torch.float64,
}
# a model may have temporary tensors, and buffers that are not among the weights
_SPARE_BYTES, _TIMES_BYTES = 2**30, 8
_SPARE_TENSORS, _TIMES_TENSORS = 2000, 30


def describe_model(
    model: nn.Module, arguments: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Describe how a model was constructed.

    Args:
        model: A model of `torch_rechub.models`, or a module that inherits `RecordsArguments`, as it
            is or wrapped by `torch.compile` or `DataParallel`.
        arguments: Arguments by name, in place of recorded ones that cannot be written.

    Returns:
        A form for `json.dumps`, and the tensors among the arguments by name.

    Raises:
        BundleError: An argument cannot be written, or `arguments` has an unknown name.
        ValueError: The model records no arguments.

    Example:
        >>> from torch_rechub.basic.features import DenseFeature
        >>> from torch_rechub.models.ranking import LR
        >>> form, tensors = describe_model(LR([DenseFeature("age")]))
        >>> form["class"], form["arguments"]["features"], tensors
        ('ranking.LR', [{'feature': {'type': 'DenseFeature', 'name': 'age', 'embed_dim': 1}}], {})
        >>> build_model(form, tensors)
        LR(...)
    """
    model = unwrapped(model)
    writer = ValueWriter(type(model).__name__, _describe)
    form = _describe(writer, model, "", arguments or {})
    return {**form, **_dtypes_of(model)}, writer.tensors


def build_model(
    form: Any,
    tensors: Mapping[str, Tensor],
    models: Iterable[Any] = (),
    *,
    weights: Mapping[str, Tensor] | None = None,
) -> nn.Module:
    """Construct the model of a form, without weights, on the CPU.

    Args:
        form: As `describe_model` returns it; nothing in it is trusted.
        tensors: The tensors among the arguments, by name.
        models: Classes and functions of the caller that the form may refer to, in addition to
            those registered with `register`.
        weights: The weights that will be loaded: a model that needs much more memory, or has many
            more tensors, is refused. None means 8 GiB and 100,000 tensors.

    Raises:
        BundleError: The form is of an unknown class, has unknown or wrong arguments, or sizes that
            the weights do not explain.
    """
    reader = ValueReader(tensors, models, _build)
    with (
        torch.random.fork_rng(devices=[]),  # loading a model changes no random number
        torch.device("cpu"),
        _limit(weights),
    ):
        try:
            model = _build(reader, form, "")
        except RecursionError as error:
            raise wrong("model", "is nested too deep") from error
        _restore_dtypes(model, form)
    if unused := sorted(set(tensors) - reader.used):
        raise BundleError(
            f"the bundle has tensors that no argument refers to: {', '.join(unused)}; it was "
            "edited, or written by another release"
        )
    return model


def _limit(weights: Mapping[str, Tensor] | None) -> AllocationLimit:
    if weights is None:
        return AllocationLimit(2**33, 100_000)
    size = sum(tensor.numel() * tensor.element_size() for tensor in weights.values())
    return AllocationLimit(
        _SPARE_BYTES + _TIMES_BYTES * size, _SPARE_TENSORS + _TIMES_TENSORS * len(weights)
    )


def _describe(
    writer: ValueWriter, model: nn.Module, path: str, others: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    kind = type(model)
    name = name_of(kind)
    if name is None:
        raise BundleError(f"{kind!r} has no name: define the class of the model with class")
    if not isinstance(model, RecordsArguments) and not others:
        raise BundleError(
            f"{kind.__name__} has no record of its arguments: give save(..., arguments={{…}}) "
            f"those of its constructor, or define it as class {kind.__name__}(RecordsArguments, "
            "torch.nn.Module), with RecordsArguments of torch_rechub.models"
        )
    recorded = isinstance(model, RecordsArguments)
    arguments = arguments_of(model) if recorded else dict(others or {})
    if unknown := sorted(set(others or ()) - set(arguments)):
        raise BundleError(
            f"{kind.__name__} has no arguments {', '.join(map(repr, unknown))}; it has "
            f"{', '.join(arguments)}"
        )
    arguments.update(others or {})
    held_by_model = getattr(model, "held_arguments", ())
    held = {n for n in held_by_model if isinstance(arguments.get(n), Tensor)}
    form: dict[str, Any] = {
        "class": name,
        "arguments": {
            n: {"weights": list(value.shape)} if n in held else writer.write(value, f"{path}{n}")
            for n, value in arguments.items()
        },
    }
    if later := getattr(model, "later_settings", ()):
        values = {n: getattr(model, n) for n in later}
        form["settings"] = {n: writer.write(v, f"{path}{n}") for n, v in values.items()}
    return form


def _build(reader: ValueReader, form: Any, path: str) -> nn.Module:
    if type(form) is not dict or not isinstance(form.get("class"), str):
        raise wrong(path or "model", "must have a class and arguments")
    kind = named(form["class"], reader.models)
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        raise BundleError(f"{form['class']!r} is no class of modules")
    given = form.get("arguments")
    if type(given) is not dict:
        raise wrong(f"{path}arguments", "must be a dict")
    arguments = _arguments(reader, kind, given, path)
    try:
        model = create(kind, arguments)
    except BundleError:
        raise
    except Exception as error:  # whichever the constructor raises for arguments that were edited
        raise BundleError(
            f"{kind.__name__} cannot be built of the arguments in the bundle: {error}; it was "
            "edited, or written by another release"
        ) from error
    _set_later(reader, model, form.get("settings", {}), path)
    return model


def _arguments(
    reader: ValueReader, kind: type[nn.Module], given: dict[str, Any], path: str
) -> dict[str, Any]:
    """The arguments of a constructor, checked against its signature."""
    parameters = constructor(kind).parameters
    if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        _refuse_others(kind, sorted(set(given) - set(parameters)))
    held = getattr(kind, "held_arguments", {})
    return {
        name: _held(value, f"{path}{name}")
        if name in held and type(value) is dict and "weights" in value
        else reader.read(_not_a_file(value, f"{path}{name}", name in held), f"{path}{name}")
        for name, value in given.items()
    }


def _refuse_others(kind: type[nn.Module], unknown: list[str]) -> None:
    if unknown:
        raise BundleError(
            f"{kind.__name__} has no arguments {', '.join(map(repr, unknown))}: the bundle was "
            "edited, or written by a newer release"
        )


def _held(form: dict[str, Any], path: str) -> Tensor:
    """A table that the weights bring: zeros until they are loaded."""
    shape = form["weights"]
    whole = type(shape) is list and all(type(n) is int and n >= 0 for n in shape)
    if not whole or len(form) != 1 or len(shape) > 8:
        raise wrong(path, f"must give the shape of a table, got {form}")
    try:
        return torch.zeros(shape)
    except RuntimeError as error:  # a size that no computer counts to
        raise wrong(path, f"has the shape {shape}: {error}") from error


def _not_a_file(value: Any, path: str, held: bool) -> Any:
    # a constructor that takes a table may take the name of its file, which no bundle has
    if held and type(value) is not dict:
        raise wrong(path, f"must be a table, got {value!r:.80}")
    return value


def _set_later(reader: ValueReader, model: nn.Module, settings: Any, path: str) -> None:
    allowed = getattr(model, "later_settings", ())
    if type(settings) is not dict or set(settings) - set(allowed):
        raise wrong(f"{path}settings", f"must hold {', '.join(allowed) or 'nothing'}")
    for name, form in settings.items():
        value, now = reader.read(form, f"{path}{name}"), getattr(model, name)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise wrong(f"{path}{name}", f"must be a number as {now!r} is, got {value!r:.80}")
        setattr(model, name, value)


def _floating(model: nn.Module) -> dict[str, Tensor]:
    """The parameters and buffers that are no whole numbers, by name."""
    found = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {name: tensor for name, tensor in found.items() if tensor.is_floating_point()}


def _dtypes_of(model: nn.Module) -> dict[str, Any]:
    """The types of the weights: that of most, and those of others by name."""
    lazy = [n for n, t in _floating(model).items() if is_lazy(t)]
    if lazy:
        raise BundleError(
            f"{lazy[0]} of {type(model).__name__} has no width before the model has seen a batch: "
            "train it, or call it for a batch, before saving"
        )
    types = {n: str(t.dtype).removeprefix("torch.") for n, t in _floating(model).items()}
    if unknown := sorted(set(types.values()) - set(_DTYPES)):
        raise BundleError(
            f"weights of type {', '.join(unknown)} cannot be saved: convert the model to one of "
            f"{', '.join(_DTYPES)}, as in model.float()"
        )
    most = Counter(types.values()).most_common(1)[0][0] if types else "float32"
    others = {name: kind for name, kind in types.items() if kind != most}
    return {"dtype": most, **({"dtypes": others} if others else {})}


def _restore_dtypes(model: nn.Module, form: dict[str, Any]) -> None:
    tensors, others = _floating(model), form.get("dtypes", {})
    if type(others) is not dict or set(others) - set(tensors):
        raise wrong("dtypes", "must be those of weights of the model")
    for name, tensor in tensors.items():
        kind = others.get(name, form.get("dtype"))
        if not isinstance(kind, str) or kind not in _DTYPES:
            raise wrong("dtype", f"must be one of {', '.join(_DTYPES)}, got {kind!r:.80}")
        if tensor.dtype != _DTYPES[kind]:
            tensor.data = tensor.data.to(_DTYPES[kind])
