"""Ids and padded rows by hand: the definitions of the documentation in plain Python."""

from collections import Counter

import numpy as np

PADDING, UNKNOWN, FIRST = 0, 1, 2


def is_missing(value):
    """None, NaN and empty text."""
    return value is None or value == "" or value != value


def ids_by_hand(values, min_count=1, max_size=None, missing_is_a_value=True):
    """The id of each value, with that of missing cells under None: frequent first, ties by value.

    A missing cell counts as if it were a value that comes after all that are as frequent.
    """
    counts = Counter(None if is_missing(value) else value for value in values)
    if not missing_is_a_value:
        counts.pop(None, None)
    order = sorted(
        (value for value in counts if counts[value] >= min_count),
        key=lambda value: (-counts[value], value is None, 0 if value is None else value),
    )
    found = {value: FIRST + rank for rank, value in enumerate(order[:max_size])}
    found.setdefault(None, UNKNOWN)
    return found


def encoded_by_hand(ids, values):
    """The ids of a column."""
    return np.array([ids.get(None if is_missing(v) else v, UNKNOWN) for v in values], np.int32)


def padded_by_hand(rows, length, keep="first"):
    """Lists of ids in rows of one length, zeros on the right."""
    found = np.zeros((len(rows), length), np.int32)
    for row, ids in enumerate(rows):
        kept = ids[:length] if keep == "first" else ids[max(len(ids) - length, 0) :]
        found[row, : len(kept)] = kept
    return found
