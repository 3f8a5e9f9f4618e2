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
    """An open index that answers queries and can be changed and saved, by one thread at a time."""

    @abstractmethod
    def query(self, embeddings: Any, top_k: int, *, exclude: Any = None) -> tuple[Any, Tensor]:
        """Find the nearest items of each embedding, nearest first.

        Args:
            embeddings: Shape (B, D), or (D,) for one.
            top_k: K.
            exclude: For each embedding, a sequence of item ids that are left out; K others are
                found. Ids that are not in the index are ignored.

        Returns:
            Item ids (B, K) and distances (B, K), float32, in the metric of the index: small
            distances are near, or large ones if the metric is a similarity. Ids are an array of
            int64, or of strings (dtype object); a tensor of row numbers if the index was built
            without ids. Rows with fewer than K results are filled with id −1, or None for strings,
            and infinite distance.

        Raises:
            ValueError: Embeddings have another width or are not finite, K is below 1, or there is
                not one list of excluded ids for each embedding.
        """

    def add(self, embeddings: Any, ids: Any = None) -> None:
        """Add items.

        Args:
            embeddings: Shape (N, D).
            ids: Their ids; None if the index was built without ids: they are numbered on.

        Raises:
            ValueError: Embeddings do not fit, an id is in the index already or occurs twice.
            NotImplementedError: The index cannot be changed.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot add items: build the index again")

    def remove(self, ids: Any) -> None:
        """Remove items.

        Args:
            ids: Their ids, or row numbers if the index was built without ids.

        Raises:
            KeyError: An item is not in the index.
            NotImplementedError: The index cannot be changed.
        """
        raise NotImplementedError(
            f"{type(self).__name__} cannot remove items: build the index again"
        )

    def update(self, embeddings: Any, ids: Any) -> None:
        """Replace the embeddings of items.

        Args:
            embeddings: Shape (N, D).
            ids: Their ids, or row numbers if the index was built without ids.

        Raises:
            KeyError: An item is not in the index.
            ValueError: Embeddings do not fit, or an id occurs twice.
            NotImplementedError: The index cannot be changed.
        """
        raise NotImplementedError(
            f"{type(self).__name__} cannot update items: build the index again"
        )

    @abstractmethod
    def save(self, file_path: FilePath) -> None:
        """Save the index to a file for `from_index_file`; the folder is created.

        A checksum is written to ``<file_path>.json``, and ids to ``<file_path>.ids.json``.
        """


class BaseBuilder(ABC):
    """Builds indexes of item embeddings; both methods are context managers."""

    @abstractmethod
    def from_embeddings(
        self, embeddings: Any, *, ids: Any = None
    ) -> AbstractContextManager[BaseIndexer]:
        """Build an index of embeddings (N, D).

        Args:
            embeddings: Shape (N, D).
            ids: The id of each item, unique: integers of at least 0, or strings. None means that
                item i is row i.

        Raises:
            ValueError: Embeddings have another shape or are not finite, there is not one id for
                each, or an id occurs twice.
            TypeError: Ids are neither all integers nor all strings.
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
