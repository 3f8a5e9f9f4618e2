"""`RetrievalBundle`: raw users in, raw items out."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from .._bounds import check_whole
from ..metrics.retrieval import top_k
from ..models.protocols import HasTowers
from ..models.towers import one_tower, prediction
from ..types import FilePath
from .bundle import Bundle
from .catalog import Catalog, Filter
from .errors import BundleError
from .frames import are_rows, as_frame
from .histories import seen_rows
from .item_inputs import Embeddings, EncodedItems, item_inputs
from .raw import RawColumns
from .recommended import Best, Lists, Recommended, best_of_pairs, lists_of, within
from .saving import write_bundle
from .similar import similar_rows
from .user_inputs import UserForm, UserInputs

Array = npt.NDArray[Any]
Ids = npt.NDArray[np.int64]


class RetrievalBundle(Bundle):
    """A bundle of a retrieval model, with its items; see `MatchTrainer.save`.

    Example:
        >>> import tempfile
        >>> from torch_rechub.basic.features import SequenceFeature
        >>> from torch_rechub.bundles import load_bundle
        >>> from torch_rechub.data.interactions import Interactions
        >>> from torch_rechub.data.preprocessing import Categorical, Preprocessor
        >>> from torch_rechub.models.matching import DSSM
        >>> from torch_rechub.trainers import MatchTrainer
        >>> log = {"user": [1, 1, 1, 2, 2, 2], "item": list("abcbca"), "time": range(6)}
        >>> preprocessor = Preprocessor([Categorical("user"), Categorical("item")]).fit(log)
        >>> data = Interactions(log, "user", "item", "time").encode(preprocessor)
        >>> item = preprocessor.features("item", embed_dim=4)
        >>> user = [SequenceFeature("hist_item", 5, 4, shared_with="item", padding_idx=0)]
        >>> model = DSSM(user, item, {"dims": [4]}, {"dims": [4]}, temperature=0.1)
        >>> folder = tempfile.mkdtemp()
        >>> trainer = MatchTrainer(model, in_batch_neg=True, n_epoch=1, model_path=folder)
        >>> trainer.fit(data.samples(3).loader(6))
        >>> names = {"item": "item", "user": "user", "time": "time"}
        >>> path = trainer.save(folder + "/bundle", preprocessor=preprocessor, **names, length=3)
        >>> users = [{"user": 7, "hist_item": ["b", "c"]}]
        >>> load_bundle(path).recommend(users, k=2)[["user", "item", "rank"]].values.tolist()
        [[7, 'a', 1]]
    """

    part_types: ClassVar[Mapping[str, type[Any]]] = {
        "items": Catalog,
        "users": UserForm,
        "embeddings": Embeddings,
    }

    optional_parts = frozenset({"embeddings"})  # models without towers have none

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        vectors = self.parts.get("embeddings")
        if vectors is not None and len(vectors.vectors) != len(self.items):
            raise BundleError(
                f"{self.path} has embeddings of {len(vectors.vectors)} items, but "
                f"{len(self.items)} items"
            )
        self._raw = RawColumns(self.preprocessor)
        self._use(self.parts["items"], self.parts.get("embeddings"))

    @property
    def items(self) -> Catalog:
        """The items."""
        catalog: Catalog = self.parts["items"]
        return catalog

    def recommend(
        self,
        users: Any,
        k: int = 10,
        *,
        exclude_seen: bool = True,
        seen: Any = None,
        filter: Filter = None,
        batch_size: int | None = None,
    ) -> pd.DataFrame:
        """Return the k items with the highest scores for each user, after the last event.

        Ties are broken by the order of items. Users that the model knows nothing of receive the
        most popular items.

        Args:
            users: One row for each user, with a list of raw item ids, oldest first, in
                `hist_<item>` and the other raw columns that the model reads; or a log with the
                columns of user, item and time, in any order. See `HistoryForm.read`.
            k: The number of items; fewer, if fewer remain.
            exclude_seen: Whether all items of a history are excluded.
            seen: Additional raw ids to exclude: a list for each user, or a dict by user.
            filter: The items that may be recommended: a function of the frame of items to booleans,
                or raw ids.
            batch_size: Number of users per batch.

        Returns:
            Columns: user, item, under their raw names, score, rank from 1, and source, "model" or
            "popularity".

        Raises:
            KeyError: A column is missing.
            TypeError: A history is no list, or a filter returns no booleans.
            ValueError: An argument is out of range, or a cell does not fit its column.
        """
        check_whole(1, k=k, batch_size=batch_size)
        given = self._inputs.read(users)
        inputs = self._inputs(given)
        seen_of = seen_rows(given, self.items.rows_of, exclude_seen, seen)
        allowed = self.items.mask(filter)
        unknown = self._inputs.unknown(given, inputs)
        found = Recommended(given.name, given.users, self.items)
        known = np.flatnonzero(~unknown)
        if len(known):
            chosen = {name: values[known] for name, values in inputs.items()}
            found.add(known, *self._best(chosen, k, lists_of(seen_of, known), allowed, batch_size))
        found.add_popular(np.flatnonzero(unknown), k, allowed, seen_of)
        return found.frame()

    def similar_items(self, item_ids: Any, k: int = 10, *, filter: Filter = None) -> pd.DataFrame:
        """Return the k items nearest to each item, by the cosine of their embeddings.

        Args:
            item_ids: Raw ids.
            k: The number of items.
            filter: As in `recommend`.

        Returns:
            Columns: item, under its raw name, similar, score, rank.

        Raises:
            KeyError: An id is no item.
            ValueError: The model has no embeddings.
        """
        check_whole(1, k=k)
        rows, vectors = self.items.known_rows_of(item_ids), self._vectors()
        candidates = np.arange(len(self.items))
        return similar_rows(self.items, lambda of: vectors[of], rows, candidates, k, filter)

    def embed(
        self,
        users: Any = None,
        items: Any = None,
        *,
        batch_size: int | None = None,
        engine: str = "torch",
    ) -> Array:
        """Return the embeddings of users or items, (N, D), or (N, K, D) of K interests of users.

        Args:
            users: As in `recommend`.
            items: Raw ids of items of the bundle, or raw rows of items, new ones among them.
            batch_size: Number of rows per batch; None means that of the trainer's evaluation.
            engine: "torch", or "onnx": ONNX Runtime with the files of ``save(..., onnx=True)``.

        Raises:
            KeyError: An id is no item, or a column is missing.
            ValueError: Neither or both are given, or the model has no embeddings.
        """
        if (users is None) == (items is None):
            raise ValueError("embed takes users= or items=, one of them")
        if users is not None:
            inputs = self._inputs(self._inputs.read(users))
            vectors = self._of_tower("user", inputs, batch_size, engine)
        elif are_rows(items):
            vectors = self._embedded(as_frame(items, "items"), engine)
        elif engine != "torch":
            frame = self.items.frame.iloc[self.items.known_rows_of(items)]
            vectors = self._embedded(frame, engine)
        else:
            vectors = self._vectors()[self.items.known_rows_of(items)]
        found: Array = vectors.numpy()
        return found

    # changes of the items

    def add_items(self, items: Any, popularity: Any = None) -> None:
        """Add items, embedded from their raw columns; a new id is the unknown one.

        Args:
            items: Raw rows with all columns of the bundle's items.
            popularity: The count of each; None means 0.

        Raises:
            KeyError: A column is missing.
            ValueError: An id is an item already, or occurs twice.
        """
        frame, before = as_frame(items, "items"), self.items
        if missing := [name for name in before.frame if name not in frame.columns]:
            raise KeyError(f"items has no column {missing[0]!r}, which those of the bundle have")
        added = Catalog(before.item, frame[list(before.frame)], popularity)
        rows = pd.concat([before.frame, added.frame], ignore_index=True)
        counts = np.concatenate([before.popularity, added.popularity])
        catalog, embeddings = Catalog(before.item, rows, counts), None
        if isinstance(self.model, HasTowers):
            embeddings = Embeddings(torch.cat([self._vectors(), self._embedded(added.frame)]))
        self._use(catalog, embeddings)

    def remove_items(self, item_ids: Any) -> None:
        """Remove items by raw id.

        Raises:
            KeyError: An id is no item.
        """
        kept = np.setdiff1d(np.arange(len(self.items)), self.items.known_rows_of(item_ids))
        before = self.items
        catalog = Catalog(before.item, before.frame.iloc[kept], before.popularity[kept])
        towers = isinstance(self.model, HasTowers)
        self._use(catalog, Embeddings(self._vectors()[kept]) if towers else None)

    def update_items(self, items: Any, popularity: Any = None) -> None:
        """Replace items by raw rows of the same ids, whose other columns have changed.

        Args:
            items: Raw rows; see `add_items`.
            popularity: The count of each; None keeps those of before.

        Raises:
            KeyError: An id is no item, or a column is missing.
        """
        frame, before = as_frame(items, "items"), (self.items, self.parts.get("embeddings"))
        rows = self.items.known_rows_of(frame[self.items.item])
        counts = self.items.popularity[rows] if popularity is None else popularity
        self.remove_items(frame[self.items.item])
        try:
            self.add_items(frame, counts)
        except (KeyError, ValueError):
            self._use(*before)
            raise

    def save(self, folder: FilePath) -> Path:
        """Save the bundle with its changed items; see `MatchTrainer.save`."""
        names = ("metrics", "trainer", "run")
        return write_bundle(
            folder, task=self.task, model=self.model, outputs=self.document.outputs,
            preprocessor=self.preprocessor, parts=self.parts,
            others={name: getattr(self.document, name) for name in names},
            write_more=self.copy_onnx,
        )  # fmt: skip

    def _use(self, items: Catalog, embeddings: Embeddings | None) -> None:
        self.parts["items"] = items
        if embeddings is not None:
            self.parts["embeddings"] = embeddings
        self._inputs = UserInputs(self.parts["users"], EncodedItems(items, self._raw))

    # scores

    def _best(
        self,
        inputs: Mapping[str, Array],
        k: int,
        seen: Lists,
        allowed: Array,
        batch_size: int | None,
    ) -> Best:
        if not isinstance(self.model, HasTowers):
            items = item_inputs(self.model, self._raw, self.items.frame, self.items.item)
            score = partial(self.infer, partial(prediction, self.model), batch_size=2**14)
            return best_of_pairs(score, inputs, items, k, seen, allowed)
        users = self._of_tower("user", inputs, batch_size)
        rows = np.flatnonzero(allowed)
        column = np.full(len(allowed), -1)
        column[rows] = np.arange(len(rows))
        scores, best = top_k(users, self._vectors()[rows], k, within(seen, column))
        return np.append(rows, -1)[best.numpy()], scores.numpy()

    def _vectors(self) -> Tensor:
        embeddings: Embeddings | None = self.parts.get("embeddings")
        if embeddings is None:
            raise ValueError(f"{type(self.model).__name__} has no embeddings of items")
        return embeddings.vectors

    def _embedded(self, frame: pd.DataFrame, engine: str = "torch") -> Tensor:
        inputs = item_inputs(self.model, self._raw, frame, self.items.item)
        return self._of_tower("item", inputs, None, engine)

    def _of_tower(
        self,
        tower: str,
        inputs: Mapping[str, Array],
        batch_size: int | None,
        engine: str = "torch",
    ) -> Tensor:
        if not isinstance(self.model, HasTowers):
            raise ValueError(f"{type(self.model).__name__} has no embeddings of {tower}s")
        onnx = self.onnx_model(engine, f"{tower}.onnx")
        if onnx is not None:
            return self.infer(onnx, inputs, batch_size)
        with one_tower(self.model, tower):
            return self.infer(partial(prediction, self.model), inputs, batch_size)
