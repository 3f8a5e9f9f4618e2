"""Reads what a run of SwanLab holds beyond numbers: texts, tables, images and artifacts."""

from importlib import import_module
from pathlib import Path
from typing import Any

from torch_rechub.basic.tracking.table_text import table_of_text
from torch_rechub.runs import Details, Run
from torch_rechub.runs.damage import Damage
from torch_rechub.runs.details import Figure, RecordedTable, Text, newest_files
from torch_rechub.runs.gathered import Gathered, bytes_inside

from .records import seconds, swanlab_records

ARTIFACTS = "artifacts"
"""The folder of artifacts in the folder of a run; each is in a folder of its name."""
TABLE = "table"
"""The caption of a text that is a table."""


def swanlab_details(run: Run) -> Details:
    """Return the details of a run, and of its continuations."""
    found = _Details()
    for part in (run.path, *run.parts):
        path = Path(part)
        found.folder = path.parent
        with Damage(path, "record", "byte") as damage:
            damage.apply(found.add, swanlab_records(path, damage))
        found.files |= newest_files(found.folder / ARTIFACTS)
    return found.details()


class _Details(Gathered):
    """The records of a run that its reader skips, so far."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path()

    def add(self, record: Any) -> None:
        if record.HasField("scalar"):
            time = seconds(record.scalar.timestamp)
            self.times.setdefault(record.scalar.key, []).append(time)
        elif record.HasField("media"):
            for item in record.media.value.items:
                self._add_media(record.media, item)

    def _add_media(self, media: Any, item: Any) -> None:
        types: Any = import_module("swanlab.proto.swanlab.metric.column.v1.column_pb2").ColumnType
        kind = types.Name(media.type)
        if kind == "COLUMN_TYPE_IMAGE" and item.filename.endswith(".png"):
            png = self._read("image", item.filename)
            self.figures.append(Figure(media.key, media.step, png))
        elif kind == "COLUMN_TYPE_TEXT":
            text = self._read("text", item.filename).decode("utf-8", "replace")
            table = table_of_text(text) if item.caption == TABLE else None
            if table is None:
                self.texts.append(Text(media.key, media.step, text))
            else:
                self.tables.append(RecordedTable(media.key, media.step, *table))

    def _read(self, kind: str, name: str) -> bytes:
        return bytes_inside(self.folder / "media" / kind, name)
