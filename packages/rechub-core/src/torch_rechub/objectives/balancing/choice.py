"""The choice of a balancing strategy: by its name, or by the weights that a model has."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn

from ...models.protocols import WeighsLosses
from .strategies import (
    Balancing,
    FixedWeights,
    GradientBalance,
    GradNormWeights,
    UncertaintyWeights,
)

STRATEGIES: dict[str, Callable[..., Balancing]] = {
    "uwl": UncertaintyWeights,
    "gradnorm": GradNormWeights,
    "metabalance": GradientBalance,
}


def make_balancing(
    params: Mapping[str, Any], model: nn.Module, task_types: Sequence[str]
) -> Balancing:
    """Create the strategy of `params`.

    Args:
        params: "method": "uwl", "gradnorm" or "metabalance", and the strategy's own arguments.
        model: The model to train.
        task_types: "classification" or "regression" for each task to balance.

    Raises:
        ValueError: The method is unknown, or takes no such argument.
    """
    options = dict(params)
    method = options.pop("method", None)
    if method not in STRATEGIES:
        raise ValueError(
            f"adaptive_params['method'] must be one of {', '.join(STRATEGIES)}, got {method!r}"
        )
    try:
        return STRATEGIES[method](model, task_types, **options)
    except TypeError as error:
        raise ValueError(f"adaptive_params do not fit {method!r}: {error}") from error


def loss_weights_of(model: nn.Module, n_task: int) -> list[float]:
    """Return the weights of the tasks' losses: those of the model, or 1 / T.

    Raises:
        ValueError: The model has another number of weights, or all are 0.
    """
    own: Any = model.loss_weights if isinstance(model, WeighsLosses) else [1 / n_task] * n_task
    weights = list(own)
    if len(weights) != n_task or min(weights) < 0 or not any(weights):
        raise ValueError(
            f"{type(model).__name__}.loss_weights must be a number of at least 0 for each of the "
            f"{n_task} tasks, not all 0, but is {weights}"
        )
    return weights


def balancing_of(
    params: Mapping[str, Any] | None, model: nn.Module, task_types: Sequence[str]
) -> tuple[list[int], Balancing]:
    """Return the indices of trained tasks, and the strategy that balances their losses.

    Args:
        params: As `make_balancing`; None means the model's weights, or equal ones.
        model: The model to train.
        task_types: "classification" or "regression" for each task.
    """
    weights = loss_weights_of(model, len(task_types))
    trained = [i for i, weight in enumerate(weights) if weight]
    if params is None:
        return trained, FixedWeights([weights[i] for i in trained])
    return trained, make_balancing(params, model, [task_types[i] for i in trained])
