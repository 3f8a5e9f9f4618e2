"""Reads what a file of `JSONLLogger` holds beyond metrics and hyper-parameters."""

import os
import re
from datetime import datetime
from pathlib import Path
from typing import Any

from ..basic.tracking.json_lines import step_of
from .details import Details, Figure, Text
from .gathered import LARGEST_FILE, Gathered, histogram_of, table_of
from .jsonl_lines import FileLines, RunLines, text_of, time_of
from .record import Run

_FILES = re.compile(r"[^/\\]+\.files")


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
        self.gathered = Gathered()
        self.figures: list[tuple[str, int, Path]] = []  # read only when the run is known

    def details(self) -> Details:
        self.gathered.figures = [
            Figure(n, step, path.read_bytes()) for n, step, path in self.figures
        ]
        return self.gathered.details()

    def add_metrics(self, record: dict[str, Any]) -> None:
        super().add_metrics(record)
        time = time_of(record).timestamp()
        for name in record["metrics"]:
            self.gathered.times.setdefault(name, []).append(time)

    def resume(self, record: dict[str, Any]) -> None:
        earlier = self.metrics.copy()
        super().resume(record)
        step = step_of(record)
        self.gathered.resume(step, earlier, record["steps"])
        self.figures = [figure for figure in self.figures if figure[1] < step]

    def add_other(self, event: str, record: dict[str, Any]) -> None:
        name = text_of(record, "name") or ""
        if event == "artifact":
            self.gathered.files[name] = str(self._file(record))
            return
        step = step_of(record)
        if event == "text":
            self.gathered.texts.append(Text(name, step, text_of(record, "text") or ""))
        elif event == "histogram":
            given = record.get("counts"), record.get("edges")
            self.gathered.histograms.append(histogram_of(name, step, *given))
        elif event == "table":
            given = record.get("columns"), record.get("rows")
            self.gathered.tables.append(table_of(name, step, *given))
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
        if record.get("event") == "figure" and os.path.getsize(path) > LARGEST_FILE:
            raise ValueError(f"the figure {parts[1][:80]!r} is larger than {LARGEST_FILE} bytes")
        return path
