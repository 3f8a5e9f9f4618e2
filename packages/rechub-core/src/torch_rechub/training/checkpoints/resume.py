"""Continuing a training: everything that decides the next step, written whole after an epoch."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..._files import CheckpointError
from .form import REMEDY as _REMEDY
from .form import (
    check_form,
    check_history,
    form_of,
    refuse_nan,
    refuse_other_kinds,
    without_numpy,
)
from .weights import (
    load_weights,
    random_state,
    restore_random_state,
    save_weights,
    shapes,
)

if TYPE_CHECKING:
    from ..trainer import Trainer

_FORMAT = 2  # 1 had no "form"


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
    state: dict[str, Any] = {
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
    for name in ("optimizer", "scheduler", "history", "task"):
        state[name] = without_numpy(state[name])
    state["form"] = form_of(state, trainer)
    save_weights(state, checkpoint_path(trainer))


def read_checkpoint(trainer: "Trainer") -> int:
    """Put a training run back to where its checkpoint left it, or leave it as it is.

    Returns:
        The epoch to go on with: 0 where there is no checkpoint, `n_epoch` where nothing is left.

    Raises:
        CheckpointError: The checkpoint is damaged, of another format, or of another model.
    """
    path = checkpoint_path(trainer)
    if not path.exists():
        return 0
    state = _read(path, trainer)
    before = random_state()
    try:
        restore_random_state(state["random"])
        for name, part in trainer.stateful.items():
            part.load_state_dict(state["task"][name])
        trainer.optimizer.load_state_dict(state["optimizer"])
        if trainer.scheduler is not None:
            trainer.scheduler.load_state_dict(state["scheduler"])
        trainer.model.load_state_dict(state["model"])
    except Exception as error:  # whatever an entry of another form makes torch raise
        restore_random_state(before)
        raise CheckpointError(
            f"{path} is the checkpoint of another optimizer, schedule or task, or is damaged "
            f"({type(error).__name__}: {error}): {_REMEDY}"
        ) from error
    stopper, kept = trainer.early_stopper, state["early_stopper"]
    stopper.best_auc, stopper.trial_counter = kept["best_auc"], kept["trial_counter"]
    stopper.best_weights = kept["best_weights"]
    trainer.history, trainer.steps.count = list(state["history"]), state["steps"]
    return trainer.n_epoch if state["over"] else len(trainer.history)


_ENTRIES: dict[str, type | tuple[type, ...]] = {
    "over": bool,
    "model": dict,
    "optimizer": dict,
    "scheduler": (dict, type(None)),
    "early_stopper": dict,
    "history": list,
    "steps": int,
    "task": dict,
    "random": dict,
}
_EARLY_STOPPER: dict[str, type | tuple[type, ...]] = {
    "best_auc": float,
    "best_weights": (dict, type(None)),
    "trial_counter": int,
}


def _read(path: Path, trainer: "Trainer") -> dict[str, Any]:
    """A checkpoint with every entry in its form, and weights that fit the model.

    Raises:
        CheckpointError: It is none.
    """
    state = load_weights(path)
    if state.get("format") not in (1, _FORMAT):
        raise CheckpointError(f"{path} is no checkpoint of this version: {_REMEDY}")
    _check_entries(path, state, _ENTRIES)
    _check_entries(path, state["early_stopper"], _EARLY_STOPPER)
    if min(state["steps"], state["early_stopper"]["trial_counter"]) < 0:
        raise CheckpointError(f"{path} is damaged: it counts below 0: {_REMEDY}")
    check_history(path, state["history"], trainer)
    if state["format"] == _FORMAT:
        _check_entries(path, state, {"form": dict})
        check_form(path, state, trainer)
    own = shapes(trainer.model.state_dict())
    for weights in (state["model"], state["early_stopper"]["best_weights"]):
        found = own if weights is None else shapes(weights)
        if found != own:
            name = next(n for n in [*own, *found] if own.get(n) != found.get(n))
            raise CheckpointError(
                f"{path} is the checkpoint of another model: {name!r} is "
                f"{_shape(found, name)} there, {_shape(own, name)} here: {_REMEDY}"
            )
        if weights is not None:
            refuse_other_kinds(weights, trainer.model.state_dict(), path)
    refuse_nan({name: value for name, value in state.items() if name != "history"}, path)
    return state


def _check_entries(
    path: Path, state: dict[str, Any], entries: dict[str, type | tuple[type, ...]]
) -> None:
    for name, kind in entries.items():
        if name not in state:
            raise CheckpointError(f"{path} is damaged: its entry {name!r} is missing: {_REMEDY}")
        if not isinstance(state[name], kind):
            raise CheckpointError(
                f"{path} is damaged: its entry {name!r} is {type(state[name]).__name__}: {_REMEDY}"
            )


def _shape(weights: dict[str, Any], name: str) -> str:
    return f"of shape {tuple(weights[name] or ())}" if name in weights else "missing"
