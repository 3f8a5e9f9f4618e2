"""Creation of the optimizer: the user's, with lazy updates of large embedding tables."""

import inspect
import logging
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from .._bounds import check_number
from ..optim import JointOptimizer
from .lazy_tables import LAZY_FORMS, LazyTables
from .settings import Settings

log = logging.getLogger("torch_rechub")

_DEFAULTS = {"lr": 1e-3, "weight_decay": 1e-5}
_FORMS = (
    "pass a class of torch.optim, a function of the parameters and optimizer_params, or a function "
    "whose first parameter is called 'model', which receives the model"
)


def make_optimizer(
    model: nn.Module, parameters: Iterable[Any], settings: Settings
) -> tuple[Optimizer, str]:
    """Create the optimizer of a training run.

    Its parameter groups are those of the user, also where tables are updated lazily.

    Args:
        model: The model with the tables; lazily updated tables get sparse gradients from now on.
        parameters: The parameters to train.
        settings: The settings of the optimizer and of `embedding_update`.

    Returns:
        The optimizer, and the update of embedding tables: "lazy" or "row_wise" if any table is
        updated that way, else "dense".

    Raises:
        TypeError: `optimizer_fn` cannot be called, or returns no optimizer.
        ValueError: `embedding_update` is unknown, or not supported by the optimizer.
    """
    tables, trained = LazyTables(model, settings), list(parameters)
    kind: Any = settings.optimizer_fn
    params = _arguments(settings)
    check_number(
        "[0, inf)", **{k: v for k in _DEFAULTS if not isinstance(v := params.get(k), Tensor)}
    )
    if isinstance(kind, partial) and not kind.args:
        kind, params = kind.func, {**kind.keywords, **params}
    if (
        isinstance(kind, type)
        and kind in LAZY_FORMS
        and all(isinstance(p, Tensor) for p in trained)
    ):
        return _of_a_class(kind, trained, params, tables)
    whole = _of_the_user(settings.optimizer_fn, model, trained, _arguments(settings))
    return _with_lazy_tables(whole, tables)


def _arguments(settings: Settings) -> dict[str, Any]:
    """Return the keyword arguments of `optimizer_fn`: given, or the defaults that it accepts."""
    made_by: Any = settings.optimizer_fn
    if settings.optimizer_params is not None:
        return dict(settings.optimizer_params)
    bound = made_by.keywords if isinstance(made_by, partial) else {}
    params = {name: value for name, value in _DEFAULTS.items() if name not in bound}
    if isinstance(made_by.func if isinstance(made_by, partial) else made_by, type):
        return params
    if _takes_the_model(made_by):
        return {}
    taken = _signature(made_by)
    every = any(kind is inspect.Parameter.VAR_KEYWORD for kind in taken.values())
    return {name: value for name, value in params.items() if every or name in taken}


def _signature(function: Any) -> dict[str, Any]:
    """Return the kind of each parameter by name; empty for a callable without a signature."""
    try:
        return {p.name: p.kind for p in inspect.signature(function).parameters.values()}
    except (TypeError, ValueError):
        return {}


def _takes_the_model(function: Any) -> bool:
    return not isinstance(function, type) and next(iter(_signature(function)), "") == "model"


def _of_the_user(
    made_by: Any, model: nn.Module, trained: list[Any], params: Mapping[str, Any]
) -> Optimizer:
    """Call the user's class or function.

    Raises:
        TypeError: It does not accept these arguments, or returns no optimizer.
    """
    if isinstance(made_by, Optimizer) or not callable(made_by):
        given = repr(made_by)
        if isinstance(made_by, Optimizer):
            given = f"an {type(made_by).__name__} that is made already"
        raise TypeError(f"optimizer_fn must be called to make the optimizer, got {given}: {_FORMS}")
    of_model, name = _takes_the_model(made_by), getattr(made_by, "__qualname__", repr(made_by))
    first: Any = model if of_model else trained
    if not isinstance(made_by, type) and _signature(made_by):
        try:
            inspect.signature(made_by).bind(first, **params)
        except TypeError as error:
            raise TypeError(
                f"optimizer_fn={name} cannot be called with the "
                f"{'model' if of_model else 'parameters'} and {dict(params)}: {error}; {_FORMS}"
            ) from None
    try:
        optimizer = made_by(first, **params)
    except AttributeError as error:
        if error.obj is not trained:
            raise
        raise TypeError(
            f"optimizer_fn={name} asks the list of parameters for {error.name!r}, as if it were "
            f"the model: {_FORMS}"
        ) from error
    if not (hasattr(optimizer, "param_groups") and hasattr(optimizer, "step")):
        raise TypeError(
            f"optimizer_fn={name} made no optimizer, but a {type(optimizer).__name__}: {_FORMS}"
        )
    if not isinstance(made_by, type):
        _complete(optimizer, model, trained)
    return optimizer  # type: ignore[no-any-return]


def _complete(optimizer: Optimizer, model: nn.Module, trained: list[Any]) -> None:
    """Add the trainer's own parameters, such as task weights; warn of omitted parameters."""
    grouped = {id(p) for group in optimizer.param_groups for p in group["params"]}
    names = {id(p): name for name, p in model.named_parameters()}
    left = [p for p in trained if isinstance(p, Tensor) and id(p) not in grouped]
    others = [p for p in left if id(p) not in names]
    if others:
        optimizer.add_param_group({"params": others, "name": "trainer"})
    frozen = [names[id(p)] for p in left if id(p) in names and p.requires_grad]
    if frozen:
        log.warning(
            "optimizer_fn left out %d of the model's parameters, which are not trained: %s%s.",
            len(frozen),
            ", ".join(frozen[:3]),
            ", …" if len(frozen) > 3 else "",
        )


def _of_a_class(
    kind: Any, trained: list[Any], params: dict[str, Any], tables: LazyTables
) -> tuple[Optimizer, str]:
    """Create an optimizer that has a lazy form, for parameters without groups."""
    lazy = tables.among(trained, kind, params)
    rows = tables.optimizer(kind, [(lazy, params)])
    if rows is None:
        return _dense(kind, trained, params), "dense"
    known = {id(table.weight) for table in lazy}
    rest = [p for p in trained if id(p) not in known]
    parts = [_dense(kind, rest, params), rows] if rest else [rows]
    whole = {**parts[0].param_groups[0], "params": trained}
    return JointOptimizer(parts, groups=[whole]), tables.summary(rows)


def _with_lazy_tables(whole: Optimizer, tables: LazyTables) -> tuple[Optimizer, str]:
    """Update tables of an optimizer lazily, with the settings of their parameter groups."""
    kind, groups = type(whole), [dict(group) for group in whole.param_groups]
    # torch implements AdamW as Adam with this setting
    ignored = {"decoupled_weight_decay"} if kind is torch.optim.AdamW else set()
    lazy = []
    for group in groups:
        settings = {n: v for n, v in group.items() if n in whole.defaults.keys() - ignored}
        lazy.append((tables.among(group["params"], kind, settings), settings))
    rows = tables.optimizer(kind, lazy)
    if rows is None:
        return whole, "dense"
    known = {id(table.weight) for found, _ in lazy for table in found}
    for group in whole.param_groups:
        for p in group["params"]:
            if id(p) in known:
                whole.state.pop(p, None)
        group["params"] = [p for p in group["params"] if id(p) not in known]
    whole.param_groups = [group for group in whole.param_groups if group["params"]]
    parts = [whole, rows] if whole.param_groups else [rows]
    return JointOptimizer(parts, groups=groups), tables.summary(rows)


def _dense(kind: Any, parameters: list[Any], params: Mapping[str, Any]) -> Optimizer:
    """Create the optimizer, with torch's fused implementation by default if available."""
    plain = all(p.is_floating_point() for p in parameters)
    chosen = {"foreach", "fused", "capturable", "differentiable"} & params.keys()
    fused = {"fused": True} if plain and parameters and not chosen else {}
    return kind(parameters, **params, **fused)  # type: ignore[no-any-return]
