"""Constructor arguments from JSON, as `value_writer` wrote them. Nothing in them is trusted."""

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor

from .. import _extras
from ..basic.activation import BatchNorm
from .errors import BundleError
from .known import named
from .value_writer import DEEPEST, FEATURES, RANDOM, T5_SETTINGS, LoadedTable

_FLOATS = ("inf", "-inf", "nan")


class ValueReader:
    """Reads the arguments of one model.

    Args:
        tensors: The tensors among the arguments, by name.
        models: Classes and functions of the caller.
        build: Returns the module of a form.
    """

    def __init__(
        self,
        tensors: Mapping[str, Tensor],
        models: Iterable[Any],
        build: Callable[["ValueReader", Any, str], Any],
    ) -> None:
        self.tensors, self.models, self.build = tensors, models, build
        self.used: set[str] = set()
        self._modules: list[Any] = []
        self._features: dict[str, Any] = {}
        self._kinds: dict[str, Callable[[Any, str, int], Any]] = {
            "array": lambda form, path, _: self._tensor(form, path).numpy(),
            "dict": self._dict,
            "feature": self._feature,
            "float": lambda form, path, _: float(self._one_of(form, _FLOATS, path)),
            "initializer": self._initializer,
            "module": self._module,
            "name": lambda form, path, _: named(self._text(form, path), self.models),
            "numbers": self._numbers,
            "same module": self._same_module,
            "t5": self._t5,
            "tensor": lambda form, path, _: self._tensor(form, path),
            "tuple": lambda form, path, depth: tuple(self._list(form, path, depth)),
        }

    def read(self, form: Any, path: str, depth: int = 0) -> Any:
        """Return the value of a form.

        Args:
            form: The form.
            path: The argument, and the way from it to the value, for messages.
            depth: Number of containers around the form.

        Raises:
            BundleError: The form is not one that `ValueWriter` writes.
        """
        if depth > DEEPEST + 1:
            raise wrong(path, f"is nested more than {DEEPEST} levels deep")
        if form is None or isinstance(form, bool | int | float | str):
            return form
        if isinstance(form, list):
            return self._list(form, path, depth)
        kind, value = next(iter(form.items())) if type(form) is dict and len(form) == 1 else ("", 0)
        if kind not in self._kinds:
            raise wrong(path, f"has an unknown form, {_shown(form)}")
        return self._kinds[kind](value, path, depth + 1)

    def _list(self, form: Any, path: str, depth: int) -> list[Any]:
        parts = _of(list, form, path)
        return [self.read(part, f"{path}.{i}", depth + 1) for i, part in enumerate(parts)]

    def _dict(self, form: Any, path: str, depth: int) -> dict[str, Any]:
        parts = _of(dict, form, path)
        return {key: self.read(part, f"{path}.{key}", depth) for key, part in parts.items()}

    def _text(self, form: Any, path: str) -> str:
        text: str = _of(str, form, path)
        return text

    def _one_of(self, form: Any, choices: Iterable[str], path: str) -> str:
        if not isinstance(form, str) or form not in choices:
            raise wrong(path, f"must be one of {', '.join(choices)}, got {_shown(form)}")
        return form

    def _tensor(self, form: Any, path: str) -> Tensor:
        name = self._text(form, path)
        if name not in self.tensors:
            raise wrong(path, f"refers to the tensor {name!r}, which the bundle lacks")
        self.used.add(name)
        return self.tensors[name]

    def _numbers(self, form: Any, path: str, _: int) -> Any:
        if not (isinstance(form, list) and len(form) == 2):
            raise wrong(path, f"must be a kind and a tensor, got {_shown(form)}")
        kind = self._one_of(form[0], ("list", "tuple"), path)
        values = self._tensor(form[1], path).tolist()
        return tuple(values) if kind == "tuple" else values

    def _feature(self, form: Any, path: str, depth: int) -> Any:
        settings = dict(_of(dict, form, path))
        # equal features are one object, which models need not compare in every batch
        key = json.dumps(settings, sort_keys=True)
        if key not in self._features:
            self._features[key] = self._read_feature(settings, path, depth)
        return self._features[key]

    def _read_feature(self, settings: dict[str, Any], path: str, depth: int) -> Any:
        kind = FEATURES[self._one_of(settings.pop("type", None), FEATURES, path)]
        names = {f.name for f in dataclasses.fields(kind)}
        if unknown := sorted(set(settings) - names):
            raise wrong(path, f"has the unknown settings {', '.join(map(repr, unknown))}")
        read = {k: self.read(v, f"{path}.{k}", depth) for k, v in settings.items()}
        for name in ("name", "vocab_size", "embed_dim", "padding_idx", "shared_with"):
            allowed: tuple[type, ...] = (str,) if name in ("name", "shared_with") else (int,)
            value = read.get(name)
            if value is not None and (not isinstance(value, allowed) or isinstance(value, bool)):
                raise wrong(f"{path}.{name}", f"must be {allowed[0].__name__}, got {_shown(value)}")
        if not callable(read.get("initializer", LoadedTable)):
            raise wrong(f"{path}.initializer", f"is no initializer: {_shown(read['initializer'])}")
        return _made(kind, read, path)

    def _initializer(self, form: Any, path: str, depth: int) -> Any:
        settings = dict(_of(dict, form, path))
        kind = self._one_of(settings.pop("type", None), (*RANDOM, "Pretrained"), path)
        read = {k: self.read(v, f"{path}.{k}", depth) for k, v in settings.items()}
        if kind == "Pretrained":
            if set(read) != {"freeze"} or not isinstance(read["freeze"], bool):
                raise wrong(path, f"must have freeze, true or false, got {_shown(settings)}")
            return LoadedTable(read["freeze"])
        return _made(RANDOM[kind], read, path)

    def _module(self, form: Any, path: str, _: int) -> Any:
        number = len(self._modules)
        self._modules.append(None)  # numbered from the outside in, as they were written
        width = None
        if type(form) is dict and form.get("class") == "Dice":
            arguments = dict(_of(dict, form.get("arguments"), path))
            width = self.read(arguments.pop("first_batch", None), f"{path}.first_batch")
            form = {"class": "Dice", "arguments": arguments}
        self._modules[number] = module = self.build(self, form, path)
        if width is not None:  # its statistics are no longer lazy
            settings = {"num_features": width, "eps": module.norm.eps, "affine": False}
            module.norm = _made(BatchNorm, settings, path)
        return module

    def _same_module(self, form: Any, path: str, _: int) -> Any:
        number = _of(int, form, path)
        module = self._modules[number] if 0 <= number < len(self._modules) else None
        if module is None:
            raise wrong(path, f"refers to module {number}, which is not written before it")
        return module

    def _t5(self, form: Any, path: str, depth: int) -> Any:
        settings = {k: self.read(v, f"{path}.{k}", depth) for k, v in _of(dict, form, path).items()}
        if unknown := sorted(set(settings) - set(T5_SETTINGS)):
            raise wrong(path, f"has the unknown settings {', '.join(map(repr, unknown))}")
        transformers = _extras.require("transformers", "TIGERModel", "generative")
        return _made(transformers.T5Config, settings, path)


def wrong(path: str, why: str) -> BundleError:
    """The error of a form that no release writes."""
    return BundleError(
        f"the bundle's argument {path} {why}: it was edited, or written by another release; save "
        "the model anew"
    )


def _of(kind: type[Any], form: Any, path: str) -> Any:
    if type(form) is not kind:
        raise wrong(path, f"must be of type {kind.__name__}, got {_shown(form)}")
    return form


def _made(kind: Callable[..., Any], settings: dict[str, Any], path: str) -> Any:
    try:
        return kind(**settings)
    except Exception as error:  # whichever the constructor raises for settings that were edited
        raise wrong(path, f"cannot be made: {error}") from error


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."
