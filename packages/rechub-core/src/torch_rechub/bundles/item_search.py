"""The vectors of items, and the search for those with the highest scores."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .._errors import UnknownChoiceError
from ..metrics.retrieval import top_k
from ..serving import builder_factory
from .catalog import FOLDER
from .errors import BundleError
from .recommended import Lists, lists_of, within
from .weights import read_tensors, write_tensors

Ids = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

EXACT = "exact"
VECTORS, INDEX = f"{FOLDER}/embeddings.safetensors", f"{FOLDER}/index"
# scores are inner products
_DEFAULTS: dict[str, dict[str, Any]] = {
    "faiss": {"metric": "IP"},
    "usearch": {"metric": "IP"},
    "annoy": {"metric": "dot"},
}
_NEEDS_WIDTH = ("annoy",)
_MOST_GATHERED = 2**25  # numbers in memory at a time


class ItemSearch:
    """N vectors of items and the index of the candidates among them, as a part of a bundle.

    Scores are inner products, the maximum over a user's interests. An index proposes items, which
    are then scored exactly.

    Args:
        vectors: (N, D), in the order of the catalog.
        kind: "exact", or an index of `torch_rechub.serving`: "faiss", "usearch" or "annoy".
        params: Arguments of its builder.

    Raises:
        UnknownChoiceError: The kind is unknown.
        ImportError: Its library is missing.

    Example:
        >>> search = ItemSearch(torch.eye(3))
        >>> allowed, nothing = np.array([True, True, True]), (np.zeros(2, int), np.empty(0, int))
        >>> search.best(torch.tensor([[1.0, 3.0, 2.0]]), np.arange(3), allowed, 2, nothing)
        (array([[1, 2]]), array([[3., 2.]], dtype=float32))
    """

    def __init__(
        self, vectors: Tensor, kind: str = EXACT, params: Mapping[str, Any] | None = None
    ) -> None:
        if kind not in (EXACT, *_DEFAULTS):
            raise UnknownChoiceError(f"index must be one of {[EXACT, *_DEFAULTS]}, got {kind!r}")
        self.vectors, self.kind, self.params = vectors, kind, dict(params or {})
        if kind != EXACT:
            self._builder()  # an unknown argument or a missing library is an error here
        self._open = ExitStack()
        self._file: Path | None = None
        self._index: Any = None
        self._ordered: Tensor | None = None  # the vectors of candidates, in their order

    def _builder(self) -> Any:
        width = {"d": self.vectors.shape[1]} if self.kind in _NEEDS_WIDTH else {}
        return builder_factory(self.kind, **{**_DEFAULTS[self.kind], **width, **self.params})

    def of(self, vectors: Tensor) -> "ItemSearch":
        """Return a search of the same kind in other vectors."""
        return ItemSearch(vectors, self.kind, self.params)

    def to(self, device: torch.device) -> "ItemSearch":
        """Move the vectors to a device."""
        self.vectors = self.vectors.to(device)
        return self

    def build(self, candidates: Ids) -> "ItemSearch":
        """Open the saved index of the candidates' vectors, (M,), or build it.

        Raises:
            BundleError: The saved one cannot be opened.
        """
        same = np.array_equal(candidates, np.arange(len(self.vectors)))
        self._ordered = self.vectors if same else self.vectors[torch.from_numpy(candidates)]
        if self.kind == EXACT or not len(candidates):
            return self
        builder, file = self._builder(), self._file
        try:
            made = (
                builder.from_embeddings(self._ordered.cpu())
                if file is None
                else builder.from_index_file(file)
            )
            self._index = self._open.enter_context(made)
        except ValueError as error:
            if file is None:
                raise
            raise BundleError(f"{file} is not as written: {error}") from error
        return self

    def best(
        self, users: Tensor, candidates: Ids, allowed: Mask, k: int, seen: Lists
    ) -> tuple[Ids, npt.NDArray[Any]]:
        """Return the items with the highest scores of each user, and the scores: (U, K) each.

        Args:
            users: (U, D), or (U, J, D) with J interests.
            candidates: Rows of items, (M,); ties are broken by this order.
            allowed: The items that may be found, (N,).
            k: K.
            seen: Rows of items to exclude for each user, as (indptr, rows).

        Returns:
            Rows of items, −1 for none, and scores.

        Raises:
            ValueError: A vector is not finite.
        """
        if self._ordered is None:
            self.build(candidates)
        fetch = self._fetched(candidates, allowed, k, seen)
        if self.kind == EXACT or 2 * fetch >= len(candidates):
            return self._exact(users, candidates, allowed, k, seen)
        rows: Ids = np.full((len(users), min(k, len(candidates))), -1)
        scores = np.full(rows.shape, -np.inf, dtype=np.float32)
        short = []
        interests = users.shape[1] if users.dim() == 3 else 1
        step = max(1, _MOST_GATHERED // max(1, interests * fetch * users.shape[-1]))
        for start in range(0, len(users), step):
            part = np.arange(start, min(start + step, len(users)))
            of_part = lists_of(seen, part)
            found = self._proposed(users[start : start + step], candidates, fetch)
            rows[part], scores[part], full = self._ranked(
                users[start : start + step], found, allowed, of_part, rows.shape[1]
            )
            n_left = _n_left(candidates, allowed, of_part)
            short.append(part[full < np.minimum(n_left, rows.shape[1])])
        # an approximate index may find too few, such as among rare items that a filter allows
        rest = np.concatenate([np.empty(0, np.int64), *short])
        if len(rest):
            given = users[torch.from_numpy(rest)]
            more = self._exact(given, candidates, allowed, k, lists_of(seen, rest))
            width = more[0].shape[1]
            rows[rest], scores[rest] = -1, -np.inf
            rows[rest, :width], scores[rest, :width] = more
        return rows, scores

    def _exact(
        self, users: Tensor, candidates: Ids, allowed: Mask, k: int, seen: Lists
    ) -> tuple[Ids, npt.NDArray[Any]]:
        chosen = allowed[candidates]
        rows, vectors = candidates, self._ordered
        if not chosen.all():
            rows = candidates[chosen]
            vectors = self.vectors[torch.from_numpy(rows)]
        assert vectors is not None
        lists = within(seen, columns_in(rows, len(self.vectors)))
        scores, best = top_k(users.to(vectors.device), vectors, k, lists)
        found = np.append(rows, -1)[best.cpu().numpy()]
        return found, scores.cpu().numpy()

    def _fetched(self, candidates: Ids, allowed: Mask, k: int, seen: Lists) -> int:
        """Return how many items an index proposes, so that k remain as a rule."""
        share = allowed[candidates].mean() if len(candidates) else 1.0
        wanted = 2 * (k + int(np.diff(seen[0]).max(initial=0))) / max(share, 1e-9)
        return int(max(1, min(len(candidates), max(wanted, 50))))

    def _proposed(self, users: Tensor, candidates: Ids, fetch: int) -> Ids:
        """Return the rows of the items that the index proposes, (U, C), −1 for none."""
        flat = users.reshape(-1, users.shape[-1]).float().cpu()
        ids = np.asarray(self._index.query(flat, fetch)[0]).reshape(len(users), -1)
        return np.append(candidates, -1)[np.where(ids < len(candidates), ids, -1)]

    def _ranked(
        self, users: Tensor, rows: Ids, allowed: Mask, seen: Lists, k: int
    ) -> tuple[Ids, npt.NDArray[Any], Ids]:
        """Return the best k of proposed items, their scores, and how many there are."""
        rows = np.sort(rows, axis=1)
        out = (rows < 0) | ~np.append(allowed, False)[rows]
        out[:, 1:] |= rows[:, 1:] == rows[:, :-1]  # found by several interests
        owner = np.repeat(np.arange(len(rows)), np.diff(seen[0]))
        n = len(self.vectors) + 1
        out |= np.isin(np.arange(len(rows))[:, None] * n + rows, owner * n + seen[1])
        vectors = self.vectors[torch.from_numpy(np.where(out, 0, rows))]
        users = users.to(vectors)
        users = users if users.dim() == 3 else users[:, None]
        scores = (users @ vectors.mT).amax(dim=1).cpu().float().numpy()
        scores[out] = -np.inf
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        best, found = (np.take_along_axis(of, order, axis=1) for of in (scores, rows))
        found = np.where(np.isneginf(best), -1, found)
        pad = ((0, 0), (0, k - best.shape[1]))
        best = np.pad(best, pad, constant_values=-np.inf)
        found = np.pad(found, pad, constant_values=-1)
        return found, best, (found >= 0).sum(axis=1)

    def write(self, folder: Path) -> dict[str, Any]:
        """Write the vectors and the index below a folder; return the settings to read them."""
        (folder / FOLDER).mkdir(exist_ok=True)
        write_tensors(folder / VECTORS, {"embeddings": self.vectors})
        if self._index is not None:
            self._index.save(folder / INDEX)
        kind = EXACT if self._index is None else self.kind  # without candidates there is no index
        form = {"index": kind, "params": self.params if kind != EXACT else {}}
        return {"shape": list(self.vectors.shape), **form}

    @classmethod
    def read(cls, folder: Path, settings: Mapping[str, Any]) -> "ItemSearch":
        """Read the vectors; the index is opened when it is first used.

        Raises:
            BundleError: A file or a setting is not as written.
        """
        try:
            vectors = read_tensors(folder / VECTORS)["embeddings"]
        except (KeyError, OSError) as error:
            raise BundleError(f"{folder / VECTORS} is not as written: {error}") from error
        if list(vectors.shape) != settings.get("shape") or vectors.dim() != 2:
            raise BundleError(f"{folder / VECTORS} has the shape {tuple(vectors.shape)}")
        try:
            found = cls(vectors, settings.get("index", EXACT), settings.get("params"))
        except (TypeError, ValueError) as error:
            raise BundleError(f"the settings of the index are not as written: {error}") from error
        if found.kind != EXACT:
            found._file = folder / INDEX
            if not found._file.exists():
                raise BundleError(f"{folder} is damaged: it has no {INDEX}")
        return found


def columns_in(rows: Ids, n_items: int) -> Ids:
    """Return the position of each of N items in a selection of rows, −1 for others."""
    column = np.full(n_items, -1)
    column[rows] = np.arange(len(rows))
    return column


def _n_left(candidates: Ids, allowed: Mask, seen: Lists) -> Ids:
    """Return how many candidates are allowed and not seen, for each user."""
    is_left = np.zeros(len(allowed), dtype=bool)
    is_left[candidates] = allowed[candidates]
    owner = np.repeat(np.arange(len(seen[0]) - 1), np.diff(seen[0]))
    pairs = np.unique(owner * len(allowed) + seen[1])
    gone = pairs[is_left[pairs % len(allowed)]] // len(allowed)
    return int(is_left.sum()) - np.bincount(gone, minlength=len(seen[0]) - 1)
