"""Calls of retrieval models: one tower, the columns in use, predictions."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from .logits import logits_of


@contextmanager
def one_tower(model: Any, mode: str) -> Iterator[None]:
    """Set a model to return the embeddings of users or items within the block.

    Raises:
        AssertionError: The mode is neither "user" nor "item".
    """
    if mode not in ("user", "item"):
        raise AssertionError(f"mode must be 'user' or 'item', got {mode!r}")
    before = getattr(model, "mode", None)
    model.mode = mode
    try:
        yield
    finally:
        model.mode = before


def columns_in_use(model: nn.Module, in_batch: bool) -> list[str] | None:
    """The columns that a model reads in its mode; None means all."""
    mode = getattr(model, "mode", None) or "score"
    parts = ("user", "item") if in_batch and mode == "score" else (mode,)
    inputs = [getattr(model, f"{part}_inputs", None) for part in parts]
    return None if None in inputs else [f.name for features in inputs for f in features or ()]


def prediction(model: nn.Module, x: Any) -> Tensor:
    """The output of a model, on the CPU; the first one of pair-wise models.

    Probabilities are computed from logits in double precision if possible: with a small temperature
    many would round to 1 in single precision, and tie.
    """
    logits = logits_of(model)
    if logits is not None and getattr(model, "mode", None) is None:
        return torch.sigmoid(logits(x).cpu().double())
    output = model(x)
    first: Tensor = output[0] if isinstance(output, tuple | list) else output
    return first.cpu()


def interests_with_mask(model: nn.Module, x: Any) -> Tensor:
    """The users' interests, the mask of own ones as last column: (B, K, D + 1), on the CPU."""
    own: Tensor = model.own_interests(x).cpu()  # type: ignore[operator]
    interests = prediction(model, x)
    return torch.cat([interests, own.unsqueeze(2).to(interests.dtype)], dim=2)
