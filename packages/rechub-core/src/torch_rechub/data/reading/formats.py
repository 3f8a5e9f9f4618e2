"""The formats of files: the names of their columns, and their blocks."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from .csv_header import delimited_names
from .delimited import read_delimited
from .json_lines import json_names, read_json_lines
from .options import Place, ReadingOptions, refuse_other_names
from .parquet import parquet_names, read_parquet
from .paths import DataFile

if TYPE_CHECKING:
    import pyarrow as pa


def names_of_file(file: DataFile, options: ReadingOptions) -> list[str]:
    """The names of the columns of a file, without reading all of it."""
    if file.format == "parquet":
        return parquet_names(file)
    names = json_names if file.format == "json" else delimited_names
    return names(file, options)


def read_file(
    file: DataFile, options: ReadingOptions
) -> "Iterator[tuple[pa.Table, Place, ReadingOptions]]":
    """Read the columns of a file in blocks.

    Args:
        file: The file.
        options: The options; `columns` are those to read.

    Yields:
        A block, its place, and the options for bringing it to the forms that were asked for.

    Raises:
        KeyError: The file lacks a column.
        ValueError: The file has a column that the first one lacks, or is damaged.
    """
    columns = list(options.columns or ())
    forms = options
    if file.format != "parquet":  # these have no types: text that is not of numbers
        texts = frozenset(columns) - options.number_columns
        forms = replace(options, text_columns=texts)
    if file.format == "json":
        blocks = read_json_lines(file, columns, options)
    else:
        header = "" if options.header else "; pass header=[names] for a file without names"
        remedy = header if file.format != "parquet" else ""
        refuse_other_names(names_of_file(file, options), options, str(file), remedy)
        if file.format == "parquet":
            blocks = read_parquet(file, columns, options)
        else:
            blocks = read_delimited(file, columns, options)
            forms = replace(forms, null_values=())  # replaced on reading
    return ((table, place, forms) for table, place in blocks)
