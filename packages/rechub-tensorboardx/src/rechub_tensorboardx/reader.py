"""Reads TensorBoard event files of any library."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from torch_rechub.runs import Details, Run

from .records import State, add_file, in_order

log = logging.getLogger("torch_rechub.runs")


class TensorBoardRunReader:
    """The event files of one folder are one run, as in TensorBoard, with the name of the folder.

    A file that resumes a run at a step replaces the records from that step on. The status of a run
    is known if `TensorBoardXLogger` or an entry of the HParams tab recorded it.
    """

    patterns = ("events.out.tfevents.*",)
    whole_folders = True

    def read(self, files: Sequence[Path]) -> Iterator[Run]:
        """Read the run of `files`."""
        state = State()
        for path in in_order(files):
            try:
                add_file(state, path)
            except OSError as error:
                log.warning("%s cannot be read and is left out of its run: %s", path, error)
        folder = files[0].parent.resolve()
        yield Run(folder.name, "tensorboardx", str(files[0].parent), **state.fields())

    def details(self, run: Run) -> Details:
        """Read the details of a run."""
        from .media import tensorboard_details

        return tensorboard_details(run)
