"""Lazy updates of embedding tables: the optimizers that have a lazy form, and the tables."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from ..basic.layers import EmbeddingLayer
from ..optim import LazyAdagrad, LazyAdam, LazyAdamW, LazyOptimizer, LazySGD
from .settings import Settings

log = logging.getLogger("torch_rechub")

UPDATES = ("auto", "dense", "lazy", "row_wise")
# values in a table; for smaller ones a dense update is cheaper than finding duplicate ids
LAZY_FROM = 2**19


@dataclass(frozen=True)
class LazyForm:
    """The lazy form of an optimizer of torch.

    Attributes:
        rule: The class of the lazy optimizer, a `LazyOptimizer`.
        options: The arguments that it shares with torch's optimizer.
        row_wise: Whether it has a second moment, and so a row-wise variant.
    """

    rule: Callable[..., LazyOptimizer]
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


class LazyTables:
    """The trained embedding tables of a model, and the choice of those to update lazily.

    Args:
        model: The model.
        settings: The settings of `embedding_update`.

    Raises:
        ValueError: `embedding_update` is unknown.
    """

    def __init__(self, model: nn.Module, settings: Settings) -> None:
        self.settings, self.update = settings, settings.embedding_update
        if self.update not in UPDATES:
            raise ValueError(
                f"embedding_update must be one of {', '.join(UPDATES)}, got {self.update!r}"
            )
        found: dict[int, Table] = {}
        for layer in model.modules():
            if isinstance(layer, EmbeddingLayer):
                for stack, weight in layer.named_parameters(recurse=False):
                    if weight.requires_grad:
                        found[id(weight)] = Table(layer, stack, weight)
        self.tables = found

    def among(self, parameters: list[Any], kind: Any, params: Mapping[str, Any]) -> list[Table]:
        """Return the tables to update lazily.

        Args:
            parameters: The parameters of one parameter group.
            kind: The class of the optimizer.
            params: The settings of the group.

        Raises:
            ValueError: Lazy updates are requested but not possible.
        """
        tables = [self.tables[id(p)] for p in parameters if id(p) in self.tables]
        if self.update == "dense" or not tables:
            return []
        obstacle = self._obstacle(kind, params)
        if self.update != "auto":
            if obstacle:
                raise ValueError(
                    f"embedding_update={self.update!r} is not possible: {obstacle}. Use "
                    "embedding_update='dense', or 'auto'"
                )
            return tables
        large = [table for table in tables if table.weight.numel() >= LAZY_FROM]
        if obstacle:
            if large:
                log.info("Each step updates every row of the embedding tables: %s.", obstacle)
            return []
        return tables if _same_as_dense(kind, params) else large

    def _obstacle(self, kind: Any, params: Mapping[str, Any]) -> str:
        """Return the reason why tables cannot be updated lazily, or an empty string."""
        form, name = LAZY_FORMS.get(kind), getattr(kind, "__name__", str(kind))
        if form is None:
            return f"{name} has no lazy form ({', '.join(o.__name__ for o in LAZY_FORMS)} have)"
        shared = form.options | _IMPLEMENTATION
        unsupported = [n for n, v in params.items() if v and n not in shared]
        if unsupported:
            return f"the lazy form of {name} has no {', '.join(unsupported)}"
        if self.update == "row_wise" and not form.row_wise:
            return f"{name} has no second moment"
        penalty = self.settings.regularization_params or {}
        if penalty.get("embedding_l1") or penalty.get("embedding_l2"):
            return "the penalty embedding_l1 or embedding_l2 concerns every row"
        return ""

    def optimizer(self, kind: Any, groups: Sequence[tuple[list[Table], Mapping[str, Any]]]) -> Any:
        """Create the lazy optimizer; its tables get sparse gradients from now on.

        Args:
            kind: The class of the user's optimizer.
            groups: The tables of each parameter group, and its settings.

        Returns:
            The optimizer; None without tables.
        """
        form, lazy = LAZY_FORMS.get(kind), [table for tables, _ in groups for table in tables]
        for layer in {table.layer for table in self.tables.values()}:
            layer.use_sparse_gradients([table.stack for table in lazy if table.layer is layer])
        if form is None or not lazy:
            return None
        rows = sum(len(table.weight) for table in lazy)
        auto = "; embedding_update='dense' updates every row" if self.update == "auto" else ""
        log.info(
            "Each step updates only the rows it touched of %d in embedding tables%s.", rows, auto
        )
        return form.rule(
            [
                {
                    "params": [table.weight for table in tables],
                    **{n: value for n, value in settings.items() if n in form.options},
                    "row_wise": self.update == "row_wise" and form.row_wise,
                }
                for tables, settings in groups
                if tables
            ]
        )

    def summary(self, rows: Optimizer | None) -> str:
        """Return "lazy" or "row_wise" if any table is updated that way, else "dense"."""
        return "dense" if rows is None else "lazy" if self.update == "auto" else self.update


def _same_as_dense(kind: Any, params: Mapping[str, Any]) -> bool:
    """Whether dense updates do not change rows without a gradient, so that lazy is equal."""
    stateless = kind in (torch.optim.SGD, torch.optim.Adagrad)
    return stateless and not params.get("weight_decay") and not params.get("momentum")
