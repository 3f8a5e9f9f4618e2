"""The documentation of requests, from the columns of the preprocessor."""

from typing import Any


def row_schema(bundle: Any) -> dict[str, Any]:
    """Return the JSON schema of a raw row of a bundle."""
    names = [column.name for column in bundle.preprocessor.columns] if bundle.preprocessor else []
    return {"type": "object", "properties": {name: {} for name in names}}
