"""CSV and TSV files, read by Arrow in one pass; columns of numbers stay exact."""

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .csv_errors import line_of_row, raise_bytes, raise_open, raise_ragged
from .csv_header import header_of, separator_of
from .cutting import cut
from .number_forms import is_rounded, narrowest
from .options import Place, ReadingOptions
from .paths import DataFile
from .streams import MarkedEnd, damaged, opened

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK = 1 << 20  # bytes that are parsed at a time: larger blocks leave the processor's cache
_LARGEST = 1 << 26  # bytes of the largest row


def read_delimited(
    file: DataFile, columns: list[str], options: ReadingOptions
) -> "Iterator[tuple[pa.Table, Place]]":
    """Read columns of a CSV or TSV file in blocks: numbers as such, all others as text.

    Raises:
        ValueError: A row has another number of cells, bytes are not of the encoding, a cell of a
            column of numbers is no number, or the file is damaged.
    """
    names, lines = header_of(file, options)
    place = Place(str(file), 0, lambda row: line_of_row(file, options, row))
    for table in cut(_Stream(file, names, lines, columns, options).batches(), options.block_rows):
        yield table, place
        place = place.skip(table.num_rows)


class _RoundedError(Exception):
    """A column must be read again as text."""


@dataclass
class _Stream:
    """The batches of a file.

    Where a cell does not fit the type of its column, the file is opened again with a wider type,
    and the rows that were delivered are skipped.
    """

    file: DataFile
    names: list[str]
    lines: int
    columns: list[str]
    options: ReadingOptions
    types: dict[str, Any] = field(default_factory=dict)
    block: int = 0
    delivered: int = 0
    widened: int = 0
    mark: str = ""

    def batches(self) -> "Iterator[pa.RecordBatch]":
        import pyarrow as pa

        self.block = _BLOCK + 8 * sum(map(len, self.names))  # it must hold the names
        self.types = self._first_types()
        while True:
            try:
                yield from self._undelivered()
            except _RoundedError:
                continue
            except pa.ArrowException as error:
                self._widen(str(error), error)
            except OSError as error:
                raise damaged(self.file, error, f", after row {self.delivered}") from error
            except UnicodeError as error:
                raise_bytes(self.file, self.names, self.columns, self.options, error)
            else:
                if self.mark:
                    raise_open(self.file, self.options)
                return

    def _undelivered(self) -> "Iterator[pa.RecordBatch]":
        skipped = 0
        with self._reader(self.types, self.block) as reader:
            for batch in reader:
                self._refuse_rounded(batch)
                skip = min(batch.num_rows, self.delivered - skipped)
                skipped += skip
                if batch.num_rows > skip:
                    rest = batch.slice(skip) if skip else batch
                    self.delivered += rest.num_rows
                    skipped += rest.num_rows
                    yield rest

    def _refuse_rounded(self, batch: "pa.RecordBatch") -> None:
        """Have columns read as text, where they have floats that may be rounded whole numbers."""
        import pyarrow as pa

        floats = [name for name, kind in self.types.items() if kind == pa.float64()]
        rounded = [name for name in floats if is_rounded(batch[name])]
        if rounded:
            self.types |= dict.fromkeys(rounded, pa.string())
            raise _RoundedError

    def _reader(self, types: dict[str, Any], block: int) -> Any:
        import pyarrow.csv as pc

        options, file, separator = self.options, self.file, separator_of(self.file, self.options)
        stream = opened(file, options.encoding)
        quote: Any = options.quote if options.quote is not None else False
        if quote:
            self.mark = uuid.uuid4().hex + separator * len(self.names)
            stream = MarkedEnd(stream, self.mark)
        return pc.open_csv(
            stream,
            read_options=pc.ReadOptions(
                column_names=self.names,
                skip_rows=self.lines,
                block_size=block,
            ),
            parse_options=pc.ParseOptions(
                delimiter=separator,
                quote_char=quote,
                newlines_in_values=bool(quote),
                ignore_empty_lines=len(self.names) > 1,
                invalid_row_handler=self._skip_mark if quote else None,
            ),
            convert_options=pc.ConvertOptions(
                column_types=types,
                include_columns=self.columns,
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
                null_values=list(options.null_values),
            ),
        )

    def _skip_mark(self, row: Any) -> str:
        """Skip the mark at the end, whose number of cells is that of no row."""
        if row.text != self.mark:
            return "error"
        self.mark = ""
        return "skip"

    def _first_types(self) -> dict[str, Any]:
        """Text for all columns but numbers; for these, the narrowest type of the first rows."""
        import pyarrow as pa

        text = pa.dictionary(pa.int32(), pa.string()) if self.options.dictionary else pa.string()
        numbers = [name for name in self.columns if name in self.options.number_columns]
        types = dict.fromkeys(self.columns, text) | dict.fromkeys(numbers, pa.string())
        if not numbers:
            return types
        try:
            with self._reader(types, self.block) as reader:
                batch = reader.read_next_batch()
        except (pa.ArrowException, StopIteration, OSError, UnicodeError):
            return types | dict.fromkeys(numbers, pa.int64())  # its error is that of the stream
        return types | {name: narrowest(batch[name]) for name in numbers}

    def _widen(self, message: str, error: Exception) -> None:
        """Give the column of a message a wider type, or raise the error with row and remedy."""
        import pyarrow as pa

        if "straddl" in message and self.block < _LARGEST:
            self.block *= 8
            return
        if "straddl" in message:
            raise_open(self.file, self.options)
        if "UTF8" in message or "decode" in message:
            raise_bytes(self.file, self.names, self.columns, self.options, error)
        found = re.search(r"CSV column #(\d+):.*conversion error", message, re.DOTALL)
        name = self.names[int(found[1])] if found else ""
        if name not in self.types or self.types[name] not in (pa.int64(), pa.float64()):
            raise_ragged(self.file, self.names, self.options, error)
        self.widened += 1
        wider = pa.float64() if self.types[name] == pa.int64() else pa.string()
        self.types[name] = wider
        if self.widened > 3:  # each time costs the file once more, so now no other can fail
            fixed = (pa.int64(), pa.float64())
            numbers = [n for n in self.options.number_columns if self.types.get(n) in fixed]
            self.types |= dict.fromkeys(numbers, pa.string())
