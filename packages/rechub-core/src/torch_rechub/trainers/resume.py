"""Continuing a training: everything that decides the next step, written whole after an epoch."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .checkpoint import (
    CheckpointError,
    load_weights,
    random_state,
    restore_random_state,
    save_weights,
)

if TYPE_CHECKING:
    from .trainer import Trainer

_FORMAT = 1


def checkpoint_path(trainer: "Trainer") -> Path:
    """Where the checkpoint of a training lies: beside the weights, named after them."""
    return trainer.best.path.with_suffix(".checkpoint")


def write_checkpoint(trainer: "Trainer", over: bool) -> None:
    """Write the state after the last completed epoch; the file before it is replaced at once.

    Args:
        trainer: What is training.
        over: Whether training stopped early, so that there is nothing to continue.
    """
    stopper = trainer.early_stopper
    state = {
        "format": _FORMAT,
        "over": over,
        "model": trainer.model.state_dict(),
        "optimizer": trainer.optimizer.state_dict(),
        "scheduler": None if trainer.scheduler is None else trainer.scheduler.state_dict(),
        "early_stopper": {
            "best_auc": float(stopper.best_auc),
            "best_weights": stopper.best_weights,
            "trial_counter": stopper.trial_counter,
        },
        "history": trainer.history,
        "steps": trainer.steps.count,
        "task": {name: part.state_dict() for name, part in trainer.stateful.items()},
        "random": random_state(),
    }
    save_weights(state, checkpoint_path(trainer))


def read_checkpoint(trainer: "Trainer") -> int:
    """Put a training back to where its checkpoint left it.

    Returns:
        The epoch to go on with: 0 where there is no checkpoint, `n_epoch` where nothing is left.

    Raises:
        CheckpointError: The checkpoint is damaged, of another format, or of another model.
    """
    path = checkpoint_path(trainer)
    if not path.exists():
        return 0
    state = load_weights(path)
    if not isinstance(state, dict) or state.get("format") != _FORMAT:
        raise CheckpointError(f"{path} is no checkpoint of this version: remove it to start afresh")
    try:
        trainer.model.load_state_dict(state["model"])
        trainer.optimizer.load_state_dict(state["optimizer"])
        if trainer.scheduler is not None:
            trainer.scheduler.load_state_dict(state["scheduler"])
        for name, part in trainer.stateful.items():
            part.load_state_dict(state["task"][name])
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path} is the checkpoint of another model, optimizer or schedule ({error}): give "
            "another model_path, or remove the file to start afresh"
        ) from error
    _restore_early_stopper(trainer, state["early_stopper"])
    trainer.history, trainer.steps.count = list(state["history"]), state.get("steps", 0)
    restore_random_state(state["random"])
    return trainer.n_epoch if state["over"] else len(trainer.history)


def _restore_early_stopper(trainer: "Trainer", state: dict[str, Any]) -> None:
    stopper = trainer.early_stopper
    stopper.best_auc, stopper.trial_counter = state["best_auc"], state["trial_counter"]
    stopper.best_weights = state["best_weights"]
