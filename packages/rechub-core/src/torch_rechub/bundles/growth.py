"""A model with larger vocabularies: rows for new ids, everything else as it was."""

import copy
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from .._bounds import check_whole
from ..basic.features import IdFeature, SequenceFeature, SparseFeature
from ..basic.initializers import Pretrained
from ..basic.layers import EmbeddingLayer
from ..models import RecordsArguments
from ..models.arguments import arguments_of, create, unwrapped
from .value_writer import LoadedTable

UNKNOWN = 1
Attributes = Mapping[str, npt.ArrayLike]


def grown_model(
    model: nn.Module,
    sizes: Mapping[str, int],
    *,
    like: Attributes | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> nn.Module:
    """Return a copy of a model with rows for new ids, which follow the old ones.

    All old weights are equal to the bit, so outputs for old ids are, too, except where a model
    scores the whole vocabulary: there, new items compete. The row of a new id is that of the
    unknown id, 1, in embedding tables, first-order weights, biases and output layers alike.

    Args:
        model: The model; it is not changed.
        sizes: The new sizes by name: of a feature, for all features that use its table, as
            ``{"item": 120}``, or of an argument such as ``vocab_size``. Other sizes stay.
        like: Attributes of ids, by name of a feature: integers of shape (V,) or (V, A) for A
            attributes of all V ids, −1 where one is missing. The embedding of a new id is then the
            mean over its attributes of the mean embedding of the old ids with the same attribute.
            Attributes that no old id has are skipped; without any, it is that of the unknown id.
        arguments: New values of constructor arguments that hold one entry for each id, such as
            the interactions of `LightGCN` or the item embeddings of `HLLMModel`.

    Returns:
        The model, on the device, in the types and in the mode of the old one.

    Raises:
        KeyError: The model has no feature and no argument of a name.
        ValueError: A size is smaller than before, the model records no arguments, or it needs new
            values in `arguments`.

    Example:
        >>> from torch_rechub.basic.features import SparseFeature
        >>> from torch_rechub.models.ranking import FM
        >>> model = FM([SparseFeature("city", 4, 2)])
        >>> larger = grown_model(model, {"city": 6})
        >>> table = "embedding.embed_dict.city.weight"
        >>> old, new = (m.state_dict()[table] for m in (model, larger))
        >>> torch.equal(new[:4], old), torch.equal(new[4:], old[[1, 1]])
        (True, True)
    """
    model = unwrapped(model)
    checked = {name: _whole(name, size) for name, size in sizes.items()}
    growth = _Growth(checked, _owners_in(model))
    given = arguments_of(model)
    if unknown := sorted(set(arguments or ()) - set(given)):
        raise KeyError(f"{type(model).__name__} has no arguments {unknown}; it has {list(given)}")
    grown = growth.arguments(given) | dict(arguments or {})
    growth.refuse_unused(model)
    if growth.grows:
        _refuse_old_entries(model, given, arguments or {})
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        new = create(type(model), grown)
    for name in getattr(model, "later_settings", ()):
        setattr(new, name, getattr(model, name))
    _copy_weights(model, new, growth.owners_of(like or {}), set(arguments or ()))
    return new.train(model.training)


def features_in(value: Any) -> Iterator[IdFeature]:
    """Iterate over the features of ids in an argument, those of models in it included."""
    if isinstance(value, SparseFeature | SequenceFeature):
        yield value
    elif isinstance(value, RecordsArguments) and isinstance(value, nn.Module):
        yield from features_in(arguments_of(value))
    elif isinstance(value, Mapping | list | tuple):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from features_in(part)


class _Growth:
    """Constructor arguments with features of larger vocabularies.

    Args:
        sizes: The new sizes by name.
        owners: The owner of the table by name of a feature, where the model makes features share.

    Attributes:
        grows: Whether any size is larger than before.
    """

    def __init__(self, sizes: Mapping[str, int], owners: Mapping[str, str]) -> None:
        self.sizes, self.grows = sizes, False
        self._shared = owners
        self._used: set[str] = set()
        self._modules: dict[int, nn.Module] = {}
        self._owners: dict[str, str] = {}
        self._ids: dict[str, int] = {}  # the number of ids by name of the feature

    def arguments(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of a model with its features grown."""
        for feature in features_in(given):
            owner = feature.shared_with or self._shared.get(feature.name, feature.name)
            self._owners.setdefault(feature.name, owner)
            ids = self._ids.get(feature.name, feature.vocab_size)
            self._ids[feature.name] = min(ids, feature.vocab_size)
        found = {name: self._grown(value) for name, value in given.items()}
        for name, value in found.items():
            if name in self.sizes and isinstance(value, int) and not isinstance(value, bool):
                found[name] = self._size(name, value)
        return found

    def refuse_unused(self, model: nn.Module) -> None:
        """Raise KeyError if a size is of nothing in the model."""
        if unused := sorted(self.sizes.keys() - self._used):
            raise KeyError(
                f"{type(model).__name__} has no feature and no argument {', '.join(unused)}; it "
                f"has the features {', '.join(self._owners) or 'none'}"
            )

    def owners_of(self, like: Attributes) -> dict[str, npt.ArrayLike]:
        """Return attributes by the name of the feature that owns the table."""
        return {self._owner(name): value for name, value in like.items()}

    def _owner(self, name: str) -> str:
        seen: set[str] = set()
        while name not in seen and self._owners.get(name, name) != name:
            seen.add(name)
            name = self._owners[name]
        return name

    def _size(self, name: str, size: int) -> int:
        """The new size of a feature or an argument, by its name or that of the table's owner."""
        owner = self._owner(name)
        others = [key for key in self.sizes if self._owner(key) == owner]
        for key in (name, owner, *others):
            if key in self.sizes:
                self._used.update({name, owner, *others} & self.sizes.keys())
                if self.sizes[key] < size:
                    raise ValueError(
                        f"{key!r} has {size} ids, which cannot become {self.sizes[key]}: a grown "
                        "vocabulary keeps all old ids"
                    )
                self.grows |= self.sizes[key] > size
                return self.sizes[key]
        return size

    def _grown(self, value: Any) -> Any:
        if type(value) in (list, tuple):
            return type(value)(self._grown(part) for part in value)
        if type(value) is dict:
            return {key: self._grown(part) for key, part in value.items()}
        if isinstance(value, SparseFeature | SequenceFeature):
            return self._feature(value)
        if isinstance(value, nn.Module):
            return self._module(value)
        return copy.deepcopy(value) if isinstance(value, Tensor) else value

    def _feature(self, feature: Any) -> Any:
        ids = self._ids[feature.name]
        # the cross features of `DeepFFM` count each id once a field
        times = 1 if feature.vocab_size % ids else feature.vocab_size // ids
        size = times * self._size(feature.name, feature.vocab_size // times)
        start = feature.initializer
        if isinstance(start, Pretrained) and size != feature.vocab_size:
            start = LoadedTable(bool(start.freeze))  # the given table has no row for new ids
        return dataclasses.replace(feature, vocab_size=size, initializer=start)

    def _module(self, module: nn.Module) -> nn.Module:
        if id(module) not in self._modules:
            if isinstance(module, RecordsArguments):
                given = {name: self._grown(value) for name, value in arguments_of(module).items()}
                self._modules[id(module)] = create(type(module), given)
            else:
                self._modules[id(module)] = copy.deepcopy(module)
        return self._modules[id(module)]


def _owners_in(model: nn.Module) -> dict[str, str]:
    """The features that share the table of another in a model, by name."""
    layers = (layer for layer in model.modules() if isinstance(layer, EmbeddingLayer))
    found = ((f.name, getattr(f, "shared_with", None)) for layer in layers for f in layer.features)
    return {name: owner for name, owner in found if owner is not None}


def _whole(name: str, size: int) -> int:
    check_whole(1, **{name: size})
    return int(size)


def _refuse_old_entries(
    model: nn.Module, given: Mapping[str, Any], arguments: Mapping[str, Any]
) -> None:
    """Refuse arguments with an entry for each id, which the caller has to give again."""
    held = {n for n in getattr(model, "held_arguments", {}) if isinstance(given.get(n), Tensor)}
    needed = (held | {"interactions"}) & given.keys() - arguments.keys()
    if needed:
        name = min(needed)
        raise ValueError(
            f"{type(model).__name__} has the argument {name}, with entries of the old ids only: "
            f"give it for old and new ids, arguments={{{name!r}: ...}}"
        )


@torch.no_grad()
def _copy_weights(old: nn.Module, new: nn.Module, like: Attributes, replaced: set[str]) -> None:
    """Copy all weights, with rows for the new ids."""
    here, there = old.state_dict(), new.state_dict()
    state: dict[str, Any] = {}
    for name, value in there.items():
        was = here[name]
        if name in replaced and not torch.equal(value.to(was), was[: len(value)]):
            state[name] = value.to(was)  # given anew, with old and new entries
        elif is_lazy(value) or value.shape == was.shape:
            state[name] = was
        else:
            state[name] = _with_new_rows(name, was, value.shape, like)
    types = {**dict(old.named_parameters()), **dict(old.named_buffers())}
    for name, value in [*new.named_parameters(), *new.named_buffers()]:
        if name in types and not is_lazy(value):
            value.data = value.data.to(types[name].dtype)
            value.requires_grad_(types[name].requires_grad)
    new.load_state_dict(state)
    new.to(next((t.device for t in types.values()), torch.device("cpu")))


def _with_new_rows(name: str, old: Tensor, shape: torch.Size, like: Attributes) -> Tensor:
    """The rows of a table, then those of its new ids."""
    n_old, n_new = len(old), shape[0] - len(old)
    if old.shape[1:] != shape[1:] or n_new < 0 or n_old <= UNKNOWN:
        raise ValueError(
            f"{name} of shape {tuple(old.shape)} cannot become {tuple(shape)}: only tables with a "
            "row for each id grow, those of padding (0) and unknown ids (1) included"
        )
    rows = old[UNKNOWN].expand(n_new, *old.shape[1:])
    feature = name.split("embed_dict.")[-1].removesuffix(".weight")
    if feature in like:
        rows = _means(old, rows, _matrix(feature, like[feature], shape[0]))
    return torch.cat([old, rows])


def _matrix(feature: str, attributes: npt.ArrayLike, n: int) -> Tensor:
    """Attributes of all ids as (V, A)."""
    found = np.asarray(attributes)
    if found.ndim not in (1, 2) or len(found) != n or found.dtype.kind not in "iu":
        raise ValueError(
            f"like[{feature!r}] must hold integers of shape ({n},) or ({n}, A), got "
            f"{found.dtype} {found.shape}"
        )
    return torch.from_numpy(found.reshape(n, -1).astype(np.int64))


def _means(old: Tensor, unknown: Tensor, attributes: Tensor) -> Tensor:
    """The mean over attributes of the mean row of old ids that share the attribute."""
    n_old = len(old)
    total = torch.zeros_like(unknown, dtype=torch.float64)
    found = torch.zeros(len(unknown), dtype=torch.float64, device=old.device)
    for column in attributes.to(old.device).T:
        values, inverse = column.unique(return_inverse=True)
        before, after = inverse[:n_old], inverse[n_old:]
        known = column[:n_old] >= 0
        known[: UNKNOWN + 1] = False  # neither padding nor the unknown id is an item
        sums = torch.zeros(len(values), *old.shape[1:], dtype=torch.float64, device=old.device)
        sums.index_add_(0, before[known], old[known].double())
        counts = before[known].bincount(minlength=len(values)).double()
        has = (counts[after] > 0) & (column[n_old:] >= 0)
        total[has] += (sums / counts.clamp(min=1).unsqueeze(1))[after[has]]
        found += has
    rows = torch.where(found.unsqueeze(1) > 0, total / found.clamp(min=1).unsqueeze(1), unknown)
    return rows.to(old.dtype)
