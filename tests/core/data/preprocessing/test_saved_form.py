"""Saved preprocessors: the same to the bit in a new process; hostile folders are refused."""

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from torch_rechub.data.preprocessing import (
    Bucketized,
    Categorical,
    Crossed,
    Embedding,
    Hashed,
    MultiCategorical,
    Numeric,
    Preprocessor,
    Target,
    Text,
    Timestamp,
)


def tenfold(x):
    return x * 10


LOG = {
    "user": ["7", "8", "7", None, "007"],
    "item": [3, 4, None, 3, 3],
    "hist": [[3], [4, 5], [], None, [3, 3, 4]],
    "price": [1.5, None, 0.1, 7, 1e9],
    "time": ["2024-05-01T10:00:00+02:00", None, "2024-05-02T00:00:00Z", "", "2020-02-29T12:00:00Z"],
    "title": ["The Piano", "钢琴 the", None, "", "a a a"],
    "image": np.arange(10.0).reshape(5, 2),
    "rating": [1, 5, 3, 4, 2],
    "weight": [1, 2, 3, 4, 5.5],
}
COLUMNS = [
    Categorical("user", min_count=np.int64(1), embed_dim=8),
    Categorical("item", max_size=2),
    MultiCategorical("hist", shared_with="item", keep="last", max_length=2, pooling="concat"),
    Hashed("user", buckets=100, name="user_hash"),
    Crossed("user", "item", buckets=50),
    Numeric("price", scale="standard", transform="log1p", indicator=True, clip=(0, None)),
    Numeric("price", scale="robust", missing=np.float32(0.1), name="robust", transform=tenfold),
    Bucketized("price", quantiles=3, name="bucket"),
    Bucketized("price", boundaries=np.array([0.1, 1]), name="given"),
    Timestamp("time", parts=("hour", "dayofyear"), timezone="Asia/Tokyo"),
    Timestamp("time", cyclical=True, name="cycle"),
    Text("title"),
    Embedding("image"),
    Embedding("item", vectors={3: [0.1, 0.2], 9: [1.0, 2.0]}, trainable=True, name="item_text"),
]
TARGETS = [Target("rating", threshold=4, name="liked"), "rating"]
SERVING = {
    **{k: v for k, v in LOG.items() if k not in ("rating", "weight")},
    "user": ["007", "9", 7, "", "8"],
}


@pytest.fixture(scope="module")
def fitted():
    return Preprocessor(COLUMNS, TARGETS, "weight").fit(LOG)


@pytest.fixture
def folder(fitted, tmp_path):
    fitted.save(tmp_path / "saved")
    return tmp_path / "saved"


def load(folder):
    return Preprocessor.load(folder, functions={"tenfold": tenfold})


def assert_same(found, expected):
    assert list(found) == list(expected)
    for name in expected:
        assert found[name].dtype == expected[name].dtype
        assert found[name].tobytes() == expected[name].tobytes(), name


def test_a_loaded_preprocessor_transforms_to_the_same_bits(fitted, folder):
    loaded = load(folder)
    for data in (LOG, SERVING):
        assert_same(loaded.transform(data), fitted.transform(data))
    assert np.array_equal(loaded.transform(LOG).y, fitted.transform(LOG).y)
    assert np.array_equal(loaded.transform(LOG).weights, fitted.transform(LOG).weights)
    assert loaded.describe().equals(fitted.describe())
    assert loaded.decode("item", [2, 3]).tolist() == fitted.decode("item", [2, 3]).tolist()
    for a, b in zip(loaded.features(embed_dim=4), fitted.features(embed_dim=4), strict=True):
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
def test_a_new_process_transforms_to_the_same_bits(fitted, folder, tmp_path):
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
    assert_same(found, fitted.transform({**data, "hist": [[3], [4, 5], [], [], [3, 3, 4]]}))


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


def test_a_loaded_preprocessor_takes_no_parts_but_can_be_fitted_anew(fitted, folder):
    loaded = load(folder)
    for add in (lambda: loaded.partial_fit(LOG), lambda: loaded.merge(fitted),
                lambda: Preprocessor(COLUMNS, TARGETS, "weight").merge(loaded)):  # fmt: skip
        with pytest.raises(RuntimeError, match="a loaded preprocessor holds ids, not the counts"):
            add()
    assert_same(loaded.fit(LOG).transform(SERVING), fitted.transform(SERVING))


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
    def test_other_files_are_not_removed(self, fitted, folder, name):
        (folder / name).write_text("precious")
        with pytest.raises(FileExistsError, match=f"{name}', another file: give a new folder"):
            fitted.save(folder)
        assert (folder / name).read_text() == "precious"
        load(folder)

    def test_a_file_is_no_folder(self, fitted, tmp_path):
        (tmp_path / "saved").write_text("precious")
        with pytest.raises(FileExistsError, match="saved is a file: give a new folder"):
            fitted.save(tmp_path / "saved")

    def test_an_error_in_writing_leaves_the_earlier_one(self, folder, monkeypatch, tmp_path):
        before = (folder / "preprocessor.json").read_bytes()
        replace = os.replace

        def failing(source, target):
            if str(target) == str(folder) and str(source).endswith("new"):
                raise OSError(28, "No space left on device")
            replace(source, target)

        monkeypatch.setattr(os, "replace", failing)
        with pytest.raises(OSError, match="No space left on device"):
            Preprocessor([Hashed("a", buckets=3)]).fit({"a": [1]}).save(folder)
        assert (folder / "preprocessor.json").read_bytes() == before
        assert [path.name for path in tmp_path.iterdir()] == ["saved"]

    def test_a_folder_without_a_preprocessor_is_named(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"there is no preprocessor in .*nowhere"):
            Preprocessor.load(tmp_path / "nowhere")


def rewrite(folder, change):
    """Change the saved JSON, as an attacker or a broken tool would."""
    path = folder / "preprocessor.json"
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))


def entry(document, name):
    for found in document["columns"]:
        if (found["settings"].get("name") or found["settings"]["column"]) == name:
            return found
    raise KeyError(name)


def setting(column, part, key, value):
    return lambda document: entry(document, column)[part].update({key: value})


def vocabulary(key, value):
    return lambda document: entry(document, "user")["vocabulary"].update({key: value})


HOSTILE = {
    "another format": (lambda d: d.update(format="pickle"), "is of format 'pickle', not"),
    "a newer version": (lambda d: d.update(version=2), "has version 2, this release reads 1"),
    "no columns": (lambda d: d.pop("columns"), "is damaged: KeyError"),
    "columns of another type": (lambda d: d.update(columns={"a": 1}), "is damaged"),
    "an empty list of columns": (lambda d: d.update(columns=[]), "at least one column"),
    "an unknown kind": (lambda d: entry(d, "user").update(kind="os.system"),
                        r"columns of kind 'os\.system' are unknown"),
    "a kind that is a list": (lambda d: entry(d, "user").update(kind=["Categorical"]), "damaged"),
    "an unknown setting": (setting("user", "settings", "color", "red"), "damaged.*color"),
    "a setting out of range": (setting("user", "settings", "min_count", 0), "min_count must be"),
    "a column without a name": (setting("user", "settings", "column", 5), "column must be a name"),
    "a column twice": (lambda d: d["columns"].append(d["columns"][0]), "two inputs have the name"),
    "a shared vocabulary that is none": (setting("hist", "settings", "shared_with", "x"),
                                         "shared_with='x', which has no vocabulary"),
    "a label among inputs": (lambda d: d.update(weight="user"), "is a label or a weight, and an"),
    "targets that are none": (lambda d: d.update(targets=[{"column": 3}]), "column must be a name"),
    "targets of another type": (lambda d: d.update(targets=[7]), "column must be a name"),
    "a path to another folder": (vocabulary("file", "../x"), r"'\.\./x' is no name of a table"),
    "an absolute path": (vocabulary("file", "/etc/passwd"), "'/etc/passwd' is no name of a table"),
    "a name with a line break": (vocabulary("file", "table-0.arrow\n"), "is no name of a table"),
    "a name that is a number": (vocabulary("file", 0), "0 is no name"),
    "a missing table": (vocabulary("file", "table-99.arrow"), r"table-99\.arrow is missing"),
    "another checksum": (vocabulary("sha256", "0" * 64), r"table-0\.arrow is damaged: its"),
    "a missing id out of range": (vocabulary("missing_id", 10**6), "it is no vocabulary"),
    "a missing id of another type": (vocabulary("missing_id", "2"), "'missing_id' must be a whole"),
    "a scale of zero": (setting("price", "fitted", "scale", 0), "the fitted scale must be above 0"),
    "a fill of text": (setting("price", "fitted", "fill", "x"), "'fill' must be a number, got 'x'"),
    "a fill that is true": (setting("price", "fitted", "fill", True), "'fill' must be"),
    "a large fill": (setting("price", "fitted", "fill", 10**400), "damaged: OverflowError|number"),
    "an unknown fitted setting": (setting("price", "fitted", "x", 1), "the fitted settings must"),
    "boundaries that fall": (setting("bucket", "fitted", "boundaries", [2, 1]), "increasing"),
    "boundaries of text": (setting("bucket", "fitted", "boundaries", "12"), "boundaries"),
    "a length of 0": (setting("hist", "fitted", "length", 0), "length must be at least 1"),
    "a width of 0": (setting("image", "fitted", "width", 0), "width must be at least 1"),
    "a moment that is none": (setting("time", "fitted", "low", "soon"), "cannot be loaded"),
    "a function that is a number": (setting("robust", "settings", "transform", 7), "function 7"),
    "fitted settings of another type": (lambda d: entry(d, "user").update(fitted=3), "damaged"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_document_is_refused_with_the_name_of_the_file(case, folder):
    change, message = HOSTILE[case]
    rewrite(folder, change)
    with pytest.raises(ValueError, match=r"preprocessor\.json") as raised:
        load(folder)
    raised.match(message)


@pytest.mark.parametrize("text", [
    b"", b"{", b"[]", b"null", b'"text"', b"{}", b"\xff\xfe", b"[" * 100_000,
    b'{"format": ' + b"[" * 100_000, b'{"format": NaN, "version": 1}',
])  # fmt: skip
def test_a_file_that_is_no_such_document_is_refused(folder, text):
    (folder / "preprocessor.json").write_bytes(text)
    with pytest.raises(ValueError, match=r"preprocessor\.json is damaged, or no preprocessor"):
        load(folder)


def replace_table(folder, data):
    """Replace the vocabulary of users, with the right checksum."""

    def change(document):
        saved = entry(document, "user")["vocabulary"]
        (folder / saved["file"]).write_bytes(data)
        saved["sha256"] = hashlib.sha256(data).hexdigest()

    rewrite(folder, change)


def as_bytes(table):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


COUNTS = pa.array([1, 1])
TABLES = {
    "no table": b"ARROW1 or not",
    "nothing": b"",
    "other columns": as_bytes(pa.table({"a": COUNTS, "b": COUNTS})),
    "values of another type": as_bytes(pa.table({"value": pa.array([0.5, 1.5]), "count": COUNTS})),
    "counts of another type": as_bytes(pa.table({"value": COUNTS, "count": ["a", "b"]})),
    "a value twice": as_bytes(pa.table({"value": pa.array([7, 7]), "count": COUNTS})),
    "a missing value": as_bytes(pa.table({"value": pa.array([7, None]), "count": COUNTS})),
    "text that is not UTF-8": as_bytes(pa.table({
        "value": pa.Array.from_buffers(pa.large_string(), 2, pa.array(
            [b"\xff", b"b"], pa.large_binary()).buffers()),
        "count": COUNTS})),
    "a file cut short": as_bytes(pa.table({"value": COUNTS, "count": COUNTS}))[:-9],
}  # fmt: skip


@pytest.mark.parametrize("case", TABLES)
def test_a_hostile_table_is_refused_with_the_name_of_the_file(case, folder):
    replace_table(folder, TABLES[case])
    with pytest.raises(ValueError, match=r"table-0\.arrow is damaged"):
        load(folder)


def test_one_changed_bit_of_a_table_is_found(folder):
    path = folder / "table-0.arrow"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"table-0\.arrow is damaged: its checksum differs"):
        load(folder)


def test_a_column_of_the_user_cannot_be_saved(tmp_path):
    class Mine(Categorical):
        """A column that no library could load."""

    with pytest.raises(TypeError, match="columns of kind Mine cannot be saved; these can:"):
        Preprocessor([Mine("c")]).fit({"c": [1]}).save(tmp_path / "saved")
    assert not (tmp_path / "saved").exists()
