"""Reads what a run of wandb holds beyond numbers: texts, images, histograms, tables, artifacts."""

import html
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch_rechub.runs import Details, Run
from torch_rechub.runs.details import Figure, RecordedTable, Text, newest_files
from torch_rechub.runs.gathered import Gathered, bytes_inside, histogram_of

from .records import State, add_file

ARTIFACTS = "artifacts"
"""The folder of artifacts in the folder ``files`` of a run; each is in a folder of its name."""
_BEGIN, _END = "<pre>", "</pre>"


def wandb_details(run: Run) -> Details:
    """Return the details of a run, and of its continuations."""
    found = _Details()
    for part in (run.path, *run.parts):
        path = Path(part)
        found.folder = path.parent / "files"
        add_file(found, path)
        found.gathered.files |= newest_files(found.folder / ARTIFACTS)
    return found.gathered.details()


class _Details(State):
    """The records of a run, with those that `State` skips."""

    def __init__(self) -> None:
        super().__init__("")
        self.folder = Path()
        self.gathered = Gathered()

    def add(self, record: Any) -> None:
        if record.WhichOneof("record_type") != "history":
            super().add(record)
        else:
            before = {name: len(pairs) for name, pairs in self.metrics.items()}
            super().add(record)
            values = _values(record.history)
            time = float(values.get("_timestamp") or 0.0)
            for name, pairs in self.metrics.items():
                new = len(pairs) - before.get(name, 0)
                self.gathered.times.setdefault(name, []).extend([time] * new)
            step = values.get("step", values.get("_step", record.history.step.num))
            for name, value in values.items():
                if isinstance(value, dict):
                    self._add_media(name, int(step), value)

    def _add_media(self, name: str, step: int, value: Mapping[str, Any]) -> None:
        kind = value.get("_type")
        if kind == "histogram":
            found = histogram_of(name, step, value["values"], value["bins"])
            self.gathered.histograms.append(found)
        elif kind == "html-file":
            page = self._read(value).decode("utf-8", "replace")
            if page.startswith(_BEGIN) and page.endswith(_END):
                page = html.unescape(page[len(_BEGIN) : -len(_END)])
            self.gathered.texts.append(Text(name, step, page))
        elif kind == "image-file" and str(value["path"]).endswith(".png"):
            self.gathered.figures.append(Figure(name, step, self._read(value)))
        elif kind == "table-file":
            stored = json.loads(self._read(value))
            columns = [str(column) for column in stored["columns"]]
            rows = list(_rows(stored["data"]))
            self.gathered.tables.append(RecordedTable(name, step, columns, rows))

    def _read(self, value: Mapping[str, Any]) -> bytes:
        return bytes_inside(self.folder, str(value["path"]))


def _rows(data: Any) -> Iterator[list[Any]]:
    """Rows of plain cells; wandb stores whole numbers as floats."""
    for row in data:
        yield [cell if isinstance(cell, bool | int | float | str | None) else str(cell)
               for cell in row]  # fmt: skip


def _values(history: Any) -> dict[str, Any]:
    """The values of a row, media as dicts."""
    row: dict[str, Any] = {}
    for item in history.item:
        keys = list(item.nested_key) or [item.key]
        inner = row
        for key in keys[:-1]:
            inner = inner.setdefault(key, {})
        inner[keys[-1]] = json.loads(item.value_json) if item.value_json else None
    return row
