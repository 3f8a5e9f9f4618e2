"""Links: the predictions of a model made of its logits, where the loss asks for other ones.

The `forward` of a ranking model is σ(logits). One that was trained to predict a number predicts the
logit itself; trainers evaluate, predict and export such a model as a `Linked` one, and bundles
rebuild it.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..basic.layers import TaskPredictions
from .logits import logits_of
from .protocols import HasTaskTypes

Link = Callable[[Tensor], Tensor]


class Linked(nn.Module):
    """A model called for ŷ = g(logits), in place of its own `forward`.

    It has the attributes of the model, so that it is exported as the model is.

    Args:
        model: Has a method `logits`, which returns a tensor, or a tuple that begins with it.
        link: g; None returns the logits themselves.

    Example:
        >>> import torch
        >>> from torch_rechub.basic.features import SparseFeature
        >>> from torch_rechub.models.ranking import LR
        >>> model, x = LR([SparseFeature("item", 10)]), {"item": torch.tensor([1, 2])}
        >>> torch.equal(Linked(model, torch.sigmoid)(x), model(x))
        True
    """

    def __init__(self, model: nn.Module, link: Link | None = None) -> None:
        super().__init__()
        self.model, self.link = model, link

    def forward(self, x: Any) -> Any:
        """The predictions, and behind them what else `logits` returns."""
        logits: Any = self.model.logits(x)  # type: ignore[operator]
        first, rest = (logits[0], logits[1:]) if isinstance(logits, tuple) else (logits, ())
        prediction = first if self.link is None else self.link(first)
        return (prediction, *rest) if rest else prediction

    def __getattr__(self, name: str) -> Any:
        """An attribute of the wrapper, else of the model."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "model":  # as when a copy is not complete yet
                raise
            return getattr(self.model, name)


class TaskLink(nn.Module):
    """The predictions of tasks, made of their logits: σ, the logit, or a link of it.

    Args:
        task_types: "classification" or "regression" for each task.
        links: The link of each task; None means that of its type.

    Shape:
        logits: (B, T), or (B,) of a single task; returns (B, T).
    """

    def __init__(self, task_types: Sequence[str], links: Sequence[Link | None]) -> None:
        super().__init__()
        self.by_type, self.links = TaskPredictions(task_types), list(links)
        self.linked = any(link is not None for link in self.links)

    def forward(self, logits: Tensor) -> Tensor:
        """Return (B, T)."""
        predictions: Tensor = self.by_type(by_task(logits, len(self.links), "the model's output"))
        if not self.linked:
            return predictions
        columns = [
            predictions[:, i] if link is None else link(predictions[:, i])
            for i, link in enumerate(self.links)
        ]
        return torch.stack(columns, dim=1)


def predictor_of_tasks(model: nn.Module, link: nn.Module) -> nn.Module:
    """A module that returns the predictions of a model.

    The `forward` of a model that was made for tasks gives them; that of a ranking model is a
    sigmoid of all its logits, whatever its task.
    """
    linked = isinstance(link, TaskLink) and link.linked
    if logits_of(model) is None or (isinstance(model, HasTaskTypes) and not linked):
        return model
    return Linked(model, link)


def by_task(y: Tensor, n_task: int, name: str = "y") -> Tensor:
    """Labels or predictions as (N, T): those of a single task may be (N,).

    Raises:
        ValueError: There is not a column for each task.
    """
    columns = y.reshape(-1, 1) if y.dim() == 1 and n_task == 1 else y
    if columns.dim() != 2 or columns.shape[1] != n_task:
        raise ValueError(
            f"{name} must have a column for each of the {n_task} tasks, shape (N, {n_task}), but "
            f"has shape {tuple(y.shape)}"
        )
    return columns
