"""Activation functions by name, Dice, and the batch normalization used between layers."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .._bounds import check_number, check_whole
from .._errors import UnknownChoiceError


class BatchNorm(nn.BatchNorm1d):
    """`torch.nn.BatchNorm1d` that also accepts training batches of one row or of no rows.

    A single row has no variance, so it is normalized by the running statistics, as in evaluation.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalize x of shape (B, D)."""
        if self.training and x.shape[0] <= 1:
            return F.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(x)


class _LazyBatchNorm(nn.LazyBatchNorm1d):
    """Becomes a `BatchNorm` at its first batch."""

    cls_to_become = BatchNorm

    def forward(self, x: Tensor) -> Tensor:
        """Normalize the first batch; the class has become `BatchNorm` by then."""
        return BatchNorm.forward(self, x)  # type: ignore[arg-type]


class Dice(nn.Module):
    """The data-adaptive activation of DIN.

    p(s) = σ((s − E[s]) / √(Var[s] + ε)),  f(s) = p(s) · s + (1 − p(s)) · α · s

    E and Var are those of the batch, one of each a neuron; in evaluation the running ones.

    Args:
        epsilon: ε.
        num_features: Number of neurons D, each with its own α; None means one α for all, with D
            taken from the first batch.

    Shape:
        x: (..., D); returns the same shape.

    Example:
        >>> Dice(num_features=4)(torch.randn(8, 4)).shape
        torch.Size([8, 4])

    Reference:
        Zhou et al., Deep Interest Network for Click-Through Rate Prediction, KDD 2018,
        arXiv 1706.06978.
    """

    def __init__(self, epsilon: float = 0.001, *, num_features: int | None = None) -> None:
        check_whole(1, num_features=num_features)
        check_number("(0, inf)", epsilon=epsilon)
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(num_features or 1))
        self.norm: nn.Module = (
            _LazyBatchNorm(eps=epsilon, affine=False)
            if num_features is None
            else BatchNorm(num_features, eps=epsilon, affine=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Apply the activation to x of shape (..., D)."""
        p = torch.sigmoid(self.norm(x.flatten(0, -2)).view_as(x))
        return p * x + (1 - p) * self.alpha * x

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args)
        if f"{prefix}alpha" in state_dict and f"{prefix}norm.running_mean" not in state_dict:
            error_msgs: list[str] = args[-1]
            error_msgs.append(
                f"{prefix}alpha: this checkpoint is of torch-rechub 0.x, whose Dice normalized "
                "over the neurons of a row, with one α for all; it now normalizes each neuron over "
                "the batch, with an α for each, so the network it is in must be trained anew. "
                "Everything else can be kept: drop that network's keys and load with strict=False."
            )


_BY_NAME: dict[str, Callable[[], nn.Module]] = {
    "sigmoid": nn.Sigmoid,
    "relu": nn.ReLU,
    "prelu": nn.PReLU,
    "softmax": lambda: nn.Softmax(dim=1),
    "leakyrelu": nn.LeakyReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}


def activation_layer(
    act_name: str | type[nn.Module] | nn.Module, *, num_features: int | None = None
) -> nn.Module:
    """An activation by name, class or instance.

    Args:
        act_name: One of sigmoid, relu, prelu, softmax (over dimension 1), leakyrelu, gelu, silu,
            tanh, dice, in any case; or a module class, made without arguments; or a module.
        num_features: Number of neurons, for activations with a parameter a neuron (Dice).

    Raises:
        UnknownChoiceError: The name is unknown.

    Example:
        >>> activation_layer("ReLU")
        ReLU()
    """
    if isinstance(act_name, nn.Module):
        return act_name
    if isinstance(act_name, type) and issubclass(act_name, nn.Module):
        return act_name()
    name = act_name.lower() if isinstance(act_name, str) else ""
    if name == "dice":
        return Dice(num_features=num_features)
    if name not in _BY_NAME:
        known = ", ".join([*_BY_NAME, "dice"])
        raise UnknownChoiceError(
            f"unknown activation {act_name!r}; give one of {known}, or a torch.nn.Module"
        )
    return _BY_NAME[name]()
