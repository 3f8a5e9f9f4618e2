"""Recording: the options for additional records."""

from dataclasses import dataclass
from importlib.util import find_spec

from .._bounds import whole_number


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

    def __post_init__(self) -> None:
        every = whole_number(1, every_n_steps=self.every_n_steps)
        object.__setattr__(self, "every_n_steps", every)
        for name in ("best", "figures", "embeddings", "architecture", "checkpoint"):
            if (value := getattr(self, name)) not in (False, True):
                raise ValueError(f"{name} must be True or False, got {value!r}")
        if self.figures:
            _require_matplotlib()


def _require_matplotlib() -> None:
    """Raise ImportError, with the command that installs it, where matplotlib is missing."""
    if find_spec("matplotlib") is None:
        raise ImportError("figures need matplotlib: pip install 'rechub-core[plot]'")
