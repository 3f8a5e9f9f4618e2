"""The documentation of requests, from the columns of the preprocessor."""

from typing import Any


def row_schema(bundle: Any) -> dict[str, Any]:
    """Return the JSON schema of a raw row of a bundle."""
    columns = bundle.preprocessor.columns if bundle.preprocessor else ()
    names = dict.fromkeys(source for column in columns for source in column.sources)
    return {"type": "object", "properties": {name: {} for name in names}}
