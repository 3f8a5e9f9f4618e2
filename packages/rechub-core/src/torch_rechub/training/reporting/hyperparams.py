"""Hyper-parameters: the settings that a trainer records."""

import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from ...optim import WarmupSchedule
from ..parameter_groups import describe_groups
from ..settings import Settings, TrainerOptions


def describe(
    settings: Settings,
    model: nn.Module,
    optimizer: Optimizer,
    scheduler: Any,
    embedding_update: str,
) -> dict[str, Any]:
    """Return the hyper-parameters that every trainer records when training starts.

    Args:
        settings: The arguments of the trainer.
        model: The model being trained.
        optimizer: Its optimizer.
        scheduler: Its learning-rate schedule, or None.
        embedding_update: The update of embedding tables, "dense", "lazy" or "row_wise".
    """
    return {
        "model": type(model).__name__,
        "n_parameters": sum(p.numel() for p in model.parameters()),
        "optimizer": _optimizer_name(settings.optimizer_fn, optimizer),
        **describe_groups(optimizer),
        "regularization_params": dict(settings.regularization_params or {}),
        **_describe_schedule(settings, scheduler),
        "device": str(settings.main_device()),
        "gpus": settings.gpus,
        **{name: getattr(settings, name) for name in _options()},
        "embedding_update": embedding_update,
        "torch_seed": torch.initial_seed(),
        "versions": _versions(),
    }


def describe_loss(settings: Settings, *criteria: nn.Module) -> dict[str, Any]:
    """The hyper-parameters of losses that were chosen: their names, and the arguments of names."""
    given = settings.loss if isinstance(settings.loss, list | tuple) else [settings.loss]
    names = [
        name if isinstance(name, str) else type(loss).__name__
        for name, loss in zip([*given, *criteria[len(given) :]], criteria)
    ]
    loss = names[0] if len(criteria) == 1 else names
    return {"loss": loss, "loss_params": settings.loss_params}


def describe_data(train_dataloader: Iterable[Any]) -> dict[str, Any]:
    """The hyper-parameters of the training data."""
    return {"batch_size": getattr(train_dataloader, "batch_size", None)}


def describe_matching(
    mode: int, in_batch: Mapping[str, Any] | None, log_q_correction: bool
) -> dict[str, Any]:
    """The hyper-parameters of the objective of a matching model.

    Args:
        mode: Of `MatchTrainer`.
        in_batch: The settings of negatives from the batch, by name; None where there are none.
        log_q_correction: Whether they are corrected for their popularity.
    """
    always = {"in_batch_neg": in_batch is not None, "log_q_correction": log_q_correction}
    return {"loss_mode": mode, **always, **(in_batch or {})}


def _optimizer_name(optimizer_fn: Any, optimizer: Optimizer) -> str:
    """The class of the optimizer; of one that is joint, that of its dense part."""
    if isinstance(optimizer_fn, type):
        return optimizer_fn.__name__
    return type(getattr(optimizer, "optimizers", (optimizer,))[0]).__name__


def _describe_schedule(settings: Settings, scheduler: Any) -> dict[str, Any]:
    params, by_steps = dict(settings.scheduler_params or {}), isinstance(scheduler, WarmupSchedule)
    if by_steps:
        params["total_steps"] = scheduler.total_steps
    return {
        "scheduler": None if scheduler is None else type(scheduler).__name__,
        "scheduler_params": params,
        "scheduler_step": "batch" if by_steps else settings.scheduler_step or "epoch",
    }


def _options() -> list[str]:
    """The options of every trainer that affect results."""
    others = {"progress", "prefetch", "record", "callbacks", "metrics", "monitor", "scheduler_step"}
    others |= {"checkpoint_steps"}
    return [name for name in TrainerOptions.__annotations__ if name not in others]


def _versions() -> dict[str, str]:
    names = ("rechub-core", "torch", "numpy")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}
