"""The options of reading, checked once; and the place of a value, for messages."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from ..._bounds import check_whole


@dataclass(frozen=True)
class ReadingOptions:
    """How data are read; see `read_blocks`, whose arguments these are.

    Attributes:
        mixed: Whether a column may have another type in each block.
    """

    columns: tuple[str, ...] | None = None
    block_rows: int = 262_144
    text_columns: frozenset[str] = frozenset()
    number_columns: frozenset[str] = frozenset()
    header: tuple[str, ...] | None = None
    separator: str | None = None
    quote: str | None = '"'
    null_values: tuple[str, ...] = ("",)
    encoding: str = "utf-8"
    dictionary: bool = False
    every: bool = False  # whether all columns are read, so that another one is an error
    mixed: bool = False


_INTERNAL = ("every", "mixed")


def options_of(**given: Any) -> ReadingOptions:
    """Check the arguments of `read_blocks`.

    Raises:
        TypeError: An argument has another type.
        ValueError: A column is named twice, or as text and as numbers; a character is several; the
            encoding is unknown.
    """
    for name in ("columns", "header"):
        given[name] = _names(name, given.get(name))
    for name in ("text_columns", "number_columns"):
        given[name] = frozenset(_names(name, given.get(name, ())) or ())
    if given["columns"] == ():
        raise ValueError("columns must name at least one column, got an empty list")
    given["null_values"] = _texts("null_values", given.get("null_values", ("",)))
    known = [field.name for field in fields(ReadingOptions) if field.name not in _INTERNAL]
    if unknown := [name for name in given if name not in known]:
        raise TypeError(f"there is no option {unknown[0]!r} of reading; there are {known}")
    options = ReadingOptions(**given)
    check_whole(1, block_rows=options.block_rows)
    for name, value in (("separator", options.separator), ("quote", options.quote)):
        if value is not None and (not isinstance(value, str) or len(value.encode()) != 1):
            raise ValueError(f"{name} must be one character of ASCII, got {value!r}")
    both = sorted(options.text_columns & options.number_columns)
    if both:
        raise ValueError(f"column {both[0]!r} is in text_columns and in number_columns: choose one")
    try:
        "".encode(options.encoding)
    except LookupError:
        raise ValueError(
            f"encoding must be one that Python knows, such as 'latin-1', got {options.encoding!r}"
        ) from None
    return options


def with_columns(options: ReadingOptions, names: Sequence[str]) -> ReadingOptions:
    """The same options with the columns to read; all of `names` if none were chosen."""
    if options.columns is not None:
        return options
    return replace(options, columns=tuple(names), every=True)


def refuse_other_names(
    names: Sequence[str], options: ReadingOptions, source: str, remedy: str = ""
) -> None:
    """Refuse data that lack a column, or have one that the first part lacks.

    Raises:
        KeyError: A column is missing.
        ValueError: There is an additional column, and all are read.
    """
    there, wanted = set(names), options.columns or ()
    for name in wanted:
        if name not in there:
            raise KeyError(
                f"{source} has no column {name!r}: its columns are {shortened(names)}{remedy}"
            )
    extra = [name for name in names if options.every and name not in set(wanted)]
    if extra:
        raise ValueError(
            f"{source} has the column {extra[0]!r}, which the first part lacks: name the columns "
            "to read with columns=[…]"
        )


def _names(argument: str, names: Any) -> tuple[str, ...] | None:
    if names is None:
        return None
    found = _texts(argument, names)
    refuse_twice(found, argument)
    return found


def _texts(argument: str, texts: Any) -> tuple[str, ...]:
    if isinstance(texts, str) or not isinstance(texts, Collection):
        raise TypeError(f"{argument} must be a list of texts, got {texts!r}")
    for text in texts:
        if not isinstance(text, str):
            raise TypeError(f"{argument} must be a list of texts, got {text!r} in it")
    return tuple(texts)


def refuse_twice(names: Sequence[str], where: str, remedy: str = "") -> None:
    """Refuse names that occur twice.

    Raises:
        ValueError: There is such a name; the message gives its positions.
    """
    for position, name in enumerate(names):
        first = names.index(name)
        if first != position:
            raise ValueError(
                f"{where} names column {name!r} twice, at positions {first} and {position}{remedy}"
            )


def shortened(names: Sequence[str]) -> str:
    """Names for a message, the first 20 of them."""
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return f"{list(names[:20])}{more}"


@dataclass(frozen=True)
class Place:
    """Where rows come from: a source and its first row.

    Args:
        source: A file, or a description of data in memory.
        first_row: The number of the first row in the source, from 0.
        line_of: Gives the line of the file, from 1, that a row begins in; None for data without
            lines.

    Example:
        >>> Place("clicks.csv", 100).row(3)
        'row 103 of clicks.csv'
    """

    source: str = ""
    first_row: int = 0
    line_of: Callable[[int], int | None] | None = None

    def row(self, index: int) -> str:
        """Name a row of the block, for a message: finding its line scans the file."""
        row = self.first_row + index
        line = self.line_of(row) if self.line_of is not None else None
        source = f" of {self.source}" if self.source else ""
        return f"row {row}{'' if line is None else f' (line {line})'}{source}"

    def skip(self, rows: int) -> "Place":
        """The place of the row that is `rows` later."""
        return replace(self, first_row=self.first_row + rows)
