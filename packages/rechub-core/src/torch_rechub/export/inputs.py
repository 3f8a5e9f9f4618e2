"""The inputs of a model: names, features, and dummy inputs."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from ..basic.features import DenseFeature, Feature, SequenceFeature, SparseFeature
from ..basic.layers.embedding import EmbeddingLayer, input_columns
from ..basic.layers.tables import one_a_column

Columns: TypeAlias = dict[str, Feature]


def columns_of(model: nn.Module, mode: str | None = None) -> Columns:
    """The columns that a model reads, in order, by name.

    Args:
        model: A model built of features.
        mode: "user" or "item" for the columns of one tower.

    Raises:
        ValueError: The model has no features, or no such tower.
    """
    if mode not in ("user", "item", None):
        raise ValueError(f"mode must be 'user', 'item' or None, got {mode!r}")
    if mode is None:
        features = getattr(model, "score_inputs", None) or _features_of(model)
    elif hasattr(model, "mode"):
        features = _tower_features(model, mode)
    else:
        features = []
    if features:
        return {feature.name: feature for feature in one_a_column(features)}
    name = type(model).__name__
    if mode is not None:
        raise ValueError(
            f"{name} has no {mode} tower: it needs an attribute `mode`, and {mode}_inputs or "
            f"{mode}_features that list what the tower reads"
        )
    raise ValueError(
        f"{name} is built of no features, so what it reads is unknown: give dummy_input, "
        "a dict of tensors"
    )


def inputs_to_trace(
    model: nn.Module, mode: str | None, dummy_input: Any, batch_size: int, seq_length: int
) -> tuple[dict[str, Tensor], Columns]:
    """Inputs to trace a model with, and its columns if it is built of features.

    Args:
        model: A module from a dict of tensors to one or several tensors.
        mode: "user" or "item": one tower.
        dummy_input: The inputs: a dict, or tensors in the order of the columns; None generates
            random ones.
        batch_size: Number of rows of random inputs.
        seq_length: Sequence length of random inputs, limited to the maximum of the model.

    Raises:
        ValueError: The inputs of the model are unknown, or `dummy_input` does not match them.
    """
    if mode is None and isinstance(dummy_input, Mapping) and not _features_of(model):
        return dict(dummy_input), {}
    columns = columns_of(model, mode)
    if dummy_input is None:
        length = min(seq_length, getattr(model, "longest_history", seq_length))
        dummy_input = generate_dummy_input_dict(list(columns.values()), batch_size, length)
    return as_columns(dummy_input, list(columns)), columns


def vocabulary_sizes(model: nn.Module) -> dict[str, int]:
    """Vocabulary size by column of ids: the number of rows of the smallest table it indexes."""
    columns = input_columns(model)
    sizes = {name: size for name, (_, size) in columns.items() if size is not None}
    layers = [layer for layer in model.modules() if isinstance(layer, EmbeddingLayer)]
    for feature in _features_of(model):  # also features that share the table of another
        if feature.name not in columns and not isinstance(feature, DenseFeature):
            for layer in layers:
                with suppress(KeyError, ValueError):
                    rows = layer.slice_of(feature).rows
                    sizes[feature.name] = min(rows, sizes.get(feature.name, rows))
    return sizes


def extract_feature_info(model: nn.Module) -> dict[str, Any]:
    """Return features, input_names, input_types, user_features and item_features of a model.

    Features are collected from embedding layers and from all attributes of the model and its
    modules: features, and lists, tuples and dicts of them. Each column is listed once.

    Example:
        >>> from torch_rechub.basic.features import SparseFeature
        >>> from torch_rechub.models.matching import DSSM
        >>> users, items = [SparseFeature("user", 9)], [SparseFeature("item", 9)]
        >>> info = extract_feature_info(DSSM(users, items, {"dims": [4]}, {"dims": [4]}))
        >>> info["input_names"], [f.name for f in info["user_features"]]
        (['user', 'item'], ['user'])
    """
    features = _features_of(model)
    return {
        "features": features,
        "input_names": [feature.name for feature in features],
        "input_types": {feature.name: type(feature).__name__ for feature in features},
        "user_features": _tower_features(model, "user"),
        "item_features": _tower_features(model, "item"),
    }


def _features_of(model: nn.Module) -> list[Feature]:
    """The features of a model, each column once, in the order of lookups."""
    found = [feature for feature, _ in input_columns(model).values()]
    for module in model.modules():
        found += _features_in(vars(module))
    return one_a_column(found)


def _tower_features(model: nn.Module, tower: str) -> list[Feature]:
    """The inputs of a tower: the model's own list, or else collected from its attributes."""
    names = {"user": ("user_features", "history_features"), "item": ("item_features",)}[tower]
    listed = getattr(model, f"{tower}_inputs", None)
    if listed is None:
        listed = [getattr(model, name, None) for name in names]
    return one_a_column(_features_in(listed))


def _features_in(value: Any) -> Iterator[Feature]:
    """The features in a value: the value itself, or those in lists, tuples and dicts."""
    if isinstance(value, (DenseFeature, SequenceFeature, SparseFeature)):
        yield value
    elif isinstance(value, (dict, list, tuple)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _features_in(part)


def generate_dummy_input_dict(
    features: Sequence[Feature],
    batch_size: int = 2,
    seq_length: int = 10,
    device: str | torch.device = "cpu",
) -> dict[str, Tensor]:
    """Random inputs: ids (B,), or (B, L) for sequences; dense values (B,) or (B, d).

    Example:
        >>> from torch_rechub.basic.features import SequenceFeature
        >>> generate_dummy_input_dict([SequenceFeature("seen", 9)], 3, 5)["seen"].shape
        torch.Size([3, 5])
    """
    return {f.name: _column(f, batch_size, seq_length).to(device) for f in features}


def generate_dummy_input(
    features: Sequence[Feature],
    batch_size: int = 2,
    seq_length: int = 10,
    device: str | torch.device = "cpu",
) -> tuple[Tensor, ...]:
    """Return the values of `generate_dummy_input_dict` as a tuple."""
    return tuple(generate_dummy_input_dict(features, batch_size, seq_length, device).values())


def _column(feature: Feature, batch_size: int, seq_length: int) -> Tensor:
    if isinstance(feature, DenseFeature):
        d = feature.embed_dim
        return torch.rand(batch_size) if d == 1 else torch.rand(batch_size, d)
    shape = (batch_size, seq_length) if isinstance(feature, SequenceFeature) else (batch_size,)
    return torch.randint(feature.vocab_size, shape)


def generate_dynamic_axes(
    input_names: Sequence[str],
    output_names: Sequence[str] | None = None,
    batch_dim: int = 0,
    include_seq_dim: bool = True,
    seq_features: Sequence[str] | None = None,
) -> dict[str, dict[int, str]]:
    """The dynamic axes of inputs and outputs, for `torch.onnx.export`.

    Args:
        input_names: Names of the inputs.
        output_names: Names of the outputs; None means ["output"].
        batch_dim: The batch axis.
        include_seq_dim: Whether the sequence length is dynamic, too.
        seq_features: The inputs that are sequences.

    Example:
        >>> generate_dynamic_axes(["seen"], seq_features=["seen"])["seen"]
        {0: 'batch_size', 1: 'seq_length'}
    """
    names = [*input_names, *(["output"] if output_names is None else output_names)]
    axes = {name: {batch_dim: "batch_size"} for name in names}
    if include_seq_dim:
        for name in seq_features or []:
            if name in axes:
                axes[name][1] = "seq_length"
    return axes


def as_columns(dummy_input: Any, names: Sequence[str]) -> dict[str, Tensor]:
    """Convert a user's inputs, a dict or tensors in the order of names, to a dict.

    Raises:
        ValueError: There are too few or too many tensors, or a name is missing.
    """
    if not isinstance(dummy_input, Mapping):
        if len(dummy_input) != len(names):
            raise ValueError(f"dummy_input must hold {len(names)} tensors, for {', '.join(names)}")
        return dict(zip(names, dummy_input))
    missing = [name for name in names if name not in dummy_input]
    if missing:
        raise ValueError(
            f"dummy_input lacks {', '.join(map(repr, missing))}, which the model reads"
        )
    return {name: dummy_input[name] for name in names}
