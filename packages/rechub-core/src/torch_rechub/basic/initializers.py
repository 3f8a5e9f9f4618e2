"""Initializers of embedding tables: each creates a `torch.nn.Embedding`."""

from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from .._bounds import check_number


class Initializer(Protocol):
    """The protocol of initializers: create an embedding table of a given size."""

    def __call__(
        self, vocab_size: int, embed_dim: int, padding_idx: int | None = None
    ) -> nn.Embedding:
        """Return a table of shape (vocab_size, embed_dim)."""
        ...


class _Random:
    """An initializer that fills a fresh table in place and zeroes the padding row."""

    def fill(self, weight: Tensor) -> None:
        raise NotImplementedError

    def __call__(
        self, vocab_size: int, embed_dim: int, padding_idx: int | None = None
    ) -> nn.Embedding:
        weight = torch.empty(vocab_size, embed_dim)
        self.fill(weight)
        if padding_idx is not None:
            weight[padding_idx] = 0.0
        return _table(weight, padding_idx)


@dataclass(frozen=True)
class RandomNormal(_Random):
    """Weights drawn from N(mean, std²).

    Args:
        mean: Mean of the distribution.
        std: Standard deviation.

    Example:
        >>> RandomNormal(0, 0.01)(10, 4).weight.shape
        torch.Size([10, 4])
    """

    mean: float = 0.0
    std: float = 1.0

    def __post_init__(self) -> None:
        check_number("(-inf, inf)", mean=self.mean)
        check_number("[0, inf)", std=self.std)

    def fill(self, weight: Tensor) -> None:
        """Fill `weight` in place."""
        nn.init.normal_(weight, self.mean, self.std)


@dataclass(frozen=True)
class RandomUniform(_Random):
    """Weights drawn from U(minval, maxval).

    Args:
        minval: Lower bound.
        maxval: Upper bound.
    """

    minval: float = 0.0
    maxval: float = 1.0

    def __post_init__(self) -> None:
        check_number("(-inf, inf)", minval=self.minval)
        check_number(f"[{self.minval}, inf)", maxval=self.maxval)

    def fill(self, weight: Tensor) -> None:
        """Fill `weight` in place."""
        nn.init.uniform_(weight, self.minval, self.maxval)


@dataclass(frozen=True)
class XavierNormal(_Random):
    """Weights drawn from N(0, gain² · 2 / (vocab_size + embed_dim)).

    Args:
        gain: Scale of the standard deviation.

    Reference:
        Glorot and Bengio, Understanding the difficulty of training deep feedforward neural
        networks, AISTATS 2010.
    """

    gain: float = 1.0

    def __post_init__(self) -> None:
        check_number("[0, inf)", gain=self.gain)

    def fill(self, weight: Tensor) -> None:
        """Fill `weight` in place."""
        nn.init.xavier_normal_(weight, self.gain)


@dataclass(frozen=True)
class XavierUniform(_Random):
    """Weights drawn from U(−a, a) with a = gain · √(6 / (vocab_size + embed_dim)).

    Args:
        gain: Scale of the bound.

    Reference:
        Glorot and Bengio, Understanding the difficulty of training deep feedforward neural
        networks, AISTATS 2010.
    """

    gain: float = 1.0

    def __post_init__(self) -> None:
        check_number("[0, inf)", gain=self.gain)

    def fill(self, weight: Tensor) -> None:
        """Fill `weight` in place."""
        nn.init.xavier_uniform_(weight, self.gain)


@dataclass(frozen=True, eq=False)
class Pretrained:
    """Weights given by the user; the padding row stays as given.

    Args:
        embedding_weight: Array, tensor or nested list of shape (vocab_size, embed_dim).
        freeze: Whether the table is excluded from training.

    Raises:
        ValueError: On creating the table, if the shape differs from that of the feature.

    Example:
        >>> Pretrained([[0.0, 1.0], [2.0, 3.0]])(2, 2).weight.requires_grad
        False
    """

    embedding_weight: Any = field(repr=False)
    freeze: bool = True

    def __call__(
        self, vocab_size: int, embed_dim: int, padding_idx: int | None = None
    ) -> nn.Embedding:
        """Return a table holding a copy of the given weights."""
        weight = torch.as_tensor(self.embedding_weight, dtype=torch.get_default_dtype())
        weight = weight.detach().clone()
        if weight.shape != (vocab_size, embed_dim):
            raise ValueError(
                f"pre-trained weights have shape {tuple(weight.shape)}, but the feature has "
                f"vocab_size={vocab_size} and embed_dim={embed_dim}"
            )
        return _table(weight, padding_idx, freeze=self.freeze)


def _table(weight: Tensor, padding_idx: int | None, freeze: bool = False) -> nn.Embedding:
    table: nn.Embedding = nn.Embedding.from_pretrained(weight, freeze, padding_idx)
    return table
