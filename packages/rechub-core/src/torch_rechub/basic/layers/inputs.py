"""Reads the columns of a batch and checks their presence, their shape and the range of ids."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..features import DenseFeature, Feature, IdFeature, SparseFeature
from .values import check_column, check_whole_numbers

_ROWS_OF = " of the batch"


def column(x: Mapping[str, Tensor], feature: Feature) -> Tensor:
    """The column of one feature: (B,) int64 sparse, (B, L) int64 sequence, (B, d) float dense.

    A dense column of floats keeps its dtype, and integers become floats of the default dtype;
    `EmbeddingLayer.dense` casts them to the dtype of the model.

    Raises:
        KeyError: x has no such column.
        TypeError: The column is not a tensor.
        ValueError: The column has another shape, or holds ids that are not whole numbers.
    """
    if feature.name not in x:
        raise KeyError(missing_columns([feature.name], x))
    values = tensor_of(x, feature.name)
    if isinstance(feature, DenseFeature):
        values = values if values.is_floating_point() else values.to(torch.get_default_dtype())
        values = values.unsqueeze(1) if values.dim() == 1 else values
        right = values.dim() == 2 and values.shape[1] == feature.embed_dim
    else:
        if values.dtype != torch.int64:
            values = as_ids(values, feature.name, _ROWS_OF)
        right = values.dim() == (1 if isinstance(feature, SparseFeature) else 2)
    if not right:
        raise ValueError(
            f"column {feature.name!r} has shape {tuple(x[feature.name].shape)}, but a "
            f"{type(feature).__name__} takes {_shape_of(feature)}"
        )
    return values


def _shape_of(feature: Feature) -> str:
    if isinstance(feature, DenseFeature):
        return f"(batch, {feature.embed_dim})"
    return "(batch,)" if isinstance(feature, SparseFeature) else "(batch, length)"


def tensor_of(x: Mapping[str, Any], name: str) -> Tensor:
    """Return a column of a batch.

    Raises:
        TypeError: It is not a tensor.
    """
    values = x[name]
    if not isinstance(values, Tensor):
        raise TypeError(
            f"column {name!r} of the batch is {type(values).__name__}, not a tensor: give the "
            "DataLoader a collate_fn that makes one, such as by padding lists to one length"
        )
    return values


def as_ids(values: Tensor, name: str, rows_of: str = "") -> Tensor:
    """Convert ids to int64; floats must be whole numbers.

    Args:
        values: The ids, of any shape.
        name: The column's name, for the message.
        rows_of: The unit of row numbers, for the message, such as " of the batch".

    Raises:
        ValueError: A float is fractional, infinite, or NaN, which marks missing values in tables.
            Floats on a GPU are not checked, since that would synchronize: trainers check them
            before they are moved.
    """
    floats = values.is_floating_point() and values.device.type == "cpu"
    if floats and not torch.compiler.is_compiling():
        check_whole_numbers(values, name, rows_of)
    return values.long()


def missing_columns(missing: Sequence[str], present: Mapping[str, object]) -> str:
    """The message for columns that a model needs and the data lack."""
    return (
        f"the data have no column {', '.join(map(repr, missing))}, which the model's features "
        f"name; columns there are: {', '.join(present)}"
    )


def check_ids(
    ids: Tensor, sizes: Tensor, features: Sequence[IdFeature], columns: Sequence[Tensor]
) -> None:
    """Refuse ids outside their vocabulary: in a stack they would index the next table.

    On a GPU the check does not synchronize: a bad id ends the program with a device assertion.
    Trainers check each batch before it is moved, and name the feature.

    Args:
        ids: Ids, shape (B, W).
        sizes: The vocabulary size of each column of `ids`, shape (W,).
        features: The features of the columns, for the message.
        columns: The column of each feature, for the message.

    Raises:
        IndexError: An id is negative, or not smaller than its vocabulary.
    """
    if torch.compiler.is_compiling():
        return
    outside = ((ids < 0) | (ids >= sizes)).any()
    if ids.device.type != "cpu":
        torch._assert_async(~outside, "an id is outside its feature's vocabulary")
    elif outside:
        widths = [1 if values.dim() == 1 else values.shape[1] for values in columns]
        for feature, values, size in zip(
            features, columns, (part[0] for part in sizes.split(widths)), strict=True
        ):
            check_column(values, feature.name, int(size), _ROWS_OF)
