"""The numbers of a few rows, of many columns at once."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .columns.base import Inputs
from .columns.numeric import TRANSFORMS, NumericEncoder
from .row_cells import NotPlain
from .row_dicts import RowCells

Floats = npt.NDArray[np.float64]

_NUMBERS = {int, float, type(None)}
_TEXTS = {str, type(None)}
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]*)?([eE][+-]?[0-9]{1,3})?", re.ASCII)
_EXACT = 2.0**53


def numbers_of_cells(cells: Sequence[Any]) -> Floats:
    """Return cells as float64, NaN where missing, shape (N,).

    Raises:
        NotPlain: They are more than plain numbers, or plain numbers as text.

    Example:
        >>> numbers_of_cells(["1", None, "2.5"])
        array([1. , nan, 2.5])
    """
    kinds = set(map(type, cells))
    if kinds <= _NUMBERS:
        return _small_floats(cells)
    if kinds <= _TEXTS:
        return _small_floats([_parsed(cell) for cell in cells])
    raise NotPlain


def _small_floats(cells: Any) -> Floats:
    """Return numbers as an array; those that float64 may round are not plain."""
    try:
        found = np.array(cells, np.float64)
    except OverflowError as error:
        raise NotPlain from error
    if (np.abs(found) >= _EXACT).any():
        raise NotPlain
    return found


def _parsed(text: str | None) -> float:
    if not text:
        return np.nan
    number = text.removeprefix("-")
    # the sign of zero goes by the other cells
    if not _NUMBER.fullmatch(number) or (number is not text and not float(number)):
        raise NotPlain
    return float(text)


class NumericRows:
    """Columns of one clipping and one transformation; the steps of `NumericEncoder` at once.

    Args:
        encoders: The fitted columns, C of them.
    """

    def __init__(self, encoders: Sequence[NumericEncoder]) -> None:
        self._encoders = encoders
        columns = [encoder.column for encoder in encoders]
        self.names = [column.input_name for column in columns]
        self._sources = [column.column for column in columns]
        self._clip, self._transform = columns[0].clip, columns[0].transform
        filled = [e.column.transformed(np.array([e.fill])).item() for e in encoders]
        scaled = [c.scale is not None for c in columns]
        self._filled = np.array(filled)[:, None]
        self._shift = np.array([e.shift for e in encoders])[:, None] * np.array(scaled)[:, None]
        self._scale = np.where(scaled, [e.scale for e in encoders], 1.0)[:, None]
        self._strict = np.array([column.missing == "error" for column in columns])

    def encode(self, cells: RowCells) -> Inputs:
        """Return the inputs of N plain cells of each column.

        Raises:
            NotPlain: A cell is not, or does not fit.
        """
        raw = _matrix(cells, self._sources)
        missing = np.isnan(raw)
        has_missing = missing.any()
        if has_missing and missing[self._strict].any():
            raise NotPlain
        values = raw if self._clip in (None, (None, None)) else np.clip(raw, *self._clip)
        if self._transform is not None:
            assert isinstance(self._transform, str)
            with np.errstate(all="ignore"):
                values = TRANSFORMS[self._transform](values)
        fits = np.abs(values) <= np.finfo(np.float32).max
        if not (fits | missing if has_missing else fits).all():
            raise NotPlain
        if has_missing:
            values = np.where(missing, self._filled, values)
        found = ((values - self._shift) / self._scale).astype(np.float32)
        inputs: Inputs = {}
        for encoder, row, gaps in zip(self._encoders, found, missing, strict=True):
            name = encoder.column.input_name
            inputs[name] = row
            if encoder.column.indicator:
                inputs[f"{name}_missing"] = gaps.astype(np.float32)
        return inputs


def _matrix(cells: RowCells, sources: Sequence[str]) -> Floats:
    """Return the numbers of C columns of N rows, (C, N)."""
    by_row = cells.by_row(sources)
    if set(map(type, by_row)) <= _NUMBERS:
        return np.ascontiguousarray(_small_floats(by_row).reshape(len(cells), len(sources)).T)
    return np.array([numbers_of_cells(cells[source]) for source in sources])


def grouped(encoders: Sequence[NumericEncoder]) -> list[NumericRows]:
    """Group columns by clipping and transformation."""
    groups: dict[Any, list[NumericEncoder]] = {}
    for encoder in encoders:
        clip = encoder.column.clip
        kind = (None if clip is None else tuple(clip), encoder.column.transform)
        groups.setdefault(kind, []).append(encoder)
    return [NumericRows(group) for group in groups.values()]
