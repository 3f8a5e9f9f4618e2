"""Encoding of values: as ids from 1, and by dictionaries."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd


def label_encode(column: Any) -> npt.NDArray[np.int64]:
    """Encode values by their rank among the distinct ones, from 1; missing values come last.

    0 is reserved for padding.

    Args:
        column: N values that can be sorted.

    Returns:
        Array of shape (N,).

    Example:
        >>> label_encode(["b", "a", "b"])
        array([2, 1, 2])
    """
    codes, _ = pd.factorize(pd.Series(column), sort=True, use_na_sentinel=False)
    return np.asarray(codes, dtype=np.int64) + 1


def array_replace_with_dict(array: Any, dic: Mapping[Any, Any]) -> npt.NDArray[Any]:
    """Map every element of an array by a dict.

    Args:
        array: Keys of the dict, of any shape.
        dic: The value of each key.

    Returns:
        Array of the same shape, of the type of the values.

    Raises:
        KeyError: An element is not a key of the dict.

    Example:
        >>> array_replace_with_dict(np.array([[1, 2], [2, 2]]), {1: 10, 2: 20})
        array([[10, 20],
               [20, 20]])
    """
    array = np.asarray(array)
    keys = pd.Index(list(dic), tupleize_cols=False)
    place = keys.get_indexer(pd.Index(array.ravel()))
    if (place < 0).any():
        raise KeyError(f"{array.ravel()[place < 0][0]} is no key of the dict")
    replaced: npt.NDArray[Any] = np.array(list(dic.values()))[place].reshape(array.shape)
    return replaced
