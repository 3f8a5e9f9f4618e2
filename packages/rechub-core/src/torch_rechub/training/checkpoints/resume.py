"""Continuing a training run: checkpoints with the complete state, after or within an epoch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..._files import CheckpointError
from ..finite import end_or_warn, nan_moments, non_finite_weights, not_saved
from ..lineage import TrainingRun
from ..steps import Steps
from .early_stopping import EarlyStopper
from .form import REMEDY as _REMEDY
from .form import (
    check_form,
    check_history,
    classes_of,
    form_of,
    refuse_nan,
    refuse_other_kinds,
    without_numpy,
)
from .weights import load_weights, random_state, restore_random_state, save_weights, shapes

_FORMAT = 2  # version 1 had no "form"


class TrainingState:
    """The state of a training run, between two epochs or between two steps.

    Args:
        model: The model being trained.
        optimizer: Its optimizer.
        scheduler: Its learning-rate schedule, or None.
        early_stopper: The early stopper.
        steps: The counter of steps.
        run: The training run, whose id a continued run keeps.
        parts: The stateful parts of the task, by name.
        loss_names: The names of the recorded losses.
        path: The file of the checkpoint.
        on_nan: Whether to "raise" or to "warn" where the state is not finite; it is written in
            neither case.

    Attributes:
        within_epoch: Of a restored checkpoint within an epoch: the position in the epoch, and the
            random states; else None.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        scheduler: Any,
        early_stopper: EarlyStopper,
        steps: Steps,
        run: TrainingRun,
        parts: Mapping[str, Any],
        loss_names: Sequence[str],
        path: Path,
        on_nan: str = "raise",
    ) -> None:
        self.model, self.optimizer, self.scheduler = model, optimizer, scheduler
        self.early_stopper, self.steps, self.run = early_stopper, steps, run
        self.parts, self.loss_names, self.path, self.on_nan = parts, loss_names, path, on_nan
        self._classes = classes_of(optimizer, scheduler)
        self.within_epoch: dict[str, Any] | None = None

    def write(
        self,
        history: Sequence[Mapping[str, float]],
        over: bool,
        within_epoch: Mapping[str, Any] | None = None,
    ) -> None:
        """Write the state after an epoch or a step; the previous file is replaced atomically.

        Args:
            history: A row for each epoch.
            over: Whether training stopped early and is complete.
            within_epoch: The position in the epoch after `history`; None means its beginning.

        Raises:
            FloatingPointError: Weights or moments are not finite, and `on_nan` is "raise".
        """
        wrong = non_finite_weights(self.model) or nan_moments(self.model, self.optimizer)
        if wrong:
            end_or_warn(not_saved("the checkpoint is", wrong), self.on_nan)
            return
        stopper = self.early_stopper
        state: dict[str, Any] = {
            "format": _FORMAT,
            "over": over,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
            "early_stopper": {
                "best_auc": float(stopper.best_auc),
                "best_weights": stopper.best_weights,
                "trial_counter": stopper.trial_counter,
            },
            "history": list(history),
            "steps": self.steps.count,
            "run": self.run.recorded(),
            "task": {name: part.state_dict() for name, part in self.parts.items()},
            "random": random_state(),
        }
        if within_epoch is not None:
            state["within_epoch"] = without_numpy(within_epoch)
        for name in ("optimizer", "scheduler", "history", "task"):
            state[name] = without_numpy(state[name])
        state["form"] = form_of(state, self._classes)
        save_weights(state, self.path)

    def restore(self) -> tuple[list[dict[str, float]], bool]:
        """Restore the state of the checkpoint; after an error nothing has changed.

        Returns:
            The history, empty if there is no checkpoint, and whether training is complete.

        Raises:
            CheckpointError: The checkpoint is damaged, of another format, or of another model.
        """
        if not self.path.exists():
            return [], False
        state = self._read()
        before = random_state()
        try:
            restore_random_state(state["random"])
            for name, part in self.parts.items():
                part.load_state_dict(state["task"][name])
            self.optimizer.load_state_dict(state["optimizer"])
            if self.scheduler is not None:
                self.scheduler.load_state_dict(state["scheduler"])
            self.model.load_state_dict(state["model"])
        except Exception as error:  # torch raises many types for entries of another form
            restore_random_state(before)
            raise CheckpointError(
                f"{self.path} is the checkpoint of another optimizer, schedule or task, or is "
                f"damaged ({type(error).__name__}: {error}): {_REMEDY}"
            ) from error
        stopper, saved = self.early_stopper, state["early_stopper"]
        stopper.best_auc, stopper.trial_counter = saved["best_auc"], saved["trial_counter"]
        stopper.best_weights, self.steps.count = saved["best_weights"], state["steps"]
        vars(self.run).update(state.get("run", {}))
        if (within := state.get("within_epoch")) is not None:
            known = {"epoch": len(state["history"]), "random": state["random"]}
            self.within_epoch = {**within, **known}
        return list(state["history"]), state["over"]

    def _read(self) -> dict[str, Any]:
        """Read and check a checkpoint.

        Raises:
            CheckpointError: The checkpoint is invalid, or does not fit the model.
        """
        path, state = self.path, load_weights(self.path)
        if state.get("format") not in (1, _FORMAT):
            raise CheckpointError(f"{path} is no checkpoint of this version: {_REMEDY}")
        _check_entries(path, state, _ENTRIES)
        _check_entries(path, state["early_stopper"], _EARLY_STOPPER)
        if min(state["steps"], state["early_stopper"]["trial_counter"]) < 0:
            raise CheckpointError(f"{path} is damaged: it counts below 0: {_REMEDY}")
        check_history(path, state["history"], self.loss_names)
        if "run" in state:  # checkpoints of earlier releases have none
            _check_entries(path, state, {"run": dict})
            _check_entries(path, state["run"], {"run_id": str})
        if "within_epoch" in state:
            _check_entries(path, state, {"within_epoch": dict})
            _check_entries(path, state["within_epoch"], _WITHIN_EPOCH)
        if state["format"] == _FORMAT:
            _check_entries(path, state, {"form": dict})
            check_form(path, state, self._classes, self.parts)
        own = shapes(self.model.state_dict())
        for weights in (state["model"], state["early_stopper"]["best_weights"]):
            found = own if weights is None else shapes(weights)
            if found != own:
                name = next(n for n in [*own, *found] if own.get(n) != found.get(n))
                raise CheckpointError(
                    f"{path} is the checkpoint of another model: {name!r} is "
                    f"{_shape(found, name)} there, {_shape(own, name)} here: {_REMEDY}"
                )
            if weights is not None:
                refuse_other_kinds(weights, self.model.state_dict(), path)
        refuse_nan({name: value for name, value in state.items() if name != "history"}, path)
        return state


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
_WITHIN_EPOCH: dict[str, type | tuple[type, ...]] = {
    "loader": dict,
    "complete": bool,
    "losses": dict,
    "rates": dict,
    "seconds": float,
}


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
