"""The names of the columns of CSV and TSV files."""

from .csv_records import first_record
from .options import ReadingOptions, refuse_twice, shortened
from .paths import DataFile
from .streams import OTHER_ENCODING, opened_text


def separator_of(file: DataFile, options: ReadingOptions) -> str:
    """The character between cells: the given one, or that of the file's ending."""
    return options.separator or ("\t" if file.format == "tsv" else ",")


def delimited_names(file: DataFile, options: ReadingOptions) -> list[str]:
    """The names of the columns of a CSV or TSV file; see `header_of`."""
    return header_of(file, options)[0]


def header_of(file: DataFile, options: ReadingOptions) -> tuple[list[str], int]:
    """The names of the columns, those of the first line or `header`, and how many lines they take.

    Raises:
        ValueError: The file is empty, a name occurs twice, or their number is not that of columns.
    """
    separator = separator_of(file, options)
    with opened_text(file, options.encoding) as text:
        first, lines = first_record(text, separator, options.quote)
    if options.header is not None:
        if first is not None and len(first) != len(options.header):
            raise ValueError(
                f"header has {len(options.header)} names, but the first line of {file} has "
                f"{len(first)} cells, {shortened(first)}, separated by {separator!r}"
            )
        return list(options.header), 0
    if first is None:
        raise ValueError(f"{file} is empty: it has no line with the names of columns")
    try:
        ",".join(first).encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"the first line of {file} is not of the encoding {options.encoding}: {OTHER_ENCODING}"
        ) from error
    wanted = first if options.columns is None else [n for n in first if n in options.columns]
    remedy = ": pass header=[names] if it is a row of data"
    refuse_twice(wanted, f"the first line of {file}", remedy)
    other = [c for c in ";\t|" if len(first) == 1 and c in first[0]]
    if other and options.separator is None:
        raise ValueError(
            f"{file} has one column by the separator {separator!r}, {first[0]!r}: pass "
            f"separator={other[0]!r}"
        )
    return first, lines
