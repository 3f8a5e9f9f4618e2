"""Layouts of public data sets: their files, columns and types, as data that one reader follows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import pandas as pd

Type: TypeAlias = Literal["int", "number", "text", "time", "list", "choice"]
Use: TypeAlias = Literal["", "category", "number", "count", "list", "time", "target", "weight"]

JSON_LIST = "json"  # the form of a cell such as "[27, 9]"


class PublicDataError(ValueError):
    """A file is not what a data set's layout says; the message gives file, line and remedy."""


class FaultError(Exception):
    """A fault in a block of lines, before the file is known."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: Its name in frames.
        type: "int" is int64 and never missing; "number" is float64, NaN where missing; "text" is
            missing where the cell is empty; "time" is int64, seconds since 1970; "list" is a tuple;
            "choice" is int64, the position of the cell in `choices`.
        use: The column's part in a recipe; none by default.
        source: Its name in the file, where that differs.
        form: The format of a time, the separator of a list, or `JSON_LIST`.
        choices: The cells of a "choice", in order.
        optional: Whether files may lack it: then it is left out or, in lines of JSON, missing.
        derived: Whether it is computed from other columns by `Table.change`.
    """

    name: str
    type: Type
    use: Use = ""
    source: str = ""
    form: str = ""
    choices: tuple[str, ...] = ()
    optional: bool = False
    derived: bool = False

    @property
    def in_file(self) -> str:
        """The name in the file."""
        return self.source or self.name


def ints(*names: str, use: Use = "", optional: bool = False) -> tuple[Column, ...]:
    """Columns of int64; a name "a>b" is a in the file and b in frames.

    Example:
        >>> [column.name for column in ints("userId>user_id", "rating")]
        ['user_id', 'rating']
    """
    return _columns(names, "int", use, optional)


def numbers(*names: str, use: Use = "", optional: bool = False) -> tuple[Column, ...]:
    """Columns of float64, named as in `ints`."""
    return _columns(names, "number", use, optional)


def texts(*names: str, use: Use = "", optional: bool = False) -> tuple[Column, ...]:
    """Columns of text, named as in `ints`."""
    return _columns(names, "text", use, optional)


def _columns(names: tuple[str, ...], kind: Type, use: Use, optional: bool) -> tuple[Column, ...]:
    pairs = [(name.rpartition(">")[2], name.rpartition(">")[0]) for name in names]
    return tuple(Column(name, kind, use, source, optional=optional) for name, source in pairs)


@dataclass(frozen=True)
class Table:
    r"""A table of a data set.

    Attributes:
        files: Patterns of the file's base name, without ".gz".
        columns: In the order of the file where it has no header.
        format: "cells" (lines of cells), "json" or "literal" (a JSON object or a Python literal
            on each line).
        separator: Between cells.
        header: Whether the first line has the names of the columns.
        quoted: Whether cells may stand in double quotes.
        spaces: Whether spaces follow separators.
        encoding: Of the text.
        missing: Cells that stand for a missing value, in addition to the empty one.
        many: Whether several files make up the table, one after the other in order of name.
        key: The column by which other tables find a row of this one.
        sides: Tables whose `key` is a column of this one, to be joined.
        change: Computes derived columns from a block of the frame; raises `FaultError` with the
            number of the row, from 0, for its line.
    """

    files: tuple[str, ...]
    columns: tuple[Column, ...]
    format: Literal["cells", "json", "literal"] = "cells"
    separator: str = ","
    header: bool = False
    quoted: bool = False
    spaces: bool = False
    encoding: str = "utf-8"
    missing: tuple[str, ...] = ()
    many: bool = False
    key: str = ""
    sides: tuple[str, ...] = ()
    change: Callable[[pd.DataFrame], pd.DataFrame] | None = None

    @property
    def stored(self) -> tuple[Column, ...]:
        """The columns that the file has."""
        return tuple(column for column in self.columns if not column.derived)

    def describe(self) -> str:
        r"""The expected layout in words, for errors.

        Example:
            >>> Table(("a.txt",), ints("user", "item"), separator="\t").describe()
            "a.txt: lines of user, item, separated by '\\t', without a header"
        """
        names = ", ".join(column.in_file for column in self.stored)
        files = " or ".join(self.files)
        if self.format != "cells":
            kind = "a JSON object" if self.format == "json" else "a Python dict"
            return f"{files}: {kind} on each line, with the keys {names}"
        header = "a header" if self.header else "no header"
        header = f"with {header}" if self.header else "without a header"
        return f"{files}: lines of {names}, separated by {self.separator!r}, {header}"


@dataclass(frozen=True)
class Layout:
    """A data set: its tables, and the columns that make it a log of users and items.

    Attributes:
        title: Its name, for messages.
        url: The page of its authors, with the archive and the terms.
        tables: By name; the first one is the log, or the training examples.
        user: The column of the user; "" for data without users.
        item: The column of the item.
        time: The column of the time.
        label: The column of the label, if any.
        time_unit: The unit of the time: "s" or "ms".
        timezone: Where the users' hours and weekdays are.
        md5: Published MD5 checksums, by the name of the archive.
    """

    title: str
    url: str
    tables: Mapping[str, Table]
    user: str = ""
    item: str = ""
    time: str = ""
    label: str = ""
    time_unit: Literal["s", "ms"] = "s"
    timezone: str = "UTC"
    md5: Mapping[str, str] = field(default_factory=dict)

    @property
    def main(self) -> str:
        """The name of the first table."""
        return next(iter(self.tables))
