"""Padding: as a loop over the rows does it, for every kind of row."""

import numpy as np
import pandas as pd
import pytest

from torch_rechub.data import padding
from torch_rechub.data.padding import pad_sequences, stacked

ROWS = [[1, 2, 3, 4], [], [5], [6, 7, 8]]


def padded(rows, maxlen, before, keep_last, value):
    """The definition, cell by cell."""
    result = []
    for row in rows:
        row = list(row)
        if len(row) > maxlen:
            row = row[len(row) - maxlen :] if keep_last else row[:maxlen]
        filling = [value] * (maxlen - len(row))
        result.append(filling + row if before else row + filling)
    return result


def objects(rows):
    column = np.empty(len(rows), dtype=object)
    for i, row in enumerate(rows):
        column[i] = row
    return column


KINDS = {
    "lists": lambda rows: rows,
    "tuples": lambda rows: [tuple(row) for row in rows],
    "arrays": lambda rows: [np.array(row, dtype=np.int64) for row in rows],
    "mixed": lambda rows: [rows[0], *(np.array(row, dtype=np.int64) for row in rows[1:])],
    "column of arrays": lambda rows: objects([np.array(row, dtype=np.int64) for row in rows]),
    "series": lambda rows: pd.Series(rows, index=[9, 9, 3, 4]),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("maxlen", [0, 1, 2, 4, 6])
@pytest.mark.parametrize("where", ["pre", "post"])
@pytest.mark.parametrize("cut", ["pre", "post"])
def test_every_row_has_one_length(kind, maxlen, where, cut):
    found = pad_sequences(KINDS[kind](ROWS), maxlen, padding=where, truncating=cut, value=-1)
    assert found.shape == (4, maxlen)
    assert found.dtype == np.int32
    assert found.tolist() == padded(ROWS, maxlen, where == "pre", cut == "pre", -1)


@pytest.mark.parametrize("chunk", [1, 3, 4, 5])
def test_many_rows_are_padded_by_parts(chunk, monkeypatch):
    monkeypatch.setattr(padding, "_CHUNK", chunk)
    assert pad_sequences(ROWS, 3).tolist() == padded(ROWS, 3, True, True, 0)
    assert pad_sequences(KINDS["arrays"](ROWS), 3).tolist() == padded(ROWS, 3, True, True, 0)


def test_the_longest_row_gives_the_length_unless_it_is_given():
    assert pad_sequences(ROWS).tolist() == padded(ROWS, 4, True, True, 0)
    assert pad_sequences([]).shape == (0, 0)
    assert pad_sequences([], maxlen=3).shape == (0, 3)
    assert pad_sequences([[], []]).shape == (2, 0)
    assert pad_sequences([np.array([]), np.array([])], maxlen=1).tolist() == [[0], [0]]


def test_a_matrix_is_cut_and_filled_too():
    matrix = np.arange(6).reshape(2, 3)
    assert pad_sequences(matrix, 2).tolist() == [[1, 2], [4, 5]]
    assert pad_sequences(matrix, 4, padding="post").tolist() == [[0, 1, 2, 0], [3, 4, 5, 0]]


def test_types():
    assert pad_sequences([[0.5], [1.5, 2.5]], dtype="float32").tolist() == [[0, 0.5], [1.5, 2.5]]
    assert pad_sequences([[0.5], [1.9, -2.5]]).tolist() == [[0, 0], [1, -2]]
    assert pad_sequences([np.array([0.5]), np.array([1.9, -2.5])]).tolist() == [[0, 0], [1, -2]]
    assert pad_sequences([[2**40]], dtype=np.int64).tolist() == [[2**40]]
    words = pad_sequences([["a"], ["b", "c"]], dtype=object, value="")
    assert words.tolist() == [["", "a"], ["b", "c"]]


@pytest.mark.parametrize(
    "row",
    [[1, 2**31], [2**70], [1, np.int64(2**31)], np.array([1, 2**31]), [-(2**31) - 1]],
    ids=str,
)
def test_an_id_that_does_not_fit_is_refused_not_wrapped(row):
    with pytest.raises(ValueError, match="not fit int32"):
        pad_sequences([row])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"padding": "left"}, "padding must be 'pre' or 'post', got 'left'"),
        ({"truncating": None}, "truncating must be 'pre' or 'post', got None"),
        ({"maxlen": -1}, "maxlen must be at least 0, got -1"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        pad_sequences(ROWS, **arguments)


def test_what_is_no_sequence_is_refused():
    with pytest.raises(ValueError, match="got 7 among them"):
        pad_sequences([[1], 7])
    with pytest.raises(ValueError, match="one dimension, got one of 2"):
        pad_sequences([np.ones((2, 2)), np.ones((1, 2))])


# Rows of one length, as one array


@pytest.mark.parametrize("kind", ["lists", "tuples", "arrays"])
def test_rows_of_one_length_become_a_matrix(kind):
    rows = [[1, 2], [3, 4], [5, 6]]
    column = objects(KINDS[kind](rows))
    assert stacked(column).tolist() == rows
    assert stacked(column).dtype == np.int64


def test_rows_of_rows_become_a_block():
    block = [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]
    assert stacked(objects(block)).tolist() == block
    assert stacked(objects([np.array(rows) for rows in block])).tolist() == block


@pytest.mark.parametrize(
    "cells", [[[1], [2, 3]], [1, 2], ["ab", "cd"], [[1, 2], None], [[[1], [2, 3]]], []]
)
def test_other_columns_stay_as_they_are(cells):
    column = objects(cells)
    assert stacked(column) is column
    numbers = np.arange(3)
    assert stacked(numbers) is numbers


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_a_missing_element_is_named_with_its_row(missing):
    rows = [[1, 2], [3], [4, missing]]
    given = [rows] if missing is None else [rows, [np.array(row, dtype=float) for row in rows]]
    for sequences in given:
        with pytest.raises(ValueError, match=r"a missing value, .*in row 2: fill it"):
            pad_sequences(sequences)
