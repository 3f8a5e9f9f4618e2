"""JSON lines read line by line in Python: exact for every value, with the line of an error."""

import json
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any, NoReturn

from ..._strict_json import unique_keys
from .memory import arrow_column
from .number_forms import shown
from .options import Place
from .streams import OTHER_ENCODING

if TYPE_CHECKING:
    import pyarrow as pa


def rows_of(chunk: bytes, place: Place, known: Collection[str] | None) -> list[dict[str, Any]]:
    """Parse lines.

    Args:
        chunk: Whole lines; blank ones are skipped.
        place: The place of the first.
        known: The keys that may occur; None allows all.

    Raises:
        ValueError: A line is broken, is no object, has a key twice, or one that is not known.
    """
    lines = [line for line in chunk.split(b"\n") if line.strip()]
    return [_row(line, place, row, known) for row, line in enumerate(lines)]


def columns_of_rows(
    rows: list[dict[str, Any]], keys: Iterable[str], place: Place
) -> "dict[str, pa.Array]":
    """Convert rows to columns; whole numbers of any size stay exact, as text beyond int64."""
    return {
        key: arrow_column([row.get(key) for row in rows], key, as_text=True, place=place)
        for key in keys
    }


def _row(line: bytes, place: Place, row: int, known: Collection[str] | None) -> dict[str, Any]:
    try:
        found = json.loads(line.decode(), object_pairs_hook=unique_keys)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{place.row(row)} holds the byte {line[error.start]:#x}, which is not of the encoding "
            f"utf-8: {OTHER_ENCODING}"
        ) from error
    except (ValueError, RecursionError) as error:
        _refuse(line, place, row, f"is not JSON: {error}")
    if not isinstance(found, dict):
        _refuse(line, place, row, f"is {type(found).__name__}, not an object of keys and values")
    extra = [key for key in found if known is not None and key not in known]
    if extra:
        raise ValueError(
            f"{place.row(row)} has the key {extra[0]!r}, which the first lines lack: name the "
            "columns to read with columns=[…]"
        )
    return found


def _refuse(line: bytes, place: Place, row: int, reason: str) -> NoReturn:
    start = shown(line.decode(errors="replace").strip())
    raise ValueError(f"{place.row(row)} {reason}; it begins {start}: mend or remove the line")
