"""Raw columns of a preprocessor, some at a time: those of users, of items."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .frames import require_column

if TYPE_CHECKING:
    from ..data.preprocessing import Preprocessor

Array = npt.NDArray[Any]


class RawColumns:
    """Encodes some columns of raw rows.

    Args:
        preprocessor: The fitted preprocessor; None where values are encoded already.
    """

    def __init__(self, preprocessor: "Preprocessor | None") -> None:
        self.preprocessor = preprocessor
        self._parts: dict[tuple[str, ...], Preprocessor] = {}
        columns = () if preprocessor is None else preprocessor.columns
        self._input_of = {out: c.input_name for c in columns for out in c.outputs}
        self._raw_of = {c.input_name: c.sources for c in columns}

    def has(self, name: str) -> bool:
        """Whether there is an input of this name, or, without a preprocessor, may be one."""
        return self.preprocessor is None or name in self._input_of

    def sources(self, name: str) -> tuple[str, ...]:
        """Return the raw columns that an input is made of."""
        if self.preprocessor is None:
            return (name,)
        return self._raw_of[self._input_of[name]]

    def input_of(self, raw: str) -> str | None:
        """Return the name of the input with a vocabulary that is made of a raw column; or None."""
        if self.preprocessor is None:
            return raw
        for column in self.preprocessor.columns:
            vocabulary = getattr(self.preprocessor.encoders[column.input_name], "vocabulary", None)
            if column.sources == (raw,) and vocabulary is not None:
                return column.input_name
        return None

    def encode(self, names: Iterable[str], rows: pd.DataFrame, owner: str) -> dict[str, Array]:
        """Return inputs of raw rows.

        Args:
            names: The inputs.
            rows: The raw rows.
            owner: The argument that holds them, for messages.

        Raises:
            KeyError: A raw column is missing.
            ValueError: A cell does not fit its column.
        """
        wanted = tuple(dict.fromkeys(names))
        raws = dict.fromkeys(raw for name in wanted for raw in self.sources(name))
        columns = {raw: require_column(rows, raw, owner) for raw in raws}
        if self.preprocessor is None:
            return {name: _numbers(column, name, owner) for name, column in columns.items()}
        if not wanted:
            return {}
        chosen = tuple(dict.fromkeys(self._input_of[name] for name in wanted))
        if chosen not in self._parts:
            self._parts[chosen] = self.preprocessor.select(*chosen)
        found = self._parts[chosen].transform(rows[list(raws)])
        return {name: found[name] for name in wanted}


def _numbers(column: pd.Series, name: str, owner: str) -> Array:
    """Return a column of inputs as they are: numbers, or lists of one length.

    Raises:
        ValueError: It holds other values.
    """
    if not len(column):
        return np.empty(0, dtype=np.int64)
    values = column.to_numpy()
    if values.dtype == object and len({np.shape(value) for value in values}) == 1:
        values = np.stack([np.asarray(value) for value in values])
    if values.dtype.kind not in "biuf":
        raise ValueError(
            f"column {name!r} of {owner} must hold ids or numbers, as the bundle has no "
            f"preprocessor, got {column.iloc[0]!r}"
        )
    return values
