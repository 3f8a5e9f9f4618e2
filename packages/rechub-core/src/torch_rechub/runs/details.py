"""Details of a run, read on demand: times, texts, histograms, tables, figures and files."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from ..basic.tracking.plugin import failure_text
from ..basic.tracking.stored_files import artifact_name
from ..basic.tracking.table_cells import Cell
from .record import Run

log = logging.getLogger("torch_rechub.runs")


@dataclass(frozen=True)
class Text:
    """A text that was recorded at a step."""

    name: str
    step: int
    text: str


@dataclass(frozen=True)
class Histogram:
    """A histogram: N counts of values between N + 1 edges."""

    name: str
    step: int
    counts: Sequence[int]
    edges: Sequence[float]


@dataclass(frozen=True)
class RecordedTable:
    """A table: the names of its columns, and rows of one cell per column."""

    name: str
    step: int
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True)
class Figure:
    """A figure, as the bytes of a PNG file."""

    name: str
    step: int
    png: bytes = field(repr=False)


@dataclass(frozen=True)
class Details:
    """The records of a run that `Run` does not hold.

    Attributes:
        times: Metric to the time of each of its records, in seconds since 1970, in the order of
            `Run.metrics`; without the metrics whose times the tracker does not store.
        texts: Texts, in the order of recording.
        histograms: Histograms.
        tables: Tables.
        figures: Figures.
        files: The name of each artifact to the path of its newest version on this machine.
    """

    times: Mapping[str, list[float]] = field(default_factory=dict)
    texts: tuple[Text, ...] = ()
    histograms: tuple[Histogram, ...] = ()
    tables: tuple[RecordedTable, ...] = ()
    figures: tuple[Figure, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)


def details(run: Run) -> Details:
    """Read the details of a run from its files, with the reader of its tracker.

    Details that cannot be read are reported through `logging` and left out. A tracker whose reader
    has no method `details` has none.

    Args:
        run: A run that `read_runs` returned.

    Raises:
        ValueError: No reader is installed for the tracker of the run.

    Example:
        >>> import tempfile
        >>> from torch_rechub.basic.tracking import JSONLLogger
        >>> from torch_rechub.runs import read_runs
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with JSONLLogger(dir=folder) as logger:
        ...         logger.log_table("best", ["item", "score"], [["a", 0.5]], step=3)
        ...     details(read_runs(folder)[0]).tables
        (RecordedTable(name='best', step=3, columns=['item', 'score'], rows=[['a', 0.5]]),)
    """
    from .readers import reader_of

    reader = reader_of(run.backend)
    read = getattr(reader, "details", None)
    if read is None:
        return Details()
    try:
        found: Details = read(run)
    except (Exception, SystemExit) as error:  # an SDK may even call sys.exit
        log.warning("%s: the details cannot be read: %s", run.path, failure_text(error))
        return Details()
    times = {
        name: [float(time) for time in given]
        for name, given in found.times.items()
        if given and len(given) == len(run.metrics.get(name, ()))
    }
    return Details(
        times, found.texts, found.histograms, found.tables, found.figures, dict(found.files)
    )


AnyRecord = TypeVar("AnyRecord", Text, Histogram, RecordedTable, Figure)


def before(step: int, records: Sequence[AnyRecord]) -> list[AnyRecord]:
    """The records before a step, from which on a run was continued.

    Example:
        >>> [text.name for text in before(1, [Text("a", 0, ""), Text("b", 1, "")])]
        ['a']
    """
    return [record for record in records if record.step < step]


def newest_files(folder: Path) -> dict[str, str]:
    """Return the newest file of each artifact, where each has a folder of its own.

    The name of the folder is that of `basic.tracking.stored_files.folder_name`.

    Links are left out: runs may come from anyone, and a link may lead to any file of this machine.

    Args:
        folder: The folder of these folders; it may be missing.
    """
    found = {}
    for artifact in [] if folder.is_symlink() else sorted(folder.glob("*")):
        if artifact.is_symlink():
            continue
        files = [path for path in artifact.glob("*") if path.is_file() and not path.is_symlink()]
        if files:
            found[artifact_name(artifact.name)] = str(
                max(files, key=lambda path: path.stat().st_mtime_ns)
            )
    return found
