"""Reads the files of `JSONLLogger`."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ..basic.tracking.json_lines import SUFFIX
from .details import Details
from .jsonl_details import jsonl_details
from .jsonl_lines import RunLines, runs_of
from .record import Run


class JSONLRunReader:
    """Each ``start`` in a file begins a run.

    Damaged or invalid lines are skipped and reported. Lines without a readable ``start`` form a run
    with the name of the file. Lines of a later format are skipped, and the message gives the
    command that installs a version that reads them.
    """

    patterns = (f"*{SUFFIX}",)
    whole_folders = False

    def read(self, files: Sequence[Path]) -> Iterator[Run]:
        """The runs of `files`."""
        for path in files:
            for lines in runs_of(path, RunLines):
                yield lines.as_run()

    def details(self, run: Run) -> Details:
        """Read the details of a run."""
        return jsonl_details(run)
