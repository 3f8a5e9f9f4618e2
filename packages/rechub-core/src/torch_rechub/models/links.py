"""Links: the predictions of a model made of its logits, where the loss asks for other ones.

The `forward` of a ranking model is σ(logits). One that was trained to predict a number predicts the
logit itself; trainers evaluate, predict and export such a model as a `Linked` one.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


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

    def __init__(self, model: nn.Module, link: Callable[[Tensor], Tensor] | None = None) -> None:
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
