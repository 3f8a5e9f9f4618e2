"""Reads what a file of `JSONLLogger` holds beyond metrics and hyper-parameters."""

import math
import os
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ..basic.tracking.json_lines import step_of
from .details import Details, Figure, Histogram, RecordedTable, Text, before
from .jsonl_lines import FileLines, RunLines, number_of, text_of, time_of
from .record import Run

_FILES = re.compile(r"[^/\\]+\.files")
_LARGEST = 64 * 2**20  # bytes of a figure


def jsonl_details(run: Run) -> Details:
    """Return the details of a run of `JSONLRunReader`."""
    found = [lines for lines in FileLines(Path(run.path), _Details).read() if _is(run, lines)]
    return found[0].details() if found else Details()


def _is(run: Run, lines: "_Details") -> bool:
    started: datetime | None = lines.fields.get("started")
    return started == run.started and lines.fields["name"] == run.name


class _Details(RunLines):
    """The lines of a run, with those that `RunLines` skips."""

    def __init__(self, path: Path, start: dict[str, Any] | None = None) -> None:
        super().__init__(path, start)
        self.folder = path.parent
        self.times: dict[str, list[float]] = {}
        self.texts: list[Text] = []
        self.histograms: list[Histogram] = []
        self.tables: list[RecordedTable] = []
        self.figures: list[tuple[str, int, Path]] = []
        self.files: dict[str, str] = {}

    def details(self) -> Details:
        figures = tuple(Figure(n, step, path.read_bytes()) for n, step, path in self.figures)
        kinds = tuple(self.texts), tuple(self.histograms), tuple(self.tables)
        return Details(self.times, *kinds, figures, self.files)

    def add_metrics(self, record: dict[str, Any]) -> None:
        super().add_metrics(record)
        time = time_of(record).timestamp()
        for name in record["metrics"]:
            self.times.setdefault(name, []).append(time)

    def resume(self, record: dict[str, Any]) -> None:
        earlier = self.metrics.copy()
        super().resume(record)
        step = step_of(record)
        steps = {name: record["steps"].get(name, step) for name in earlier}
        self.times = {
            name: [
                time
                for (at, _), time in zip(earlier[name], self.times[name], strict=True)
                if at < steps[name]
            ]
            for name in self.metrics
        }
        self.texts, self.tables = before(step, self.texts), before(step, self.tables)
        self.histograms = before(step, self.histograms)
        self.figures = [figure for figure in self.figures if figure[1] < step]

    def add_other(self, event: str, record: dict[str, Any]) -> None:
        name = text_of(record, "name") or ""
        if event == "artifact":
            self.files[name] = str(self._file(record))
            return
        step = step_of(record)
        if event == "text":
            self.texts.append(Text(name, step, text_of(record, "text") or ""))
        elif event == "histogram":
            counts, edges = _numbers(record, "counts"), _numbers(record, "edges")
            if len(edges) != len(counts) + 1:
                raise ValueError("a histogram has one edge more than counts")
            whole = [int(count) for count in counts]
            self.histograms.append(Histogram(name, step, whole, edges))
        elif event == "table":
            self.tables.append(RecordedTable(name, step, *_cells(record)))
        else:
            self.figures.append((name, step, self._file(record)))

    def _file(self, record: dict[str, Any]) -> Path:
        """The path of a file of the run, which lies in a folder next to it and nowhere else."""
        parts = (text_of(record, "file") or "").split("/")
        plain = len(parts) == 2 and parts[1] not in ("", ".", "..") and "\\" not in parts[1]
        if not plain or not _FILES.fullmatch(parts[0]):
            raise ValueError("file is not the path of a file next to the run")
        folder, path = self.folder / parts[0], self.folder / parts[0] / parts[1]
        if folder.is_symlink() or path.is_symlink() or not path.is_file():
            raise ValueError(f"the file {parts[1][:80]!r} of the run is missing")
        if record.get("event") == "figure" and os.path.getsize(path) > _LARGEST:
            raise ValueError(f"the figure {parts[1][:80]!r} is larger than {_LARGEST} bytes")
        return path


def _numbers(record: dict[str, Any], key: str) -> list[float]:
    values = record.get(key)
    if not isinstance(values, list):
        raise ValueError(f"{key} is no list")
    numbers = [number_of(key, value) for value in values]
    if not all(map(math.isfinite, numbers)):
        raise ValueError(f"{key} are not finite")
    return numbers


def _cells(record: dict[str, Any]) -> tuple[list[str], list[list[Any]]]:
    columns, rows = record.get("columns"), record.get("rows")
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        raise ValueError("columns are not a list of texts")
    if not isinstance(rows, list) or not all(_is_row(row, columns) for row in rows):
        raise ValueError("rows are not lists of one plain cell per column")
    return columns, rows


def _is_row(row: Any, columns: Sequence[str]) -> bool:
    return (
        isinstance(row, list)
        and len(row) == len(columns)
        and all(cell is None or isinstance(cell, bool | int | float | str) for cell in row)
    )
