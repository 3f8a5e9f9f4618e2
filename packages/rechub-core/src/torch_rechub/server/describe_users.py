"""The JSON schema of a raw user, as bundles that recommend read one."""

from collections.abc import Mapping
from typing import Any

from ..bundles.raw import RawColumns

_ID = {"type": ["string", "integer"], "description": "the id of the user, as answers repeat it"}
_ITEMS = "raw ids of items, oldest first"
_TIMES = "the times of these items, which do not descend: ISO 8601, or numbers in the unit {!r}"
_VALUES = "values of these items; those of the bundle's items, if absent"
_TEXT = "the raw columns of a user; rows of a log, with user, item and time, are taken as well"


def user_schema(bundle: Any) -> dict[str, Any]:
    """Return the JSON schema of a raw user: its histories, and the columns of the model."""
    parts: Mapping[str, Any] = bundle.parts
    histories = _histories(parts)
    item, time, user = histories.item, histories.time, histories.user
    found: dict[str, Any] = {} if user is None else {user: _ID}
    required = []
    form = parts.get("users")
    if form is not None:  # retrieval models may read columns of users, or no history
        raw = RawColumns(bundle.preprocessor)
        known = {} if raw.preprocessor is None else raw.preprocessor.schema()["properties"]
        others = [name for name in form.inputs if name not in form.repeats]
        required = list(dict.fromkeys(source for name in others for source in raw.sources(name)))
        found |= {name: known.get(name, {}) for name in required}
        attributes = [source for name in form.repeats.values() for source in raw.sources(name)]
        found |= {f"hist_{name}": _list(_VALUES) for name in attributes if name != item}
    if f"hist_{item}" not in required:
        ids = {"items": {"type": ["string", "integer", "null"]}}
        found[f"hist_{item}"] = _list(_ITEMS) | ids
        required += [f"hist_{item}"] if form is None or form.repeats else []
    if time is not None:
        kinds = {"items": {"type": ["string", "number"]}}
        found[f"hist_{time}"] = _list(_TIMES.format(histories.time_unit)) | kinds
        required += [f"hist_{time}"] if "sequences" in parts else []
    return {"type": "object", "description": _TEXT, "properties": found, "required": required}


def _list(text: str) -> dict[str, Any]:
    return {"type": "array", "description": text}


def _histories(parts: Mapping[str, Any]) -> Any:
    """Return the names of raw columns in histories."""
    for name in ("users", "sequences"):
        if name in parts:
            return parts[name].histories
    return parts["codes"].form.histories
