"""The whole preprocessor: labels, names, unknown values, shards on disk, threads."""

import os
import threading

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.exceptions import NotFittedError

from core.data.preprocessing.logs import COLUMNS, SOURCES, assert_same, write
from torch_rechub.data.preprocessing import (
    Categorical,
    Crossed,
    Embedding,
    Hashed,
    MultiCategorical,
    Numeric,
    Preprocessor,
    Target,
    Timestamp,
)


class TestLabels:
    """Labels and weights are declared, so that they never become inputs."""

    def test_they_are_never_inputs_and_may_be_absent_in_serving(self, log, fitted):
        train, serving = fitted.transform(log), fitted.transform(log[SOURCES])
        assert not {"click", "weight"}.intersection(train)
        assert np.array_equal(train.y, log["click"].astype("f4"))
        assert np.array_equal(train.weights, log["weight"].astype("f4"))
        assert serving.y is None
        assert serving.weights is None
        for name in train:
            assert np.array_equal(train[name], serving[name])

    def test_some_of_them_absent_is_an_error(self, log, fitted):
        with pytest.raises(KeyError, match="no column 'weight'"):
            fitted.transform(log.drop(columns="weight"))

    def test_missing_labels_are_nan(self):
        both = Preprocessor([Categorical("c")], targets=["a", "b"])
        y = both.fit_transform({"c": [1, 2], "a": [1, None], "b": ["", "0.5"]}).y
        assert np.array_equal(y, [[1, np.nan], [np.nan, 0.5]], equal_nan=True)

    def test_they_may_be_made_of_values_and_thresholds(self):
        targets = [Target("r", threshold=3, name="liked"), Target("r"), Target("s", positive="yes"),
                   Target("b", positive=True), Target("i", positive=7)]  # fmt: skip
        data = {
            "c": [1, 2, 3],
            "r": [2, 3, None],
            "s": [" yes", "no", "yes "],
            "b": [True, False, True],
            "i": [7.0, 8, 7],
        }
        y = Preprocessor([Categorical("c")], targets).fit_transform(data).y
        expected = [[0, 2, 1, 1, 1], [1, 3, 0, 0, 0], [np.nan, np.nan, 1, 1, 1]]
        assert np.array_equal(y, expected, equal_nan=True)

    @pytest.mark.parametrize(("arguments", "error", "message"), [
        ({"targets": ["c"]}, ValueError, "column 'c' is a label or a weight, and an input too"),
        ({"targets": ["y"], "weight": "c"}, ValueError, "column 'c' is a label or a weight"),
        ({"targets": "y"}, TypeError, r"targets must be a list, such as \['y'\]"),
        ({"targets": ["y", "y"]}, ValueError, "two labels or weights have the name 'y'"),
        ({"targets": ["y"], "weight": "y"}, ValueError, "two labels or weights have the name 'y'"),
        ({"targets": ["d"]}, ValueError, "an input and a label or weight have the name 'd'"),
        ({"weight": "w"}, ValueError, "weight='w' weighs labels, but there are no targets"),
        ({"targets": ["y"], "weight": 3}, TypeError, "weight must be the name of a column, got 3"),
        ({"targets": [""]}, ValueError, "Target: column must be a name, got ''"),
    ])  # fmt: skip
    def test_a_declaration_that_leaks_or_repeats_is_refused(self, arguments, error, message):
        with pytest.raises(error, match=message):
            Preprocessor([Categorical("c"), Hashed("x", buckets=9, name="d")], **arguments)


@pytest.mark.parametrize(("columns", "error", "message"), [
    ([], ValueError, "at least one column"),
    (["city"], TypeError, "columns must be columns such as Categorical, got 'city'"),
    ([Categorical("a"), Hashed("a", buckets=5)], ValueError, "two inputs have the name 'a'"),
    ([Numeric("a", indicator=True), Categorical("a_missing")], ValueError, "name 'a_missing'"),
    ([Timestamp("t"), Categorical("t_hour")], ValueError, "two inputs have the name 't_hour'"),
    ([Timestamp("t", parts=("hour", "hour"))], ValueError, "two inputs have the name 't_hour'"),
    ([Crossed("a", "b", buckets=5), Categorical("a_x_b")], ValueError, "have the name 'a_x_b'"),
])  # fmt: skip
def test_inputs_have_names_of_their_own(columns, error, message):
    with pytest.raises(error, match=message):
        Preprocessor(columns)


def test_a_column_that_is_missing_or_of_another_type_is_named(log, fitted, tmp_path):
    with pytest.raises(KeyError, match="the DataFrame has no column 'city'"):
        fitted.transform(log.drop(columns="city"))
    path = write(log.drop(columns="city"), tmp_path, "csv")
    with pytest.raises(KeyError, match=r"log\.csv has no column 'city'"):
        Preprocessor(COLUMNS).fit(path)
    with pytest.raises(ValueError, match="column 'time'"):
        fitted.transform(log.assign(time=[[1]] * len(log)))
    with pytest.raises((TypeError, ValueError), match="column 'price'"):
        fitted.transform(log.assign(price=pd.Timestamp("2024-01-01")))


def test_what_was_never_fitted_has_no_encoders(log):
    unfitted = Preprocessor(COLUMNS)
    for use in (unfitted.transform, lambda _: unfitted.features(), lambda _: unfitted.describe(),
                unfitted.save):  # fmt: skip
        with pytest.raises(NotFittedError, match="not fitted yet: call fit first"):
            use(log)


@pytest.mark.parametrize("data", [{"c": []}, {"c": pd.Series([], dtype=object)}])
def test_there_must_be_rows_to_fit_but_none_to_transform(data):
    for fit in (Preprocessor.fit, Preprocessor.fit_transform, Preprocessor.partial_fit):
        with pytest.raises(ValueError, match="there are no rows to fit on: the data are empty"):
            fit(Preprocessor([Categorical("c")]), data)
    assert Preprocessor([Categorical("c")]).fit({"c": [1]}).transform(data)["c"].shape == (0,)


def test_no_rows_give_empty_inputs_of_the_right_shape(fitted, log, tmp_path):
    path = tmp_path / "empty.csv"
    path.write_text(",".join(SOURCES) + "\n")
    expected = fitted.transform(log[:1][SOURCES])
    for data in (path, {name: [] for name in SOURCES}):
        found = fitted.transform(data)
        assert list(found) == list(expected)
        for name in found:
            assert found[name].shape == (0, *expected[name].shape[1:])
            assert found[name].dtype == expected[name].dtype
    with pytest.raises(ValueError, match=r"no rows to fit on: .*empty\.csv is empty"):
        Preprocessor(COLUMNS).fit(path)
    (tmp_path / "nothing.csv").write_bytes(b"")
    with pytest.raises(ValueError, match=r"nothing\.csv"):
        Preprocessor(COLUMNS).fit(tmp_path / "nothing.csv")


def test_columns_without_any_value_are_fitted(log):
    nothing = log.assign(**dict.fromkeys(SOURCES))
    found = Preprocessor(COLUMNS).fit_transform(nothing[SOURCES])
    assert (found["user"] == found["user"][0]).all()
    assert (found["city_hash"] == 1).all()
    assert (found["price"] == 0).all()
    assert (found["price_missing"] == 1).all()
    assert (found["price_bucket"] == 1).all()
    assert (found["time_hour"] == 1).all()
    assert (found["tags"] == 0).all()


class TestUnknown:
    """Unknown values have id 1, are counted, and warned of if there are no others."""

    def test_they_are_counted(self):
        columns = [Categorical("c"), MultiCategorical("m"), Numeric("n")]
        fitted = Preprocessor(columns).fit({"c": ["a", "b"], "m": [["x"], ["y"]], "n": [1, 2]})
        data = {"c": ["a", "z", "w"], "m": [["q", "x", "r"], [], ["y"]], "n": [7, 8, 9]}
        found = fitted.transform(data, block_rows=2)
        assert found.unknown == {"c": 2, "m": 1}  # rows of m are cut to one token
        assert found["c"].tolist() == [2, 1, 1]

    def test_a_column_of_unknown_values_alone_is_warned_of(self, caplog):
        fitted = Preprocessor([Categorical("c")]).fit({"c": range(100)})
        with caplog.at_level("WARNING", "torch_rechub.data"):
            fitted.transform({"c": range(50, 150)})
            fitted.transform({"c": [500]})  # a single request may be new
            assert not caplog.records
            fitted.transform({"c": [f"user_{i}" for i in range(100)]}, block_rows=30)
        assert "column 'c': all 100 values are unknown to the vocabulary" in caplog.text
        assert len(caplog.records) == 1

    def test_a_vocabulary_that_min_count_leaves_empty_is_warned_of_as_such(self, caplog):
        with caplog.at_level("WARNING", "torch_rechub.data"):
            Preprocessor([Categorical("c", min_count=2)]).fit_transform({"c": range(100)})
        assert "since its vocabulary is empty: fewer than min_count rows" in caplog.text


def test_shards_hold_what_memory_holds(log, fitted, tmp_path):
    expected = fitted.transform(log)
    path = write(log, tmp_path, "csv")
    sharded = fitted.transform(path, out=tmp_path / "shards", block_rows=70)
    assert len(sharded) == len(log)
    assert sharded.unknown == expected.unknown != {}
    assert sharded.inputs == tuple(expected)
    assert (sharded.labels, sharded.weight) == (("click",), "weight")
    batches = list(sharded.loader(batch_size=128))
    for name in expected:
        found = np.concatenate([x[name].numpy() for x, _, _ in batches])
        assert np.array_equal(found, expected[name])
        assert found.dtype == expected[name].dtype
    assert np.array_equal(np.concatenate([y.numpy() for _, y, _ in batches]).ravel(), expected.y)
    weights = np.concatenate([w.numpy() for _, _, w in batches]).ravel()
    assert np.array_equal(weights, expected.weights)
    serving = fitted.transform(log[SOURCES], out=tmp_path / "serving")
    assert (serving.labels, serving.weight) == ((), None)


def test_shards_have_vectors_and_several_labels(tmp_path):
    both = Preprocessor([Embedding("v")], [Target("r", threshold=3, name="liked"), Target("r")])
    data = {"v": np.arange(12.0).reshape(4, 3), "r": [1, 5, 3, 2]}
    sharded = both.fit_transform(data, out=tmp_path / "shards")
    x, y = next(iter(sharded.loader(batch_size=4)))
    assert x["v"].tolist() == data["v"].tolist()
    assert sharded.labels == ("liked", "r")
    assert y.tolist() == [[0, 1], [1, 5], [1, 3], [0, 2]]


def test_shards_need_rows_and_data_that_can_be_read_twice(fitted, log, tmp_path):
    with pytest.raises(TypeError, match="an iterator can be read once only: give a list"):
        Preprocessor(COLUMNS).fit_transform(iter([log]), out=tmp_path / "a")
    fitted.transform(log, out=tmp_path / "b")
    with pytest.raises(FileExistsError, match=r"part-00000\.parquet|manifest\.json"):
        fitted.transform(log, out=tmp_path / "b")


def test_a_block_that_fails_leaves_no_shards(fitted, log, tmp_path):
    broken = log.assign(time=[*log["time"][:-1], "soon"])
    with pytest.raises(ValueError, match="'soon' is no moment"):
        fitted.transform(broken, out=tmp_path / "shards", block_rows=50)
    assert not list((tmp_path / "shards").glob("*.json"))


def test_features_are_chosen_by_the_names_of_columns(fitted):
    every = fitted.features(embed_dim=4)
    assert [f.name for f in every] == [name for c in COLUMNS for name in c.outputs]
    chosen = fitted.features("price", "user", embed_dim=4)
    assert [f.name for f in chosen] == ["price", "price_missing", "user"]
    assert chosen[2].embed_dim == 4
    with pytest.raises(KeyError, match="there is no column 'cost'; there are"):
        fitted.features("cost")
    with pytest.raises(ValueError, match="column 'price' has no vocabulary"):
        fitted.decode("price", [2])


def test_the_description_counts_by_hand(log, fitted):
    table = fitted.describe()
    assert list(table.index) == [c.input_name for c in COLUMNS]
    assert table.loc["city", "distinct"] == log["city"].nunique()
    assert table.loc["city", "missing"] == log["city"].isna().sum()
    counts = log["user"].value_counts()
    assert table.loc["user", "distinct"] == len(counts)
    assert table.loc["user", "size"] == 2 + (counts >= 2).sum()
    assert table.loc["user", "unknown share"] == pytest.approx(counts[counts < 2].sum() / len(log))
    assert table.loc["price", "high"] == log["price"].max()
    assert (table["rows"] == len(log)).all()
    assert table.loc["time", "low"][:19] == log["time"].min()


def test_threads_may_transform_at_once(log):
    """Encoders are made at the first use, by one thread for all."""
    expected = Preprocessor(COLUMNS).fit_transform(log[SOURCES])
    for _ in range(3):
        shared = Preprocessor(COLUMNS).partial_fit(log[:150]).partial_fit(log[150:])
        found, start = [], threading.Barrier(4)

        def serve(shared=shared, found=found, start=start):
            start.wait()
            found.append(shared.transform(log[SOURCES]))

        threads = [threading.Thread(target=serve) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 4
        for table in found:
            assert_same(table, expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only Unix forks processes")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_transforms_with_threads_of_its_own(fitted, log, tmp_path):
    """A web server forks after loading: the threads of the parent do not exist in the child."""
    expected = fitted.transform(log[:5])["user"]
    child = os.fork()
    if not child:
        np.save(tmp_path / "new.npy", fitted.transform(log[:5])["user"])
        os.rename(tmp_path / "new.npy", tmp_path / "ids.npy")
        os._exit(0)
    for _ in range(100):
        if os.waitpid(child, os.WNOHANG) != (0, 0):
            break
        threading.Event().wait(0.1)
    else:
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert np.array_equal(np.load(tmp_path / "ids.npy"), expected)


def test_parquet_with_another_type_in_each_file_has_the_same_ids(tmp_path):
    pq.write_table(pa.table({"c": pa.array([7, 8], pa.int32())}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"c": ["7", "x"]}), tmp_path / "b.parquet")
    found = Preprocessor([Categorical("c")]).fit_transform(str(tmp_path / "*.parquet"))
    assert found["c"].tolist() == [2, 3, 2, 4]
