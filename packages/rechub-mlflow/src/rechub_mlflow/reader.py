"""Reads MLflow's local databases and folders of files; mlflow is not imported."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torch_rechub.runs import Run

from .database import runs_of_database
from .file_store import run_of_folder

if TYPE_CHECKING:
    from torch_rechub.runs import Details

META = "meta.yaml"


class MLflowRunReader:
    """Reads each run of a local database, or of MLflow's folders ``mlruns``, that is not deleted.

    Nothing is written, and nothing is fetched from a server. Of runs that `MLflowLogger` wrote,
    values have their types, nested hyper-parameters their levels and names their characters; those
    of others are as MLflow keeps them. Values of a run that was continued are left out where it
    recorded the same steps again.
    """

    patterns = ("*.db", META)
    whole_folders = False

    def read(self, files: Sequence[Path]) -> Iterator[Run]:
        """Iterate over the runs of `files`."""
        for path in files:
            if path.name != META:
                yield from runs_of_database(path)
            elif (run := run_of_folder(path)) is not None:
                yield run

    def details(self, run: Run) -> "Details":
        """Read the details of a run; its artifacts only from below the folder of the runs."""
        from .details import details_of

        return details_of(run)
