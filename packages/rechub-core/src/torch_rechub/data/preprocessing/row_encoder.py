"""`RowEncoder`: a few rows at a time, as in serving, without the fixed costs of tables."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .columns import Bucketized, Categorical, Column, Crossed, Embedding, Hashed, MultiCategorical
from .columns.base import Inputs
from .columns.hashed import Hashes, in_buckets, pair_hashes
from .columns.multi_categorical import ListsEncoder
from .columns.numeric import NumericEncoder
from .row_cells import NotPlain, ValueIds, check_plain, one_form, text_of_cell
from .row_dicts import RowCells, Rows, columns_of_rows
from .row_ids import REFUSED, OneId, OneIdColumns
from .row_numbers import grouped, numbers_of_cells
from .statistics.text_hash import text_hash
from .vocabulary import PADDING, UNKNOWN, Vocabulary

if TYPE_CHECKING:
    from .preprocessor import Preprocessor

Cells = Sequence[Any]
Way = Callable[[RowCells], Inputs]

_TEXTS = {str, type(None)}
_LISTS = {list, tuple, type(None)}


class RowEncoder:
    """Encodes few rows with little delay, bit for bit as `Preprocessor.transform` does.

    Values are looked up in dicts and, of many cells, in hash tables of NumPy, which are made here:
    about 200 bytes and a microsecond for each value of a vocabulary. Columns of numbers are
    encoded together. Moments, given vectors and own functions, and cells that are more than text,
    numbers and bools of Python, take the way of `transform`, which costs a few milliseconds a call.
    For thousands of rows, `transform` is faster.

    Args:
        preprocessor: The preprocessor, fitted or loaded.

    Raises:
        NotFittedError: Nothing was fitted yet.

    Example:
        >>> from torch_rechub.data.preprocessing import Categorical, Numeric, Preprocessor
        >>> preprocessor = Preprocessor([Categorical("city"), Numeric("age")])
        >>> encoder = RowEncoder(preprocessor.fit({"city": ["b", "a", "b"], "age": [20, 30, 40]}))
        >>> encoder.encode([{"city": "a", "age": None}])
        {'city': array([3], dtype=int32), 'age': array([30.], dtype=float32)}
    """

    def __init__(self, preprocessor: "Preprocessor") -> None:
        self._preprocessor = preprocessor
        columns, encoders = preprocessor.columns, preprocessor.encoders
        self._sources = list(dict.fromkeys(s for column in columns for s in column.sources))
        self._outputs = [name for column in columns for name in column.outputs]
        self._together = _with_common_sources(columns)
        self._dicts: dict[int, ValueIds] = {}
        one_id = [self._of_one(encoders[c.input_name]) for c in columns if _has_one_id(c)]
        self._one_id = OneIdColumns(one_id)
        self._ways = list(self._other_ways(list(encoders.values())))
        fast = {name for names, _ in self._ways for name in names}
        fast |= {column.name for column in one_id}
        self._slow = frozenset(column.input_name for column in columns).difference(fast)
        # bounded, as rows of requests choose which columns are slow
        self._part = lru_cache(maxsize=64)(self._selected)

    def encode(self, rows: Rows, *, apart: bool = False) -> Inputs:
        """Return the inputs of rows.

        Args:
            rows: N dicts of cells by raw column; other keys are ignored.
            apart: Whether each row must be encoded as if it were alone.

        Returns:
            The inputs by name, of N rows each.

        Raises:
            NotPlain: With `apart`, the form of a cell depends on others, as that of a fraction
                among texts.
            KeyError: A row lacks a column; a missing value is None.
            TypeError: A row is no dict.
            ValueError: A cell does not fit its column; the message names column and row.
        """
        try:
            return self._encoded(RowCells(rows), apart)
        except NotPlain:
            raise
        except Exception:
            columns_of_rows(rows, self._sources)  # raises the error of a row that lacks a column
            raise

    def _encoded(self, cells: RowCells, apart: bool) -> Inputs:
        slow = set(self._slow)
        found = self._one_id.encode(cells, slow)
        for names, way in self._ways:
            try:
                found |= way(cells)
            except NotPlain:
                slow.update(names)
        if apart and slow != self._slow:
            raise NotPlain
        if slow:
            part = self._part(frozenset(slow))
            found |= part.transform({s: cells[s] for c in part.columns for s in c.sources})
        return {name: found[name] for name in self._outputs}

    def _selected(self, names: frozenset[str]) -> "Preprocessor":
        """Return the columns of names, with those that read the same raw columns."""
        every = {other for name in names for other in self._together[name]}
        return self._preprocessor.select(*sorted(every))

    def _ids(self, vocabulary: Vocabulary) -> ValueIds:
        """Return the dict of a vocabulary, which columns may share."""
        if id(vocabulary) not in self._dicts:
            self._dicts[id(vocabulary)] = ValueIds(vocabulary)
        return self._dicts[id(vocabulary)]

    def _of_one(self, encoder: Any) -> OneId:
        column = encoder.column
        own = isinstance(column, Categorical) and column.own_missing
        missing = encoder.vocabulary.missing_id if own else UNKNOWN
        if isinstance(column, Categorical) and column.missing == "error":
            missing = REFUSED
        return OneId(column.input_name, column.column, self._ids(encoder.vocabulary), missing)

    def _other_ways(self, encoders: Sequence[Any]) -> "Iterator[tuple[list[str], Way]]":
        """Yield functions from cells to inputs, with the names of their columns."""
        for encoder in encoders:
            column = encoder.column
            if isinstance(column, MultiCategorical):
                yield [column.input_name], partial(_lists, encoder, self._ids(encoder.vocabulary))
            if isinstance(column, Bucketized):
                yield [column.input_name], partial(_buckets, encoder)
        hashed = [e.column for e in encoders if isinstance(e.column, Hashed | Crossed)]
        if hashed:
            yield [column.input_name for column in hashed], partial(_hashed, hashed)
        numeric = [
            e
            for e in encoders
            if isinstance(e, NumericEncoder) and not callable(e.column.transform)
        ]
        for group in grouped(numeric):
            yield group.names, group.encode


def _has_one_id(column: Column) -> bool:
    return isinstance(column, Categorical) or (isinstance(column, Embedding) and column.is_of_ids)


def _with_common_sources(columns: Sequence[Column]) -> dict[str, set[str]]:
    """Return, for each column, those that are read together: one may set the form of another."""
    groups: list[tuple[set[str], set[str]]] = []
    for column in columns:
        sources, names = set(column.sources), {column.input_name}
        for group in [group for group in groups if group[0] & sources]:
            groups.remove(group)
            sources, names = sources | group[0], names | group[1]
        groups.append((sources, names))
    return {name: names for _, names in groups for name in names}


def _lists(encoder: ListsEncoder, ids: ValueIds, cells: RowCells) -> Inputs:
    """Return the padded ids of lists, or of texts that are split."""
    column, length = encoder.column, encoder.length
    own = cells[column.column]
    kinds = set(map(type, own))
    if float in kinds:  # pandas has NaN for missing lists
        own = [None if cell is None or cell != cell else cell for cell in own]
        kinds = set(map(type, own))
    if kinds <= _TEXTS and column.splits_text:
        tokens = [column.tokens(one_form(cell)) if cell else [] for cell in own]
    elif kinds <= _LISTS:
        tokens = [cell or [] for cell in own]
    else:
        raise NotPlain
    found = np.full((len(own), length), PADDING, np.int32)
    for row, of_row in enumerate(tokens):
        if of_row:
            of_tokens = ids.of_tokens(of_row)
            kept = of_tokens[-length:] if column.keep == "last" else of_tokens[:length]
            found[row, : len(kept)] = kept
    return {column.input_name: found}


def _buckets(encoder: Any, cells: RowCells) -> Inputs:
    found: Inputs = encoder.encode(numbers_of_cells(cells[encoder.column.column]))
    return found


def _hashed(columns: Sequence[Hashed | Crossed], cells: RowCells) -> Inputs:
    """Return the ids of hashed columns; the texts of all are hashed at once."""
    sources = list(dict.fromkeys(source for column in columns for source in column.sources))
    hashes, missing = _hashes([cells[source] for source in sources])
    of_source = dict(zip(sources, zip(hashes, missing, strict=True), strict=True))
    found: Inputs = {}
    for column in columns:
        of_cells, gaps = of_source[column.column]
        if isinstance(column, Crossed):
            of_other, gaps_of_other = of_source[column.other]
            of_cells, gaps = pair_hashes(of_cells, of_other), gaps | gaps_of_other
        ids = in_buckets(of_cells, column.buckets)
        found[column.input_name] = np.where(gaps, np.int32(UNKNOWN), ids)
    return found


def _hashes(columns: Sequence[Cells]) -> tuple[Hashes, npt.NDArray[np.bool_]]:
    """Return the hashes of cells of S columns, and which are missing; shape (S, N) each."""
    import pyarrow as pa

    for cells in columns:
        check_plain(cells)
    texts = [text_of_cell(cell) for cells in columns for cell in cells]
    missing = np.array([text is None for text in texts], dtype=bool)
    try:
        array = pa.array([text or "" for text in texts], pa.large_string())
    except (UnicodeEncodeError, pa.ArrowException) as error:
        raise NotPlain from error
    shape = (len(columns), -1) if texts else (len(columns), 0)
    return text_hash(array).reshape(shape), missing.reshape(shape)
