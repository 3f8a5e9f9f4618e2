"""The multi-layer perceptron, and the output layer of a prediction."""

from collections.abc import Sequence

from torch import Tensor, nn

from ..._bounds import check_number, check_whole
from ..activation import BatchNorm, activation_layer


class MLP(nn.Module):
    """Multi-layer perceptron: Linear → BatchNorm → activation → Dropout, then a Linear to one unit.

    Args:
        input_dim: Length of x.
        output_layer: Whether to end with a Linear to one unit.
        dims: Widths of the hidden layers; None means none.
        dropout: Share of activations dropped while training, 0 to 1.
        activation: Name or module class; see `activation_layer`.

    Shape:
        x: (B, input_dim); returns (B, 1), or (B, dims[-1]) without the output layer.

    Example:
        >>> import torch
        >>> MLP(8, dims=[16, 4], dropout=0.2, activation="relu")(torch.ones(3, 8)).shape
        torch.Size([3, 1])
    """

    def __init__(
        self,
        input_dim: int,
        output_layer: bool = True,
        dims: Sequence[int] | None = None,
        dropout: float = 0,
        activation: str | type[nn.Module] = "relu",
    ) -> None:
        check_whole(1, input_dim=input_dim, **{f"dims[{i}]": n for i, n in enumerate(dims or ())})
        check_number("[0, 1]", dropout=dropout)
        super().__init__()
        layers: list[nn.Module] = []
        for width in dims or ():
            layers += [
                nn.Linear(input_dim, width),
                BatchNorm(width),
                activation_layer(activation, num_features=width),
                nn.Dropout(dropout),
            ]
            input_dim = width
        if output_layer:
            layers.append(nn.Linear(input_dim, 1))
            input_dim = 1
        self.output_dim = input_dim
        self.mlp = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, output_dim)."""
        y: Tensor = self.mlp(x)
        return y


class PredictionLayer(nn.Module):
    """Turns a logit into a prediction: σ for classification, the identity for regression.

    Args:
        task_type: "classification" or "regression".

    Shape:
        x: (...); returns the same shape.

    Raises:
        ValueError: `task_type` has another value.
    """

    def __init__(self, task_type: str = "classification") -> None:
        super().__init__()
        if task_type not in ("classification", "regression"):
            raise ValueError(
                f"task_type must be 'classification' or 'regression', got {task_type!r}"
            )
        self.task_type = task_type

    def forward(self, x: Tensor) -> Tensor:
        """Return σ(x), or x."""
        return x.sigmoid() if self.task_type == "classification" else x
