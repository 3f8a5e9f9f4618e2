"""`Pipeline`: candidates of one bundle, ranked by the predictions of another."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from .._bounds import check_number, check_whole, refuse_none
from .._errors import UnknownChoiceError
from .candidate_rows import CandidateRows
from .diversity import Diversity, maximal_marginal_relevance, unit_interval
from .rows import RowsBundle

Array = npt.NDArray[Any]
Ids = npt.NDArray[np.int64]
Combine: TypeAlias = Mapping[str, float] | Callable[[dict[str, Array]], Any] | None

_MOST_ROWS = 2**18  # of candidates, encoded at a time


class Pipeline:
    """Two stages: a bundle that recommends finds candidates, and a bundle of rows ranks them.

    Each candidate is one raw row of the second bundle, whose columns are taken from `context`, from
    the items of the first bundle, or from the users, in this order. Histories of its model,
    `hist_<column>`, are taken from the users too, or made of their log.

    Args:
        retrieval: A bundle with `recommend`: retrieval, next item or generative.
        ranking: A bundle with `predict` and a preprocessor: ranking or multi-task.
        candidates: Number of candidates of each user.
        diversity: Re-ranking by maximal marginal relevance, over scores that are scaled to [0, 1]
            for each user: λ, or a `Diversity`; None for none.

    Raises:
        TypeError: A bundle is of another task.
        ValueError: An argument is out of range.

    Example:
        >>> import tempfile
        >>> from torch_rechub.bundles import Pipeline, load_bundle
        >>> from torch_rechub.data.interactions import Interactions
        >>> from torch_rechub.data.preprocessing import Categorical, Preprocessor
        >>> from torch_rechub.models.generative import HSTUModel
        >>> from torch_rechub.models.ranking import LR
        >>> from torch_rechub.trainers import CTRTrainer, SeqTrainer
        >>> log = {"user": [1, 1, 1, 2, 2, 2], "item": list("abcbca"), "buy": [0, 1, 1, 0, 1, 0]}
        >>> ids = Preprocessor([Categorical("user"), Categorical("item")], targets=["buy"]).fit(log)
        >>> hstu = HSTUModel(5, d_model=4, n_heads=1, n_layers=1, dqk=2, dv=2, max_seq_len=3)
        >>> folder = tempfile.mkdtemp()
        >>> first = SeqTrainer(hstu, model_path=folder).save(
        ...     folder + "/first", preprocessor=ids, item="item", user="user")
        >>> second = CTRTrainer(LR(ids.features()), model_path=folder).save(
        ...     folder + "/second", preprocessor=ids)
        >>> pipeline = Pipeline(load_bundle(first), load_bundle(second), candidates=3)
        >>> found = pipeline.recommend([{"user": 2, "hist_item": ["a"]}], k=2)
        >>> list(found), len(found)
        (['user', 'item', 'score', 'rank', 'source', 'retrieval_score', 'retrieval_rank'], 2)
    """

    def __init__(
        self,
        retrieval: Any,
        ranking: RowsBundle,
        candidates: int = 200,
        diversity: float | Diversity | None = None,
    ) -> None:
        check_whole(1, candidates=candidates)
        if not hasattr(retrieval, "recommend"):
            raise TypeError(f"retrieval must be a bundle with recommend, got {retrieval!r}")
        if not isinstance(ranking, RowsBundle) or ranking.preprocessor is None:
            raise TypeError(
                "ranking must be a bundle of a ranking or multi-task model that was saved with its "
                f"preprocessor, got {ranking!r}"
            )
        if diversity is not None and not isinstance(diversity, Diversity):
            diversity = Diversity(diversity)
        if diversity is not None:
            _check_similarity(retrieval, diversity)
        self.retrieval, self.ranking = retrieval, ranking
        self.candidates, self.diversity = candidates, diversity

    def recommend(
        self,
        users: Any,
        k: int = 10,
        *,
        target: str | None = None,
        weights: Combine = None,
        context: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> pd.DataFrame:
        """Return the k candidates of each user with the highest predictions.

        Args:
            users: As in `recommend` of the first bundle, with the columns of users that the second
                one reads. Of a log it is the last row of each user.
            k: The number of items, at most `candidates`.
            target: Of several tasks, the one to rank by.
            weights: Of several tasks, a weight for each to rank by the weighted sum of predictions;
                or a function of a dict of predictions by task to scores.
            context: Columns of the request by name, such as the hour: one value, or one for each
                user, in the order of `users`, of a log in that of their first rows.
            **options: Other arguments of the first bundle's `recommend`, such as `exclude_seen`,
                `seen`, `filter`.

        Returns:
            Columns: user, item, under their raw names; score, the prediction; rank from 1; source,
            that of the candidate; retrieval_score and retrieval_rank, those of the first bundle.

        Raises:
            KeyError: No source has a column that the second bundle reads.
            TypeError: Weights or context are of another type.
            UnknownChoiceError: A task is unknown.
            ValueError: k is above `candidates`, a weight is not finite, or there are several tasks
                and no choice.
        """
        refuse_none(k=k)
        check_whole(1, k=k)
        if k > self.candidates:
            raise ValueError(f"k={k} is above candidates={self.candidates} of the Pipeline")
        if context is not None and not isinstance(context, Mapping):
            raise TypeError(f"context must be a dict of columns by name, got {context!r}")
        score = self._score(target, weights)
        rows = CandidateRows(self.retrieval, self.ranking, users, context or {})
        found = self.retrieval.recommend(users, self.candidates, **options)
        owner, scores = rows.owners(found), np.empty(len(found), dtype=np.float32)
        for part in _parts(owner):
            inputs = rows.inputs(found.iloc[part], owner[part])
            scores[part] = score(self.ranking.predict_inputs(inputs, 4096))
        order, rank = self._order(found, owner, scores, k)
        chosen = found.iloc[order].reset_index(drop=True)
        ranked: pd.DataFrame = chosen.assign(
            score=scores[order], rank=rank, retrieval_score=chosen["score"],
            retrieval_rank=chosen["rank"],
        )  # fmt: skip
        return ranked

    def _score(self, target: str | None, weights: Combine) -> Callable[[Array], Array]:
        """Return a function from predictions (R,) or (R, T) to scores (R,)."""
        names = self.ranking.targets
        several = "task_types" in self.ranking.document.outputs
        if target is not None and weights is not None:
            raise ValueError("recommend takes target= or weights=, one of them")
        if several and target is None and weights is None:
            raise ValueError(
                f"the bundle predicts {list(names)}: give one, as recommend(..., "
                f"target={names[0]!r}), or weights="
            )
        _check_weights(weights)
        asked = [target] if target is not None else weights if isinstance(weights, Mapping) else []
        if unknown := [name for name in asked if name not in names]:
            raise UnknownChoiceError(f"the task must be one of {list(names)}, got {unknown[0]!r}")

        def score(predictions: Array) -> Array:
            columns = predictions.reshape(len(predictions), -1)
            if not several and columns.shape[1] > 1:
                raise ValueError("the bundle predicts classes, which give no order of items")
            by_name = dict(zip(names or ("prediction",), columns.T, strict=False))
            if callable(weights):
                return _checked(weights(by_name), len(predictions))
            if weights is None:
                return columns[:, 0] if target is None else by_name[target]
            return np.asarray(sum(weight * by_name[name] for name, weight in weights.items()))

        return score

    def _order(
        self, found: pd.DataFrame, owner: Ids, scores: Array, k: int
    ) -> tuple[Ids, npt.NDArray[np.int64]]:
        """Return the rows of the first k items of each user, and their ranks.

        Ties are broken by the rank of the first bundle.
        """
        order = np.lexsort((found["rank"].to_numpy(), -scores, owner))
        of_user = np.unique(owner[order], return_inverse=True)[1]
        first = np.searchsorted(of_user, of_user, side="left")
        rank = np.arange(len(order)) - first
        if self.diversity is None or not len(order):
            return order[rank < k], rank[rank < k] + 1
        table = np.full((int(of_user.max()) + 1, int(rank.max()) + 1), -1)
        table[of_user, rank] = order
        best = self._diverse(found, scores, table, k)
        there = best >= 0
        chosen = np.take_along_axis(table, np.maximum(best, 0), axis=1)[there]
        return chosen, np.nonzero(there)[1] + 1

    def _diverse(self, found: pd.DataFrame, scores: Array, table: Ids, k: int) -> Ids:
        """Return the places in the rows of a table of candidates (U, C), in the new order."""
        assert self.diversity is not None
        names = found[self.retrieval.items.item].to_numpy()
        of_row, vectors = self._vectors(names)
        relevance = np.where(table >= 0, scores[table], -np.inf)
        result = []
        for part in np.array_split(np.arange(len(table)), max(1, table.size // _MOST_ROWS)):
            result.append(
                maximal_marginal_relevance(
                    unit_interval(torch.from_numpy(relevance[part])),
                    torch.from_numpy(vectors[of_row[np.maximum(table[part], 0)]]),
                    k,
                    trade_off=self.diversity.trade_off,
                    categorical=bool(self.diversity.columns),
                ).numpy()
            )
        return np.concatenate(result)

    def _vectors(self, names: Array) -> tuple[Ids, Array]:
        """Return the place of each item among distinct ones, and the vectors of these."""
        assert self.diversity is not None
        catalog = self.retrieval.items
        rows, place = np.unique(catalog.known_rows_of(names), return_inverse=True)
        if self.diversity.columns:
            columns = [pd.factorize(catalog.frame[c])[0][rows] for c in self.diversity.columns]
            return place, np.stack(columns, axis=1)
        ids = catalog.ids[rows]
        known = np.ones(len(ids), dtype=bool)
        if hasattr(self.retrieval, "known_items"):  # popular items may be new to the model
            known = np.isin(rows, catalog.rows_of(self.retrieval.known_items))
        of_known = self.retrieval.embed(items=ids[known].tolist())
        vectors = np.zeros((len(ids), of_known.shape[1]), dtype=of_known.dtype)
        vectors[known] = of_known
        return place, vectors


def _check_similarity(retrieval: Any, diversity: Diversity) -> None:
    """Refuse diversity by something that the first bundle does not have."""
    columns = list(retrieval.items.frame.columns)
    if unknown := [name for name in diversity.columns if name not in columns]:
        raise KeyError(f"the items have no column {unknown[0]!r}: their columns are {columns}")
    if not diversity.columns and not hasattr(retrieval, "embed"):
        raise ValueError(
            f"a {retrieval.task} bundle has no embeddings of items: give columns of items, as "
            'diversity=Diversity(columns=["category"])'
        )


def _parts(owner: Ids) -> list[Ids]:
    """Return the rows in parts of whole users, which follow each other."""
    n = max(1, len(owner) // _MOST_ROWS)
    bounds = np.searchsorted(owner, np.linspace(0, owner.max(initial=0) + 1, n + 1).astype(int))
    rows = np.arange(len(owner))
    return [rows[a:b] for a, b in pairwise(bounds) if b > a]


def _check_weights(weights: Any) -> None:
    """Refuse weights that give no order.

    Raises:
        TypeError: They are neither a dict nor a function, or one is no number.
        ValueError: There are none, or one is not finite.
    """
    if weights is None or callable(weights):
        return
    if not isinstance(weights, Mapping):
        raise TypeError(
            "weights must be a dict of a weight for each task, or a function of a dict of "
            f"predictions by task, got {weights!r}"
        )
    if not weights:
        raise ValueError("weights has no task: give a weight for at least one")
    of_tasks = {f"weights[{name!r}]": weight for name, weight in weights.items()}
    refuse_none(**of_tasks)
    check_number("(-inf, inf)", **of_tasks)


def _checked(scores: Any, n: int) -> Array:
    found = np.asarray(scores)
    if found.shape != (n,):
        raise ValueError(f"weights must return one score for each of {n} rows, got {found.shape}")
    return found
