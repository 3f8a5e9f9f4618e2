"""`Rows`: a selection of a log's interactions, with their columns and ids."""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..histories import rows
from .log import Log
from .vocabulary import encoded, values_by_frequency

Array = npt.NDArray[Any]
Ids = npt.NDArray[np.int64]
R = TypeVar("R", bound="Rows")


@dataclass(frozen=True, eq=False)
class Scope:
    """The surroundings of a part of a split.

    Attributes:
        past: The places of the rows that may be in histories, ascending.
        earlier: The places of earlier parts, or of training for training itself, ascending.
        whole: The places of all parts, ascending.
    """

    past: Ids
    earlier: Ids
    whole: Ids


class Rows:
    """Interactions in the order of user, time and row; selections share the columns.

    Args:
        log: The sorted log.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._place: Ids = np.arange(len(log.row))
        self._scope: Scope | None = None
        self._split: Mapping[str, Any] | None = None

    def __len__(self) -> int:
        return len(self._place)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({len(self):,} rows, {self.n_users:,} users, "
            f"{self.n_items:,} items)"
        )

    def __getitem__(self, name: str) -> Array:
        """Return a column in the order of user, time and row, as a new array (N,)."""
        return self._log.column(name, self._place)

    @property
    def rows(self) -> Ids:
        """The row of each interaction in the data given at first, from 0, shape (N,)."""
        return self._log.row.take(self._place)

    @property
    def n_users(self) -> int:
        """Number of users with an interaction."""
        return int(np.count_nonzero(np.bincount(self._log.user[self._place])))

    @property
    def n_items(self) -> int:
        """Number of items with an interaction."""
        return int(np.count_nonzero(np.bincount(self._log.item[self._place])))

    @property
    def sizes(self) -> dict[str, int]:
        """The vocabulary size of each column of ids, as a `SparseFeature` needs it.

        It is that of the whole log, so the same in all parts of a split: the largest id plus one;
        or after `encode` the number of values plus two, or the size of the preprocessor's feature.
        """
        log = self._log
        found = {}
        for name, values in {**log.entities, **log.columns}.items():
            if name in log.sizes:
                found[name] = log.sizes[name]
            elif values.dtype.kind == "i" and name not in (log.time_name, log.label_name):
                found[name] = int(values.max(initial=0)) + 1
        return found

    @property
    def vocabularies(self) -> dict[str, Array]:
        """The values of each column encoded by values; that at position i has the id i + 2."""
        return dict(self._log.vocabularies)

    def frame(self) -> pd.DataFrame:
        """Return a pandas frame of all columns, indexed by the row in the data."""
        columns = {name: cells(self[name]) for name in self._log.names}
        table: pd.DataFrame = pd.DataFrame(columns, index=pd.Index(self.rows, name="row"))
        return table

    def where(self: R, mask: Any) -> R:
        """Return the interactions where a mask holds.

        Args:
            mask: Booleans, shape (N,), in the order of `frame()`.

        Raises:
            TypeError: The mask is not boolean.
            ValueError: There is not one value per interaction.
        """
        chosen = np.asarray(mask)
        if chosen.dtype != bool:
            raise TypeError(f"mask must hold booleans, got {chosen.dtype}")
        if chosen.shape != (len(self),):
            raise ValueError(
                f"mask must have one value for each of the {len(self)} interactions, got the shape "
                f"{chosen.shape}"
            )
        return self._at(self._place[chosen])

    def count_values(self, columns: Iterable[str] | None = None) -> dict[str, Array]:
        """Return the distinct values of columns, most frequent first, ties by value.

        Args:
            columns: The columns; None means user, item, and the attributes that are not numbers.

        Example:
            >>> from torch_rechub.data.interactions import Interactions
            >>> log = {"user": [7] * 3, "item": ["a", "b", "b"], "time": [1, 2, 3]}
            >>> Interactions(log, "user", "item", "time").count_values(["item"])
            {'item': array(['b', 'a'], dtype=object)}
        """
        names = self._to_encode() if columns is None else columns
        return {name: values_by_frequency(self[name], name) for name in names}

    def encode(self: R, by: Any = None) -> R:
        """Return interactions with ids in place of values: 0 pads, 1 is unknown, values from 2.

        Rows stay the same: unknown users, who share the id 1, keep histories of their own.

        Args:
            by: The values of columns in the order of their ids, by name, such as
                `train.count_values()`; or a fitted `Preprocessor`, which receives all columns: its
                inputs replace columns of their name, and others are new attributes. None means
                `count_values()` of these interactions. `Split.encode` takes those of training.

        Raises:
            KeyError: A column is missing.
            TypeError: `by` is neither.
            ValueError: A column is encoded already, or holds one value twice.

        Example:
            >>> from torch_rechub.data.interactions import Interactions
            >>> log = {"user": ["u"] * 3, "item": ["a", "b", "b"], "time": [1, 2, 3]}
            >>> data = Interactions(log, "user", "item", "time")
            >>> data.encode()["item"].tolist(), data.encode().sizes
            ([3, 2, 2], {'user': 3, 'item': 4})
            >>> data.encode({"item": ["a"]})["item"].tolist()
            [2, 1, 1]
        """
        return self._changed(_log=self._encoded(by))

    def _to_encode(self) -> list[str]:
        log = self._log
        others = [name for name in log.attributes if log.columns[name].dtype.kind not in "if"]
        names = [log.user_name, log.item_name, *others]
        return [name for name in names if name not in log.sizes]

    def _encoded(self, by: Any) -> Log:
        return encoded(self._log, self.count_values() if by is None else by)

    def _at(self: R, place: Ids) -> R:
        """Return the interactions at places, which ascend."""
        return self._changed(_place=place)

    def _changed(self: R, **attributes: Any) -> R:
        other = copy.copy(self)
        other.__dict__.update(attributes)
        return other

    @property
    def _past(self) -> Ids:
        return self._place if self._scope is None else self._scope.past

    @property
    def _earlier(self) -> Ids:
        return self._place if self._scope is None else self._scope.earlier

    @property
    def _whole(self) -> Ids:
        return self._place if self._scope is None else self._scope.whole


def cells(column: Array) -> Array:
    """Return a column of vectors as an array of arrays; return others unchanged."""
    return column if column.ndim == 1 else rows(column)


def require_ids(log: Log, name: str, use: str) -> None:
    """Refuse a column that does not hold ids from 0.

    Args:
        log: The log.
        name: The column.
        use: The use of the ids, for the message.

    Raises:
        TypeError: The column does not hold whole numbers.
        ValueError: An id is below the first one that is not padding.
    """
    values = log.entities.get(name)
    values = log.columns[name] if values is None else values
    if values.dtype.kind != "i":
        raise TypeError(
            f"{use} needs whole numbers in column {name!r}, which holds {values.dtype}: call "
            "encode() first, or encode the data by a Preprocessor"
        )
    least = 1 if name in (log.item_name,) else 0
    if values.size and int(values.min()) < least:
        raise ValueError(
            f"{use} needs ids of at least {least} in column {name!r}, because 0 pads, got "
            f"{values.min()}: call encode() first"
        )
