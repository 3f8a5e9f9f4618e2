"""Cells of a few rows as ids, by dicts: what `cells.distinct` finds, without Arrow."""

import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .vocabulary import FIRST, UNKNOWN, Vocabulary

if TYPE_CHECKING:
    import pyarrow as pa

_EXACT = 2**53
_PLAIN = {str, int, float, bool, type(None)}
_AS_KEYS = {str, int, type(None)}
_TOKENS = {str, int, type(None)}
_BOOLS = {"True": "true", "TRUE": "true", "False": "false", "FALSE": "false"}
_WHOLE_FLOAT = re.compile(r"(0|-?[1-9][0-9]{0,18})\.0", re.ASCII)


class NotPlain(Exception):
    """Cells that only the exact way encodes, or refuses with a message."""


def check_plain(cells: Sequence[Any]) -> set[type]:
    """Return the types of cells.

    Raises:
        NotPlain: The form of a cell depends on others, as that of a fraction among texts.
    """
    kinds = set(map(type, cells))
    if not kinds <= _PLAIN:
        raise NotPlain
    if float in kinds:
        for cell in cells:
            # NaN is missing; other floats are whole, or an error in most columns
            if type(cell) is float and cell == cell and not (cell.is_integer() and _small(cell)):
                raise NotPlain
            if type(cell) is int and not _small(cell):
                raise NotPlain
    return kinds


def _small(number: float) -> bool:
    return -_EXACT < number < _EXACT


def text_of_cell(cell: Any) -> str | None:
    """Return the one form of a plain cell as text; None if it is missing.

    Raises:
        NotPlain: It is no text of Unicode.

    Example:
        >>> [text_of_cell(cell) for cell in (7, 7.0, "7.0", True, "TRUE", "007", "", None)]
        ['7', '7', '7', 'true', 'true', '007', None, None]
    """
    if isinstance(cell, str):
        return one_form(cell) if cell else None
    if cell is None or cell != cell:
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return str(int(cell))


def one_form(text: str) -> str:
    """Return the form of a text that all of its equals have: that of whole numbers and bools."""
    if text.endswith(".0") and _WHOLE_FLOAT.fullmatch(text):
        return text[:-2]
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise NotPlain from error
    return _BOOLS.get(text, text)


def has_other_form(cell: Any) -> bool:
    """Return whether a plain cell is a text that is not in its one form."""
    return isinstance(cell, str) and (cell[-2:] == ".0" or cell in _BOOLS)


class ValueIds:
    """The ids of a vocabulary by value, for cells of Python.

    Args:
        vocabulary: The vocabulary; a dict of its values is made.

    Example:
        >>> import numpy as np
        >>> import pyarrow as pa
        >>> ids = ValueIds(Vocabulary(pa.array([7, 9]), np.array([2, 1])))
        >>> ids.of_cells(["9.0", 7, None, "x"], missing=5)
        [3, 2, 5, 1]
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        import pyarrow as pa

        self._vocabulary = vocabulary
        self.is_text = pa.types.is_large_string(vocabulary.values.type)
        values, ids = self.values_and_ids()
        self._ids: dict[Any, int] = dict(zip(values.to_pylist(), ids.tolist(), strict=True))

    def values_and_ids(self) -> "tuple[pa.Array, npt.NDArray[np.int64]]":
        """Return the values and their ids."""
        values, missing = self._vocabulary.values, self._vocabulary.missing_id
        ids = np.arange(FIRST, FIRST + len(values) + 1)
        return values, ids[ids != missing][: len(values)]

    def of_cells(self, cells: Sequence[Any], missing: int) -> list[int]:
        """Return the ids of plain cells.

        Raises:
            NotPlain: A cell is not.
        """
        kinds = check_plain(cells)
        # a bool is equal to a number
        if self.is_text or kinds <= _AS_KEYS:
            found = list(map(self._ids.get, cells))
            if None not in found:
                return found  # type: ignore[return-value]
        else:
            found = [None] * len(cells)
        pairs = zip(found, cells, strict=True)
        return [self.of_cell(cell, missing) if id_ is None else id_ for id_, cell in pairs]

    def of_cell(self, cell: Any, missing: int) -> int:
        """Return the id of a plain cell."""
        text = text_of_cell(cell)
        return missing if text is None else self.of_text(text)

    def of_text(self, text: str) -> int:
        """Return the id of a text in its one form."""
        if self.is_text:
            return self._ids.get(text, UNKNOWN)
        try:
            number = int(text)
        except ValueError:
            return UNKNOWN
        return self._ids.get(number, UNKNOWN) if str(number) == text else UNKNOWN

    def of_tokens(self, tokens: Collection[Any]) -> list[int]:
        """Return the ids of the elements of a list that are not missing.

        Raises:
            NotPlain: An element is no text and no whole number.
        """
        if not set(map(type, tokens)) <= _TOKENS:
            raise NotPlain
        if any(type(token) is int and not -(2**63) <= token < 2**63 for token in tokens):
            raise NotPlain
        texts = (text_of_cell(token) for token in tokens)
        return [self.of_text(text) for text in texts if text is not None]
