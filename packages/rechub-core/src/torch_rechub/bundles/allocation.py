"""A limit of the memory and the time that the construction of a model may take."""

from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from .errors import BundleError

_SIZES = ("size", "repeats", "pad")
_NUMBERS = ("n", "m", "row", "col", "end", "steps", "minlength", "num_classes", "output_size")


class AllocationLimit(TorchDispatchMode):
    """Refuses tensors beyond a number of bytes, or of tensors, before they are allocated.

    Sizes in an edited bundle can be anything. They reach torch as the sizes of new tensors, where
    this mode of the calling thread sees them.

    Args:
        most_bytes: The limit of all tensors together.
        most_tensors: The limit of their number.

    Example:
        >>> with AllocationLimit(10**6, 100):
        ...     torch.nn.Embedding(10**12, 64)
        Traceback (most recent call last):
        torch_rechub.bundles.errors.BundleError: a tensor of 64000000000000 numbers is larger ...
    """

    def __init__(self, most_bytes: int, most_tensors: int) -> None:
        super().__init__()
        self.bytes_left, self.tensors_left = most_bytes, most_tensors

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call an operator, if its result is within the limit."""
        kwargs = kwargs or {}
        self._check(_numbers(func, args, kwargs))
        output = func(*args, **kwargs)
        returned = func._schema.returns
        if returned and returned[0].alias_info is None:
            parts = output if isinstance(output, tuple | list) else (output,)
            tensors = [part for part in parts if isinstance(part, Tensor)]
            self.bytes_left -= sum(t.numel() * t.element_size() for t in tensors)
            self.tensors_left -= len(tensors)
            if self.bytes_left < 0 or self.tensors_left < 0:
                self._refuse("the model is larger")
        return output

    def _check(self, numbers: int) -> None:
        if numbers > self.bytes_left:  # of a byte each, at least
            self._refuse(f"a tensor of {numbers} numbers is larger")

    def _refuse(self, subject: str) -> None:
        raise BundleError(
            f"{subject} than the weights of the bundle explain: its sizes were edited, or belong "
            "to other weights"
        )


def _numbers(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    """How many numbers the result of an operator has, at most or about."""
    names = [argument.name for argument in func._schema.arguments]
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    shapes = [value.shape for value in given.values() if isinstance(value, Tensor)]
    largest: int
    try:
        largest = prod(torch.broadcast_shapes(*shapes))
    except RuntimeError:  # they are not combined element by element
        largest = max((prod(shape) for shape in shapes), default=0)
    if func.is_view:
        return 0
    for name, value in given.items():
        if name in _SIZES and isinstance(value, list | tuple):
            times = largest if name == "repeats" else 1
            largest = max(largest, abs(prod(value)) * times, *map(abs, value))
        elif name in _NUMBERS and isinstance(value, int | float):
            largest = max(largest, int(value))
    return largest
