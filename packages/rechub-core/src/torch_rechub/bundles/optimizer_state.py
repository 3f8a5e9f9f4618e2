"""The state of an optimizer in a bundle, by the names of the weights, so that it can grow."""

import inspect
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..basic.layers import EmbeddingLayer
from .bundle import Bundle
from .errors import BundleError
from .folder import file_digest
from .weights import read_tensors

FILE = "optimizer.safetensors"
ENTRY = "optimizer_state"  # in the entry trainer of the document
_ROWS = 3  # of the small parameter that shows the form of a state


def described(model: nn.Module, optimizer: Optimizer) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the state of an optimizer: JSON-like data, and moments by name of the weight.

    The state of parameters outside the model, such as weights of tasks, is not part of it.

    Args:
        model: The model.
        optimizer: Its optimizer.

    Raises:
        BundleError: The state holds other things than numbers and tensors of the weights' shapes.
    """
    numbers: dict[str, dict[str, Any]] = {}
    tensors: dict[str, Tensor] = {}
    for p, pieces in _weights(model):
        state = _filled(optimizer.state.get(p, {}))
        form = _form(optimizer, p) if state else {}
        for key, value in state.items():
            shape = _shape(form.get(key), p)
            if shape is None or shape != getattr(value, "shape", ()):
                raise BundleError(
                    f"the state of {type(optimizer).__name__} cannot be saved: {key!r} of "
                    f"{next(iter(pieces))!r} has another form than at the first step; save "
                    "without optimizer=True"
                )
            for name, (start, rows) in pieces.items():
                if not shape:
                    number = value.item() if isinstance(value, Tensor) else value
                    numbers.setdefault(name, {})[key] = number
                else:
                    by_row = form[key].shape[0] == _ROWS
                    part = value.narrow(0, start, rows) if by_row else value.clone()
                    tensors[f"{name}/{key}"] = part
    return {"class": _class_of(optimizer), "numbers": numbers}, tensors


def restore(parent: Bundle, model: nn.Module, optimizer: Optimizer) -> None:
    """Give an optimizer the state in a bundle; new rows of tables have that of a first step.

    Args:
        parent: The bundle.
        model: Its model, or the grown one.
        optimizer: The new optimizer of `model`.

    Raises:
        BundleError: The bundle has no state of an optimizer, one of another class, or one that does
            not fit the model; the optimizer is then unchanged.
    """
    stored = _Stored(parent, _class_of(optimizer))
    before = {n: rows for _, pieces in _weights(parent.model) for n, (_, rows) in pieces.items()}
    found = {}
    for p, pieces in _weights(model):
        if stored.has(pieces):
            form = _form(optimizer, p)
            stored.check_keys(pieces, form)
            found[p] = {key: stored.value(key, form[key], p, pieces, before) for key in form}
    for p, state in found.items():
        optimizer.state[p] = state


class _Stored:
    """The stored state of a bundle; nothing in it is trusted."""

    def __init__(self, parent: Bundle, wanted: str) -> None:
        settings = parent.document.trainer.get(ENTRY)
        file = Path(parent.path) / FILE
        if FILE not in parent.document.files or settings is None:
            raise BundleError(
                f"{parent.path} has no state of the optimizer: save it with "
                "trainer.save(..., optimizer=True), or continue with optimizer=False"
            )
        if not file.is_file() or file_digest(file) != parent.document.files[FILE]["sha256"]:
            raise BundleError(f"{file} was changed since the bundle was loaded: load it again")
        self.file = file
        numbers = settings.get("numbers") if isinstance(settings, dict) else None
        if not isinstance(numbers, dict) or not all(isinstance(v, dict) for v in numbers.values()):
            raise self._damaged("its numbers are not as written")
        if settings.get("class") != wanted:
            raise BundleError(
                f"{parent.path} has the state of the optimizer {settings.get('class')}, not "
                f"{wanted}: continue with the same optimizer, or with optimizer=False"
            )
        self.values: dict[str, dict[str, Any]] = {n: dict(v) for n, v in numbers.items()}
        for name, value in read_tensors(file).items():
            weight, _, key = name.rpartition("/")
            self.values.setdefault(weight, {})[key] = value

    def has(self, pieces: Mapping[str, Any]) -> bool:
        """Whether there is a state of a weight; one that was never trained has none."""
        return any(self.values.get(name) for name in pieces)

    def check_keys(self, pieces: Mapping[str, Any], form: Mapping[str, Any]) -> None:
        """Refuse missing and additional values."""
        for name in pieces:
            if other := sorted(self.values.get(name, {}).keys() ^ form.keys()):
                problem = "missing" if other[0] in form else "additional"
                raise self._damaged(f"{other[0]!r} of {name!r} is {problem}")

    def value(
        self, key: str, form: Any, p: Tensor, pieces: Mapping[str, Any], before: Mapping[str, int]
    ) -> Any:
        """The value of a key for a weight, of the pieces of its tables."""
        if not _shape(form, p):
            return self._number(key, form, pieces)
        by_row = form.shape[0] == _ROWS
        parts = []
        for name, (_, rows) in pieces.items():
            value, n = self.values[name][key], before.get(name, 0)
            shape = (n, *form.shape[1:]) if by_row else tuple(form.shape)
            found = (value.dtype, tuple(value.shape)) if isinstance(value, Tensor) else None
            if found != (form.dtype, shape) or n > rows:
                raise self._damaged(f"{key!r} of {name!r} is not {form.dtype} {shape}")
            parts.append(value.to(form.device))
            if by_row:
                parts.append(form[:1].expand(rows - n, *form.shape[1:]))
        return torch.cat(parts) if by_row else parts[0].clone()

    def _number(self, key: str, form: Any, pieces: Mapping[str, Any]) -> Any:
        values = [self.values[name][key] for name in pieces]
        value, least = values[0], 0 if key == "step" else -math.inf
        if any(type(v) not in (int, float) or v != value or v < least for v in values):
            raise self._damaged(f"{key!r} of {next(iter(pieces))!r} is no number of all its rows")
        if isinstance(form, Tensor):
            return torch.tensor(value, dtype=form.dtype, device=form.device)
        return type(form)(value)

    def _damaged(self, problem: str) -> BundleError:
        return BundleError(
            f"{self.file} was edited, or is of an optimizer with other settings, such as "
            f"embedding_update: {problem}; continue with optimizer=False"
        )


def _weights(model: nn.Module) -> Iterator[tuple[nn.Parameter, dict[str, tuple[int, int]]]]:
    """Iterate over parameters, with the first row and the rows of each table stacked in it."""
    seen = set()
    for prefix, module in model.named_modules():
        start = f"{prefix}." if prefix else ""
        for own, p in module.named_parameters(recurse=False):
            if id(p) in seen:
                continue
            seen.add(id(p))
            pieces = {start + own: (0, len(p) if p.dim() else 1)}
            if isinstance(module, EmbeddingLayer):
                pieces = {
                    f"{start}embed_dict.{feature}.weight": (where.start, where.rows)
                    for feature, where in module.slices.items()
                    if where.stack == own
                }
            yield p, pieces


def _form(optimizer: Optimizer, p: Tensor) -> dict[str, Any]:
    """The state of a small parameter like `p` after a first step without a gradient."""
    for part in getattr(optimizer, "optimizers", [optimizer]):
        for group in part.param_groups:
            if any(q is p for q in group["params"]):
                kind = type(part)
                taken = inspect.signature(kind).parameters.keys() & group.keys() - {"params"}
                small = nn.Parameter(p.detach().new_zeros((_ROWS, *p.shape[1:]) if p.dim() else ()))
                small.grad = torch.zeros_like(small)
                try:
                    probe = kind([small], **{name: group[name] for name in taken})
                    probe.step()
                except (TypeError, ValueError, RuntimeError) as error:
                    raise BundleError(
                        f"the state of {kind.__name__} cannot be part of a bundle: {error}"
                    ) from error
                return _filled(probe.state[small])
    return {}


def _filled(state: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in state.items() if value is not None}


def _shape(form: Any, p: Tensor) -> tuple[int, ...] | None:
    """The shape of a value of the state of `p`: () for numbers, None for other things."""
    if isinstance(form, int | float):
        return ()
    if not isinstance(form, Tensor):
        return None
    shape = tuple(form.shape)
    return (len(p), *shape[1:]) if p.dim() and shape[:1] == (_ROWS,) else shape


def _class_of(optimizer: Optimizer) -> str:
    """The classes of the parts; the lazy form of a class has the same state."""
    parts = getattr(optimizer, "optimizers", [optimizer])
    return " with ".join(sorted({type(part).__name__.removeprefix("Lazy") for part in parts}))
