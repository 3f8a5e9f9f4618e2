"""The logits of a model, for losses whose gradients do not vanish when a sigmoid saturates."""

from typing import Any

from torch import nn


class LogitsOf(nn.Module):
    """Wraps a model such that calling it returns logits, as `DataParallel` needs."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Any) -> Any:
        """The logits of the model."""
        return self.model.logits(x)  # type: ignore[operator]


def logits_of(model: nn.Module) -> LogitsOf | None:
    """Return a module that computes the logits of a model; None if `forward` does not use them."""
    return LogitsOf(model) if forward_has(model, "logits") else None


def forward_has(model: nn.Module, part: str) -> bool:
    """Whether the method `part` of a model computes a part of its `forward`.

    It does not if a subclass overrides `forward`, or the `score` that `forward` returns, but
    inherits `part`: training must then follow the override.
    """
    # looked up on the class: a compiled module forwards to the uncompiled method it wraps
    ancestors = type(model).__mro__

    def depth(method: str) -> int:
        found = (i for i, ancestor in enumerate(ancestors) if method in vars(ancestor))
        return next(found, len(ancestors))

    return depth(part) < len(ancestors) and depth(part) <= min(depth("forward"), depth("score"))
