"""Regularization of a model's weights."""

import torch
from torch import Tensor, nn

from .._bounds import check_number
from ..basic.layers.embedding import EmbeddingLayer

_NORMS = (
    nn.modules.batchnorm._NormBase,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
    nn.LocalResponseNorm,
)


class RegularizationLoss(nn.Module):
    """A penalty on the weights: λ₁ Σ|w| + λ₂ Σ w², with its own λ for embeddings and for the rest.

    Embeddings are the weights of `EmbeddingLayer`, `nn.Embedding` and `nn.EmbeddingBag`;
    normalization layers and frozen weights are excluded.

    Args:
        embedding_l1: λ₁ of embeddings.
        embedding_l2: λ₂ of embeddings.
        dense_l1: λ₁ of other weights.
        dense_l2: λ₂ of other weights.

    Raises:
        ValueError: A λ is negative or not finite.

    Example:
        >>> layer = nn.Linear(2, 1, bias=False)
        >>> _ = nn.init.constant_(layer.weight, 2.0)
        >>> RegularizationLoss(dense_l2=0.5)(layer).item()
        4.0
    """

    def __init__(
        self,
        embedding_l1: float = 0.0,
        embedding_l2: float = 0.0,
        dense_l1: float = 0.0,
        dense_l2: float = 0.0,
    ) -> None:
        super().__init__()
        check_number("[0, inf)", embedding_l1=embedding_l1, embedding_l2=embedding_l2)
        check_number("[0, inf)", dense_l1=dense_l1, dense_l2=dense_l2)
        self.embedding_l1, self.embedding_l2 = embedding_l1, embedding_l2
        self.dense_l1, self.dense_l2 = dense_l1, dense_l2

    def forward(self, model: nn.Module) -> Tensor | float:
        """Return the penalty of `model`: a scalar tensor, or 0.0 if every λ is 0."""
        if not (self.embedding_l1 or self.embedding_l2 or self.dense_l1 or self.dense_l2):
            return 0.0
        embeddings, others = split_embedding_parameters(model)
        terms = [
            weight * size(p)
            for params, l1, l2 in (
                (embeddings, self.embedding_l1, self.embedding_l2),
                (others, self.dense_l1, self.dense_l2),
            )
            for weight, size in ((l1, _l1), (l2, _l2))
            if weight
            for p in params
        ]
        return torch.stack(terms).sum() if terms else 0.0


def _l1(p: Tensor) -> Tensor:
    return p.abs().sum()


def _l2(p: Tensor) -> Tensor:
    return p.square().sum()


def split_embedding_parameters(model: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Return the trainable weights of embeddings, and those of other layers, not normalizations."""
    embeddings: dict[int, Tensor] = {}
    others: dict[int, Tensor] = {}
    for module in model.modules():
        if isinstance(module, EmbeddingLayer):
            embeddings.update({id(p): p for p in module.parameters()})
        elif isinstance(module, nn.Embedding | nn.EmbeddingBag):
            embeddings.update({id(p): p for p in module.parameters(recurse=False)})
    for module in model.modules():
        if not isinstance(module, _NORMS):
            own = module.parameters(recurse=False)
            others.update({id(p): p for p in own if id(p) not in embeddings})
    return (
        [p for p in embeddings.values() if p.requires_grad],
        [p for p in others.values() if p.requires_grad],
    )
