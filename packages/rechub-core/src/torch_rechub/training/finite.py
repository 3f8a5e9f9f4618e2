"""Weights, inputs and labels that are not finite: named when a loss is NaN or infinite."""

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..basic.layers.embedding import input_columns
from ..basic.layers.values import describe_missing, extremes, find
from ..data.batch import Batch

log = logging.getLogger("torch_rechub")

REMEDY = "lower the learning rate, set max_grad_norm, or scale columns of large values"
_NAMED = 5  # of more, only the number is reported
_LARGE = 1e4  # smaller inputs are no likely cause
_STATISTICS = ("running_mean", "running_var")


def non_finite_weights(model: nn.Module) -> str:
    """Name the entries of a state dict with values that are not finite, and count these.

    Infinity is allowed in buffers, such as a mask of −∞, except the statistics of batch
    normalization.

    Returns:
        Such as "linear.weight (2 of 8 values), linear.bias (1 of 1 values)"; empty if there is no
        such entry.

    Example:
        >>> model = nn.Linear(2, 1)
        >>> non_finite_weights(model)
        ''
        >>> with torch.no_grad():
        ...     _ = model.weight[0, 1].fill_(torch.nan)
        >>> non_finite_weights(model)
        'weight (1 of 2 values)'
    """
    buffers = {name for name, _ in model.named_buffers()}
    found = []
    for name, value in model.state_dict().items():
        if not isinstance(value, Tensor) or not value.is_floating_point():
            continue
        may_be_infinite = name in buffers and name.rpartition(".")[2] not in _STATISTICS
        is_wrong = torch.isnan if may_be_infinite else _is_not_finite
        if all(abs(bound) < torch.inf for bound in extremes(value)):
            continue
        if wrong := find(value, is_wrong):
            found.append(f"{name} ({wrong.count} of {value.numel()} values)")
    others = len(found) - _NAMED
    return ", ".join(found[:_NAMED]) + (f" and {others} others" if others > 0 else "")


def nan_moments(model: nn.Module, optimizer: torch.optim.Optimizer) -> str:
    """Name the first moment of an optimizer that holds NaN; empty if none does."""
    for name, p in model.named_parameters():
        for key, moment in optimizer.state.get(p, {}).items():
            if isinstance(moment, Tensor) and any(bound != bound for bound in extremes(moment)):
                return f"{key} of {name}"
    return ""


def not_saved(subject: str, wrong: str) -> str:
    """The message about weights that are not saved; the subject is such as "weights are"."""
    return f"{subject} not saved, as values are NaN or infinite in {wrong}: {REMEDY}"


def describe_divergence(model: nn.Module, batch: Batch | None) -> str:
    """Say which parameters, and which columns of a batch, are not finite, or very large.

    Args:
        model: The model.
        batch: The batch whose loss was not finite; None if it is not known.
    """
    weights = non_finite_weights(model)
    parts = [f"not finite: {weights}" if weights else "all parameters are finite"]
    if batch is not None:
        parts.append(_describe_batch(model, batch))
    return "; ".join(parts)


def _describe_batch(model: nn.Module, batch: Batch) -> str:
    wrong, large = [], []
    for name, values in _named_values(model, batch):
        if problem := describe_missing(values):
            wrong.append(f"{name} of the batch has {problem}")
            continue
        largest = max(map(abs, extremes(values)))
        if largest >= _LARGE:
            large.append((largest, name))
    if wrong:
        return "; ".join(wrong)
    if not large:
        return "all values of the batch are finite"
    named = (f"{largest:.3g} in {name}" for largest, name in sorted(large, reverse=True)[:_NAMED])
    return f"all values of the batch are finite, the largest {', '.join(named)}"


def _named_values(model: nn.Module, batch: Batch) -> Iterator[tuple[str, Tensor]]:
    """The numbers that a model computes with: floats, and whole numbers of dense columns."""
    x: Any = batch.inputs
    looked_up = input_columns(model)
    if isinstance(x, Mapping):
        for name, values in x.items():
            is_dense = name in looked_up and looked_up[name][1] is None
            if isinstance(values, Tensor) and (values.is_floating_point() or is_dense):
                yield f"column {name!r}", values
    for i, values in enumerate(x if isinstance(x, tuple) else (x,)):
        if isinstance(values, Tensor) and values.is_floating_point():
            yield f"input {i}", values
    if batch.labels is not None:
        yield "y", batch.labels


def _is_not_finite(values: Tensor) -> Tensor:
    return ~values.isfinite()


def end_or_warn(problem: str, on_nan: str) -> None:
    """Raise FloatingPointError, or log a warning, as `on_nan` says."""
    if on_nan == "raise":
        raise FloatingPointError(problem)
    log.warning("%s.", problem)
