"""Recording: the options for additional records."""

from dataclasses import dataclass, fields
from importlib.util import find_spec

from .._bounds import whole_number
from .examples import Examples


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Options for records in addition to hyper-parameters and the metrics of each epoch.

    Attributes:
        every_n_steps: The losses of every n-th step of the optimizer, as ``train/loss_step``, …, at
            the number of the step, counted from 1 through all epochs.
        best: After each epoch, the best value so far of the monitored metric (``best/val/auc``) and
            its epoch (``best/epoch``). Trackers show the last value as the summary of a run.
        figures: At the end, of the best weights on the validation data of `CTRTrainer`: the ROC
            curve, the calibration and the confusion matrix; of balanced tasks their weights.
            Needs matplotlib.
        embeddings: Each epoch, for each embedding table, the mean norm of its rows and the share of
            rows whose norm training has not changed (``embedding/<table>/norm``, ``…/unchanged``);
            and a histogram of the norms. Rows that never occur in the data stay unchanged where
            tables are updated lazily.
        architecture: At the start, the model's modules as text.
        checkpoint: At the end, the file of the best weights, where a tracker keeps files.
        system: Each epoch, the rows trained on per second (``system/rows_per_second``), the
            processor time of this process and its children in percent of one core
            (``system/cpu_percent``), the resident memory now and at its peak in MB of 2**20 bytes
            (``system/memory_mb``, ``system/memory_peak_mb``), and of a GPU of CUDA the memory that
            torch holds (``system/gpu_memory_mb``, ``…_peak_mb``) and, with the package
            nvidia-ml-py, the percentage of time it is busy (``system/gpu_percent``).
        data: At the start, the fingerprint of the data: columns, types, rows, label rate, split,
            vocabulary, and the content as hashes; no values. It is the one record that is made
            unless it is refused. Of tables of more than a million values a sample of the rows is
            hashed, and the numbers of each column are added up; "all" hashes all rows.
        code: At the start, the git commit of the main script, and a digest of changes since.
        environment: At the start, the versions of Python and of the imported packages.
        examples: At the end, tables of examples: see `Examples`.
        test_values: At the end, the values behind the metrics of `test_dataloader`, of each row or
            user, as the artifact `test_values`; ``rechub compare --test`` tests with them whether a
            run is better than another.

    Raises:
        ValueError: `every_n_steps` is below 1.
        ImportError: `figures` without matplotlib.

    Example:
        >>> Recording(every_n_steps=100, best=True).best
        True
    """

    every_n_steps: int | None = None
    best: bool = False
    figures: bool = False
    embeddings: bool = False
    architecture: bool = False
    checkpoint: bool = False
    system: bool = False
    data: bool | str = True
    code: bool = False
    environment: bool = False
    examples: Examples | None = None
    test_values: bool = False

    def __post_init__(self) -> None:
        every = whole_number(1, every_n_steps=self.every_n_steps)
        object.__setattr__(self, "every_n_steps", every)
        if self.data not in (False, True, "all"):
            raise ValueError(f'data must be True, False or "all", got {self.data!r}')
        for name in (field.name for field in fields(self) if field.default is False):
            if (value := getattr(self, name)) not in (False, True):
                raise ValueError(f"{name} must be True or False, got {value!r}")
        if not isinstance(self.examples, Examples | None):
            raise TypeError(f"examples must be an Examples or None, got {self.examples!r}")
        if self.figures:
            _require_matplotlib()


def _require_matplotlib() -> None:
    """Raise ImportError, with the command that installs it, where matplotlib is missing."""
    if find_spec("matplotlib") is None:
        raise ImportError("figures need matplotlib: pip install 'rechub-core[plot]'")
