"""The cells of a raw column in a block, and their distinct values."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt

from ..reading import Place

if TYPE_CHECKING:
    import pyarrow as pa

Codes = npt.NDArray[np.int32]

IN_MEMORY = Place("the data")

MISSING = -1
"""The code of a missing cell."""


@dataclass(frozen=True, eq=False)
class Cells:
    """The N cells of one raw column in one block.

    Attributes:
        array: The cells, an Arrow array.
        column: Name of the column, for messages.
        place: Where the block comes from, for messages.
        row_of: The row of the block that a cell lies in, for messages; None if cells are rows.
    """

    array: "pa.Array"
    column: str
    place: Place = IN_MEMORY
    row_of: Callable[[int], int] | None = None

    def __len__(self) -> int:
        return len(self.array)

    def refuse(self, problem: str, row: int, remedy: str) -> NoReturn:
        """Raise ValueError for the cell in `row` of the block."""
        raise ValueError(f"{self.where(row)} {problem}: {remedy}")

    def where(self, row: int) -> str:
        """Return "column 'price', row 17 of clicks.csv:" for a row of the block."""
        row = row if self.row_of is None else self.row_of(row)
        return f"column {self.column!r}, {self.place.row(row)}:"

    def with_array(self, array: "pa.Array", cell_of: Callable[[int], int] | None = None) -> "Cells":
        """Return other cells of the same place.

        Args:
            array: The cells.
            cell_of: The cell of these that another one comes from; None if they correspond.
        """
        outer = self.row_of
        if cell_of is None or outer is None:
            return Cells(array, self.column, self.place, cell_of or outer)
        return Cells(array, self.column, self.place, lambda cell: outer(cell_of(cell)))

    def with_values(self, values: "pa.Array", codes: Codes) -> "Cells":
        """Return distinct values as cells; the row of each is that where it occurs first."""
        return self.with_array(values, lambda value: int((codes == value).argmax()))


@dataclass(frozen=True, eq=False)
class Distinct:
    """The distinct values of N cells, and which of them each cell holds.

    Attributes:
        values: D distinct values, an Arrow array of int64 or of large_string, without nulls.
        codes: The position in `values` of each cell, `MISSING` for missing cells; shape (N,).
    """

    values: "pa.Array"
    codes: Codes

    def counts(self) -> npt.NDArray[np.int64]:
        """Return the number of cells of each value, shape (D,)."""
        present = self.codes[self.codes != MISSING] if self.n_missing else self.codes
        return np.bincount(present, minlength=len(self.values))

    @property
    def n_missing(self) -> int:
        """Number of missing cells."""
        return int((self.codes == MISSING).sum())

    def ids(self, of_value: npt.NDArray[Any], of_missing: int) -> npt.NDArray[Any]:
        """Return the id of each cell, given the id of each distinct value."""
        # the id of missing cells goes last, where the code -1 finds it
        return np.append(of_value, of_value.dtype.type(of_missing))[self.codes]


def distinct(cells: Cells) -> Distinct:
    """Find the distinct values of cells that hold categories.

    Values have one form wherever they come from: whole numbers of any type are int64, other
    values are text, and a whole number equals its decimal text (`7`, `"7"`, and `"7.0"`, which
    pandas writes for a column with holes, but not `"007"`). Bools are "true" and "false", which
    "True", "TRUE" and the like equal. None, NaN, null and empty text are missing.

    Raises:
        ValueError: A cell holds no category: a fraction, a date, a list. The message names the
            column, the row and the remedy.

    Example:
        >>> import pyarrow as pa
        >>> found = distinct(Cells(pa.array(["b", "", "a", "b"]), "city"))
        >>> found.values.to_pylist(), found.codes
        (['b', 'a'], array([ 0, -1,  1,  0], dtype=int32))
    """
    import pyarrow as pa

    array = cells.array
    if pa.types.is_dictionary(array.type):
        return _of_dictionary(cells, array)
    if pa.types.is_null(array.type):
        return Distinct(pa.array([], pa.int64()), np.full(len(array), MISSING, np.int32))
    if pa.types.is_floating(array.type):
        array = _whole_numbers(cells)
    elif not _is_hashable(array.type):
        _refuse_type(cells)
    return _of_dictionary(cells, array.dictionary_encode())


def _of_dictionary(cells: Cells, encoded: "pa.DictionaryArray") -> Distinct:
    """Return the distinct values of a dictionary array, in their one form."""
    import pyarrow as pa

    indices = encoded.indices.cast(pa.int32())
    if indices.null_count:
        indices = indices.fill_null(MISSING)
    codes = indices.to_numpy(zero_copy_only=False)
    values, codes = _used(encoded.dictionary, codes)
    found = _without_missing(_one_form(cells.with_values(values, codes)), codes)
    return _with_equal_texts(found) if pa.types.is_large_string(found.values.type) else found


def _used(values: "pa.Array", codes: Codes) -> "tuple[pa.Array, Codes]":
    """Drop values that no cell holds, as dictionaries of pandas and of parts of tables have."""
    import pyarrow as pa

    used = np.zeros(len(values) + 1, dtype=bool)
    used[codes] = True  # the last one is that of missing cells
    if used[:-1].all():
        return values, codes
    return values.filter(pa.array(used[:-1])), _renumbered(used[:-1])[codes]


def _renumbered(kept: npt.NDArray[np.bool_]) -> Codes:
    """Return the new code of each old one, and of `MISSING` at the end."""
    new = np.where(kept, np.cumsum(kept) - 1, MISSING)
    return np.append(new, MISSING).astype(np.int32)


def _without_missing(values: "pa.Array", codes: Codes) -> Distinct:
    """Drop nulls and empty text from the values."""
    import pyarrow as pa
    import pyarrow.compute as pc

    missing = values.is_null()
    if pa.types.is_large_string(values.type):
        missing = pc.or_(missing, pc.fill_null(pc.equal(values, ""), False))
    if pc.any(missing).as_py():
        dropped = missing.to_numpy(zero_copy_only=False)
        codes = _renumbered(~dropped)[codes]
        values = values.filter(pa.array(~dropped))
    return Distinct(values, codes)


# as pandas writes them to text files
_BOOLS = {"True": "true", "TRUE": "true", "False": "false", "FALSE": "false"}
_WHOLE_FLOAT = r"^(0|-?[1-9][0-9]{0,18})\.0$"


def _with_equal_texts(found: Distinct) -> Distinct:
    """Give texts of whole floats and of bools the form of numbers and bools of other sources."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = found.values
    ends = pc.ends_with(texts, ".0")
    bools = pc.is_in(texts, pa.array(_BOOLS, texts.type))
    if not (pc.any(ends).as_py() or pc.any(bools).as_py()):
        return found
    whole = pc.and_(ends, pc.match_substring_regex(texts, _WHOLE_FLOAT))
    texts = pc.if_else(whole, pc.utf8_slice_codeunits(texts, 0, -2), texts)
    if pc.any(bools).as_py():
        texts = pc.if_else(bools, pc.utf8_lower(texts), texts)
    encoded = texts.dictionary_encode()  # "1.0" and "1" are now one value
    place = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
    return Distinct(encoded.dictionary, np.append(place, np.int32(MISSING))[found.codes])


def _one_form(cells: Cells) -> "pa.Array":
    """Convert values to int64 or large_string."""
    import pyarrow as pa

    array, kind = cells.array, cells.array.type
    if pa.types.is_integer(kind):
        try:
            return array.cast(pa.int64())
        except pa.ArrowInvalid:  # beyond int64
            return array.cast(pa.large_string())
    if pa.types.is_floating(kind):
        return _whole_numbers(cells)
    if not _is_hashable(kind):
        _refuse_type(cells)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        try:
            return array.cast(pa.large_string())
        except pa.ArrowInvalid as error:
            raise ValueError(
                f"{cells.where(0)} holds bytes that are no UTF-8 text ({error}): decode them first"
            ) from error
    return array.cast(pa.large_string())


def _whole_numbers(cells: Cells) -> "pa.Array":
    """Convert floats to int64: pandas has whole numbers with holes as floats; NaN becomes null."""
    import pyarrow as pa

    floats = cells.array.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
    missing = np.isnan(floats)
    broken = ~missing & ((np.abs(floats) >= 2.0**53) | (floats != np.floor(floats)))
    if broken.any():
        row = int(broken.argmax())
        cells.refuse(
            f"{float(floats[row])!r} is no category",
            row,
            "declare the column as Numeric or Bucketized, or convert it to text first",
        )
    whole = np.where(missing, 0, floats).astype(np.int64)
    return pa.array(whole, mask=missing)


def _is_hashable(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    tests = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_integer,
        pa.types.is_boolean,
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_fixed_size_binary,
        pa.types.is_decimal,
        pa.types.is_null,
    )
    return any(test(kind) for test in tests)


def _refuse_type(cells: Cells) -> NoReturn:
    import pyarrow as pa

    kind = cells.array.type
    if pa.types.is_temporal(kind):
        remedy = "declare it as Timestamp, or convert it to text first"
    elif pa.types.is_nested(kind):
        remedy = "declare it as MultiCategorical"
    else:
        remedy = "convert it to text first"
    raise ValueError(f"{cells.where(0)} {kind} is no type of categories: {remedy}")
