"""Operations on nested inputs and outputs, for the contract of models."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

Inputs = Mapping[str, Tensor] | tuple[Tensor, ...]


def flat(output: Any) -> list[Tensor]:
    """Return the tensors of a nested output."""
    return [output] if isinstance(output, Tensor) else [part for o in output for part in flat(o)]


def each(inputs: Inputs, change: Callable[[Tensor], Tensor]) -> Inputs:
    """Apply a function to every tensor of the inputs."""
    if isinstance(inputs, tuple):
        return tuple(change(value) for value in inputs)
    return {name: change(value) for name, value in inputs.items()}


def cast(inputs: Inputs, dtype: torch.dtype) -> Inputs:
    """Cast the floating-point tensors of the inputs."""
    return each(inputs, lambda x: x.to(dtype) if x.is_floating_point() else x)


def equal(first: Sequence[Tensor], second: Sequence[Tensor]) -> bool:
    """Whether tensors are bit-equal."""
    return len(first) == len(second) and all(map(torch.equal, first, second))


def close(found: Sequence[Tensor], expected: Sequence[Tensor]) -> None:
    """Assert that tensors are equal up to rounding."""
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def devices(model: nn.Module) -> set[str]:
    """Return the devices of the gradients of a model."""
    return {p.grad.device.type for p in model.parameters() if p.grad is not None}
