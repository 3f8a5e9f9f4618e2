"""Saved preprocessors: the same to the bit in a new process."""

import json
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from core.data.preprocessing.saved import COLUMNS, LOG, SERVING, TARGETS, load
from torch_rechub.data.preprocessing import (
    Categorical,
    Hashed,
    Numeric,
    Preprocessor,
)


def assert_same(found, expected):
    assert list(found) == list(expected)
    for name in expected:
        assert found[name].dtype == expected[name].dtype
        assert found[name].tobytes() == expected[name].tobytes(), name


def test_a_loaded_preprocessor_transforms_to_the_same_bits(every_kind, folder):
    loaded = load(folder)
    for data in (LOG, SERVING):
        assert_same(loaded.transform(data), every_kind.transform(data))
    assert np.array_equal(loaded.transform(LOG).y, every_kind.transform(LOG).y)
    assert np.array_equal(loaded.transform(LOG).weights, every_kind.transform(LOG).weights)
    assert loaded.describe().equals(every_kind.describe())
    assert loaded.decode("item", [2, 3]).tolist() == every_kind.decode("item", [2, 3]).tolist()
    for a, b in zip(loaded.features(embed_dim=4), every_kind.features(embed_dim=4), strict=True):
        assert {**vars(a), "initializer": 0} == {**vars(b), "initializer": 0}
    given = loaded.features("item_text")[0].initializer
    assert np.allclose(given.embedding_weight[2:], [[0.1, 0.2], [1, 2]])
    assert not given.freeze


SERVE = """
import sys
import numpy as np
from torch_rechub.data.preprocessing import Preprocessor

def tenfold(x):
    return x * 10

loaded = Preprocessor.load(sys.argv[1], functions={"tenfold": tenfold})
data = dict(np.load(sys.argv[2], allow_pickle=False))
data["hist"] = [[3], [4, 5], [], [], [3, 3, 4]]
np.savez(sys.argv[3], **loaded.transform(data))
"""


@pytest.mark.slow
def test_a_new_process_transforms_to_the_same_bits(every_kind, folder, tmp_path):
    data = {
        "user": np.array(["007", "9", "7", "", "8"]),
        "item": np.array([3, 4, 9, 3, 5]),
        "price": np.array([0.1, np.nan, 3, 1e-9, 7]),
        "time": np.array(["2024-05-01T10:00:00Z"] * 5),
        "title": np.array(["The Piano", "", "钢琴", "the", "b"]),
        "image": LOG["image"],
    }
    np.savez(tmp_path / "data.npz", **data)
    arguments = [str(folder), str(tmp_path / "data.npz"), str(tmp_path / "out.npz")]
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "TZ": "America/New_York"}
    subprocess.run([sys.executable, "-c", SERVE, *arguments], check=True, env=environment)
    found = dict(np.load(tmp_path / "out.npz"))
    assert_same(found, every_kind.transform({**data, "hist": [[3], [4, 5], [], [], [3, 3, 4]]}))


def test_a_loaded_preprocessor_is_saved_again_as_it_was(folder, tmp_path):
    load(folder).save(tmp_path / "again")
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(path.name for path in (tmp_path / "again").iterdir())
    documents = []
    for saved in (folder, tmp_path / "again"):
        documents.append(json.loads((saved / "preprocessor.json").read_bytes()))
        for found in documents[-1]["columns"]:
            for table in (*found["tables"].values(), found.get("vocabulary", {})):
                table.pop("sha256", None)  # Arrow may lay out equal tables in two ways
    assert documents[0] == documents[1]
    for name in names[1:]:
        first, second = (
            pa.ipc.open_file(f / name).read_all() for f in (folder, tmp_path / "again")
        )
        assert first.equals(second)


def test_a_loaded_preprocessor_takes_no_parts_but_can_be_fitted_anew(every_kind, folder):
    loaded = load(folder)
    for add in (lambda: loaded.partial_fit(LOG), lambda: loaded.merge(every_kind),
                lambda: Preprocessor(COLUMNS, TARGETS, "weight").merge(loaded)):  # fmt: skip
        with pytest.raises(RuntimeError, match="a loaded preprocessor holds ids, not the counts"):
            add()
    assert_same(loaded.fit(LOG).transform(SERVING), every_kind.transform(SERVING))


class TestFunctions:
    """Functions are saved by name, and given when loading."""

    def test_a_function_that_is_not_given_is_named(self, folder):
        with pytest.raises(
            ValueError,
            match=r"column 'price' was fitted with the function 'tenfold'"
            r": give it, functions=\{'tenfold': tenfold\}",
        ):
            Preprocessor.load(folder)

    def test_a_function_without_a_name_is_not_saved(self, tmp_path):
        nameless = Preprocessor([Numeric("x", transform=lambda x: x)]).fit({"x": [1]})
        with pytest.raises(
            ValueError, match="the transform of column 'x' has no name to be saved by"
        ):
            nameless.save(tmp_path / "saved")
        assert not list(tmp_path.iterdir())

    def test_two_functions_of_one_name_are_not_saved(self, tmp_path):
        def make(n):
            def power(x):
                return x**n

            return power

        columns = [Numeric("x", transform=make(2)), Numeric("x", transform=make(3), name="cube")]
        with pytest.raises(ValueError, match="two transforms have the name 'power'"):
            Preprocessor(columns).fit({"x": [1]}).save(tmp_path / "saved")


class TestFolder:
    """A folder is written whole or not at all, and never loses files of others."""

    def test_an_earlier_preprocessor_is_replaced(self, folder, tmp_path):
        Preprocessor([Hashed("a", buckets=3)]).fit({"a": [1]}).save(folder)
        assert sorted(path.name for path in folder.iterdir()) == ["preprocessor.json"]
        assert [path.name for path in tmp_path.iterdir()] == ["saved"]

    @pytest.mark.parametrize("name", ["model.pt", "table-x.arrow", ".git"])
    def test_other_files_are_not_removed(self, every_kind, folder, name):
        (folder / name).write_text("precious")
        with pytest.raises(FileExistsError, match=f"{name}', another file: give a new folder"):
            every_kind.save(folder)
        assert (folder / name).read_text() == "precious"
        load(folder)

    def test_a_file_is_no_folder(self, every_kind, tmp_path):
        (tmp_path / "saved").write_text("precious")
        with pytest.raises(FileExistsError, match="saved is a file: give a new folder"):
            every_kind.save(tmp_path / "saved")

    def test_an_error_in_writing_leaves_the_earlier_one(self, folder, monkeypatch, tmp_path):
        before = (folder / "preprocessor.json").read_bytes()
        replace = os.replace

        def failing(source, target):
            if str(target) == str(folder) and str(source).endswith("new"):
                raise OSError(28, "No space left on device")
            replace(source, target)

        monkeypatch.setattr(os, "replace", failing)
        monkeypatch.setattr(sys, "platform", "win32")  # Linux exchanges the folders in one step
        with pytest.raises(OSError, match="No space left on device"):
            Preprocessor([Hashed("a", buckets=3)]).fit({"a": [1]}).save(folder)
        assert (folder / "preprocessor.json").read_bytes() == before
        assert [path.name for path in tmp_path.iterdir()] == ["saved"]

    def test_a_folder_without_a_preprocessor_is_named(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"there is no preprocessor in .*nowhere"):
            Preprocessor.load(tmp_path / "nowhere")


def test_a_column_of_the_user_cannot_be_saved(tmp_path):
    class Mine(Categorical):
        """A column that no library could load."""

    with pytest.raises(TypeError, match="columns of kind Mine cannot be saved; these can:"):
        Preprocessor([Mine("c")]).fit({"c": [1]}).save(tmp_path / "saved")
    assert not (tmp_path / "saved").exists()
