"""The schema of raw rows: cells of the listed types are encoded, others are refused."""

import json

import pytest

from core.data.preprocessing import saved
from torch_rechub.data.preprocessing import Categorical, Embedding, Numeric, Preprocessor, Text

CELLS = {
    "string": "1",
    "integer": 3,
    "number": 0.5,
    "boolean": True,
    "array": [1, 2],
    "null": None,
}


@pytest.fixture(scope="module")
def schema(every_kind):
    """The schema of columns of every kind."""
    return every_kind.schema()


def test_it_is_json_and_has_every_raw_column_but_labels(schema):
    assert json.loads(json.dumps(schema)) == schema
    assert list(schema["properties"]) == ["user", "item", "hist", "price", "time", "title", "image"]
    assert schema["required"] == list(schema["properties"])
    assert "rating" not in schema["properties"]


def test_kinds_and_inputs_are_those_of_the_declaration(every_kind, schema):
    for name, found in schema["properties"].items():
        columns = [column for column in every_kind.columns if name in column.sources]
        assert found["kinds"] == [type(column).__name__ for column in columns]
        assert found["inputs"] == [output for column in columns for output in column.outputs]


@pytest.mark.parametrize("name", ["user", "item", "hist", "price", "title", "image"])
@pytest.mark.parametrize("kind", CELLS)
def test_cells_of_the_listed_types_alone_are_encoded(every_kind, schema, name, kind):
    types = schema["properties"][name]["type"]
    part = every_kind.select(*schema["properties"][name]["inputs"])
    row = {**{source: None for c in part.columns for source in c.sources}, name: CELLS[kind]}
    if kind in types or (kind == "integer" and "number" in types):
        part.transform([row])
    elif kind != "boolean":  # of numbers, it depends on the other rows
        with pytest.raises((ValueError, TypeError)):
            part.transform({source: [cell] for source, cell in row.items()})


def test_vectors_have_their_width(schema):
    assert schema["properties"]["image"]["minItems"] == 2
    assert schema["properties"]["image"]["maxItems"] == 2


@pytest.mark.parametrize(
    ("column", "types"),
    [
        (Categorical("x", missing="error"), ["string", "integer", "boolean"]),
        (Categorical("x"), ["string", "integer", "boolean", "null"]),
        (Numeric("x", missing="error"), ["string", "number"]),
        (Text("x"), ["string", "integer", "boolean", "array", "null"]),
        (Embedding("x", vectors={"1": [2.0]}), ["string", "integer", "boolean", "null"]),
    ],
)
def test_missing_cells_are_allowed_unless_they_are_an_error(column, types):
    assert Preprocessor([column]).fit({"x": ["1"]}).schema()["properties"]["x"]["type"] == types


def test_a_column_of_several_inputs_has_the_types_that_all_accept():
    columns = [Categorical("x"), Numeric("x", name="number")]
    found = Preprocessor(columns).fit({"x": [1]}).schema()["properties"]["x"]
    assert found["type"] == ["string", "integer", "null"]


def test_a_loaded_one_has_the_same_schema(folder, schema):
    assert saved.load(folder).schema() == schema
