"""Reads what a run of wandb holds beyond numbers: texts, images, histograms, tables, artifacts."""

import html
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch_rechub.runs import Details, Run
from torch_rechub.runs.damage import Damage
from torch_rechub.runs.details import Figure, Histogram, RecordedTable, Text, newest_files

from .records import State, wandb_records

ARTIFACTS = "artifacts"
"""The folder of artifacts in the folder ``files`` of a run; each is in a folder of its name."""
_BEGIN, _END = "<pre>", "</pre>"
_LARGEST = 64 * 2**20  # bytes of a file


def wandb_details(run: Run) -> Details:
    """Return the details of a run, and of its continuations."""
    found = _Details()
    for part in (run.path, *run.parts):
        path = Path(part)
        found.folder = path.parent / "files"
        with Damage(path, "record", "byte") as damage:
            for at, record in wandb_records(path, damage):
                try:
                    found.add(record)
                except Exception as error:  # an invalid value costs its own record only
                    damage.add(at, f"{type(error).__name__}: {error}")
        found.files |= newest_files(found.folder / ARTIFACTS)
    kinds = tuple(found.texts), tuple(found.histograms), tuple(found.tables), tuple(found.figures)
    return Details(found.times, *kinds, found.files)


class _Details(State):
    """The records of a run, with those that `State` skips."""

    def __init__(self) -> None:
        super().__init__("")
        self.folder = Path()
        self.times: dict[str, list[float]] = {}
        self.texts: list[Text] = []
        self.histograms: list[Histogram] = []
        self.tables: list[RecordedTable] = []
        self.figures: list[Figure] = []
        self.files: dict[str, str] = {}

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
                self.times.setdefault(name, []).extend([time] * new)
            step = values.get("step", values.get("_step", record.history.step.num))
            for name, value in values.items():
                if isinstance(value, dict):
                    self._add_media(name, int(step), value)

    def _add_media(self, name: str, step: int, value: Mapping[str, Any]) -> None:
        kind = value.get("_type")
        if kind == "histogram":
            counts = [int(count) for count in value["values"]]
            self.histograms.append(Histogram(name, step, counts, list(map(float, value["bins"]))))
        elif kind == "html-file":
            page = self._read(value).decode("utf-8", "replace")
            if page.startswith(_BEGIN) and page.endswith(_END):
                page = html.unescape(page[len(_BEGIN) : -len(_END)])
            self.texts.append(Text(name, step, page))
        elif kind == "image-file" and str(value["path"]).endswith(".png"):
            self.figures.append(Figure(name, step, self._read(value)))
        elif kind == "table-file":
            stored = json.loads(self._read(value))
            columns = [str(column) for column in stored["columns"]]
            self.tables.append(RecordedTable(name, step, columns, list(_rows(stored["data"]))))

    def _read(self, value: Mapping[str, Any]) -> bytes:
        path = (self.folder / str(value["path"])).resolve()
        if not path.is_relative_to(self.folder.resolve()):
            raise ValueError("a file outside of the run")
        if path.stat().st_size > _LARGEST:
            raise ValueError(f"a file of more than {_LARGEST} bytes")
        return path.read_bytes()


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
