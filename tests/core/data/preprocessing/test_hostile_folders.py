"""Hostile folders of preprocessors are refused with the name of the file."""

import hashlib
import json

import pyarrow as pa
import pytest

from core.data.preprocessing.saved import load


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
        saved.update(sha256=hashlib.sha256(data).hexdigest(), missing_id=1)

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


def test_a_table_of_the_right_form_is_loaded(folder):
    replace_table(folder, as_bytes(pa.table({"value": pa.array([70, 80]), "count": COUNTS})))
    assert load(folder).decode("user", [2, 3]).tolist() == [70, 80]


def test_one_changed_bit_of_a_table_is_found(folder):
    path = folder / "table-0.arrow"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"table-0\.arrow is damaged: its checksum differs"):
        load(folder)
