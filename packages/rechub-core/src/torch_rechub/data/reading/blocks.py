"""Data of any kind, in blocks: `read_blocks`, and `BlockReader` for the names and places too."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from ..._extras import require
from .conform import conform
from .formats import names_of_file, read_file
from .memory import is_lazy, is_table, names_of
from .options import Place, ReadingOptions, options_of, refuse_other_names, with_columns
from .paths import files_of, is_path
from .tables import read_table

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Block:
    """Rows of data, and the place they come from.

    Args:
        table: The rows.
        place: The source and the number of the first row in it; ``place.row(i)`` names row i of the
            table in messages.
    """

    table: "pa.Table"
    place: Place


def read_blocks(
    data: Any,
    *,
    columns: Sequence[str] | None = None,
    block_rows: int = 262_144,
    text_columns: Collection[str] = (),
    number_columns: Collection[str] = (),
    header: Sequence[str] | None = None,
    separator: str | None = None,
    quote: str | None = '"',
    null_values: Sequence[str] = ("",),
    encoding: str = "utf-8",
    dictionary: bool = False,
) -> "Iterator[pa.Table]":
    """Read data of any kind in blocks of rows, so that memory holds one block.

    The same data give the same values in every format. Columns of `text_columns` become text
    exactly as written (``007`` stays ``007``; numbers of typed formats become their decimal text,
    see `forms.text_of`). Columns of `number_columns` become int64 where a block holds whole numbers
    only, else float64, without loss. Other columns are text in CSV, TSV and JSON lines, and keep
    their type in typed formats. Lists stay lists.

    Args:
        data: A dict of columns; a pandas, polars or Arrow table; an iterable of these; or a path, a
            glob or a list of paths of CSV, TSV, JSON lines (.jsonl, .ndjson, .json) and Parquet
            files; CSV, TSV and JSON lines may be compressed (.gz, .zst, .bz2, .lz4).
        columns: The columns to read, in this order; None reads all.
        block_rows: Largest number of rows of a block. A block never spans two files.
        text_columns: The columns that are text.
        number_columns: The columns that are numbers.
        header: The names of the columns of CSV and TSV files without a line of names.
        separator: The character between cells; None is the comma, in TSV files the tab. Given, a
            file of any ending, such as ``.txt``, is read as separated columns.
        quote: The character around cells that contain separators or line breaks; None reads quotes
            as part of the text.
        null_values: The texts that stand for a missing value, in every format.
        encoding: The encoding of CSV, TSV and JSON lines.
        dictionary: Whether text columns are dictionaries (int32 indices, one dictionary a chunk).

    Returns:
        The blocks, read as they are asked for.

    Raises:
        FileNotFoundError: A file is missing, or a glob matches nothing.
        ImportError: pyarrow is missing.
        KeyError: A column is missing.
        TypeError: The data have another type, or a column holds objects.
        ValueError: A file is damaged or empty, or a value is not of its column; the message names
            file, column, row and remedy.

    Example:
        >>> for block in read_blocks({"item": ["007", None, "9"]}, block_rows=2):
        ...     block.to_pydict()
        {'item': ['007', None]}
        {'item': ['9']}
    """
    reader = BlockReader(
        data,
        columns=columns,
        block_rows=block_rows,
        text_columns=text_columns,
        number_columns=number_columns,
        header=header,
        separator=separator,
        quote=quote,
        null_values=null_values,
        encoding=encoding,
        dictionary=dictionary,
    )
    return (block.table for block in reader)


def columns_of(data: Any, **options: Any) -> list[str]:
    """The names of the columns of data, without reading all of them.

    Args:
        data: See `read_blocks`. The names of JSON lines are the keys of the first lines.
        options: ``header``, ``separator``, ``quote`` and ``encoding``, as in `read_blocks`.

    Raises:
        TypeError: The data are an iterator, which reading would consume.

    Example:
        >>> columns_of({"user": [1], "item": [2]})
        ['user', 'item']
    """
    if isinstance(data, Iterator):
        raise TypeError(
            "columns_of cannot look into an iterator without consuming it: pass a list of blocks"
        )
    return BlockReader(data, **options).names


class BlockReader:
    """Data of any kind, as an iterable of `Block`; see `read_blocks` for the arguments.

    It can be iterated over again, unless the data are an iterator.

    Example:
        >>> reader = BlockReader({"user": [1, 2, 3]}, block_rows=2)
        >>> reader.names, [block.place.first_row for block in reader]
        (['user'], [0, 2])
    """

    def __init__(self, data: Any, **options: Any) -> None:
        require("pyarrow", "reading data", "data")
        self._options = options_of(**options)
        self._files = files_of(data, self._options.separator) if is_path(data) else None
        self._data = [data] if self._files is None and is_table(data) else data
        if self._files is None and not is_table(data):
            _check_blocks(data)

    def choose(self, columns: Sequence[str], **options: Any) -> None:
        """Set the columns to read, and other options, after a look at `names`."""
        self._options = replace(self._options, columns=tuple(columns), **options)

    @property
    def names(self) -> list[str]:
        """The names of all columns, those of the first file or block.

        Raises:
            ValueError: There is no column, or no block.
        """
        names = self._first_names()
        if not names:
            raise ValueError("the data have no columns, so they have no rows")
        return names

    def _first_names(self) -> list[str]:
        if self._files is not None:
            return names_of_file(self._files[0], self._options)
        first = next(iter(self._data), None)
        if first is None:
            raise ValueError("the iterable of blocks gives none, or was consumed before")
        if isinstance(self._data, Iterator):
            self._data = chain([first], self._data)
        if not is_table(first):
            raise TypeError(f"an iterable of blocks holds {_described(first)}, not a table")
        return names_of(first)

    def __iter__(self) -> Iterator[Block]:
        chosen = self._options.columns is not None
        options = self._options if chosen else with_columns(self._options, self.names)
        kinds: dict[str, Any] = {}
        for table, place, forms in self._tables(options):
            yield Block(conform(table, forms, place, kinds), place)

    def _tables(
        self, options: ReadingOptions
    ) -> "Iterator[tuple[pa.Table, Place, ReadingOptions]]":
        if self._files is not None:
            for file in self._files:
                yield from read_file(file, options)
            return
        row = 0
        for part in self._data:
            if not is_table(part):
                raise TypeError(f"an iterable of blocks holds {_described(part)}, not a table")
            source = f"the {type(part).__name__}"
            refuse_other_names(names_of(part), options, source)
            for table, place in read_table(part, options, Place(source, row)):
                yield table, place, options
                row = place.first_row + table.num_rows


def _check_blocks(data: Any) -> None:
    """Refuse data that are neither a table, nor paths, nor an iterable of tables."""
    if (
        not isinstance(data, Iterable)
        or isinstance(data, bytes)
        or hasattr(data, "ndim")
        or is_lazy(data)
    ):
        raise TypeError(
            "data must be a dict of columns, a pandas, polars or Arrow table, an iterable of "
            f"these, or paths of CSV, TSV, JSON lines or Parquet files, got {_described(data)}"
        )
    if isinstance(data, Sequence) and not len(data):
        raise ValueError("data is an empty list: give at least one file or table")


def _described(data: Any) -> str:
    lazy = " (call its collect() or compute() first)" if is_lazy(data) else ""
    return f"{type(data).__name__}{lazy}"
