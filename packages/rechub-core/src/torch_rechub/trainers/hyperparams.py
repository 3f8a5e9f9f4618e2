"""What a trainer tells its loggers of its settings."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .trainer import Trainer


def describe(trainer: "Trainer") -> dict[str, Any]:
    """The settings that every trainer records when training starts."""
    group = trainer.optimizer.param_groups[0]
    scheduler, optimizer_fn = trainer.scheduler, trainer.settings.optimizer_fn
    return {
        "model": type(trainer.model).__name__,
        "trainer": type(trainer).__name__,
        "n_epoch": trainer.n_epoch,
        "learning_rate": float(group["lr"]),
        "optimizer": getattr(optimizer_fn, "__name__", type(trainer.optimizer).__name__),
        "embedding_update": trainer.embedding_update,
        "weight_decay": group.get("weight_decay", 0.0),
        "scheduler": None if scheduler is None else type(scheduler).__name__,
        "earlystop_patience": trainer.early_stopper.patience,
        "monitor": trainer.monitor,
        "device": str(trainer.device),
    }


def describe_data(train_dataloader: Iterable[Any]) -> dict[str, Any]:
    """What is recorded of the data that a training reads."""
    return {"batch_size": getattr(train_dataloader, "batch_size", None)}
