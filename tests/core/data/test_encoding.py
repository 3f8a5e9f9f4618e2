"""Ids counted from 1, and dictionaries applied to arrays."""

import numpy as np
import pandas as pd
import pytest

from torch_rechub.data.encoding import array_replace_with_dict, label_encode


@pytest.mark.parametrize(
    ("column", "ids"),
    [
        ([30, 10, 30, 20], [3, 1, 3, 2]),
        (["b", "a", "b"], [2, 1, 2]),
        (pd.Series([0.5, None, -1.0], index=[7, 7, 7]), [2, 3, 1]),
        (pd.Series(["x", None, "x"]), [1, 2, 1]),
        (pd.Series(["b", "a"], dtype="category"), [2, 1]),
        ([], []),
    ],
)
def test_ids_are_ranks_from_1_with_missing_values_last(column, ids):
    assert label_encode(column).tolist() == ids
    assert label_encode(column).dtype == np.int64


def test_an_array_of_any_shape_is_replaced():
    names = {3: "c", 1: "a", 2: "b"}
    found = array_replace_with_dict(np.array([[1, 2], [3, 1]]), names)
    assert found.tolist() == [["a", "b"], ["c", "a"]]
    assert array_replace_with_dict(["x", "y", "x"], {"y": 0.5, "x": 2}).tolist() == [2, 0.5, 2]
    assert array_replace_with_dict(np.empty((0, 2), dtype=int), {1: 2}).shape == (0, 2)


@pytest.mark.parametrize("unknown", [0, 2, 9])
def test_a_key_that_is_missing_takes_no_neighbors_value(unknown):
    with pytest.raises(KeyError, match=f"{unknown} is no key of the dict"):
        array_replace_with_dict(np.array([1, unknown, 3]), {1: 10, 3: 30})
