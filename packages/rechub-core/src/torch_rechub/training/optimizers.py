"""Creation of the optimizer: the user's, with lazy updates of large embedding tables."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from .._bounds import check_number
from ..basic.layers import EmbeddingLayer
from ..optim import (
    JointOptimizer,
    LazyAdagrad,
    LazyAdam,
    LazyAdamW,
    LazyOptimizer,
    LazySGD,
)
from .settings import Settings

log = logging.getLogger("torch_rechub")

UPDATES = ("auto", "dense", "lazy", "row_wise")
# values in a table; for smaller ones a dense update is cheaper than finding duplicate ids
LAZY_FROM = 2**19


@dataclass(frozen=True)
class LazyForm:
    """The lazy form of an optimizer of torch.

    Attributes:
        rule: The class of the lazy optimizer.
        options: The arguments that it shares with torch's optimizer.
        row_wise: Whether it has a second moment, and so a row-wise variant.
    """

    rule: type[LazyOptimizer]
    options: frozenset[str]
    row_wise: bool = True


_ADAM = frozenset({"lr", "betas", "eps", "weight_decay", "maximize"})
LAZY_FORMS: dict[Any, LazyForm] = {
    torch.optim.Adam: LazyForm(LazyAdam, _ADAM),
    torch.optim.AdamW: LazyForm(LazyAdamW, _ADAM),
    torch.optim.Adagrad: LazyForm(
        LazyAdagrad,
        frozenset(
            {"lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps", "maximize"}
        ),
    ),
    torch.optim.SGD: LazyForm(
        LazySGD,
        frozenset({"lr", "momentum", "weight_decay", "nesterov", "maximize"}),
        row_wise=False,
    ),
}
_BOUNDED = ("lr", "weight_decay")
# arguments that select an implementation and do not change the result
_IMPLEMENTATION = {"foreach", "fused"}


@dataclass(frozen=True)
class Table:
    """An embedding table of a model: a stack of an `EmbeddingLayer`.

    Attributes:
        layer: The layer.
        stack: The name of the parameter in the layer.
        weight: The parameter.
    """

    layer: EmbeddingLayer
    stack: str
    weight: nn.Parameter


def make_optimizer(
    model: nn.Module, parameters: Iterable[Any], settings: Settings
) -> tuple[Optimizer, str]:
    """Create the optimizer of a training run.

    Args:
        model: The model with the tables; lazily updated tables get sparse gradients from now on.
        parameters: The parameters to train.
        settings: The settings of the optimizer and of `embedding_update`.

    Returns:
        The optimizer, and "lazy" or "row_wise" if any table is updated so, else "dense".

    Raises:
        ValueError: `embedding_update` is unknown, or not supported by the optimizer.
    """
    given = settings.optimizer_params
    params = {"lr": 1e-3, "weight_decay": 1e-5} if given is None else dict(given)
    check_number(
        "[0, inf)", **{k: v for k in _BOUNDED if not isinstance(v := params.get(k), Tensor)}
    )
    update = settings.embedding_update
    if update not in UPDATES:
        raise ValueError(f"embedding_update must be one of {', '.join(UPDATES)}, got {update!r}")
    tables = _tables(model)
    lazy = [] if update == "dense" else _lazy_tables(tables, params, settings)
    for layer in {table.layer for table in tables}:
        layer.use_sparse_gradients([table.stack for table in lazy if table.layer is layer])
    trained = list(parameters)
    if not lazy:
        return _dense(trained, params, settings.optimizer_fn), "dense"
    known = {id(table.weight) for table in lazy}
    rest = [p for p in trained if id(p) not in known]
    form = LAZY_FORMS[settings.optimizer_fn]
    options: dict[str, Any] = {n: value for n, value in params.items() if n in form.options}
    if update == "row_wise":
        options["row_wise"] = True
    rows = form.rule([table.weight for table in lazy], **options)
    _tell(lazy, update)
    parts = [_dense(rest, params, settings.optimizer_fn), rows] if rest else [rows]
    return JointOptimizer(parts), "lazy" if update == "auto" else update


def _tables(model: nn.Module) -> list[Table]:
    """Return the trained tables, each once."""
    found: dict[int, Table] = {}
    for layer in model.modules():
        if isinstance(layer, EmbeddingLayer):
            for stack, weight in layer.named_parameters(recurse=False):
                if weight.requires_grad:
                    found[id(weight)] = Table(layer, stack, weight)
    return list(found.values())


def _lazy_tables(tables: list[Table], params: Mapping[str, Any], settings: Settings) -> list[Table]:
    """Return the tables to update lazily.

    Raises:
        ValueError: Lazy updates are requested but not possible.
    """
    obstacle = _obstacle(params, settings)
    if settings.embedding_update != "auto":
        if obstacle:
            raise ValueError(
                f"embedding_update={settings.embedding_update!r} is not possible: {obstacle}. Use "
                "embedding_update='dense', or 'auto'"
            )
        return tables
    large = [table for table in tables if table.weight.numel() >= LAZY_FROM]
    if obstacle:
        if large:
            log.info("Each step updates every row of the embedding tables: %s.", obstacle)
        return []
    return tables if _same_as_dense(settings.optimizer_fn, params) else large


def _obstacle(params: Mapping[str, Any], settings: Settings) -> str:
    """Return the reason why tables cannot be updated lazily, or an empty string."""
    form = LAZY_FORMS.get(settings.optimizer_fn)
    name = getattr(settings.optimizer_fn, "__name__", str(settings.optimizer_fn))
    if form is None:
        return f"{name} has no lazy form ({', '.join(o.__name__ for o in LAZY_FORMS)} have)"
    unsupported = [n for n, v in params.items() if v and n not in form.options | _IMPLEMENTATION]
    if unsupported:
        return f"the lazy form of {name} has no {', '.join(unsupported)}"
    if settings.embedding_update == "row_wise" and not form.row_wise:
        return f"{name} has no second moment"
    penalty = settings.regularization_params or {}
    if penalty.get("embedding_l1") or penalty.get("embedding_l2"):
        return "the penalty embedding_l1 or embedding_l2 concerns every row"
    return ""


def _same_as_dense(optimizer_fn: Any, params: Mapping[str, Any]) -> bool:
    """Whether dense updates do not change rows without a gradient, so that lazy is equal."""
    stateless = optimizer_fn in (torch.optim.SGD, torch.optim.Adagrad)
    return stateless and not params.get("weight_decay") and not params.get("momentum")


def _dense(
    parameters: list[Any], params: Mapping[str, Any], optimizer_fn: Callable[..., Optimizer]
) -> Optimizer:
    """Create the user's optimizer, with torch's fused implementation by default if available."""
    plain = all(isinstance(p, Tensor) and p.is_floating_point() for p in parameters)
    chosen = {"foreach", "fused", "capturable", "differentiable"} & params.keys()
    if optimizer_fn in LAZY_FORMS and plain and parameters and not chosen:
        return optimizer_fn(parameters, **params, fused=True)
    return optimizer_fn(parameters, **params)


def _tell(lazy: list[Table], update: str) -> None:
    rows = sum(len(table.weight) for table in lazy)
    hint = "" if update != "auto" else "; embedding_update='dense' updates every row"
    log.info("Each step updates only the rows it touched of %d in embedding tables%s.", rows, hint)
