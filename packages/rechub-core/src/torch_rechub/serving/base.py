"""The base classes of indexes, and conversions of embeddings and results."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .._bounds import refuse_masked
from ..types import FilePath

Vectors = NDArray[np.float32]


class BaseIndexer(ABC):
    """An open index that answers queries and can be saved."""

    @abstractmethod
    def query(self, embeddings: Any, top_k: int) -> tuple[Tensor, Tensor]:
        """Find the nearest items of each embedding, nearest first.

        Args:
            embeddings: Shape (B, D), or (D,) for one.
            top_k: K.

        Returns:
            Item indices (B, K), int64, and distances (B, K), float32, in the metric of the index:
            small distances are near, or large ones if the metric is a similarity. Rows with fewer
            than K results are filled with index −1 and infinite distance.

        Raises:
            ValueError: Embeddings have another width or are not finite, or K is below 1.
        """

    @abstractmethod
    def save(self, file_path: FilePath) -> None:
        """Save the index to a file for `from_index_file`; the folder is created."""


class BaseBuilder(ABC):
    """Builds indexes of item embeddings; both methods are context managers."""

    @abstractmethod
    def from_embeddings(self, embeddings: Any) -> AbstractContextManager[BaseIndexer]:
        """Build an index of embeddings (N, D); item i is row i.

        Raises:
            ValueError: Embeddings have another shape or are not finite.
        """

    @abstractmethod
    def from_index_file(self, index_file: FilePath) -> AbstractContextManager[BaseIndexer]:
        """Load a saved index.

        Raises:
            FileNotFoundError: The file does not exist.
        """


def as_vectors(values: Any, width: int | None = None) -> Vectors:
    """Convert embeddings to an array (N, D); a single one to (1, D).

    Raises:
        ValueError: Embeddings have another shape or width, or are not finite.
    """
    refuse_masked(values, "embeddings")
    found = torch.as_tensor(values).detach().cpu().float().numpy()
    found = found[None] if found.ndim == 1 else found
    if found.ndim != 2 or (width is not None and found.shape[1] != width):
        wanted = "(N, D)" if width is None else f"(N, {width})"
        raise ValueError(f"embeddings must have shape {wanted}, got {tuple(found.shape)}")
    if not np.isfinite(found).all():
        raise ValueError("embeddings hold values that are not finite")
    return np.ascontiguousarray(found)


def items_to_index(values: Any, width: int | None = None) -> Vectors:
    """Convert the items' embeddings to an array (N, D), N at least 1.

    Raises:
        ValueError: There are no embeddings, or `as_vectors` refuses them.
    """
    found = as_vectors(values, width)
    if len(found) == 0:
        raise ValueError("there are no embeddings to index")
    return found


def answer(
    rows: list[tuple[list[int], list[float]]], top_k: int, similarity: bool
) -> tuple[Tensor, Tensor]:
    """Convert items and distances of queries to tensors (B, K), filled if there are fewer."""
    ids = torch.full((len(rows), top_k), -1)
    distances = torch.full((len(rows), top_k), -torch.inf if similarity else torch.inf)
    for row, (found, far) in enumerate(rows):
        ids[row, : len(found)] = torch.as_tensor(found, dtype=torch.int64)
        distances[row, : len(far)] = torch.as_tensor(far, dtype=torch.float32)
    return ids, distances


def check_choice(argument: str, value: str, known: tuple[str, ...]) -> str:
    """Return a value after checking that it is one of the choices.

    Raises:
        ValueError: The value is not one of the choices.
    """
    if value not in known:
        raise ValueError(f"{argument} must be one of {', '.join(map(repr, known))}, got {value!r}")
    return value


def check_positive(**values: int | None) -> None:
    """Refuse counts below 1; None is allowed.

    Raises:
        ValueError: A count is below 1; the message names the first.
    """
    for name, value in values.items():
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1, got {value!r}")
