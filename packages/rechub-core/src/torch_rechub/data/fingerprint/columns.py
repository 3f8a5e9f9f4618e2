"""Columns of any table as hashes of rows: tensors, NumPy, pandas, polars, Arrow, lists."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..raw_column import RawColumn
from .cells import hashes_of_moments, hashes_of_objects, hashes_of_texts
from .mixing import MISSING, Words, mixed, of_rows, of_shape, words_of_numbers

Index = NDArray[np.int64]


@dataclass(frozen=True)
class Given:
    """A column as given.

    Attributes:
        name: Its name.
        role: "input", "label" or "weight".
        values: Its N rows.
    """

    name: str
    role: str
    values: Any

    @property
    def kind(self) -> str:
        """The type and the shape of a row, such as "int64" or "float32[16]"."""
        values = self.values.values if isinstance(self.values, RawColumn) else self.values
        kind = getattr(values, "dtype", None) or getattr(values, "type", None)
        text = type(values).__name__ if kind is None else str(kind)
        shape = getattr(values, "shape", ())[1:]
        sizes = "x".join(map(str, shape))
        text = "".join(text.removeprefix("torch.").split())
        return f"{text}[{sizes}]" if sizes else text

    @property
    def width(self) -> int:
        """The number of values of a row, where it is known."""
        return int(np.prod(getattr(self.values, "shape", (0,))[1:], dtype=np.int64))

    def at(self, rows: Index | None) -> Any:
        """Some of the rows; None means all."""
        return self.values if rows is None else _rows_at(self.values, rows)


class Hashes:
    """The hashes of the rows of a column.

    Args:
        values: Numbers, (N,) or (N, …), hashed when a block is read.
        hashes: The hashes themselves; None where there are numbers.
        missing: Where numbers are missing, (N,), or None.
    """

    def __init__(
        self,
        values: NDArray[Any] | None = None,
        hashes: Words | None = None,
        missing: NDArray[np.bool_] | None = None,
    ) -> None:
        self.values, self.hashes, self.missing = values, hashes, missing

    def block(self, start: int, stop: int) -> Words:
        """The hashes of the rows from `start` to `stop`."""
        if self.hashes is not None:
            return self.hashes[start:stop]
        assert self.values is not None
        part = self.values[start:stop]
        if part.ndim > 1:
            width = int(np.prod(part.shape[1:]))
            return of_shape(of_rows(words_of_numbers(part.reshape(-1)), width), part.shape[1:])
        words = words_of_numbers(part)
        if self.missing is not None:
            words[self.missing[start:stop]] = MISSING
        return mixed(words, out=words)

    def total(self) -> int | None:
        """The sum of the bits of all numbers, whatever their order; None for other cells.

        Equal numbers count equally: −0.0 as 0.0, and every NaN as one.
        """
        values = self.values
        if values is None or self.missing is not None:
            return None
        if values.dtype.kind == "f":
            wide = values.dtype.itemsize > 8  # a long double
            values = _bits(np.ascontiguousarray(values, dtype=np.float64 if wide else None))
        return int(np.add.reduce(values.reshape(-1), dtype=np.int64)) % 2**64


def _bits(floats: NDArray[Any]) -> NDArray[Any]:
    """The bits of floats as integers, those of −0.0 and of NaN in one form."""
    bits: NDArray[Any] = floats.view(f"i{floats.itemsize}")
    negative_zero = np.iinfo(bits.dtype).min  # no other float has bits as small
    if not bits.size or not (bits.min() == negative_zero or np.isnan(floats.max())):
        return bits
    return np.where(np.isnan(floats), np.nan, floats + 0.0).astype(floats.dtype).view(bits.dtype)


def read(values: Any) -> Hashes:
    """Read a column, without a copy of numbers where possible.

    Raises:
        UnreadableError: Its cells are objects without a content that can be hashed.

    Example:
        >>> import pandas as pd
        >>> one, other = read(pd.Series([1, 2])), read(torch.tensor([1.0, 2.0]))
        >>> bool((one.block(0, 2) == other.block(0, 2)).all())
        True
    """
    if isinstance(values, RawColumn):
        values = values.values
    if isinstance(values, Tensor):
        return _of_array(_array_of(values))
    for applies, reader in _READERS:
        if applies(values):
            return reader(values)
    if isinstance(values, list | tuple):
        return Hashes(hashes=hashes_of_objects(values))
    return _of_array(np.asarray(values))


def _array_of(tensor: Tensor) -> NDArray[Any]:
    dense = tensor.detach().to_dense() if tensor.layout != torch.strided else tensor.detach()
    exact = dense.dtype in (torch.bfloat16,) or dense.is_quantized
    array: NDArray[Any] = (dense.float() if exact else dense).cpu().numpy()
    return array


def _of_array(array: NDArray[Any]) -> Hashes:
    mask = np.ma.getmaskarray(array) if isinstance(array, np.ma.MaskedArray) else None
    array = np.asarray(array)
    if array.dtype.kind in "biuf":
        return Hashes(array, missing=mask if mask is not None and array.ndim == 1 else None)
    if array.dtype.kind == "c":
        return Hashes(np.stack([array.real, array.imag], axis=-1))
    if array.dtype.kind in "mM" and array.ndim == 1:
        return Hashes(hashes=hashes_of_moments(array))
    if array.dtype.kind in "US" and array.ndim == 1:
        values, of_row = np.unique(array, return_inverse=True)
        return Hashes(hashes=hashes_of_texts(values.tolist(), of_row))
    return Hashes(hashes=hashes_of_objects(list(array)))


def _of_pandas(series: Any) -> Hashes:
    kind = series.dtype
    if hasattr(kind, "categories"):
        return Hashes(hashes=hashes_of_texts(list(kind.categories), series.cat.codes.to_numpy()))
    if isinstance(kind, np.dtype):
        return _of_array(series.to_numpy())
    if getattr(kind, "kind", "O") in tuple("biuf"):  # nullable numbers
        missing = series.isna().to_numpy()
        fill = {"dtype": np.dtype(f"{kind.kind}{8 if kind.kind != 'b' else 1}"), "na_value": 0}
        return Hashes(series.to_numpy(**fill), missing=missing)
    if getattr(kind, "kind", "O") == "M":  # with a time zone
        return Hashes(hashes=hashes_of_moments(series.to_numpy(dtype="datetime64[ns]")))
    return Hashes(hashes=hashes_of_objects(series.to_numpy(dtype=object)))


def _of_arrow(column: Any) -> Hashes:
    import pyarrow as pa

    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):  # without a chunk
        array = pa.array([], type=array.type)
    kind, types = array.type, pa.types
    if types.is_dictionary(kind):
        of_row = array.indices.cast("int64").fill_null(-1).to_numpy(zero_copy_only=False)
        return Hashes(hashes=hashes_of_texts(array.dictionary.to_pylist(), of_row))
    if types.is_integer(kind) or types.is_boolean(kind):
        missing = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
        filled = array.fill_null(0 if types.is_integer(kind) else False)
        return Hashes(filled.to_numpy(zero_copy_only=False), missing=missing)
    if types.is_floating(kind):
        return Hashes(array.to_numpy(zero_copy_only=False))  # null becomes NaN
    if types.is_string(kind) or types.is_large_string(kind):
        return _of_arrow(array.dictionary_encode())
    if types.is_fixed_size_list(kind) and not array.null_count and not array.flatten().null_count:
        flat = array.flatten().to_numpy(zero_copy_only=False)
        return Hashes(flat.reshape(len(array), kind.list_size))
    return Hashes(hashes=hashes_of_objects(array.to_pylist()))


def _of_polars(series: Any) -> Hashes:
    if not len(series):
        return Hashes(hashes=np.zeros(0, dtype=np.uint64))
    return _of_arrow(series.to_arrow())


def _module(values: Any) -> str:
    return type(values).__module__.partition(".")[0]


_READERS: tuple[tuple[Callable[[Any], bool], Callable[[Any], Hashes]], ...] = (
    (lambda values: _module(values) == "pyarrow", _of_arrow),
    (lambda values: _module(values) == "polars", _of_polars),
    (lambda values: _module(values) == "pandas", lambda v: _of_pandas(_as_series(v))),
)


def _as_series(values: Any) -> Any:
    import pandas as pd

    return values if isinstance(values, pd.Series) else pd.Series(values)


def _rows_at(values: Any, rows: Index) -> Any:
    """Return some rows of a column in any form."""
    if isinstance(values, RawColumn):
        return RawColumn(_rows_at(values.values, rows), values.name)
    if isinstance(values, Tensor):
        return values.index_select(0, torch.from_numpy(rows).to(values.device))
    if hasattr(values, "iloc"):
        return values.iloc[rows]
    if _module(values) in ("pyarrow", "pandas"):
        return values.take(rows)
    if _module(values) == "polars":
        return values.gather(rows)
    if isinstance(values, list | tuple):
        return [values[row] for row in rows.tolist()]
    return np.asarray(values)[rows]
