"""Columns and tables in memory as Arrow arrays, without a copy where possible."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from ..._extras import require
from .forms import text_of
from .options import Place, refuse_twice

if TYPE_CHECKING:
    import pyarrow as pa

NO_PLACE = Place()


def arrow_column(
    values: Any, name: str, *, as_text: bool = False, place: Place = NO_PLACE
) -> "pa.Array | pa.ChunkedArray":
    """Convert a column in memory to Arrow, without a copy if possible.

    None, NaN, NaT, pandas' NA and masked values become null. Columns of several types, such as
    whole numbers among texts, become text: ``[1, "a"]`` is ``["1", "a"]``.

    Args:
        values: A list, an array, a tensor, or a column of pandas, polars or Arrow. Two dimensions
            become lists of fixed size.
        name: The name of the column, for messages.
        as_text: Whether whole numbers beyond int64 become text, too; otherwise they are an error.
        place: The place of the first row, for messages.

    Raises:
        TypeError: The column holds objects that Arrow has no type for.
        ValueError: The column is a single value, or holds whole numbers beyond int64.

    Example:
        >>> arrow_column([7, None, "x"], "item").to_pylist()
        ['7', None, 'x']
    """
    pa = require("pyarrow", "a column of Arrow", "data")
    check_column(values, name)
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    if hasattr(values, "to_arrow"):  # polars
        return values.to_arrow()
    if isinstance(values, Tensor):
        values = values.detach().cpu().numpy()
    if isinstance(values, np.ndarray) and values.ndim > 1:
        return _arrays_of_rows(values, name)
    mask = None
    if isinstance(values, np.ma.MaskedArray):
        values, mask = values.data, np.ma.getmaskarray(values)
    elif isinstance(values, Sequence):
        values = list(values)
    return _converted(values, mask, name, as_text, place)


def check_column(values: Any, name: str) -> None:
    """Refuse a column that is not a sequence of rows.

    Raises:
        ValueError: It is a single value.
    """
    single = isinstance(values, str | bytes | Mapping | set) or not hasattr(values, "__getitem__")
    if single or getattr(values, "ndim", 1) == 0:
        raise ValueError(f"column {name!r} is a single value, {values!r}, not one for each row")


def _converted(values: Any, mask: Any, name: str, as_text: bool, place: Place) -> "pa.Array":
    """Convert as Arrow does; else with arrays as lists; else the text of each cell."""
    import pyarrow as pa

    cells = values
    for attempt in range(2):
        if attempt:
            rows = values.tolist() if isinstance(values, np.ndarray) else list(values)
            cells = [_plain(cell) for cell in rows]
        try:
            found = pa.array(cells, from_pandas=True, mask=mask)
        except OverflowError:
            if not as_text:
                raise _overflow(cells, name, place) from None
            continue
        except (pa.ArrowException, TypeError, ValueError):
            continue
        if not _has_bools_as_numbers(found, cells):
            return found
    if mask is None and any(isinstance(cell, list) for cell in cells):
        return _lists_of_text(cells, name, place)
    hidden = np.zeros(len(cells), dtype=bool) if mask is None else mask
    texts = [None if hidden[i] else _text(cells[i], name, place.skip(i)) for i in range(len(cells))]
    return pa.array(texts, pa.string())


def _has_bools_as_numbers(array: "pa.Array", cells: Any) -> bool:
    """Whether Arrow made floats of bools, which it does after a float, but not before one."""
    import pyarrow as pa

    objects = isinstance(cells, list) or (
        getattr(getattr(cells, "dtype", None), "kind", "O") == "O"
    )
    return objects and pa.types.is_floating(array.type) and bool in set(map(type, cells))


def _plain(cell: Any) -> Any:
    """An array or a tensor within a column as a list."""
    if isinstance(cell, Tensor):
        return cell.detach().cpu().tolist()
    if isinstance(cell, tuple | set | frozenset):
        return sorted(cell, key=repr) if not isinstance(cell, tuple) else list(cell)
    return cell.tolist() if isinstance(cell, np.ndarray | np.generic) else cell


def _text(cell: Any, name: str, place: Place) -> str | None:
    """The text form of one cell of a column of several types; see `forms.text_of`."""
    import pandas as pd  # imported here, as most columns do not need it
    import pyarrow as pa

    if isinstance(cell, int) and not isinstance(cell, bool):
        return str(cell)
    if isinstance(cell, str):
        if any("\ud800" <= letter <= "\udfff" for letter in cell):
            raise ValueError(
                f"column {name!r} holds half a character (a surrogate) in {place.row(0)}, which is "
                "not text: write it again from its source"
            )
        return cell
    if not isinstance(cell, list | dict):
        if pd.isna(cell):
            return None
        with suppress(pa.ArrowException, TypeError):
            return str(text_of(pa.array([cell]), name, place)[0].as_py())
    raise TypeError(
        f"column {name!r} holds an object of type {type(cell).__name__} in {place.row(0)}, which "
        "is neither text nor a number: convert the column first, or leave it out"
    )


def _lists_of_text(cells: Any, name: str, place: Place) -> "pa.Array":
    """Lists of elements of several types: the text of each."""
    import pyarrow as pa

    rows = []
    for row, cell in enumerate(cells):
        here = place.skip(row)
        elements = cell if isinstance(cell, list) else [_text(cell, name, here)]
        missing = not isinstance(cell, list) and elements == [None]
        rows.append(None if missing else [_text(element, name, here) for element in elements])
    return pa.array(rows, pa.list_(pa.string()))


def _overflow(cells: Any, name: str, place: Place) -> ValueError:
    for row, cell in enumerate(cells):
        if isinstance(cell, int) and not -(2**63) <= cell < 2**63:
            return ValueError(
                f"column {name!r} holds the whole number {cell} in {place.row(row)}, which is "
                "beyond int64: declare a column of ids as categorical, which reads it as text, or "
                "convert it to float64"
            )
    return ValueError(f"column {name!r} holds whole numbers beyond int64 in its lists")


def _arrays_of_rows(values: Any, name: str) -> "pa.Array":
    """Convert an array of two or more dimensions to lists of fixed size."""
    import pyarrow as pa

    flat = arrow_column(values.reshape(-1), name)
    for size in reversed(values.shape[1:]):
        if size == 0:
            raise ValueError(f"column {name!r} has rows of no elements, shape {values.shape}")
        flat = pa.FixedSizeListArray.from_arrays(flat, size)
    return flat


def is_table(data: Any) -> bool:
    """Whether data are one table in memory: a dict, or a table of pandas, polars or Arrow."""
    if isinstance(data, Mapping) or is_lazy(data):  # a plan computes its names on request
        return isinstance(data, Mapping)
    return (hasattr(data, "schema") and hasattr(data, "num_rows")) or hasattr(data, "columns")


def is_lazy(data: Any) -> bool:
    """Whether data are a plan of polars, Dask or Spark, which must be computed first."""
    return hasattr(data, "collect") or hasattr(data, "compute")


def names_of(table: Any) -> list[str]:
    """The names of the columns of a table in memory.

    Raises:
        ValueError: A name occurs twice.
    """
    if isinstance(table, Mapping):
        names = list(table)
    else:
        arrow = hasattr(table, "schema") and hasattr(table, "num_rows")
        names = list(table.schema.names if arrow else table.columns)
    texts = [str(name) for name in names]
    refuse_twice(texts, f"the {type(table).__name__}", ": rename one of them")
    return texts
