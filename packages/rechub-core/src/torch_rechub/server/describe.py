"""The documentation of requests: JSON schemas of rows, and the operation for OpenAPI."""

from typing import Any

from .answering import Predicting
from .describe_users import user_schema

_COUNT = {"type": "integer", "minimum": 1, "default": 10}
_ERRORS = {
    "400": "The body is no JSON.",
    "401": "The token is missing or wrong.",
    "413": "The body, or the number of rows, is above the limit.",
    "415": "The body is compressed.",
    "422": "A value does not fit the schema; the message names row and column.",
    "503": "Too many requests are in progress.",
}


def row_schema(bundle: Any) -> dict[str, Any]:
    """Return the JSON schema of a raw row, or of a raw user, of a bundle."""
    if hasattr(bundle, "predict"):
        if bundle.preprocessor is None:
            return {"type": "object", "description": "the inputs of the model"}
        found: dict[str, Any] = bundle.preprocessor.schema()
        return found
    return user_schema(bundle)


def operation(bundle: Any, path: str) -> dict[str, Any]:
    """Return the operation of the endpoint of a bundle, in the form of OpenAPI."""
    name = "rows" if path == Predicting.path else "users"
    row = row_schema(bundle)
    properties: dict[str, Any] = {name: {"oneOf": [{"type": "array", "items": row}, row]}}
    if name == "users":
        properties |= {
            "k": _COUNT,
            "exclude_seen": {"type": "boolean", "default": True},
            "filter": {"type": "array", "description": "raw ids of the items that are allowed"},
        }
    body = {"type": "object", "properties": properties, "required": [name]}
    responses = {"200": "Answers in the order of the rows.", **_ERRORS}
    return {
        "summary": "Predict rows" if name == "rows" else "Recommend items to users",
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {status: {"description": text} for status, text in responses.items()},
    }
