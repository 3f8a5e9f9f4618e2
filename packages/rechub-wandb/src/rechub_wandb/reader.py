"""Reads wandb's files on disk, of offline and online runs, without network or account."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from torch_rechub.runs import Details, Run

from .records import State, add_file


class WandbRunReader:
    """One ``run-<id>.wandb`` is one run.

    Names of metrics in nested dicts are joined with ``/``. Values other than numbers, such as
    images, are skipped. `WandbLogger` stores the step of late values in the column ``step``. The
    steps of a metric defined with an integer x-axis are the values of that axis.
    """

    patterns = ("run-*.wandb",)
    whole_folders = False
    one_run_of_an_id = True

    def read(self, files: Sequence[Path]) -> Iterator[Run]:
        """Iterate over the runs of `files`."""
        for path in files:
            yield _run(path)

    def details(self, run: Run) -> Details:
        """Read the details of a run."""
        from .media import wandb_details

        return wandb_details(run)


def _run(path: Path) -> Run:
    state = State(path.parent.name)
    add_file(state, path)
    return Run(
        backend="wandb",
        path=str(path),
        hyperparams=state.params,
        metrics=state.metrics,
        **state.fields,
    )
