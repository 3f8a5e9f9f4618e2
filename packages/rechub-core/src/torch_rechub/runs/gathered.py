"""Details of a run while its files are read: what the readers of all trackers share."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .details import Details, Figure, Histogram, RecordedTable, Text, before

LARGEST_FILE = 64 * 2**20
"""The most bytes of a text, table, histogram or figure that is read."""


class Gathered:
    """The details of a run, as far as its files were read.

    Attributes:
        times: Metric to the seconds since 1970 of each of its records.
        texts: Texts.
        histograms: Histograms.
        tables: Tables.
        figures: Figures.
        files: The name of each artifact to the path of its newest version.

    Example:
        >>> found = Gathered()
        >>> found.texts.append(Text("note", 0, "the first part"))
        >>> found.times["loss"] = [1.0, 2.0]
        >>> found.resume(1, {"loss": [(0, 0.5), (1, 0.4)]})
        >>> found.details().times, [text.name for text in found.details().texts]
        ({'loss': [1.0]}, ['note'])
    """

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = {}
        self.texts: list[Text] = []
        self.histograms: list[Histogram] = []
        self.tables: list[RecordedTable] = []
        self.figures: list[Figure] = []
        self.files: dict[str, str] = {}

    def resume(
        self,
        step: int,
        metrics: Mapping[str, Sequence[tuple[int, float]]],
        steps: Mapping[str, int] | None = None,
    ) -> None:
        """Drop what a continuation of the run superseded.

        Args:
            step: The step of the continuation.
            metrics: The metrics before the continuation.
            steps: The steps of metrics that have another one.
        """
        first = steps or {}
        for name, times in self.times.items():
            records = zip(metrics.get(name, ()), times, strict=True)
            self.times[name] = [time for (at, _), time in records if at < first.get(name, step)]
        self.texts, self.tables = before(step, self.texts), before(step, self.tables)
        self.histograms, self.figures = before(step, self.histograms), before(step, self.figures)

    def details(self) -> Details:
        """Return the details."""
        media = tuple(self.texts), tuple(self.histograms), tuple(self.tables), tuple(self.figures)
        return Details(self.times, *media, self.files)


def table_of(name: str, step: int, columns: Any, rows: Any) -> RecordedTable:
    """Return a table that a file holds.

    Raises:
        ValueError: The columns are not texts, or the rows are not plain cells, one for each column.

    Example:
        >>> table_of("best", 0, ["item"], [["a", 0.5]])
        Traceback (most recent call last):
        ValueError: rows are not lists of one plain cell per column
    """
    if not isinstance(columns, list) or not all(isinstance(column, str) for column in columns):
        raise ValueError("columns are not a list of texts")
    if not isinstance(rows, list) or not all(_is_row(row, len(columns)) for row in rows):
        raise ValueError("rows are not lists of one plain cell per column")
    return RecordedTable(name, step, columns, rows)


def _is_row(row: Any, cells: int) -> bool:
    return (
        isinstance(row, list)
        and len(row) == cells
        and all(cell is None or isinstance(cell, bool | int | float | str) for cell in row)
    )


def histogram_of(name: str, step: int, counts: Any, edges: Any) -> Histogram:
    """Return a histogram that a file holds.

    Raises:
        ValueError: Counts or edges are not finite numbers, or there is not one edge more.

    Example:
        >>> histogram_of("weights", 0, [3, 1.0], [0, 1, 2])
        Histogram(name='weights', step=0, counts=[3, 1], edges=[0.0, 1.0, 2.0])
    """
    whole = [int(count) for count in _numbers("counts", counts)]
    limits = _numbers("edges", edges)
    if len(limits) != len(whole) + 1:
        raise ValueError("a histogram has one edge more than counts")
    return Histogram(name, step, whole, limits)


def _numbers(what: str, values: Any) -> list[float]:
    if not isinstance(values, list) or any(type(value) not in (int, float) for value in values):
        raise ValueError(f"{what} are not a list of numbers")
    try:
        numbers = [float(value) for value in values]
    except OverflowError:
        raise ValueError(f"{what} are beyond the range of floats") from None
    if not all(map(math.isfinite, numbers)):
        raise ValueError(f"{what} are not finite")
    return numbers


def bytes_inside(folder: Path, name: str) -> bytes:
    """Read a file that a record of a run names.

    Args:
        folder: The folder that the file must lie in.
        name: The path of the file below the folder.

    Raises:
        OSError: The file cannot be read.
        ValueError: It lies elsewhere, which a record may say that anybody wrote, or is too large.
    """
    top = folder.resolve()
    path = (top / name).resolve()
    if not path.is_relative_to(top):
        raise ValueError("a file outside of the run")
    if path.stat().st_size > LARGEST_FILE:
        raise ValueError(f"a file of more than {LARGEST_FILE} bytes")
    return path.read_bytes()
