"""The logits of a model, for a loss that neither saturates nor loses gradients."""

from typing import Any

from torch import nn


class LogitsOf(nn.Module):
    """A model called for its logits, so that several GPUs can share the call."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Any) -> Any:
        """The logits of the model."""
        return self.model.logits(x)  # type: ignore[operator]


def logits_of(model: nn.Module) -> LogitsOf | None:
    """A module that computes the logits of a model; None where its `forward` is made of none."""
    return LogitsOf(model) if forward_has(model, "logits") else None


def forward_has(model: nn.Module, part: str) -> bool:
    """Whether the method `part` of a model is one that its `forward` is made of.

    It is not where a subclass replaced `forward`, or the `score` that `forward` returns, and left
    `part` to its parents: training must follow what the subclass says.
    """
    # asked of the class: a compiled module would lend the uncompiled method of what it wraps
    ancestors = type(model).__mro__

    def depth(method: str) -> int:
        found = (i for i, ancestor in enumerate(ancestors) if method in vars(ancestor))
        return next(found, len(ancestors))

    return depth(part) < len(ancestors) and depth(part) <= min(depth("forward"), depth("score"))
