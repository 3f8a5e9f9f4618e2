"""Raw columns to inputs of a model: fitted once, applied in training and in serving."""

import copy
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from ..._extras import require
from ...types import FilePath
from .checks import check_columns
from .columns import Column, Encoder
from .encoded_table import EncodedTable
from .encoding import Encoding, handed_out, in_memory, on_disk
from .fitted_columns import FittedColumns
from .fitting import States, encoders_of, merged, states_of
from .parsing import Declaration
from .targets import Target

if TYPE_CHECKING:
    from ..streaming import ShardedTable

_FITTING = threading.Lock()  # of all preprocessors, because locks cannot be copied or sent


class Preprocessor(FittedColumns):
    """Turns raw columns into ids and numbers; fitted on training data, then applied everywhere.

    Data are a dict of columns, a list of dicts of cells (a key for each column, None where a value
    is missing), a pandas, polars or Arrow table, or paths of CSV, TSV, JSON lines and Parquet files
    (a path, a glob, a list), read in blocks: memory holds vocabularies and one block. Labels and
    weights are declared apart, so that they never become inputs; rows without them can be
    transformed too, as in serving; few rows at a time with little delay by `RowEncoder`.

    Args:
        columns: The columns: `Categorical`, `Numeric`, `MultiCategorical` and so on.
        targets: The columns of labels: names, or `Target`.
        weight: The column of row weights; None means none.

    Raises:
        ImportError: pyarrow is missing (extra ``data``).
        ValueError: Two inputs have one name, or a label is an input.

    Example:
        >>> from torch_rechub.data.preprocessing import Categorical, Numeric, Preprocessor
        >>> log = {"city": ["b", "a", "b"], "age": [20, None, 40], "click": [1, 0, 1]}
        >>> preprocessor = Preprocessor([Categorical("city"), Numeric("age")], targets=["click"])
        >>> train = preprocessor.fit_transform(log)
        >>> train["city"], train["age"]
        (array([2, 3, 2], dtype=int32), array([20., 30., 40.], dtype=float32))
        >>> train.y
        array([1., 0., 1.], dtype=float32)
        >>> preprocessor.transform({"city": ["z"], "age": [50]})["city"]
        array([1], dtype=int32)
    """

    def __init__(
        self,
        columns: Sequence[Column],
        targets: Sequence[str | Target] = (),
        weight: str | None = None,
    ) -> None:
        require("pyarrow", "Preprocessor", "data")
        if isinstance(targets, str | Target):
            raise TypeError(f"targets must be a list, such as [{targets!r}]")
        self.columns = tuple(columns)
        self.targets = tuple(Target.of(target) for target in targets)
        self.weight = weight
        self._declaration = Declaration(self.columns, self.targets, weight)
        self._states: States | None = None
        self._encoders: dict[str, Encoder] | None = None
        check_columns(self._declaration)

    def fit(self, data: Any, **reading: Any) -> "Preprocessor":
        """Fit the columns on data; an earlier fit is dropped.

        Args:
            data: The rows; see the class.
            **reading: How files are read: header, separator, quote, null_values, encoding; see
                `torch_rechub.data.reading.read_blocks`.

        Raises:
            KeyError: A column is missing.
            ValueError: No rows, or a cell does not fit; the message names file, column and row.
        """
        self._states, self._encoders = self._observed(data, reading), None
        _ = self.encoders  # raises what a column cannot be fitted for
        return self

    def partial_fit(self, data: Any, **reading: Any) -> "Preprocessor":
        """Add data to what the columns were fitted on; the parts may come in any order.

        After an error, the preprocessor is as before.

        Args:
            data: The rows; see the class.
            **reading: How files are read; see `fit`.

        Raises:
            RuntimeError: The preprocessor was loaded, grown or selected: it holds ids, no longer
                all counts.
        """
        self._refuse_loaded()
        return self._add(self._observed(data, reading))

    def _observed(self, data: Any, reading: Mapping[str, Any]) -> States:
        """Return the statistics of data."""
        blocks = self._declaration.read(data, False, reading)
        return states_of(self.columns, (self._declaration.parsed(*block) for block in blocks))

    def _add(self, others: States) -> "Preprocessor":
        """Add statistics; encoders are made of them again when they are needed."""
        self._states = others if self._states is None else merged(self._states, others)
        self._encoders = None
        return self

    def merge(self, other: "Preprocessor") -> "Preprocessor":
        """Add what another preprocessor of the same columns was fitted on.

        Merging is associative and commutative, and exact: the parts give what the whole gives, but
        for quantiles of more than a million distinct numbers; see `Quantiles`.

        Args:
            other: The other one; it is not changed.

        Raises:
            RuntimeError: One of them was loaded.
            ValueError: The other has other columns.
        """
        settings, others = ([(type(c), c.settings()) for c in p.columns] for p in (self, other))
        if settings != others:
            raise ValueError("only preprocessors of the same columns can be merged")
        self._refuse_loaded()
        other._refuse_loaded()
        added = other._states if self._states is not None else copy.deepcopy(other._states)
        return self if added is None else self._add(added)

    def _refuse_loaded(self) -> None:
        if self._states is None and self._encoders is not None:
            raise RuntimeError(
                "a loaded preprocessor holds ids, not the counts of all values, as a grown or "
                "selected one does, so that nothing can be added to it: fit a new one on all data, "
                "or append new values to its vocabularies with grown(data)"
            )

    @property
    def encoders(self) -> Mapping[str, Encoder]:
        """The fitted columns by name of the input.

        Raises:
            NotFittedError: Nothing was fitted yet.
        """
        with _FITTING:
            if self._encoders is None:
                if self._states is None:
                    # imported here, because training needs no scikit-learn
                    from sklearn.exceptions import NotFittedError  # type: ignore[import-untyped]

                    raise NotFittedError("this Preprocessor is not fitted yet: call fit first")
                self._encoders = encoders_of(self.columns, self._states)
            return self._encoders

    @overload
    def transform(self, data: Any, out: None = None, **reading: Any) -> EncodedTable: ...

    @overload
    def transform(self, data: Any, out: FilePath, **reading: Any) -> "ShardedTable": ...

    def transform(
        self, data: Any, out: FilePath | None = None, **reading: Any
    ) -> "EncodedTable | ShardedTable":
        """Encode rows.

        Args:
            data: The rows; see the class. Labels and weights may be missing, all at once.
            out: A new folder for Parquet shards, so that memory holds one block only; None returns
                the rows in memory.
            **reading: How files are read; see `fit`.

        Raises:
            KeyError: A column is missing.
            NotFittedError: Nothing was fitted yet.
            ValueError: A cell does not fit its column; the message names file, column and row.
        """
        encoding = Encoding(self.columns, self.encoders)
        blocks = self._declaration.read_parsed(data, reading)
        if out is None:
            return in_memory(blocks, encoding)
        return on_disk(blocks, encoding, out, self._declaration)

    @overload
    def fit_transform(self, data: Any, out: None = None, **reading: Any) -> EncodedTable: ...

    @overload
    def fit_transform(self, data: Any, out: FilePath, **reading: Any) -> "ShardedTable": ...

    def fit_transform(
        self, data: Any, out: FilePath | None = None, **reading: Any
    ) -> "EncodedTable | ShardedTable":
        """Fit the columns on data, and encode them; see `fit` and `transform`.

        In memory, the data are read and parsed once; with `out`, twice.

        Args:
            data: The rows; see the class.
            out: A new folder for Parquet shards; None returns the rows in memory.
            **reading: How files are read; see `fit`.
        """
        if out is not None:
            if isinstance(data, Iterator):
                raise TypeError("an iterator can be read once only: give a list, or fit first")
            encoding = Encoding(self.columns, self.fit(data, **reading).encoders)
            labeled = self._declaration.read_parsed(data, reading, required=True)
            return on_disk(labeled, encoding, out, self._declaration)
        blocks = list(self._declaration.read_parsed(data, reading, required=True))
        self._states, self._encoders = states_of(self.columns, blocks), None
        return in_memory(handed_out(blocks), Encoding(self.columns, self.encoders))
