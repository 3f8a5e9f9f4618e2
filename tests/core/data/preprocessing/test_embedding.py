"""Given vectors: columns of them, and those of ids."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from torch_rechub.basic.layers import EmbeddingLayer
from torch_rechub.data.preprocessing import Embedding, Preprocessor

VECTORS = {9: [1.0, 2.0], 7: [3.0, 6.0], 8: [5.0, 1.0]}


def table_of(preprocessor):
    feature = preprocessor.features()[0]
    return EmbeddingLayer([feature]).embed_dict[feature.name].weight


def as_table(kind=None):
    ids = pa.array([str(key) for key in VECTORS] if kind == "text" else list(VECTORS))
    if kind == "dictionary":
        ids = pa.DictionaryArray.from_arrays([2, 0, 1], pa.array([7, 8, 9]))
    return pa.table({"movie": ids, "vector": pa.array(list(VECTORS.values()))})


@pytest.mark.parametrize("form", ["dict", "arrays", "text", "dictionary", "table", "file"])
def test_ids_find_their_vectors_wherever_these_come_from(form, tmp_path):
    given = {
        "dict": lambda: VECTORS,
        "arrays": lambda: {str(k): np.array(v) for k, v in VECTORS.items()},
        "file": lambda: (
            pq.write_table(as_table(), tmp_path / "v.parquet") or tmp_path / "v.parquet"
        ),
    }.get(form, lambda: as_table(form))()
    movies = Preprocessor([Embedding("m", vectors=given)])
    found = movies.fit_transform({"m": [7, 9, None, 5, 8]})["m"]
    weight = table_of(movies)
    mean = np.mean(list(VECTORS.values()), axis=0)
    expected = [VECTORS[7], VECTORS[9], mean, mean, VECTORS[8]]
    assert np.allclose(weight[torch.as_tensor(found).long()], expected)
    assert weight[0].tolist() == [0, 0]
    assert found.tolist()[2:4] == [1, 1]
    assert not weight.requires_grad
    assert movies.decode("m", found).tolist() in (
        [7, 9, None, None, 8],
        ["7", "9", None, None, "8"],
    )


def test_vectors_of_ids_can_be_trained():
    trained = Preprocessor([Embedding("m", vectors=VECTORS, trainable=True)]).fit({"m": [7]})
    assert table_of(trained).requires_grad


@pytest.mark.parametrize(("vectors", "message"), [
    ({}, "must have two columns, ids and lists of numbers, and at least one row, got 0 rows"),
    ({1: [1.0], 2: [1.0, 2.0]}, r"column 'm \(vectors\)', row 1 .* has 2 numbers, the first"),
    ({1: [1.0], 2: [float("nan")]}, "row 1 .* has a number that is not finite"),
    ({1: [1.0], "1": [2.0]}, "0 missing ids and 1 repeated ones"),
    ({1: []}, "has no numbers"),
    (pa.table({"id": [1, 1], "v": [[1.0], [2.0]]}), "0 missing ids and 1 repeated ones"),
    (pa.table({"id": [1, None], "v": [[1.0], [2.0]]}), "1 missing ids and 0 repeated ones"),
    (pa.table({"id": [1], "v": [["x"]]}), "lists of string are no vectors"),
    (pa.table({"id": [1], "v": [1.0]}), "double is no type of vectors"),
    (pa.table({"id": [1]}), r"1 rows of \['id'\]"),
])  # fmt: skip
def test_vectors_that_do_not_fit_are_refused_when_fitting(vectors, message):
    with pytest.raises((ValueError, TypeError), match=message):
        Preprocessor([Embedding("m", vectors=vectors)]).fit({"m": [1]})


def test_a_file_of_vectors_that_is_none_is_named(tmp_path):
    (tmp_path / "v.parquet").write_bytes(b"no Parquet")
    with pytest.raises(ValueError, match=r"v\.parquet is no Parquet file, or damaged"):
        Preprocessor([Embedding("m", vectors=tmp_path / "v.parquet")]).fit({"m": [1]})


FORMS = {
    "lists": [[1, 2, 3], [4, 5, 6]],
    "array": np.array([[1, 2, 3], [4, 5, 6]], np.float64),
    "pandas": pd.Series([np.array([1, 2, 3.0]), np.array([4, 5, 6.0])]),
    "fixed size": pa.array([[1, 2, 3], [4, 5, 6]], pa.list_(pa.float64(), 3)),
    "large whole numbers": pa.array([[1, 2, 3], [4, 5, 6]], pa.large_list(pa.int64())),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_column_of_vectors_is_a_dense_input(form):
    fitted = Preprocessor([Embedding("v")])
    found = fitted.fit_transform({"v": FORMS[form]})["v"]
    assert found.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert found.dtype == np.float32
    assert fitted.features()[0].embed_dim == 3


def test_missing_vectors_are_zeros_or_refused():
    zeros = Preprocessor([Embedding("v", missing="zeros")])
    assert zeros.fit_transform({"v": [None, [1, 2]]})["v"].tolist() == [[0, 0], [1, 2]]
    assert zeros.transform({"v": [None, None]})["v"].tolist() == [[0, 0], [0, 0]]
    # a block without any vector has no width, and agrees with every other
    blocks = Preprocessor([Embedding("v", missing="zeros")])
    values = [None, None, [1, 2], None]
    assert blocks.fit_transform({"v": values}, block_rows=1)["v"].tolist()[2:] == [[1, 2], [0, 0]]
    with pytest.raises(
        ValueError, match=r"column 'v', row 1 of the dict: is missing: drop such rows"
    ):
        Preprocessor([Embedding("v")]).fit({"v": [[1], None]})
    with pytest.raises(ValueError, match="column 'v' has no vector in 2 rows"):
        Preprocessor([Embedding("v", missing="zeros")]).fit({"v": [None, None]})


@pytest.mark.parametrize(("values", "message"), [
    ([[1, 2], [3]], "row 1 of the dict: has 1 numbers, the first vector 2: give vectors"),
    ([[1, 2], [3, float("inf")]], "row 1 of the dict: has a number that is not finite"),
    ([[1, 2], [3, None]], "row 1 of the dict: has a number that is not finite"),
    ([1, 2], "int64 is no type of vectors"),
    ([["a"], ["b"]], "lists of string are no vectors"),
    ([[]], "has no numbers"),
])  # fmt: skip
def test_vectors_of_a_column_that_do_not_fit_are_refused(values, message):
    with pytest.raises(ValueError, match=f"column 'v'.*{message}"):
        Preprocessor([Embedding("v")]).fit({"v": values})


def test_vectors_of_another_width_are_refused_later():
    fitted = Preprocessor([Embedding("v")]).fit({"v": [[1, 2]]})
    message = "column 'v' has vectors of 3 numbers, but was fitted on vectors of 2"
    with pytest.raises(ValueError, match=message):
        fitted.transform({"v": [[1, 2, 3]]})
    with pytest.raises(ValueError, match="column 'v' has vectors of 2 numbers, and later of 3"):
        fitted.partial_fit({"v": [[1, 2, 3]]})
