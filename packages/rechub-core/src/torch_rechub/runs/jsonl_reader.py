"""Reads the files of `JSONLLogger`."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ..basic.tracking.json_lines import SUFFIX
from .details import Details
from .jsonl_details import jsonl_details
from .jsonl_lines import FileLines, RunLines
from .record import Run


class JSONLRunReader:
    """Each ``start`` in a file begins a run.

    Damaged or invalid lines are skipped and reported. Lines without a readable ``start`` form a run
    with the name of the file. Lines of a later format are skipped, and the message gives the
    command that installs a version that reads them.
    """

    patterns = (f"*{SUFFIX}",)
    whole_folders = False
    plain_metrics = True

    def read(self, files: Sequence[Path]) -> Iterator[Run]:
        """The runs of `files`."""
        for path in files:
            for lines in FileLines(path, RunLines).read():
                yield lines.as_run()

    def follow(self, file: Path) -> "JSONLFollower":
        """Return an object that reads the runs of a file that grows."""
        return JSONLFollower(file)

    def details(self, run: Run) -> Details:
        """Read the details of a run."""
        return jsonl_details(run)


class JSONLFollower:
    """Reads a file that grows, each line once.

    Args:
        file: The file.
    """

    def __init__(self, file: Path) -> None:
        self._lines = FileLines(file, RunLines)

    def read(self) -> list[Run]:
        """Return the runs as they are now; later calls do not change them."""
        runs = [lines.as_run() for lines in self._lines.read()]
        return [replace(r, metrics={n: list(p) for n, p in r.metrics.items()}) for r in runs]
