"""The objective of a retrieval trainer by its mode, with the loss that was asked for."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import nn

from ..losses.names import make_loss
from .in_batch import InBatch, InBatchSettings
from .log_q import LogQ
from .matching import ListWise, Objective, PairWise, PointWise

_MODES: dict[int, tuple[type[Objective], str, str]] = {
    0: (PointWise, "probability", "binary_cross_entropy"),
    1: (PairWise, "pairs", "bpr"),
    2: (ListWise, "candidates", "sampled_softmax"),
}


def make_objective(
    model: nn.Module,
    mode: int,
    in_batch: InBatchSettings | None,
    item_frequency: Mapping[str, ArrayLike] | None,
    parallel: Callable[[nn.Module], nn.Module],
    device: torch.device,
    loss: str | nn.Module | None = None,
    loss_params: Mapping[str, Any] | None = None,
) -> Objective:
    """The objective of a mode: 0 of points, 1 of pairs, 2 of lists.

    Args:
        model: The model being trained.
        mode: 0, 1 or 2.
        in_batch: Which items of the batch are negatives; None has the data bring them.
        item_frequency: {column of item ids: how often each id occurs}: of in-batch negatives, as
            `InBatch`; of the negatives in mode 2, as `ListWise`.
        parallel: A function that distributes a module over the GPUs.
        device: Device of the model.
        loss: Its name, or a module that takes what the mode gives; None takes that of the mode.
        loss_params: The arguments of a name.

    Raises:
        ValueError: The mode or the loss is another, or the model does not fit.
    """
    if isinstance(mode, bool) or mode not in _MODES:
        raise ValueError(f"mode must be 0 (points), 1 (pairs) or 2 (lists), got {mode!r}")
    make, kind, default = _MODES[mode]
    if in_batch is not None:
        kind, default = "candidates", "sampled_softmax"
        objective: Objective = InBatch(model, parallel, in_batch, mode == 0, device, item_frequency)
    else:
        objective = make(model, parallel)
        if item_frequency is not None:
            _correct(objective, LogQ(item_frequency, model, device), loss)
    if isinstance(loss, nn.Module) and not loss_params:
        objective.criterion = _reduced(loss)
    elif loss is None and loss_params and kind != "probability":
        raise ValueError(
            f"loss_params={dict(loss_params)!r} are the arguments of a loss by name: give loss too"
        )
    elif loss is not None or loss_params:
        owner = "MatchTrainer(in_batch_neg=True)" if in_batch else f"MatchTrainer(mode={mode})"
        objective.criterion = make_loss(loss, loss_params, [kind], default, owner)
    objective.criterion.to(device)
    return objective


def _correct(objective: Objective, log_q: LogQ, loss: Any) -> None:
    """Have sampled softmax correct the negatives that the data bring.

    Raises:
        ValueError: The loss or the mode is another.
    """
    if not isinstance(objective, ListWise) or loss not in (None, "sampled_softmax"):
        raise ValueError(
            "item_frequency corrects in-batch negatives, or those of sampled softmax in mode 2: "
            "set in_batch_neg=True, or mode=2 and loss='sampled_softmax', or leave it out"
        )
    objective.log_q = log_q


def _reduced(loss: nn.Module) -> nn.Module:
    """A loss that gives one number a batch.

    Raises:
        ValueError: It has no reduction.
    """
    if getattr(loss, "reduction", "mean") == "none":
        raise ValueError(
            f"loss={type(loss).__name__} has reduction='none', and training takes one number a "
            "batch: give it reduction='mean'"
        )
    return loss
