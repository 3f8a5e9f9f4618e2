"""Histories: each user's interactions in the order of time."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

Array = npt.NDArray[Any]
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Histories:
    """N interactions sorted by user, then by time; ties stay in the order of the frame.

    The history of the interaction at position t are the positions `start[t]` to t - 1, so that all
    histories are slices of one array and are not copied.

    Attributes:
        row: Row of each interaction in the frame, shape (N,).
        user: Number of its user, from 0, shape (N,).
        start: Position of its user's first interaction, shape (N,).
        stop: Position after its user's last interaction, shape (N,).
        user_ids: The id of each user in the frame.
    """

    row: Ids
    user: Ids
    start: Ids
    stop: Ids
    user_ids: pd.Index

    def targets(self, min_items: int) -> Ids:
        """Positions of the interactions with a history, of users with at least `min_items`."""
        place = np.arange(len(self.row))
        enough = self.stop - self.start >= min_items
        return np.flatnonzero((place > self.start) & enough)


def histories(data: pd.DataFrame, user_col: str, item_col: str, time_col: str) -> Histories:
    """Sort the interactions of a frame; the frame is not changed.

    Raises:
        KeyError: A column is missing.
        ValueError: A user, an item or a time is missing.

    Example:
        >>> log = pd.DataFrame({"user": [7, 5, 7], "item": [1, 2, 3], "time": [9, 8, 4]})
        >>> histories(log, "user", "item", "time").row
        array([1, 2, 0])
    """
    require_columns(data, (user_col, item_col, time_col))
    for name in (user_col, item_col, time_col):
        n_missing = int(data[name].isna().sum())
        if n_missing:
            raise ValueError(
                f"column {name!r} has {n_missing} missing values: drop those rows first, with "
                f"data.dropna(subset=[{name!r}])"
            )
    codes, user_ids = pd.factorize(data[user_col], sort=True)
    return in_order(codes, pd.Index(user_ids), data[time_col])


def in_order(codes: Ids, user_ids: pd.Index, moments: pd.Series) -> Histories:
    """Sort interactions by user, then by time; ties stay in order.

    Args:
        codes: Number of the user of each interaction, from 0, shape (N,).
        user_ids: The id of each of the U users.
        moments: Time of each interaction, none missing, shape (N,).

    Example:
        >>> users = pd.Index(["a", "b"])
        >>> in_order(np.array([1, 0, 1]), users, pd.Series([9, 8, 4])).row
        array([1, 2, 0])
    """
    by_time = rows_by_time(moments)
    small = codes[by_time].astype(np.min_scalar_type(len(user_ids)))  # smaller integers sort faster
    row = by_time[np.argsort(small, kind="stable")]
    user = codes[row].astype(np.int64, copy=False)
    count = np.bincount(user, minlength=len(user_ids))
    stop = np.cumsum(count)
    return Histories(row, user, (stop - count)[user], stop[user], user_ids)


def rows_by_time(moments: pd.Series) -> Ids:
    """The rows sorted by time; ties stay in order."""
    values = moments.to_numpy()
    if values.dtype.kind in "mM":
        values = values.view(np.int64)
    if values.dtype == np.int64:  # torch sorts integers several times as fast as NumPy
        return torch.sort(torch.from_numpy(values.copy()), stable=True)[1].numpy()
    order: Ids = moments.reset_index(drop=True).sort_values(kind="stable").index.to_numpy()
    return order


def require_columns(data: pd.DataFrame, names: Iterable[str]) -> None:
    """Raise KeyError if a frame lacks a column."""
    missing = [name for name in names if name not in data.columns]
    if missing:
        raise KeyError(f"data has no column {missing[0]!r}: its columns are {list(data.columns)}")


def stretches(values: Array, start: Ids, stop: Ids) -> Array:
    """Return the slices `values[start:stop]` as an object array of read-only views.

    Example:
        >>> stretches(np.array([7, 8, 9]), np.array([0, 1]), np.array([1, 3])).tolist()
        [array([7]), array([8, 9])]
    """
    values = _read_only(values)
    bounds = zip(start.data, stop.data, strict=True)  # without an intermediate list
    cells: Array = np.fromiter((values[i:j] for i, j in bounds), dtype=object, count=len(start))
    return cells


def padded(values: Array, first: Ids, length: Ids, width: int, padding: str = "pre") -> Array:
    """Return the slices `values[first:first + length]`, padded with 0 to a new array.

    Args:
        values: Numbers, shape (N,).
        first: Where each slice begins, shape (M,).
        length: Its length, at most `width`, shape (M,).
        width: Length L of the rows.
        padding: "pre" pads before the slice, "post" after it.

    Returns:
        Array of shape (M, L).

    Example:
        >>> padded(np.array([7, 8, 9]), np.array([0, 1]), np.array([1, 2]), width=2)
        array([[0, 7],
               [8, 9]])
    """
    filling, place = np.zeros(width, dtype=values.dtype), np.arange(width)
    if padding == "pre":  # the window that begins at i in the extended series ends before i
        series, begin = np.concatenate([filling, values]), first + length
        outside = place < width - length[:, None]
    else:
        series, begin = np.concatenate([values, filling]), first
        outside = place >= length[:, None]
    windows: Array = np.lib.stride_tricks.sliding_window_view(series, width)[begin]
    np.copyto(windows, 0, where=outside)  # a product would keep NaN
    return windows


def rows(matrix: Array) -> Array:
    """Return the rows of an array as an object array of read-only views."""
    cells: Array = np.fromiter(_read_only(matrix), dtype=object, count=len(matrix))
    return cells


def _read_only(values: Array) -> Array:
    # read-only, because cells share memory, and writing to one would change others
    view: Array = values.view()
    view.flags.writeable = False
    return view
