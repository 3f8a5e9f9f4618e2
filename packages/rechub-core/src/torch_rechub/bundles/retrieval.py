"""`RetrievalBundle`: raw users in, raw items out."""

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from .._bounds import check_whole, refuse_none
from ..models.protocols import HasTowers
from ..models.towers import prediction
from .catalog import Catalog, Filter
from .errors import BundleError
from .frames import are_rows, as_frame, plain
from .histories import seen_rows
from .item_changes import ChangesItems, chosen_of
from .item_inputs import EncodedItems
from .item_search import ItemSearch, columns_in
from .raw import RawColumns
from .recommended import Best, Lists, Recommended, best_of_pairs, lists_of, within
from .similar import similar_rows
from .user_inputs import UserForm, UserInputs

Array = npt.NDArray[Any]
Ids = npt.NDArray[np.int64]


class RetrievalBundle(ChangesItems):
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
        "embeddings": ItemSearch,
    }
    optional_parts = frozenset({"embeddings"})  # models without towers have none

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._encoded = EncodedItems(self.items, RawColumns(self.preprocessor))
        search = self._search()
        self._check(self.parts["users"], search)
        self._set(self._encoded, None if search is None else search.to(self.device))

    def _check(self, form: UserForm, search: ItemSearch | None) -> None:
        """Refuse parts that are not those of the model."""
        names = [feature.name for feature in getattr(self.model, "user_inputs", None) or ()]
        if lacking := [name for name in names if name not in form.inputs]:
            raise BundleError(f"{self.path} is damaged: its users have no {lacking[0]!r}")
        if search is None:
            if isinstance(self.model, HasTowers):
                raise BundleError(f"{self.path} is damaged: it has no embeddings of items")
            return
        first = EncodedItems(chosen_of(self.items, np.arange(1)), self._encoded.raw)
        width = first.vectors(self.model, self.device).shape[1]
        if search.vectors.shape != (len(self.items), width):
            raise BundleError(
                f"{self.path} has embeddings of the shape {tuple(search.vectors.shape)}, but "
                f"{len(self.items)} items of width {width}: save the bundle again"
            )

    def _search(self) -> ItemSearch | None:
        found: ItemSearch | None = self.parts.get("embeddings")
        return found

    def recommend(
        self,
        users: Any,
        k: int = 10,
        *,
        exclude_seen: bool = True,
        seen: Any = None,
        filter: Filter = None,
        batch_size: int | None = None,
        engine: str = "torch",
    ) -> pd.DataFrame:
        """Return the k items with the highest scores for each user, after the last event.

        Scores are those of `metrics.retrieval.top_k`, as in `MatchTrainer.evaluate_retrieval`, or
        the predictions of a model without towers; ties are broken by the lower id. Users that the
        model knows nothing of receive the most popular items. Items outside the vocabulary are
        scored if the model reads more of them than the id.

        Args:
            users: One row for each user, with a list of raw item ids, oldest first, in
                `hist_<item>` and the other raw columns that the model reads; or a log with the
                columns of user, item and time, in any order. See `HistoryForm.read`. Histories of
                other columns of items are those of the log or of `hist_<column>`, or else repeat
                the columns of the bundle's items.
            k: The number of items; fewer, if fewer remain.
            exclude_seen: Whether all items of a history are excluded, those before the last L too.
            seen: Additional raw ids to exclude: a list for each user, or a dict by user.
            filter: The items that may be recommended: a function of the frame of items to booleans,
                or raw ids.
            batch_size: Number of users per batch; None means that of the trainer's evaluation.
            engine: "torch", or "onnx": users by ONNX Runtime, with ``save(..., onnx=True)``.

        Returns:
            Columns: user, item, under their raw names, score, rank from 1, and source, "model" or
            "popularity".

        Raises:
            KeyError: A column is missing.
            TypeError: A history is no list, or a filter returns no booleans.
            ValueError: An argument is out of range, or a cell does not fit its column.
        """
        refuse_none(k=k)
        check_whole(1, k=k, batch_size=batch_size)
        given, allowed = self._inputs.read(users), self.items.mask(filter)
        found = Recommended(given.name, given.users, self.items)
        if not len(given.users):
            return found.frame()
        inputs = self._inputs(given)
        seen_of = seen_rows(given, self.items.rows_of, exclude_seen, seen)
        unknown = self._inputs.unknown(inputs)
        known = np.flatnonzero(~unknown)
        if len(known) and allowed[self._candidates].any():
            chosen = {name: values[known] for name, values in inputs.items()}
            lists, call = lists_of(seen_of, known), (batch_size, engine)
            found.add(known, *self._best(chosen, k, lists, allowed, *call))
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
            KeyError: An id is no item, or one that the model does not know.
            ValueError: The model has no embeddings.
        """
        refuse_none(k=k)
        check_whole(1, k=k)
        vectors, rows = self._vectors(), self._known(item_ids)
        return similar_rows(
            self.items, lambda of: vectors[torch.from_numpy(of)], rows, self._candidates, k, filter
        )

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
        vectors = self._vectors()
        if users is not None:
            given = self._inputs.read(users)
            if not len(given.users):
                return np.empty((0, vectors.shape[1]), dtype=np.float32)
            vectors = self._of_users(self._inputs(given), batch_size, engine)
        elif are_rows(items):
            vectors = self._of_items(Catalog(self.items.item, as_frame(items, "items")), engine)
        elif engine != "torch":
            vectors = self._of_items(chosen_of(self.items, self.items.known_rows_of(items)), engine)
        else:
            vectors = vectors[torch.from_numpy(self.items.known_rows_of(items))]
        return vectors.float().cpu().numpy()

    def _use(self, items: Catalog) -> None:
        """Use other items; the embeddings of those whose inputs are the same stay."""
        if not len(items):
            raise ValueError("no item would remain: a bundle needs an item to recommend")
        before, search = self._encoded, self._search()
        encoded = EncodedItems(items, before.raw)
        inputs = encoded.inputs(self.model)  # raises errors of cells
        if search is not None:
            rows = before.rows_of(encoded, inputs, before.inputs(self.model))
            vectors = search.vectors[torch.from_numpy(np.maximum(rows, 0))]
            if (new := np.flatnonzero(rows < 0)).size:
                of_new = EncodedItems(chosen_of(items, new), before.raw)
                vectors[torch.from_numpy(new)] = of_new.vectors(self.model, self.device)
            search = search.of(vectors)
        self._set(encoded, search)

    def _set(self, encoded: EncodedItems, search: ItemSearch | None) -> None:
        candidates = encoded.candidates(self.model)
        if search is not None:
            self.parts["embeddings"] = search.build(candidates)
        super()._use(encoded.catalog)
        self._encoded, self._candidates = encoded, candidates
        self._inputs = UserInputs(self.parts["users"], encoded)

    def _best(
        self,
        inputs: Mapping[str, Array],
        k: int,
        seen: Lists,
        allowed: Array,
        batch_size: int | None,
        engine: str,
    ) -> Best:
        """Return the rows of the best candidates of users, and their scores."""
        search = self._search()
        if search is not None:
            users = self._of_users(inputs, batch_size, engine)
            return search.best(users, self._candidates, allowed, k, seen)
        rows = self._candidates[allowed[self._candidates]]
        items = {n: v[rows] for n, v in self._encoded.inputs(self.model).items()}
        call = self.onnx_model(engine) or partial(prediction, self.model)
        score = partial(self.infer, call, batch_size=2**14)
        lists = within(seen, columns_in(rows, len(allowed)))
        best, scores = best_of_pairs(score, inputs, items, k, lists, allowed[rows])
        return np.append(rows, -1)[best], scores

    def _of_users(
        self, inputs: Mapping[str, Array], batch_size: int | None, engine: str = "torch"
    ) -> Tensor:
        tower: Any = self.model  # not its mode, which other threads would see
        call = self.onnx_model(engine, "user.onnx") or tower.user_tower
        return self.infer(call, inputs, batch_size)

    def _of_items(self, items: Catalog, engine: str) -> Tensor:
        encoded, onnx = EncodedItems(items, self._encoded.raw), self.onnx_model(engine, "item.onnx")
        if onnx is not None:
            return self.infer(onnx, encoded.inputs(self.model), None)
        return encoded.vectors(self.model, self.device)

    def _vectors(self) -> Tensor:
        search = self._search()
        if search is None:
            raise ValueError(
                f"{type(self.model).__name__} scores pairs of user and item, and has no embeddings "
                "of either: recommend is possible, and nothing else"
            )
        return search.vectors

    def _known(self, ids: Any) -> Ids:
        """Return the rows of raw ids, which the model must know."""
        rows = self.items.known_rows_of(ids)
        lacking = ~np.isin(rows, self._candidates)
        if lacking.any():
            wrong = plain(self.items.ids[rows[int(lacking.argmax())]])
            raise KeyError(f"the model does not know {wrong!r}: it was not among its training data")
        return rows
