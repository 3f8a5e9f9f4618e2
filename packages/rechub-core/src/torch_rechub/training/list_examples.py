"""The table of recommendations: the top items of some users, the relevant ones marked."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..data.batch import Batch
from .evaluation import Evaluation
from .examples import Examples, ExampleTable

COLUMNS = ("user", "rank", "item", "title", "score", "relevant")

Ranked = Sequence[tuple[Any, float | None]]


@runtime_checkable
class RanksItems(Protocol):
    """The part of `RetrievalData` that returns recommendations.

    Attributes:
        users: The users.
        items: The catalog.
    """

    users: Any
    items: Any

    def ranked(self, model: nn.Module, predictions: Callable[..., Any], k: int) -> Any:
        """Return the top K items of each user, as `best`, `scores` and `n_items`."""

    def relevant_items(self, n_items: int, n_users: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the relevant items as (indptr, indices)."""


def table_of_lists(
    wanted: Examples, lists: Iterable[tuple[str, Ranked, Sequence[Any]]]
) -> list[ExampleTable]:
    """Return the table of recommendations.

    Relevant items that were not recommended follow the list of their user, without a rank.

    Args:
        wanted: The options.
        lists: For each user its label, the recommended items with their scores, the best first,
            and its relevant items.

    Example:
        >>> lists = [("user 1", [(7, 0.5), (8, 0.25)], [8, 9])]
        >>> for row in table_of_lists(Examples(titles={7: "Heat"}), lists)[0].rows:
        ...     print(row)
        ('user 1', 1, 7, 'Heat', 0.5, False)
        ('user 1', 2, 8, None, 0.25, True)
        ('user 1', None, 9, None, None, True)
    """
    rows: list[tuple[Any, ...]] = []
    for user, ranked, relevant in lists:
        known, found = set(relevant), {item for item, _ in ranked}
        for rank, (item, score) in enumerate(ranked, 1):
            rows.append((user, rank, item, wanted.title(item), score, item in known))
        missed = [item for item in relevant if item not in found][: wanted.k]
        rows += [(user, None, item, wanted.title(item), None, True) for item in missed]
    return [ExampleTable("examples/top_k", COLUMNS, rows)] if rows else []


def of_retrieval(
    wanted: Examples, data: RanksItems, model: nn.Module, evaluation: Evaluation
) -> list[ExampleTable]:
    """Return the recommendations for users that are spread evenly over those with relevant items.

    Args:
        wanted: The options.
        data: The users, the catalog and the relevant items.
        model: The model.
        evaluation: The evaluation loop.
    """
    found = data.ranked(model, evaluation.predictions, wanted.k)
    start, relevant = data.relevant_items(found.n_items, len(found.best))
    users = _spread(np.flatnonzero(np.diff(start)), wanted.users)
    user_ids = _ids(data.users, wanted.user, len(found.best))
    item_ids = _ids(data.items, wanted.item, found.n_items)

    def of(user: int) -> tuple[str, Ranked, list[Any]]:
        pairs = zip(found.best[user].tolist(), found.scores[user].tolist(), strict=True)
        ranked = [(item_ids[item], score) for item, score in pairs if item >= 0]
        positives = np.unique(relevant[start[user] : start[user + 1]]).tolist()
        return wanted.user_label(user_ids[user]), ranked, [item_ids[item] for item in positives]

    return table_of_lists(wanted, map(of, users.tolist()))


def first_batches(
    evaluation: Evaluation, model: nn.Module, data: Any, rows: int, labels: bool
) -> Iterator[Batch]:
    """Iterate over the first rows of data, on the device; the model is in evaluation mode.

    Args:
        evaluation: The evaluation loop.
        model: The model.
        data: A loader, or data that `as_loader` accepts.
        rows: The number of rows; the last batch may have more.
        labels: Whether labels are used.
    """
    try:
        loader = evaluation.batches.loader_of(data, model, in_order=True)
    except ValueError:  # a sampler chooses the rows, as in validation
        loader = evaluation.batches.loader_of(data, model)
    model.eval()
    with torch.inference_mode():
        for batch in evaluation.batches(loader, loader, model=model, labels=labels):
            yield batch
            rows -= batch.rows
            if rows <= 0:
                return


def of_sequences(
    wanted: Examples, data: Any, model: nn.Module, evaluation: Evaluation, exclude_seen: bool
) -> list[ExampleTable]:
    """Return the next items of the first sequences with tokens and a target.

    Args:
        wanted: The options.
        data: Yields (tokens, positions, time_diffs, targets).
        model: The model.
        evaluation: The evaluation loop.
        exclude_seen: Whether to exclude the items of a sequence.
    """
    # imported here, because training needs no bundles
    from ..bundles.token_sequences import next_scores

    def lists() -> Iterator[tuple[Ranked, list[Any]]]:
        for batch in first_batches(evaluation, model, data, wanted.users, labels=True):
            tokens, _, time_diffs = batch.inputs
            targets = batch.labeled().reshape(-1)
            kept = (tokens != 0).any(dim=1) & (targets != 0)
            tokens, time_diffs, targets = tokens[kept], time_diffs[kept], targets[kept]
            scores = next_scores(model, tokens, time_diffs).float()
            if exclude_seen:
                scores.scatter_(1, tokens.long(), -torch.inf)
            scores[:, 0] = -torch.inf
            best = scores.topk(min(wanted.k, scores.shape[1]), dim=1)
            for row, target in enumerate(targets.tolist()):
                pairs = zip(best.indices[row].tolist(), best.values[row].tolist(), strict=True)
                yield [(i, score) for i, score in pairs if score > -torch.inf], [target]

    return _of_first(wanted, lists())


class GeneratesItems(Protocol):
    """The part of `BeamSearch` that returns items."""

    def __call__(self, x: Any, num_beams: int) -> list[list[Any]]:
        """Return the items of the beams of each history."""

    @property
    def items(self) -> Callable[[Sequence[int]], list[Any]]:
        """A function that decodes token numbers to items."""


class ShowsGenerated:
    """The table of recommendations of a trainer of generative models."""

    evaluation: Evaluation
    model: nn.Module
    ranking: dict[str, Any]

    def examples(self, wanted: Examples, data: Any) -> list[ExampleTable]:
        """Return the next items of the first histories."""
        if data is None or not wanted.users:
            return []
        return _of_first(wanted, self._lists(wanted, data))

    def _lists(self, wanted: Examples, data: Any) -> Iterator[tuple[Ranked, list[Any]]]:
        search: GeneratesItems = self.search  # type: ignore[attr-defined]
        first = first_batches(self.evaluation, self.model, data, wanted.users, labels=False)
        for batch in first:
            x = {name: column[: wanted.users] for name, column in batch.inputs.items()}
            histories = [search.items(row) for row in x["input_ids"].tolist()]
            longest = max(map(len, histories), default=0) if self.ranking["exclude_seen"] else 0
            found = search(x, self.ranking["num_beams"] or wanted.k + longest)
            targets = [search.items(row) for row in x["labels"].tolist()]
            for history, items, target in zip(histories, found, targets, strict=True):
                seen = history if self.ranking["exclude_seen"] else ()
                ranked = [(item, None) for item in items if item not in seen]
                yield ranked[: wanted.k], target


def _of_first(
    wanted: Examples, lists: Iterable[tuple[Ranked, Sequence[Any]]]
) -> list[ExampleTable]:
    """Return the table of the first histories, which have numbers and no ids of users."""
    numbered = ((f"row {n}", *found) for n, found in enumerate(islice(lists, wanted.users)))
    return table_of_lists(wanted, numbered)


def _spread(rows: NDArray[Any], n: int) -> NDArray[Any]:
    """Return n rows, evenly spread over the given ones.

    Example:
        >>> _spread(np.array([0, 2, 4, 6, 8]), 3)
        array([0, 4, 8])
    """
    if len(rows) <= n:
        return rows
    spread: NDArray[Any] = rows[np.linspace(0, len(rows) - 1, n).round().astype(int)]
    return spread


def check_columns(wanted: Examples, data: Any) -> None:
    """Check the columns of ids of `RetrievalData`.

    Raises:
        KeyError: There is no such column.
    """
    for part, name in (("users", wanted.user), ("items", wanted.item)):
        names = _names(getattr(data, part))
        if name is not None and name not in names:
            listed = ", ".join(map(str, names)) or "none"
            raise KeyError(f"examples: {part} have no column {name!r} of ids; columns: {listed}")


def _names(columns: Any) -> list[Any]:
    """The names of the columns of a dict or a pandas, polars or Arrow table; else none."""
    if hasattr(columns, "column_names"):
        return list(columns.column_names)
    return list(columns) if hasattr(columns, "keys") else list(getattr(columns, "columns", ()))


def _ids(columns: Any, name: str | None, n: int) -> list[Any]:
    """Return the ids of a column; the numbers of the rows where there are no columns."""
    names = _names(columns)
    if not names:
        return list(range(n))
    column = columns[names[0] if name is None else name]
    convert = getattr(column, "to_pylist", None) or getattr(column, "tolist", None)
    values = list(column) if convert is None else convert()
    return values if len(values) == n else list(range(n))
