"""Rows of requests, encoded by `RowEncoder` and by `transform`: equal bit for bit."""

import threading
from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.preprocessing import saved
from core.data.preprocessing.logs import log_of
from torch_rechub.data.preprocessing import (
    Bucketized,
    Categorical,
    Embedding,
    Hashed,
    MultiCategorical,
    Numeric,
    Preprocessor,
    RowEncoder,
    Text,
    Timestamp,
    row_ids,
)
from torch_rechub.data.preprocessing.statistics import value_table

TEXTS = [
    "a",
    "b",
    "7",
    "7.0",
    "-1.0",
    "0",
    "-0.0",
    "007",
    "true",
    "TRUE",
    "True",
    "",
    "z",
    "é",
    " 7",
]
INTS = [7, 0, -1, 2**53, 2**53 + 1, 2**63, -(2**70), 10**400, 12]
FLOATS = [7.0, 0.0, -0.0, float("nan"), 2.0**53, 1e300]
RARE = [7.5, float("inf"), b"a", date(2024, 5, 1), Decimal(7), np.int64(7), np.float32(7), "\ud800"]
CATEGORIES = st.sampled_from([*TEXTS, *INTS[:4], *FLOATS[:4], True, False, None])
ANY = st.sampled_from([*TEXTS, *INTS, *FLOATS, *RARE, True, False, None])
NUMBERS = st.sampled_from([None, 0, -3, 7, 12.5, -0.0, float("nan"), 2**53, 0.1, 1e9])
WRITTEN = st.sampled_from(
    ["1", "-2", "0.5", "1e3", "", None, "-0", " 4", "0x1f", "1_0", "nan", "+1"]
)
LISTS = st.none() | st.lists(st.sampled_from([*TEXTS[:10], 7, 0, None]), max_size=4)
JOINED = st.none() | st.sampled_from(
    ["a|b", " a |7.0", "7.0", "", "|", "b|a|z|7", "True", "é|\ud800"]
)
WORDS = st.none() | st.sampled_from(["The Piano", "a 7.0", "7.0", "", "钢琴 the", "TRUE", "x" * 9])


def lists_of(cells):
    """Between 1 and 5 cells, of one strategy or of any."""
    return st.lists(cells, min_size=1, max_size=5) | st.lists(ANY | cells, min_size=1, max_size=3)


def fit(columns, **data):
    return Preprocessor(columns).fit(data)


TEXT_IDS = [*"aaabb", "7", "true", None, "7", "é"]
CASES = {
    "texts": (fit([Categorical("x")], x=TEXT_IDS), CATEGORIES),
    "numbers": (fit([Categorical("x")], x=[7, 0, -1, 7, None, 2**53]), CATEGORIES),
    "no missing id": (fit([Categorical("x", missing="unknown")], x=TEXT_IDS), CATEGORIES),
    "strict": (fit([Categorical("x", missing="error")], x=["a", "7"]), CATEGORIES),
    "hashed": (fit([Hashed("x", buckets=10**6)], x=["a"]), CATEGORIES),
    "given vectors": (fit([Embedding("x", vectors={7: [1.0], "a": [2.0]})], x=[7]), CATEGORIES),
    "lists": (fit([MultiCategorical("x", max_length=2)], x=[["a", "7"], ["true", "b"]]), LISTS),
    "lists of numbers": (fit([MultiCategorical("x", keep="last")], x=[[7, 0], [7]]), LISTS),
    "split": (fit([MultiCategorical("x", separator="|")], x=["a|7", "true|b"]), JOINED | LISTS),
    "split at points": (fit([MultiCategorical("x", separator=".")], x=["a.7", "0"]), CATEGORIES),
    "words": (fit([Text("x", min_count=1)], x=["the piano", "7 a true", "钢琴"]), WORDS),
    "plain numbers": (fit([Numeric("x")], x=[1, None, 4]), NUMBERS | WRITTEN),
    "written": (fit([Numeric("x", scale="standard")], x=[1, None, 4]), WRITTEN),
    "strict numbers": (fit([Numeric("x", missing="error")], x=[1, 2]), NUMBERS),
    "logarithms": (
        fit([Numeric("x", transform="log1p", scale="robust", clip=(0, None))], x=[1, 5, 9, 2]),
        NUMBERS,
    ),
    "roots": (
        fit(
            [Numeric("x", transform="sqrt", indicator=True, missing="median", scale="minmax")],
            x=[1, 5, 9, None],
        ),
        NUMBERS,
    ),
    "own functions": (fit([Numeric("x", transform=saved.tenfold)], x=[1, 5]), NUMBERS),
    "intervals": (fit([Bucketized("x", boundaries=[0, 5])], x=[1]), NUMBERS | WRITTEN),
    "moments": (fit([Timestamp("x")], x=["2024-05-01"]), st.sampled_from(["2024-05-02", None])),
    "text and numbers": (
        fit([Categorical("x"), Numeric("x", name="n"), Hashed("x", buckets=99, name="h")], x=[7]),
        NUMBERS | WRITTEN,
    ),
}  # fmt: skip


def outcome(call, *arguments):
    """The inputs, or the type and the message of the error without its source."""
    try:
        return dict(call(*arguments))
    except (ValueError, TypeError, OverflowError) as error:
        return type(error), str(error).replace("the dict", "the list")


def assert_equal_bits(found, expected):
    assert type(found) is type(expected), (found, expected)
    if isinstance(expected, tuple):
        assert found == expected
        return
    assert list(found) == list(expected)
    for name, values in expected.items():
        assert found[name].dtype == values.dtype
        assert found[name].shape == values.shape
        assert found[name].tobytes() == values.tobytes(), name


IN_BULK = ["texts", "numbers", "no missing id", "strict", "given vectors"]


@pytest.mark.parametrize(
    ("case", "many"), [*((case, row_ids._MANY) for case in CASES), *((case, 1) for case in IN_BULK)]
)
def test_cells_of_every_form_are_encoded_as_by_transform(case, many, monkeypatch):
    monkeypatch.setattr(row_ids, "_MANY", many)  # 1: all cells are looked up in bulk
    preprocessor, cells = CASES[case]
    encoder = RowEncoder(preprocessor)

    @settings(max_examples=40, deadline=None)
    @given(lists_of(cells))
    def compare(column):
        expected = outcome(preprocessor.transform, {"x": column})
        assert_equal_bits(outcome(encoder.encode, [{"x": cell} for cell in column]), expected)

    compare()


@pytest.fixture(scope="module")
def of_log(fitted):
    """A preprocessor of columns of every kind, and the encoder of its rows."""
    return fitted, RowEncoder(fitted)


def rows_of_log(n_rows):
    frame = log_of(1000, seed=3)[:n_rows].drop(columns=["click", "weight"])
    return frame.astype(object).to_dict("records")


@pytest.mark.parametrize("n_rows", [1, 3, 1000])
def test_rows_of_a_log_are_encoded_as_by_transform(of_log, n_rows):
    preprocessor, encoder = of_log
    rows = rows_of_log(n_rows)
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    found = encoder.encode(rows)
    assert_equal_bits(found, dict(preprocessor.transform(columns)))
    assert_equal_bits(found, dict(preprocessor.transform(rows)))


def test_no_rows_give_empty_inputs(of_log):
    preprocessor, encoder = of_log
    expected = preprocessor.transform(log_of(1)[:0].drop(columns=["click", "weight"]))
    assert_equal_bits(encoder.encode([]), dict(expected))


def test_plain_rows_do_without_arrow_but_for_moments(of_log, monkeypatch):
    _, encoder = of_log
    rows, read = rows_of_log(50), []
    transform = Preprocessor.transform

    def recorded(self, data, *arguments, **options):
        read.extend(data)
        return transform(self, data, *arguments, **options)

    monkeypatch.setattr(Preprocessor, "transform", recorded)
    encoder.encode(rows)
    assert read == ["time"]


def test_threads_share_an_encoder(of_log):
    preprocessor, encoder = of_log
    rows = rows_of_log(20)
    expected, found = dict(preprocessor.transform(rows)), []
    threads = [threading.Thread(target=lambda: found.append(encoder.encode(rows))) for _ in "1234"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for inputs in found:
        assert_equal_bits(inputs, expected)


def test_columns_that_share_a_vocabulary_share_its_dict():
    columns = [Categorical("item"), MultiCategorical("hist", shared_with="item", max_length=3)]
    preprocessor = fit(columns, item=["a", "b"], hist=[["c"], None])
    encoder = RowEncoder(preprocessor)
    assert len(encoder._dicts) == 1
    rows = [{"item": "c", "hist": ["a", "z"]}, {"item": None, "hist": []}]
    assert_equal_bits(encoder.encode(rows), dict(preprocessor.transform(rows)))


def test_saved_preprocessors_of_every_kind_encode_rows(folder):
    preprocessor = saved.load(folder)
    names = list(saved.SERVING)
    cells = zip(*(list(saved.SERVING[name]) for name in names), strict=True)
    rows = [dict(zip(names, row, strict=True)) for row in cells]
    assert_equal_bits(RowEncoder(preprocessor).encode(rows), dict(preprocessor.transform(rows)))


@pytest.mark.parametrize("take", ["transform", "encode"])
def test_a_missing_key_is_an_error_and_none_a_missing_value(take):
    preprocessor = fit([Categorical("city"), Numeric("age")], city=["a", "b"], age=[1, 3])
    call = preprocessor.transform if take == "transform" else RowEncoder(preprocessor).encode
    assert call([{"city": None, "age": None, "other": [1]}])["age"].tolist() == [2]
    with pytest.raises(KeyError, match=r"row 1 has no 'age', its keys are \['city'\]"):
        call([{"city": "a", "age": 1}, {"city": "a"}])
    with pytest.raises(ValueError, match=r"'age'.* row 1 of the"):
        call([{"city": "a", "age": 1}, {"city": "a", "age": "x"}])
    with pytest.raises(KeyError, match="row 1 has no 'city'"):  # before errors of cells
        call([{"city": "a", "age": "x"}, {"age": 1}])


def test_long_texts_of_one_hash_have_ids_of_their_own(monkeypatch):
    monkeypatch.setattr(row_ids, "_MANY", 1)
    monkeypatch.setattr(value_table, "text_hash", lambda texts: np.zeros(len(texts), np.uint64))
    texts = [f"https://example.com/{name}" for name in "abc"]
    preprocessor = fit([Categorical("x")], x=texts[:2])
    rows = [{"x": text} for text in texts]
    assert_equal_bits(RowEncoder(preprocessor).encode(rows), dict(preprocessor.transform(rows)))


def test_rows_that_are_no_dicts_are_an_error(of_log):
    with pytest.raises(TypeError, match="row 1 of the list is list, not a dict"):
        of_log[1].encode([rows_of_log(1)[0], ["a"]])


def test_labels_of_rows_are_read_where_all_rows_have_them():
    preprocessor = Preprocessor([Categorical("city")], targets=["click"], weight="w")
    rows = [{"city": "a", "click": 1, "w": 2}, {"city": "b", "click": 0, "w": 3}]
    found = preprocessor.fit_transform(rows)
    assert found.y.tolist() == [1, 0]
    assert found.weights.tolist() == [2, 3]
    assert preprocessor.transform([{"city": "a"}]).y is None
    with pytest.raises(KeyError, match="row 1 has no 'click'"):
        preprocessor.transform([rows[0], {"city": "a", "w": 1}])
    with pytest.raises(KeyError, match="no column 'click'"):
        preprocessor.fit_transform([{"city": "a"}])


def test_a_list_of_dicts_of_columns_is_a_list_of_blocks():
    preprocessor = fit([Categorical("city")], city=["a", "b"])
    assert preprocessor.transform([{"city": ["a", "b"]}, {"city": ["b"]}])["city"].tolist() == [
        2,
        3,
        3,
    ]


def test_rows_of_lists_alone_are_rows_where_the_column_holds_lists():
    preprocessor = fit([MultiCategorical("tags", max_length=2)], tags=[["a", "b"]])
    assert preprocessor.transform([{"tags": ["b", "z"]}])["tags"].tolist() == [[3, 1]]
    block = {"tags": [["b", "z"], None]}
    assert preprocessor.transform([block])["tags"].tolist() == [[3, 1], [0, 0]]
