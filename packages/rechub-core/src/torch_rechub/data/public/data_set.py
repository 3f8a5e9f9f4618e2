"""A public data set that the user has downloaded: its tables, whole or in blocks."""

import csv
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import pandas as pd
from pandas.api.types import is_object_dtype

from ..._bounds import check_whole
from ..._paths import local_path
from ..interactions import Interactions
from .cells import parse_cells, separator_of
from .layout import FaultError, Layout, PublicDataError, Table
from .lines import line_blocks
from .logs import interactions_of, log_columns
from .members import Member, compare_md5, find_members
from .recipes import preprocessor_of
from .records import parse_records

if TYPE_CHECKING:
    from ...types import FilePath
    from ..preprocessing import Preprocessor

log = logging.getLogger("torch_rechub.data")

ROWS = 262_144


def open_data(layout: Layout, path: "FilePath", verify: bool = True) -> "PublicData":
    """Find the tables of a data set; only a checksum, where one is published, is computed.

    Args:
        layout: The data set.
        path: Its archive, the folder of the extracted archive, or the file of one table.
        verify: Whether to compare the checksum of an archive.

    Raises:
        FileNotFoundError: There is no such path.
        PublicDataError: It has no table of the data set, or not the published checksum.
    """
    place = local_path("path", path)
    if verify:
        compare_md5(place, layout)
    return PublicData(layout, find_members(place, layout))


@dataclass(frozen=True, eq=False)
class PublicData:
    """The tables of a public data set, read from the user's archive when asked for.

    Attributes:
        layout: The columns and files of the tables, and where the terms of the data are.
        members: The files that were found, by table.
    """

    layout: Layout
    members: dict[str, tuple[Member, ...]]

    def __repr__(self) -> str:
        return f"PublicData({self.layout.title}, tables={list(self.tables)})"

    @property
    def tables(self) -> tuple[str, ...]:
        """The names of the tables that were found."""
        return tuple(self.members)

    def read(self, table: str | None = None, *, join: bool = False) -> pd.DataFrame:
        """Read a table into memory.

        Args:
            table: Its name; the first one of the data set by default.
            join: As in `blocks`.

        Returns:
            A frame with the rows in the order of the file.

        Raises:
            PublicDataError: A file is damaged, or has another layout.
        """
        frame: pd.DataFrame = pd.concat(self.blocks(table, join=join), ignore_index=True)
        return frame

    def blocks(
        self, table: str | None = None, *, join: bool = False, rows: int = ROWS
    ) -> Iterator[pd.DataFrame]:
        """Read a table in blocks, so that memory holds one of them.

        Args:
            table: Its name; the first one of the data set by default.
            join: Whether rows get the columns of their user and item, from the tables that
                describe these and that were found; such tables are held in memory. A user or an
                item without a description has missing values there, and empty lists.
            rows: The most rows of a block.

        Returns:
            Frames with the rows in the order of the file.

        Raises:
            ValueError: There is no such table.
            PublicDataError: A file is damaged, or has another layout.
        """
        check_whole(1, rows=rows)
        return self._blocks(self._named(table), join, rows)

    def _blocks(self, name: str, join: bool, rows: int) -> Iterator[pd.DataFrame]:
        layout = self.layout.tables[name]
        sides = [self._side(side) for side in layout.sides if side in self.members and join]
        for member in self.members[name]:
            for frame in _frames(member, layout):
                for start in range(0, len(frame), rows):
                    block = frame.iloc[start : start + rows].reset_index(drop=True)
                    yield reduce(_joined, sides, block)

    def __iter__(self) -> Iterator[pd.DataFrame]:
        """Yield the blocks of the first table, joined: the rows that `recipe` is for."""
        return self.blocks(join=True)

    def recipe(
        self, table: str | None = None, *, threshold: float | None = None, min_count: int = 1
    ) -> "Preprocessor":
        r"""Return an unfitted preprocessor of a table and of the tables joined to it.

        Its columns and targets follow from the layout; take its `columns` as the start of your own.
        `data` itself gives the rows of the first table, block by block.

        Args:
            table: The table; the first one of the data set by default.
            threshold: Labels of at least this are 1, others 0; None leaves them as they are.
            min_count: Categories that occur less often are unknown.

        Raises:
            ValueError: There is no such table, or it is not found.

        Example:
            >>> import pathlib, tempfile
            >>> from torch_rechub.data.public import movielens_25m
            >>> file = pathlib.Path(tempfile.mkdtemp(), "ratings.csv")
            >>> _ = file.write_text("userId,movieId,rating,timestamp\n1,7,4.5,0\n1,9,3,0\n")
            >>> data = movielens_25m(file)
            >>> encoded = data.recipe(threshold=4).fit_transform(data)
            >>> encoded["item_id"], encoded.y
            (array([2, 3], dtype=int32), array([1., 0.], dtype=float32))
        """
        name = self._named(table)
        layout = self.layout.tables[name]
        sides = [self.layout.tables[side] for side in layout.sides if side in self.members]
        keys = {side.key for side in sides}
        columns = [*layout.columns, *(c for s in sides for c in s.columns if c.name not in keys)]
        return preprocessor_of(self.layout, columns, threshold, min_count)

    def interactions(
        self, table: str | None = None, *, attributes: Sequence[str] = ()
    ) -> Interactions:
        r"""Read a table as a log of users and items, with the label where there is one.

        Args:
            table: The table; the first one of the data set by default.
            attributes: Other columns to keep, also of joined tables.

        Raises:
            KeyError: An attribute is not a column.
            ValueError: The data set has no users, items or times, or no such table.

        Example:
            >>> import pathlib, tempfile
            >>> from torch_rechub.data.public import taobao
            >>> file = pathlib.Path(tempfile.mkdtemp(), "UserBehavior.csv")
            >>> _ = file.write_text("1,7,3,pv,1511544070\n1,9,3,buy,1511544080\n")
            >>> taobao(file).interactions(attributes=["behavior"])
            Interactions(2 rows, 1 users, 2 items)
        """
        own = {column.name for column in self.layout.tables[self._named(table)].columns}
        names = log_columns(self.layout, attributes)
        blocks = self.blocks(table, join=not own.issuperset(names))
        return interactions_of(self.layout, blocks, attributes)

    def _named(self, table: str | None) -> str:
        name = self.layout.main if table is None else table
        if name in self.members:
            return name
        if name not in self.layout.tables:
            known = ", ".join(map(repr, self.layout.tables))
            raise ValueError(f"{self.layout.title} has no table {name!r}, only {known}")
        raise PublicDataError(
            f"the table {name!r} of {self.layout.title} was not found, only "
            f"{', '.join(map(repr, self.tables))}. Expected {self.layout.tables[name].describe()}"
        )

    def _side(self, name: str) -> tuple[str, pd.DataFrame]:
        """A table that describes users or items, with its key, one row for each."""
        key = self.layout.tables[name].key
        frame = self.read(name)
        again = frame.duplicated(key)
        if again.any():
            log.warning(
                "%s: the table %r has %d rows whose %s came before: the first row of each counts",
                self.layout.title, name, int(again.sum()), key,
            )  # fmt: skip
            frame = frame[~again]
        whole = [n for n, dtype in frame.dtypes.items() if dtype == "int64" and n != key]
        return key, frame.astype(dict.fromkeys(whole, "Int64"))  # with missing values


def _joined(frame: pd.DataFrame, side: tuple[str, pd.DataFrame]) -> pd.DataFrame:
    key, described = side
    if key not in frame:
        return frame
    joined: pd.DataFrame = frame.merge(described, how="left", on=key)
    for name, dtype in described.dtypes.items():
        if is_object_dtype(dtype) and isinstance(described[name].iloc[0], tuple):
            joined[name] = [v if isinstance(v, tuple) else () for v in joined[name]]
    return joined


def _frames(member: Member, table: Table) -> Iterator[pd.DataFrame]:
    try:
        with member.open() as stream:
            names = None if table.header else tuple(c.in_file for c in table.stored)
            rows = 0
            for line, block in line_blocks(stream, table.quoted):
                if table.format != "cells":
                    frame = parse_records(block, table, line)
                else:
                    if names is None:
                        head, _, block = block.partition(b"\n")
                        names = _header(head, table, member)
                        line += 1
                        if not block:
                            continue
                    frame = parse_cells(block, table, names, line)
                rows += len(frame)
                yield frame
    except FaultError as error:
        raise PublicDataError(
            f"{member}, line {error.line}: {error.reason}. Expected {table.describe()}. "
            "Download the file again, or correct the line."
        ) from error
    if not rows:
        raise PublicDataError(f"{member} has no rows. Expected {table.describe()}.")


def _header(line: bytes, table: Table, member: Member) -> tuple[str, ...]:
    """The names in the first line, which has to have those of the layout."""
    text = line.decode(table.encoding, "replace")
    names = tuple(next(csv.reader([text], delimiter=separator_of(table))))
    expected = [c.in_file for c in table.stored if not c.optional]
    lacking = [name for name in expected if name not in names]
    if lacking or len(set(names)) < len(names):
        raise PublicDataError(
            f"{member}, line 1: the header {text[:200]!r} "
            + (f"lacks {', '.join(lacking)}" if lacking else "has a name twice")
            + f". Expected {table.describe()}."
        )
    known = {column.in_file for column in table.stored}
    if others := [name for name in names if name not in known]:
        log.warning("%s: columns that the layout does not have: %s", member, ", ".join(others))
    return names
