"""The logits of a model, for a loss that neither saturates nor loses gradients."""

from typing import Any

from torch import nn


class LogitsOf(nn.Module):
    """A model called for its logits, so that several GPUs can share the call."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Any) -> Any:
        """What the model's `logits` gives."""
        return self.model.logits(x)  # type: ignore[operator]


def logits_of(model: nn.Module) -> LogitsOf | None:
    """What gives the logits of a model; None where its class has no method `logits`."""
    # asked of the class: a compiled module would lend the uncompiled method of what it wraps
    return LogitsOf(model) if callable(getattr(type(model), "logits", None)) else None
