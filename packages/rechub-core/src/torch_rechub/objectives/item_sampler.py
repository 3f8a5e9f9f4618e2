"""Negative sampling of items for next-item losses."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from .._bounds import check_whole


class ItemSampler:
    """Draws items 1 to V − 1 with replacement, uniformly or proportionally to their frequency.

    Token 0, padding, is never drawn.

    Args:
        vocab_size: V, padding included.
        frequency: Count of each token, (V,), the first one ignored; None means uniform draws. Items
            of frequency 0 are never drawn.
        seed: Seed of a separate generator; None means torch's global random state.
        device: Device of the draws.

    Raises:
        ValueError: There is no item, or `frequency` is not V finite numbers of at least 0,
            one after the first above 0.

    Example:
        >>> sampler = ItemSampler(4, [9, 1, 0, 3], seed=0, device=torch.device("cpu"))
        >>> sorted(set(sampler(1000).tolist()))
        [1, 3]
        >>> sampler.log_q(torch.tensor([1, 3])).exp()
        tensor([0.2500, 0.7500])
    """

    def __init__(
        self,
        vocab_size: int,
        frequency: ArrayLike | None,
        seed: int | None,
        device: torch.device,
    ) -> None:
        check_whole(-(2**63), seed=seed)
        if vocab_size < 2:
            raise ValueError(f"there is no item to draw: vocab_size={vocab_size} is padding alone")
        self.vocab_size, self.device = vocab_size, device
        self.generator = None if seed is None else torch.Generator(device).manual_seed(seed)
        self.log_share: Tensor | None = None
        if frequency is not None:
            share = _shares(frequency, vocab_size)
            wide = torch.float32 if device.type == "mps" else torch.float64
            self.upper = torch.as_tensor(np.cumsum(share), dtype=wide, device=device)
            self.upper /= self.upper[-1].clone()
            with np.errstate(divide="ignore"):
                log_share = np.log(share)
            self.log_share = torch.as_tensor(log_share, dtype=torch.float32, device=device)

    def __call__(self, *shape: int) -> Tensor:
        """Draw items, of any shape."""
        where: dict[str, Any] = {"device": self.device, "generator": self.generator}
        if self.log_share is None:
            return torch.randint(1, self.vocab_size, shape, **where)
        drawn = torch.rand(shape, dtype=self.upper.dtype, **where)
        return torch.searchsorted(self.upper, drawn, right=True)

    def log_q(self, items: Tensor) -> Tensor:
        """Return the log probability of a draw of each item, in the shape of `items`."""
        if self.log_share is None:
            return torch.full(items.shape, -math.log(self.vocab_size - 1), device=items.device)
        return self.log_share[items]

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the generator, if it is a separate one."""
        return {} if self.generator is None else {"sampler": self.generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state."""
        if self.generator is not None:
            self.generator.set_state(state["sampler"])


def _shares(frequency: ArrayLike, vocab_size: int) -> Any:
    """Return the probability of each token, (V,), 0 for padding."""
    n = np.asarray(frequency, dtype=np.float64).copy()
    if n.shape != (vocab_size,):
        raise ValueError(
            f"loss_params: frequency must hold one number for each of the {vocab_size} tokens of "
            f"the model, padding included, got shape {n.shape}: "
            f"np.bincount(tokens.ravel(), minlength={vocab_size})"
        )
    n[0] = 0
    if not np.isfinite(n).all() or (n < 0).any() or not n.any():
        raise ValueError(
            "loss_params: frequency must hold finite numbers of at least 0, not all 0 among the "
            "items (token 0 is padding)"
        )
    return n / n.sum()
