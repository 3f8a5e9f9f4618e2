"""The raw rows that a preprocessor takes, as JSON Schema: for validation and documentation."""

from collections.abc import Mapping, Sequence
from typing import Any

from .columns import (
    Bucketized,
    Categorical,
    Column,
    Embedding,
    Encoder,
    MultiCategorical,
    Numeric,
    Timestamp,
)

_ALL = ("string", "integer", "number", "boolean", "array", "null")  # in the order of the schema


def schema_of(columns: Sequence[Column], encoders: Mapping[str, Encoder]) -> dict[str, Any]:
    """Return the JSON Schema of a raw row; see `Preprocessor.schema`."""
    properties: dict[str, dict[str, Any]] = {}
    for column in columns:
        for source in column.sources:
            found = properties.setdefault(source, {"type": list(_ALL), "kinds": [], "inputs": []})
            accepted = _types(column)
            found["type"] = [kind for kind in found["type"] if kind in accepted]
            found["kinds"] += [type(column).__name__]
            found["inputs"] += column.outputs
            if "array" in accepted:
                found |= _elements(column, encoders[column.input_name])
    for found in properties.values():
        if "number" in found["type"] and "integer" in found["type"]:
            found["type"].remove("integer")  # an integer is a number
    return {"type": "object", "properties": properties, "required": list(properties)}


def _types(column: Column) -> set[str]:
    """Return the types of JSON that the cells of a column may have."""
    if isinstance(column, Numeric | Bucketized | Timestamp):
        types = {"integer", "number", "string"}
    elif column.has_lists:
        types = {"array"}
    else:
        types = {"string", "integer", "boolean"}
        types |= {"array"} if isinstance(column, MultiCategorical) else set()
    return types | {"null"} if _may_miss(column) else types


def _may_miss(column: Column) -> bool:
    """Whether missing cells are no error."""
    if isinstance(column, Embedding) and column.is_of_ids:
        return True
    return not isinstance(column, Numeric | Categorical | Embedding) or column.missing != "error"


def _elements(column: Column, encoder: Encoder) -> dict[str, Any]:
    """Return the keywords of the elements of an array."""
    if isinstance(column, Embedding):
        width = encoder.facts()["size"]
        return {"items": {"type": ["number"]}, "minItems": width, "maxItems": width}
    return {"items": {"type": ["string", "integer", "boolean", "null"]}}
