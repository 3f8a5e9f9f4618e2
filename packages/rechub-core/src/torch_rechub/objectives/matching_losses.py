"""Creation of the objective of a retrieval trainer by its mode and loss."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import nn

from ..losses.names import make_loss
from .in_batch import InBatch
from .in_batch_settings import InBatchSettings
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
    """Create the objective of a mode: 0 point-wise, 1 pair-wise, 2 list-wise.

    Args:
        model: The model being trained.
        mode: 0, 1 or 2.
        in_batch: The settings of in-batch negatives; None means that the data hold negatives.
        item_frequency: {column of item ids: count of each id}: for in-batch negatives, see
            `InBatch`; for negatives in mode 2, see `ListWise`.
        parallel: A function that distributes a module over the GPUs.
        device: Device of the model.
        loss: The name of a loss, or a module that suits the mode; None means the default.
        loss_params: The arguments of a loss by name.

    Raises:
        ValueError: The mode or the loss is unknown, or the model does not suit them.
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
    """Set the logQ correction of sampled softmax for negatives in the data.

    Raises:
        ValueError: The loss or the mode does not support it.
    """
    if not isinstance(objective, ListWise) or loss not in (None, "sampled_softmax"):
        raise ValueError(
            "item_frequency corrects in-batch negatives, or those of sampled softmax in mode 2: "
            "set in_batch_neg=True, or mode=2 and loss='sampled_softmax', or leave it out"
        )
    objective.log_q = log_q


def _reduced(loss: nn.Module) -> nn.Module:
    """Check that a loss is reduced to one number per batch.

    Raises:
        ValueError: The reduction is "none".
    """
    if getattr(loss, "reduction", "mean") == "none":
        raise ValueError(
            f"loss={type(loss).__name__} has reduction='none', and training takes one number a "
            "batch: give it reduction='mean'"
        )
    return loss
