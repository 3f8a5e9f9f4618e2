"""Raw rows of users and their candidates, encoded for a model that ranks them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .histories import HistoryForm, RawHistories
from .raw import RawColumns
from .raw_ids import keys_of
from .rows import RowsBundle

Array = npt.NDArray[Any]
Ids = npt.NDArray[np.int64]

PREFIX = "hist_"


class CandidateRows:
    """The inputs of a ranking model for users and their candidates.

    Columns of users and of items are encoded once, not for each pair.

    Args:
        retrieval: The bundle that finds candidates.
        ranking: The bundle that ranks them.
        users: The users, as `retrieval.recommend` takes them.
        context: Columns of the request by name: one value, or one for each user.

    Raises:
        KeyError: No source has a column that the ranking bundle reads.
        ValueError: A user is given twice, a column is one of users and of items, or a column of the
            context has not one value for each user.
    """

    def __init__(
        self, retrieval: Any, ranking: RowsBundle, users: Any, context: Mapping[str, Any]
    ) -> None:
        assert ranking.preprocessor is not None
        self._catalog = retrieval.items
        columns = ranking.preprocessor.columns
        sources = dict.fromkeys(source for column in columns for source in column.sources)
        of_users = [s for s in sources if s not in self._catalog.frame and s not in context]
        given = _form(retrieval).read(users, False, False, of_users)
        self._name, self._keys = given.name, keys_of(given.users)
        self._raw = RawColumns(ranking.preprocessor)
        if unknown := [name for name in context if name not in sources]:
            raise KeyError(f"context has {unknown[0]!r}, but the columns read are {list(sources)}")
        items = [s for s in sources if s in self._catalog.frame and s not in context]
        self._check(given, items)
        self._of_users = self._user_columns(given, [s for s in sources if s not in items], context)
        self._inputs: dict[str, list[str]] = {"user": [], "item": [], "both": []}
        for column in columns:
            sides = {"item" if source in items else "user" for source in column.sources}
            side = sides.pop() if len(sides) == 1 else "both"
            self._inputs[side] += column.outputs

    def _check(self, given: RawHistories, items: list[str]) -> None:
        """Refuse a user that is given twice, and a column of two owners."""
        if (twice := self._keys.duplicated()).any():
            user = self._keys[int(twice.argmax())]
            raise ValueError(f"users has {self._name} {user!r} twice: give one row for each user")
        item = self._catalog.item
        is_log = item in given.frame and PREFIX + item not in given.frame
        both = [name for name in items if name in given.frame]
        if both and not is_log:  # a log may have the columns of its items
            raise ValueError(
                f"the users and the items both have a column {both[0]!r}: rename one of them, in "
                "training too, or leave it out of the users"
            )

    def owners(self, found: pd.DataFrame) -> Ids:
        """Return the number of the user of each candidate, (R,).

        Args:
            found: The recommendations of the first bundle.
        """
        owner: Ids = self._keys.get_indexer(keys_of(found[self._name].to_numpy()))
        return owner

    def inputs(self, found: pd.DataFrame, owner: Ids) -> dict[str, Array]:
        """Return the inputs of candidates.

        Args:
            found: Some of the recommendations, R.
            owner: The number of the user of each, (R,).

        Raises:
            ValueError: A cell does not fit its column.
        """
        rows = self._catalog.rows_of(found[self._catalog.item].to_numpy())
        users, of_user = np.unique(owner, return_inverse=True)
        items, of_item = np.unique(rows, return_inverse=True)
        user_rows, item_rows = self._of_users.iloc[users], self._catalog.frame.iloc[items]
        encoded = self._encoded("user", user_rows, of_user)
        encoded |= self._encoded("item", item_rows, of_item)
        if self._inputs["both"]:
            left = user_rows.iloc[of_user].reset_index(drop=True)
            right = item_rows.iloc[of_item].reset_index(drop=True)
            both = pd.concat([left.drop(columns=right.columns, errors="ignore"), right], axis=1)
            encoded |= self._encoded("both", both, np.arange(len(both)))
        return encoded

    def _encoded(self, side: str, rows: pd.DataFrame, place: Ids) -> dict[str, Array]:
        rows = rows.reset_index(drop=True)
        found = self._raw.encode(self._inputs[side], rows, "the rows of the ranking bundle")
        return {name: np.asarray(values)[place] for name, values in found.items()}

    def _user_columns(
        self, given: RawHistories, names: list[str], context: Mapping[str, Any]
    ) -> pd.DataFrame:
        """Return the columns that do not come from items, one row for each user."""
        columns: dict[str, Any] = {}
        for name in names:
            if name in context:
                columns[name] = _for_each(context[name], name, len(given.users))
            elif name in given.frame.columns:
                columns[name] = given.frame[name].to_numpy()
            elif (lists := self._history(given, name)) is not None:
                columns[name] = lists
            elif not len(given.users):
                columns[name] = []
            else:
                raise KeyError(
                    f"the ranking bundle reads a column {name!r}, which neither the users "
                    f"({list(given.frame.columns)}) nor the items "
                    f"({list(self._catalog.frame.columns)}) have: add it there, or give it in "
                    "context="
                )
        index = pd.RangeIndex(len(given.users))
        series = {name: pd.Series(values, index=index) for name, values in columns.items()}
        table: pd.DataFrame = pd.DataFrame(series, index=index)
        return table

    def _history(self, given: RawHistories, name: str) -> list[list[Any]] | None:
        """Return the values of a column of items in each history; None if it is none."""
        column = name.removeprefix(PREFIX)
        if column == name or column not in self._catalog.frame.columns:
            return None
        values, known = given.items, np.ones(len(given.items), dtype=bool)
        if column != self._catalog.item:
            rows = self._catalog.rows_of(given.ids)
            known = rows >= 0
            values = self._catalog.frame[column].to_numpy()[np.maximum(rows, 0)]
        bounds = zip(given.start[:-1], given.start[1:], strict=True)
        return [values[a:b][known[a:b]].tolist() for a, b in bounds]


def _form(retrieval: Any) -> HistoryForm:
    """Return how the first bundle reads users."""
    parts = [part for part in retrieval.parts.values() if hasattr(part, "histories")]
    form: HistoryForm = parts[0].histories
    return form


def _for_each(value: Any, name: str, n_users: int) -> Any:
    """Return a value for each user."""
    if isinstance(value, str | bytes) or not hasattr(value, "__len__"):
        return [value] * n_users
    if len(value) != n_users:
        raise ValueError(f"context has {len(value)} values of {name!r} for {n_users} users")
    return list(value)
