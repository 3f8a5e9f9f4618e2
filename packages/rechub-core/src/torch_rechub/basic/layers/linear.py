"""Linear terms: over vectors, and over features (one weight per id)."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..._bounds import check_whole
from ..features import DenseFeature, Feature, IdFeature, SequenceFeature, flat_width
from ..initializers import RandomNormal
from .embedding import EmbeddingLayer


class LR(nn.Module):
    """Logistic or linear regression over a vector: wᵀx + b.

    Args:
        input_dim: Length of x.
        sigmoid: Whether to return σ(wᵀx + b).

    Shape:
        x: (B, input_dim); returns (B, 1).

    Example:
        >>> LR(8)(torch.ones(2, 8)).shape
        torch.Size([2, 1])
    """

    def __init__(self, input_dim: int, sigmoid: bool = False) -> None:
        check_whole(1, input_dim=input_dim)
        super().__init__()
        self.sigmoid = sigmoid
        self.fc = nn.Linear(input_dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, 1)."""
        y: Tensor = self.fc(x)
        return y.sigmoid() if self.sigmoid else y


class FirstOrder(nn.Module):
    """The first-order term of a factorization model: Σ_f w_f[x_f] + w_denseᵀ x_dense + b.

    Each id of each feature has its own weight (that of its one-hot input), even if features share
    an embedding table. A sequence feature adds the pooled weights of its ids; with pooling
    "concat", their sum.

    Args:
        features: The features of the term, of any kind.

    Shape:
        x[name]: as `EmbeddingLayer`; returns (B, 1).

    Example:
        >>> from torch_rechub.basic.features import SparseFeature
        >>> term = FirstOrder([SparseFeature("user", 10), DenseFeature("age")])
        >>> term({"user": torch.tensor([3]), "age": torch.tensor([0.5])}).shape
        torch.Size([1, 1])

    Reference:
        Rendle, Factorization Machines, ICDM 2010.
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        super().__init__()
        self.dense = [f for f in features if isinstance(f, DenseFeature)]
        self.ids = [_weights_of(f) for f in features if not isinstance(f, DenseFeature)]
        self.embedding = EmbeddingLayer([*self.ids, *self.dense])
        if self.dense:
            self.fc = nn.Linear(flat_width(self.dense), 1)
        else:
            self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return (B, 1)."""
        if self.dense:
            y: Tensor = self.fc(torch.cat(self.embedding.dense(x, self.dense), dim=1))
        else:
            y = self.bias
        if self.ids:
            y = y + self.embedding.flat(x, self.ids).sum(dim=1, keepdim=True)
        return y

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args)
        old = state_dict.get(f"{prefix}fc.weight")
        if old is not None and self.ids:
            error_msgs: list[str] = args[-1]
            if not any(k.startswith(f"{prefix}embedding.") for k in state_dict):
                error_msgs.append(
                    f"{prefix}fc.weight: this checkpoint is of torch-rechub 0.x, where the "
                    "first-order term was a linear layer over embeddings; it now has one weight "
                    "for each id, so the term must be trained anew. Everything else can be kept: "
                    f"drop the keys that start with {prefix!r} and load with strict=False."
                )


def _weights_of(feature: IdFeature) -> IdFeature:
    """The same feature with its own table of one weight per id."""
    single = dataclasses.replace(
        feature, embed_dim=1, shared_with=None, initializer=RandomNormal(0, 0.0001)
    )
    if isinstance(single, SequenceFeature) and single.pooling == "concat":
        single.pooling = "sum"
    return single
