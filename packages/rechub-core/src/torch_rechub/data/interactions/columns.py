"""Reading the columns of a log: any table in memory, values to codes, times to numbers."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..._bounds import refuse_masked
from ..._errors import UnknownChoiceError

Array = npt.NDArray[Any]
Ids = npt.NDArray[np.int64]

PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def read_columns(data: Any, names: Iterable[str], vectors: Sequence[str] = ()) -> dict[str, Any]:
    """Read columns of a table, by name.

    Args:
        data: A mapping of arrays, or a pandas, polars or Arrow table.
        names: The columns.
        vectors: Those that may have several numbers per row, (N, G), and are then arrays; all
            others are series of pandas.

    Raises:
        TypeError: `data` is not a table in memory.
        KeyError: A column is missing.
        ValueError: A column occurs twice or is not one value per row, or columns differ in length.

    Example:
        >>> read_columns({"user": [7, 5]}, ["user"])["user"].tolist()
        [7, 5]
    """
    given = _names_of(data)
    columns: dict[str, Any] = {}
    for name in names:
        if name in columns:
            raise ValueError(f"column {name!r} is named twice: user, item, time, label and "
                             "attributes must be columns of their own")  # fmt: skip
        if given.count(name) != 1:
            if name in given:
                raise ValueError(f"data has several columns {name!r}: rename all but one")
            raise KeyError(f"data has no column {name!r}: its columns are {given}")
        column = data[name]
        is_vector = name in vectors and np.ndim(column) == 2
        columns[name] = np.asarray(column) if is_vector else _series(column, name)
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"the columns differ in length: {lengths}")
    return columns


def _names_of(data: Any) -> list[Any]:
    if hasattr(data, "collect") and hasattr(data, "collect_schema"):
        raise TypeError("data is a polars LazyFrame: collect() it first")
    if isinstance(data, Mapping):
        return list(data)
    for attribute in ("column_names", "columns"):  # Arrow; pandas and polars
        if hasattr(data, attribute):
            return list(getattr(data, attribute))
    raise TypeError(
        "data must be a mapping of columns or a pandas, polars or Arrow table, got "
        f"{type(data).__name__}; read a file first, such as with pandas.read_csv"
    )


def _series(column: Any, name: str) -> pd.Series:
    """Return a column as a series of pandas, numbered from 0."""
    if hasattr(column, "null_count") and hasattr(column, "to_pandas"):
        if hasattr(column, "to_list"):  # polars; its to_pandas needs pyarrow
            column = column.to_list() if column.null_count() else column.to_numpy()
        else:  # Arrow: whole numbers with nulls must not become floats
            column = column.to_pandas(date_as_object=False, integer_object_nulls=True)
    if not isinstance(column, pd.Series):
        refuse_masked(column, f"column {name!r}")
        values = column if isinstance(column, list | tuple) else np.asarray(column)
        if getattr(values, "ndim", 1) != 1:
            shape = np.shape(values)
            raise ValueError(f"column {name!r} has the shape {shape}, not one value per row")
        column = pd.Series(values)
    if isinstance(column.dtype, pd.CategoricalDtype):  # its order is not that of the values
        column = column.astype(column.cat.categories.dtype)
    numbered: pd.Series = column.reset_index(drop=True)
    return numbered


def refuse_missing(columns: Mapping[str, pd.Series], names: Iterable[str]) -> None:
    """Refuse missing values.

    Raises:
        ValueError: The message has the column, the number of missing values and the first row.
    """
    for name in names:
        missing = columns[name].isna().to_numpy()
        if missing.any():
            raise ValueError(
                f"column {name!r} has {int(missing.sum())} missing values, first in row "
                f"{int(missing.argmax())}: drop those rows first, or give them a value of their own"
            )


def factorize(column: pd.Series, name: str) -> tuple[Ids, Array]:
    """Number the distinct values of a column, in sorted order.

    Values without an order among them are numbered by their first row.

    Args:
        column: N hashable values, none missing.
        name: The name of the column, for messages.

    Returns:
        The number of each row's value, from 0, shape (N,), and the distinct values.

    Raises:
        TypeError: A value is not hashable; the message has its row.

    Example:
        >>> factorize(pd.Series(["b", "a", "b"]), "item")
        (array([1, 0, 1]), array(['a', 'b'], dtype=object))
    """
    try:
        codes, values = pd.factorize(column, sort=True)
    except TypeError:
        for row, value in enumerate(column):
            try:
                hash(value)
            except TypeError:
                raise TypeError(
                    f"column {name!r} holds {value!r} in row {row}, which cannot be an id: ids are "
                    "numbers, text, or other hashable values"
                ) from None
        codes, values = pd.factorize(column)
    return np.asarray(codes, dtype=np.int64), whole_numbers(pd.Index(values).to_numpy(), name)


def whole_numbers(values: Array, name: str) -> Array:
    """Convert whole numbers and booleans to int64; return int32 and other values unchanged.

    Raises:
        ValueError: A number is beyond int64.
    """
    if values.dtype.kind == "u" and values.size and int(values.max()) >= 2**63:
        raise ValueError(f"column {name!r} holds {values.max()}, which int64 cannot hold")
    if values.dtype.kind not in "biu" or values.dtype in (np.int32, np.int64):
        return values
    return values.astype(np.int64)


def to_moments(column: pd.Series, name: str, unit: str) -> tuple[pd.Series, int]:
    """Convert times to numbers that can be compared and subtracted.

    Args:
        column: Numbers, or dates and times, none missing.
        name: The name of the column, for messages.
        unit: The unit of numbers: "s", "ms", "us" or "ns".

    Returns:
        int64 or float64 of shape (N,), and how many of them make a second.

    Raises:
        UnknownChoiceError: `unit` has another value.
        TypeError: The times are of another type, such as text.
        ValueError: A time is not finite, or times lie too far apart for int64.

    Example:
        >>> moments, per_second = to_moments(pd.Series([1500, 2500]), "time", "ms")
        >>> moments.tolist(), per_second
        ([1500, 2500], 1000)
    """
    if unit not in PER_SECOND:
        raise UnknownChoiceError(f"time_unit must be one of {list(PER_SECOND)}, got {unit!r}")
    if column.dtype == object and all(isinstance(value, date) for value in column):
        column = pd.to_datetime(column, utc=True)
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    kind = getattr(column.dtype, "kind", "O")
    if kind == "M":
        unit = np.datetime_data(column.to_numpy().dtype)[0]
    elif kind not in "iuf":
        raise TypeError(
            f"column {name!r} of {column.dtype} holds no times: give numbers, or dates and times "
            "(pandas.to_datetime), because text need not be in the order of time"
        )
    values = column.to_numpy(dtype=None if isinstance(column.dtype, np.dtype) else kind + "8")
    if kind in "iu":
        values = whole_numbers(values, name).astype(np.int64, copy=False)
    values = values.view(np.int64) if kind == "M" else values
    _check_range(values, name)
    return pd.Series(values), PER_SECOND[unit]


def _check_range(values: Array, name: str) -> None:
    finite = np.isfinite(values)
    if not finite.all():
        row = int((~finite).argmax())
        raise ValueError(f"column {name!r} holds {values[row]} in row {row}, which is no time")
    if values.dtype.kind == "i" and values.size and int(values.max()) - int(values.min()) >= 2**63:
        raise ValueError(
            f"column {name!r} spans {values.min()} to {values.max()}, whose difference int64 "
            "cannot hold"
        )


def to_values(column: Any, name: str) -> Array:
    """Return the values of a label or an attribute as an array.

    Booleans and whole numbers other than int32 become int64, missing numbers NaN.
    """
    if isinstance(column, np.ndarray):
        return whole_numbers(column, name)
    if pd.api.types.is_numeric_dtype(column.dtype):
        missing = bool(column.isna().any())
        plain = column.to_numpy(dtype="float64", na_value=np.nan) if missing else column.to_numpy()
        return whole_numbers(plain, name)
    values: Array = column.to_numpy()
    return values


def check_names(names: Sequence[str], argument: str) -> tuple[str, ...]:
    """Return names of columns as a tuple; text is refused, because it is a sequence too.

    Raises:
        TypeError: The names are text.
    """
    if isinstance(names, str):
        raise TypeError(f"{argument} must be a list of columns, such as [{names!r}], got a text")
    return tuple(names)
