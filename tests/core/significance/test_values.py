"""`TestValues`: files that other code reads, units that pair up, and hostile files."""

import io
import json
import os
import pickle
import zipfile
from contextlib import suppress

import numpy as np
import pytest

from torch_rechub.metrics.prediction import log_loss
from torch_rechub.significance import TestValues, file, save_test_values
from torch_rechub.significance.keys import keys_of


def rows(**changed):
    given = {"labels": [0, 1, 1, 0], "scores": [0.2, 0.7, 0.6, 0.4], "weights": [1, 2, 1, 1]}
    return TestValues.of_rows(["test/auc", "test/log_loss"], **{**given, **changed})


def members(path):
    """The arrays of a file as NumPy reads them, and its description."""
    with np.load(path, allow_pickle=False) as archive:
        found = {name: archive[name] for name in archive.files}
    return found, json.loads(found.pop("about").tobytes())


def test_rows_are_written_as_plain_columns_and_json(tmp_path):
    path = rows(groups=["ann", "bob", "ann", "bob"], data={"test": "9f"}).write(tmp_path / "a.npz")
    found, about = members(path)
    assert found["0.labels"].tolist() == [0, 1, 1, 0]
    assert found["0.scores"].dtype == np.float32
    groups = found["0.group_keys"][found["0.group_codes"]]
    assert groups.tolist() == keys_of(["ann", "bob", "ann", "bob"]).tolist()
    assert about["data"] == {"test": "9f"}
    assert [metric["name"] for metric in about["metrics"]] == ["test/auc", "test/log_loss"]
    assert b"ann" not in path.read_bytes()


def test_a_file_read_back_gives_the_same_values(tmp_path):
    written = rows(protocol={"seen_excluded": True, "k": 10})
    found = TestValues.read(written.write(tmp_path / "a.npz"))
    assert found.metric("test/auc").protocol == {"seen_excluded": True, "k": 10}
    assert found.metrics == written.metrics
    for name in ("test/auc", "test/log_loss"):
        assert found.units(name).values.tolist() == written.units(name).values.tolist()
        assert found.digest(name) == written.digest(name)


def test_values_of_units_come_in_one_order_whatever_the_order_given(tmp_path):
    a = TestValues.of_units({"test/hit@1": [1, 0, 1]}, units=[7, 8, 9], weights=[1, 2, 3])
    given = {"units": [9, 7, 8], "weights": [3, 1, 2]}
    b = TestValues.read(save_test_values(tmp_path / "b", {"test/hit@1": [1, 1, 0]}, **given))
    assert a.digest("test/hit@1") == b.digest("test/hit@1")
    assert a.units("test/hit@1").values.tolist() == b.units("test/hit@1").values.tolist()


def test_the_values_of_groups_are_means_of_their_rows_and_add_up_to_the_metric():
    y, p, w = np.array([0, 1, 1, 0]), np.array([0.2, 0.7, 0.6, 0.4]), np.array([1, 2, 1, 1])
    units = rows(groups=[3, 4, 3, 4]).units("test/log_loss")
    expected = [log_loss(y[[0, 2]], p[[0, 2]], weights=w[[0, 2]])]
    expected.append(log_loss(y[[1, 3]], p[[1, 3]], weights=w[[1, 3]]))
    assert sorted(units.values) == pytest.approx(sorted(expected), rel=1e-6)
    assert np.average(units.values, weights=units.weights) == pytest.approx(
        log_loss(y, p, weights=w), rel=1e-6
    )
    assert (units.kind, rows().units("test/auc").kind) == ("groups", "rows")


@pytest.mark.parametrize(
    "changed",
    [
        {"labels": [1, 0, 1, 0]},
        {"weights": None},
        {"weights": [1, 2, 1, 2]},
        {"groups": [1, 1, 2, 2]},
        {"labels": [0, 1, 1], "scores": [0.2, 0.7, 0.6], "weights": [1, 2, 1]},
    ],
    ids=str,
)
def test_other_rows_have_another_digest_and_other_scores_have_not(changed):
    assert rows(**changed).digest("test/auc") != rows().digest("test/auc")
    assert rows(scores=[0.5] * 4).digest("test/auc") == rows().digest("test/auc")


def test_keys_are_the_same_for_a_number_of_any_type_and_differ_from_its_text():
    numbers = [np.array([7, 3], dtype) for dtype in (np.int8, np.int64, np.uint64, np.float32)]
    assert len({tuple(keys_of(column).tolist()) for column in numbers}) == 1
    assert keys_of(["7", "3"]).tolist() != keys_of([7, 3]).tolist()
    with pytest.raises(TypeError, match="a unit must be a number or a text, got b'x'"):
        keys_of([b"x"])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TestValues.of_units({"hit@1": [1, 0]}, units=[3, 3]), "a unit occurs twice"),
        (lambda: TestValues.of_units({"hit@1": [1, 0]}, units=[3]), "2 units, but 1 keys"),
        (lambda: TestValues.of_units({"hit@1": [1, 0], "mrr@1": [1]}), "2 units, but 1 values"),
        (lambda: TestValues.of_units({"hit@1": [np.nan]}), "values must be finite, got nan"),
        (lambda: TestValues.of_units({"hit@1": [1]}, weights=[-1]), "weights must be at least 0"),
        (lambda: TestValues.of_units({}), "there are no values"),
        (lambda: TestValues.of_units({"x": [1]}), r'give directions=\{\'x\': "max"\}'),
        (lambda: TestValues.of_rows(["test/ndcg@3"], [1], [1]), "no metric of rows"),
        (lambda: rows(scores=[1.0]), "4 units, but 1 scores"),
        (lambda: rows().units("test/gauc"), "no values of 'test/gauc' are recorded; there are"),
    ],
)
def test_values_that_do_not_fit_are_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_metric_without_values_says_so():
    values = TestValues((), (), untested=("test/mine",))
    with pytest.raises(ValueError, match="'test/mine' has no values of rows or units"):
        values.metric("test/mine")


def archive(path, about, **columns):
    """Write an archive by hand: of arrays, or of the bytes of a member."""
    text = about if isinstance(about, str) else json.dumps(about)
    columns = {"about": np.frombuffer(text.encode(), np.uint8), **columns}
    with zipfile.ZipFile(path, "w") as written:
        for name, column in columns.items():
            stream = io.BytesIO()
            if isinstance(column, bytes):
                stream.write(column)
            else:
                np.lib.format.write_array(stream, column, allow_pickle=True)
            written.writestr(f"{name}.npy", stream.getvalue())
    return path


HIT = {
    "name": "hit@1",
    "direction": "max",
    "table": 0,
    "column": 0,
    "formula": None,
    "protocol": {},
}
GOOD = {
    "version": 1, "data": {}, "untested": [],
    "tables": [{"kind": "units", "columns": 1, "truth": ""}],
    "metrics": [HIT],
}  # fmt: skip
VALUES = {"0.values.0": np.ones(3, np.float32)}


def test_a_file_written_by_hand_is_read(tmp_path):
    found = TestValues.read(archive(tmp_path / "a.npz", GOOD, **VALUES))
    assert found.units("hit@1").values.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("about", "columns", "message"),
    [
        (GOOD, {}, "lacks columns"),
        (GOOD, {"0.values.0": np.array([1, "x", None], object)}, "is no column of numbers"),
        (GOOD, {"0.values.0": np.ones((2, 2), np.float32)}, "is no column of numbers"),
        (GOOD, {"0.values.0": np.ones(3)}, "is no column of numbers, but float64"),
        (GOOD, {"0.values.0": np.full(3, np.nan, np.float32)}, "values must be finite"),
        (GOOD, {"0.values.0": b"\x93NUMPY\x01\x00"}, "is damaged|is no file"),
        (GOOD, {"0.values.0": b"junk"}, "no file of test values"),
        (GOOD, {**VALUES, "../x": np.ones(1, np.float32)}, "an unknown member"),
        (GOOD, {**VALUES, "7.values.0": np.ones(1, np.float32)}, "an unknown member"),
        (GOOD, {**VALUES, "0.keys": np.array([2, 1, 3], np.uint64)}, "a unit occurs twice"),
        (GOOD, {**VALUES, "0.keys": np.ones(2, np.uint64)}, "3 units, but 2 keys"),
        ({**GOOD, "version": 2}, VALUES, r"format 2.*pip install -U rechub-core"),
        ({**GOOD, "metrics": [{"name": 1}]}, VALUES, "no file of test values"),
        ({**GOOD, "metrics": [{**HIT, "table": -1}]}, VALUES, "has no table -1"),
        ({**GOOD, "metrics": [{**HIT, "table": True}]}, VALUES, "has no table"),
        ({**GOOD, "metrics": [{**HIT, "column": 1}]}, VALUES, "not in its table"),
        ({**GOOD, "metrics": [{**HIT, "direction": "up"}]}, VALUES, "direction"),
        ({**GOOD, "metrics": [{**HIT, "protocol": {"a": [1]}}]}, VALUES, "plain values"),
        ({**GOOD, "metrics": [{**HIT, "protocol": 3}]}, VALUES, "the protocol 3"),
        ({**GOOD, "data": {"test": 3}}, VALUES, "must be texts"),
        ({**GOOD, "tables": [3]}, VALUES, "unknown kind"),
        ({**GOOD, "tables": 3}, VALUES, "tables must be a JSON array"),
        ({**GOOD, "tables": [{"kind": "rows"}]}, VALUES, "no file of test values"),
        ('{"version": 1, "version": 1}', {}, "the key 'version' occurs twice"),
        ('{"version": NaN}', {}, "NaN is no number"),
        ("[" * 100_000, {}, "no file of test values"),
        ("3", {}, "its description is no object"),
    ],
)  # fmt: skip
def test_hostile_files_are_refused_by_name(tmp_path, about, columns, message):
    path = archive(tmp_path / "a.npz", about, **columns)
    with pytest.raises(ValueError, match=message) as refused:
        TestValues.read(path)
    assert "a.npz" in str(refused.value)


def test_pickled_objects_are_not_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(pickle, "load", pytest.fail)
    monkeypatch.setattr(pickle, "loads", pytest.fail)
    path = archive(tmp_path / "a.npz", GOOD, **{"0.values.0": np.array([{}, {}], object)})
    with pytest.raises(ValueError, match="is no column of numbers, but object"):
        TestValues.read(path)


def test_a_file_that_claims_too_many_bytes_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(file, "_MOST_BYTES", 2**20)
    monkeypatch.setattr(file, "_array", pytest.fail)
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as written:
        written.writestr("0.values.0.npy", bytes(2**20 + 1))
    assert path.stat().st_size < 2**13
    with pytest.raises(ValueError, match="bytes are too much"):
        TestValues.read(path)


def test_more_than_a_file_holds_is_refused_before_it_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(file, "_MOST_BYTES", 100)
    with pytest.raises(ValueError, match="bytes, and a file holds 100 at most"):
        rows().write(tmp_path / "a.npz")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_and_not_opened(tmp_path):
    os.mkfifo(tmp_path / "a.npz")
    with pytest.raises(ValueError, match=r"a\.npz is no file of test values"):
        TestValues.read(tmp_path / "a.npz")


def test_a_row_of_no_group_is_refused(tmp_path):
    about = {**GOOD, "tables": [{"kind": "rows"}], "metrics": []}
    columns = {f"0.{name}": np.ones(2, np.float32) for name in ("labels", "scores")}
    groups = {"0.group_keys": np.ones(1, np.uint64), "0.group_codes": np.ones(2, np.uint32)}
    path = archive(tmp_path / "a.npz", about, **columns, **groups)
    with pytest.raises(ValueError, match=r"a\.npz .*index 1 is out of bounds"):
        TestValues.read(path)


def test_damaged_files_are_refused_and_never_crash(tmp_path):
    path, rng = tmp_path / "a.npz", np.random.default_rng(0)
    whole = rows(groups=[1, 2, 3, 4]).write(path).read_bytes()
    for cut in range(0, len(whole), 97):
        path.write_bytes(whole[:cut])
        with pytest.raises(ValueError, match=r"a\.npz"):
            TestValues.read(path)
    for _ in range(150):
        changed = bytearray(whole)
        for at in rng.integers(0, len(whole), 3):
            changed[at] = rng.integers(256)
        path.write_bytes(bytes(changed))
        with suppress(ValueError):
            TestValues.read(path)
    with pytest.raises(FileNotFoundError):
        TestValues.read(tmp_path / "missing.npz")
