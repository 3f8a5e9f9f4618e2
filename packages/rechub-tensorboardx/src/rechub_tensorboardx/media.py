"""Reads what event files hold beyond scalars: texts, tables, images, histograms, artifacts."""

import textwrap
from pathlib import Path
from typing import Any

from torch_rechub.basic.tracking.table_text import table_of_text
from torch_rechub.runs import Details, Run
from torch_rechub.runs.details import Figure, Histogram, RecordedTable, Text
from torch_rechub.runs.gathered import Gathered

from .records import State, add_file, in_order

ARTIFACTS = "artifacts"
"""The folder of artifacts in that of a run, and the first part of the texts that name them."""
_OWN = ("hyperparameters", "status")  # texts of the logger
_SUFFIX = "/text_summary"
_PNG = b"\x89PNG"


def tensorboard_details(run: Run) -> Details:
    """Return the details of a run."""
    folder = Path(run.path)
    found = _Details(folder)
    for path in in_order(folder.glob("events.out.tfevents.*")):
        add_file(found, path)
    return found.gathered.details()


class _Details(State):
    """The events of a run, with those that `State` skips."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.gathered = Gathered()

    def add(self, event: Any) -> None:
        super().add(event)
        for value in event.summary.value:
            times = self.gathered.times.setdefault(value.tag, [])
            new = len(self.metrics.get(value.tag, ())) - len(times)
            times.extend([event.wall_time] * new)
            if value.HasField("image") and value.image.encoded_image_string[:4] == _PNG:
                png = value.image.encoded_image_string
                self.gathered.figures.append(Figure(value.tag, event.step, png))
            elif value.HasField("histo"):
                counts = [int(count) for count in value.histo.bucket]
                edges = [value.histo.min, *value.histo.bucket_limit]
                self.gathered.histograms.append(Histogram(value.tag, event.step, counts, edges))
            elif value.metadata.plugin_data.plugin_name == "text" and value.tensor.string_val:
                text = value.tensor.string_val[0].decode("utf-8", "replace")
                self._add_text(value.tag.removesuffix(_SUFFIX), event.step, text)

    def _add_text(self, name: str, step: int, text: str) -> None:
        table = table_of_text(text)
        if table is not None:
            self.gathered.tables.append(RecordedTable(name, step, *table))
        elif name.startswith(f"{ARTIFACTS}/"):
            file = text.strip()
            path = self.folder / ARTIFACTS / file
            if "/" not in file and "\\" not in file and path.is_file() and not path.is_symlink():
                self.gathered.files[name.removeprefix(f"{ARTIFACTS}/")] = str(path)
        elif name not in _OWN:
            self.gathered.texts.append(Text(name, step, textwrap.dedent(text)))

    def resume(self, step: int) -> None:
        earlier = self.metrics.copy()
        super().resume(step)
        self.gathered.resume(step, earlier)
