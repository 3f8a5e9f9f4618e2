"""JSON lines, one object a line, read by Arrow in chunks of whole lines.

Arrow rounds whole numbers beyond float64, takes some texts for times and refuses columns of several
types. `json_cells` reads the chunks in which that happens, and names the line of an error.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from .json_cells import columns_of_rows, rows_of
from .number_forms import is_rounded
from .options import Place, ReadingOptions, shortened
from .paths import DataFile
from .streams import OTHER_ENCODING, damaged, opened

if TYPE_CHECKING:
    import pyarrow as pa

_CHUNK = 1 << 21  # bytes that are parsed at a time
_LONG = re.compile(rb"[0-9]{16}")  # whole numbers that float64 may round


def json_names(file: DataFile, options: ReadingOptions) -> list[str]:
    """The keys of the first lines, in the order in which they appear.

    Raises:
        ValueError: The file is empty, is a JSON array, or one of its first lines is broken.
    """
    parser = _Parser(file, replace(options, columns=None, every=False))
    for chunk in _chunks(file, options):
        if keys := parser.keys(chunk, _start(file, options)):
            return keys
    raise ValueError(f"{file} is empty: no line has a key, so its columns are not known")


def read_json_lines(
    file: DataFile, columns: list[str], options: ReadingOptions
) -> "Iterator[tuple[pa.Table, Place]]":
    """Read columns of JSON lines in blocks; a key that a line lacks is missing there.

    Raises:
        KeyError: No line has a column; this is known at the end of the file.
        ValueError: A line is broken, or has a key that the first lines lack while all columns are
            read; the message names it.
    """
    parser, place = _Parser(file, options), _start(file, options)
    for chunk in _chunks(file, options):
        table = parser.table(chunk, place)
        for start in range(0, table.num_rows, options.block_rows):
            yield table.slice(start, options.block_rows), place.skip(start)
        place = place.skip(table.num_rows)
    missing = [name for name in columns if name not in parser.seen]
    if missing:
        keys = shortened(sorted(parser.seen))
        raise KeyError(f"no line of {file} has the key {missing[0]!r}: its keys are {keys}")


@dataclass
class _Parser:
    """Parses chunks; the types that it has met make it skip other columns in later ones."""

    file: DataFile
    options: ReadingOptions
    types: dict[str, Any] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    def keys(self, chunk: bytes, place: Place) -> list[str]:
        """The keys of a chunk, in the order in which they appear."""
        table = self._fast(chunk)
        if table is not None:
            return list(table.schema.names)
        return list(dict.fromkeys(key for row in rows_of(chunk, place, None) for key in row))

    def table(self, chunk: bytes, place: Place) -> "pa.Table":
        """The columns of a chunk that are read."""
        import pyarrow as pa

        columns = self.options.columns or ()
        table = self._fast(chunk)
        if table is None:
            rows = rows_of(chunk, place, columns if self.options.every else None)
            self.seen.update(*rows)
            table = pa.table(columns_of_rows(rows, [n for n in columns if n in self.seen], place))
        self._learn(table)
        lacking = pa.nulls(table.num_rows)
        there = set(table.schema.names)
        return pa.table({n: table.column(n) if n in there else lacking for n in columns})

    def _fast(self, chunk: bytes) -> "pa.Table | None":
        """The table by Arrow; None if Arrow refuses the chunk or would not read it exactly."""
        import pyarrow as pa

        columns = self.options.columns
        known = {n: t for n, t in self.types.items() if columns is None or n in columns}
        for types in [known, {}] if known else [{}]:
            try:
                table = self._parsed(chunk, types)
                texts = {f.name: _text_kind(f.type) for f in table.schema if _has_time(f.type)}
                if texts:  # texts that look like times stay as they are written
                    table = self._parsed(chunk, types | texts)
            except pa.ArrowException:
                continue
            except UnicodeDecodeError:
                return None
            if self.options.every and not {*table.schema.names} <= {*(columns or ())}:
                return None
            rounded = any(_is_large(column) for column in table.columns)
            if not _is_row_a_line(chunk, table.num_rows) or (rounded and _LONG.search(chunk)):
                return None
            return table
        return None

    def _parsed(self, chunk: bytes, types: dict[str, Any]) -> "pa.Table":
        import pyarrow as pa
        import pyarrow.json as pj

        if not chunk.isascii():
            chunk.decode()  # Arrow does not check
        columns = self.options.columns
        complete = columns is not None and all(name in types for name in columns)
        others = ("error" if self.options.every else "ignore") if complete else "infer"
        schema = pa.schema(types) if types else None
        parse = pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior=others)
        # of several blocks, Arrow crashes or loses rows where the type of a column changes
        read = pj.ReadOptions(block_size=len(chunk) + 1, use_threads=False)
        return pj.read_json(pa.BufferReader(chunk), read_options=read, parse_options=parse)

    def _learn(self, table: "pa.Table") -> None:
        """Remember the columns and their types, but for those without a value yet."""
        import pyarrow as pa

        for column in table.schema:
            self.seen.add(column.name)
            kind = column.type.value_type if pa.types.is_list(column.type) else column.type
            if not pa.types.is_null(kind) and not pa.types.is_nested(kind):
                self.types[column.name] = column.type


def _start(file: DataFile, options: ReadingOptions) -> Place:
    return Place(str(file), 0, lambda row: _line_of_row(file, options, row))


def _chunks(file: DataFile, options: ReadingOptions) -> Iterator[bytes]:
    """Chunks of whole lines, without a byte order mark."""
    for number, lines in enumerate(_whole_lines(file, options)):
        chunk = lines
        if number == 0:
            chunk = lines.removeprefix(b"\xef\xbb\xbf")
            if chunk[:100].lstrip()[:1] == b"[":
                raise ValueError(
                    f"{file} is a JSON array, not one object a line: write it as lines, such as "
                    "with pandas.read_json(path).to_json(path, orient='records', lines=True)"
                )
        yield chunk


def _whole_lines(file: DataFile, options: ReadingOptions) -> Iterator[bytes]:
    """The bytes of a file as UTF-8, cut after line breaks: JSON has none within a text."""
    import pyarrow as pa

    held = b""
    try:
        with opened(file, options.encoding) as stream:
            more = stream.read(_CHUNK)
            while more:
                following = stream.read(_CHUNK)
                end = more.rfind(b"\n") + 1 if following else len(more)
                if end:
                    yield held + more[:end]
                    held, more = more[end:], following
                else:
                    held, more = held + more, following
    except UnicodeError as error:
        raise ValueError(
            f"{file} is not of the encoding {options.encoding} ({error}): {OTHER_ENCODING}"
        ) from error
    except (OSError, pa.ArrowException) as error:
        raise damaged(file, error) from error


def _is_row_a_line(chunk: bytes, rows: int) -> bool:
    """Whether a chunk has as many lines as rows; blank lines are not counted."""
    if chunk.count(b"\n") + (not chunk.endswith(b"\n")) == rows:
        return True
    return sum(bool(line.strip()) for line in chunk.split(b"\n")) == rows


def _line_of_row(file: DataFile, options: ReadingOptions, row: int) -> int | None:
    lines = (line for chunk in _whole_lines(file, options) for line in chunk.split(b"\n"))
    filled = (number for number, line in enumerate(lines, 1) if line.strip())
    return next(islice(filled, row, None), None)


def _is_large(column: "pa.ChunkedArray") -> bool:
    """Whether a column of floats has one that may be a rounded whole number."""
    import pyarrow as pa
    import pyarrow.compute as pc

    while pa.types.is_list(column.type):
        column = pc.list_flatten(column)
    return bool(pa.types.is_floating(column.type) and is_rounded(column))


def _has_time(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    return bool(
        pa.types.is_timestamp(kind) or (pa.types.is_list(kind) and _has_time(kind.value_type))
    )


def _text_kind(kind: "pa.DataType") -> "pa.DataType":
    import pyarrow as pa

    return pa.list_(_text_kind(kind.value_type)) if pa.types.is_list(kind) else pa.string()
