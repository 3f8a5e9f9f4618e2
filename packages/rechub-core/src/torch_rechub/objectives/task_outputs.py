"""The outputs of multi-task models: losses of tasks, predictions, and checks of their form."""

import logging
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..data.batch import Batch
from ..losses.binary_cross_entropy import OnLogits
from ..losses.names import make_loss
from ..models.families import TRAINERS, family_of, form_of, name_of
from ..models.links import TaskLink, by_task
from ..models.logits import logits_of
from .row_kinds import link_of

log = logging.getLogger("torch_rechub")

KINDS = {"classification": "probability", "regression": "value"}
DEFAULTS = {"classification": "binary_cross_entropy", "regression": "mse"}


def losses_of_tasks(task_types: Sequence[str], loss: Any, params: Any) -> list[nn.Module]:
    """The loss of each task.

    Args:
        task_types: "classification" or "regression" for each task.
        loss: For each task a name, a module or None, the default: cross-entropy or squared error.
            Of a single task, it need be no list.
        params: For each task the arguments of its name, or None.

    Raises:
        ValueError: There is not one for each task, or one is of another kind than its task.

    Example:
        >>> losses_of_tasks(["classification", "regression"], ["focal", None], None)
        [FocalLoss(), MSELoss()]
    """
    n = len(task_types)
    losses, arguments = _for_each(loss, n, "loss"), _for_each(params, n, "loss_params")
    return [
        make_loss(one, its, [KINDS[kind]], DEFAULTS[kind], f"MTLTrainer (task {i}, a {kind})")
        for i, (kind, one, its) in enumerate(zip(task_types, losses, arguments, strict=True))
    ]


def link_of_tasks(
    task_types: Sequence[str], loss_fns: Sequence[nn.Module], model: nn.Module
) -> TaskLink:
    """The predictions of tasks: σ, the logit, or what its loss makes of it.

    Args:
        task_types: "classification" or "regression" for each task.
        loss_fns: The loss of each.
        model: The model being trained.

    Raises:
        ValueError: A loss makes its predictions of logits, and the model has none.
    """
    links = [
        link_of(loss_fn) if kind == "regression" else None
        for kind, loss_fn in zip(task_types, loss_fns, strict=True)
    ]
    link = TaskLink(task_types, links)
    if link.linked and logits_of(model) is None:
        i = next(i for i, link in enumerate(links) if link is not None)
        raise ValueError(
            f"{name_of(loss_fns[i])} of task {i} takes logits, and {name_of(model)} has no method "
            "logits(x) that its forward is made of: give it one that returns (B, T)"
        )
    return link


def check_outputs(
    model: nn.Module, batch: Batch, task_types: Sequence[str], loss_fns: Sequence[nn.Module]
) -> None:
    """Refuse a model whose output does not suit its tasks; warn of regressions by a sigmoid.

    Raises:
        ValueError: There is not a column for each task, or a probability is outside [0, 1].
    """
    logits = logits_of(model)
    try:
        output = (logits or model)(batch.inputs)
    except Exception:  # the first step raises it too, in the mode that it is about
        return
    outputs = of_model(output, len(task_types), model)
    if logits is not None:
        return
    for i, (kind, loss_fn) in enumerate(zip(task_types, loss_fns, strict=True)):
        column = outputs[:, i]
        outside = (column < 0) | (column > 1)
        of_probabilities = isinstance(loss_fn, OnLogits | nn.BCELoss)
        if kind == "classification" and of_probabilities and outside.any():
            raise ValueError(
                f"{name_of(loss_fn)} of task {i} takes probabilities in [0, 1], and "
                f"{name_of(model)} returned {float(column[outside][0]):g}: end the task in a "
                'sigmoid, or make it a "regression"'
            )
        if kind == "regression" and batch.labels is not None and not outside.any():
            y = by_task(batch.labels, len(task_types))[:, i]
            if ((y < 0) | (y > 1)).any():
                log.warning(
                    "Task %d is a regression whose labels reach %g, and %s returned numbers in "
                    "[0, 1] only: if it ends the task in a sigmoid, leave that out.",
                    i,
                    float(y[torch.isfinite(y)].abs().max()),
                    name_of(model),
                )


def of_model(output: Any, n_task: int, model: nn.Module) -> Tensor:
    """The output of a model as (B, T).

    Raises:
        ValueError: It has another form; the message says which trainer takes it.
    """
    try:
        if not isinstance(output, Tensor):
            raise ValueError(f"the model returned {form_of(output)}")
        return by_task(output, n_task, "the model's output")
    except ValueError as error:
        family = family_of(model)
        remedy = (
            "give a task type for each column"
            if family in (None, "multi_task")
            else f"train {name_of(model)} with {TRAINERS[family]}, or choose a model of "
            "torch_rechub.models.multi_task"
        )
        raise ValueError(f"{error}: {remedy}") from None


def _for_each(given: Any, n: int, name: str) -> list[Any]:
    """An option of each task as a list."""
    if given is None:
        return [None] * n
    if isinstance(given, list | tuple):
        if len(given) != n:
            raise ValueError(f"{name} has {len(given)} entries for {n} tasks: give one for each")
        return list(given)
    if n > 1:
        raise ValueError(f"{name}={given!r} is of one task, and there are {n}: give one for each")
    return [given]
