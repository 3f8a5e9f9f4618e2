"""What a trainer tells its loggers: always the epochs, on request much more."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ..._bounds import check_whole
from ...basic.tracking import LoggerGroup
from .embedding_stats import TableHealth
from .hyperparams import describe_data
from .plots import calibration, confusion, require_matplotlib, roc, task_weights

if TYPE_CHECKING:
    from types import TracebackType

    from ..trainer import Trainer

STEP_AXIS = "global_step"


@dataclass(frozen=True, kw_only=True)
class Recording:
    """What is recorded on request, beside the hyper-parameters and the metrics of each epoch.

    Attributes:
        every_n_steps: The losses of every n-th step of the optimizer, as ``train/loss_step``, …, at
            the number of the step, counted from 1 through all epochs.
        best: Each epoch, the best value so far of what decides (``best/val/auc``) and its epoch
            (``best/epoch``): the last of them is what a tracker shows of the run.
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
        check_whole(1, every_n_steps=self.every_n_steps)
        for name in ("best", "figures", "embeddings", "architecture", "checkpoint"):
            if (value := getattr(self, name)) not in (False, True):
                raise ValueError(f"{name} must be True or False, got {value!r}")
        if self.figures:
            require_matplotlib()


class Recorder:
    """Feeds the loggers of a trainer while it fits.

    Args:
        trainer: What is training.
        loggers: Its loggers.
        wanted: What to record beside the epochs.
    """

    def __init__(self, trainer: "Trainer", loggers: LoggerGroup, wanted: Recording) -> None:
        self.trainer, self.loggers, self.wanted = trainer, loggers, wanted
        self._tables = TableHealth()

    @classmethod
    def of(cls, trainer: "Trainer") -> "Recorder | None":
        """The recorder that a trainer's settings ask for; None without a logger.

        Raises:
            ValueError: There is something to record and no logger.
        """
        loggers, wanted = trainer.settings.model_logger, trainer.settings.record
        if not isinstance(wanted, Recording | None):
            raise TypeError(f"record must be a Recording, got {wanted!r}")
        if loggers is not None:
            return cls(trainer, LoggerGroup.of(loggers), wanted or Recording())
        if wanted is not None:
            raise ValueError("record says what to tell loggers: give model_logger too")
        return None

    def __enter__(self) -> "Recorder":
        self.loggers.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: "TracebackType | None",
    ) -> None:
        self.trainer.steps.on_step = None
        self.loggers.__exit__(kind, error, traceback)

    def begin(self, train_dataloader: Iterable[Any], first: int, resume: bool) -> None:
        """Record the settings, before epoch `first`, in a run that is continued if `resume`."""
        trainer, wanted = self.trainer, self.wanted
        others: dict[str, int] = {}
        if wanted.every_n_steps is not None:
            names = [f"{name}_step" for name in trainer.loss_names]
            self.loggers.offer("define_axis", STEP_AXIS, names)
            trainer.steps.on_step = self._step
            others = {STEP_AXIS: trainer.steps.count + 1}
        if resume:
            self.loggers.offer("resume_at", first, others)
        self.loggers.log_hyperparams({**trainer.hyperparams(), **describe_data(train_dataloader)})
        if wanted.architecture:
            self.loggers.offer("log_text", "model", str(trainer.model), first)
        if wanted.embeddings:
            self._tables.begin(trainer.model)

    def epoch(self, record: dict[str, float], epoch: int) -> None:
        """Record the metrics of an epoch."""
        further: dict[str, float] = {}
        if self.wanted.best:
            further |= self._best()
        if self.wanted.embeddings:
            for name, health in self._tables.look(self.trainer.model).items():
                further |= {f"embedding/{name}/{key}": v for key, v in health.values.items()}
                self.loggers.offer(
                    "log_histogram", f"embedding/{name}/norms", health.counts, health.edges, epoch
                )
        self.loggers.log_metrics({**record, **further}, step=epoch)
        self.loggers.offer("flush")

    def end(self, val_dataloader: Iterable[Any] | None) -> None:
        """Record what is known when training has ended, with the best weights in the model."""
        trainer, last = self.trainer, max(0, len(self.trainer.history) - 1)
        if self.wanted.figures:
            for name, figure in self._figures(val_dataloader):
                self.loggers.offer("log_figure", name, figure, last)
        if self.wanted.checkpoint and trainer.best.path.is_file():
            name = type(trainer.model).__name__
            self.loggers.offer("log_artifact", name, str(trainer.best.path), "model")

    def _step(self, number: int, losses: Tensor) -> None:
        if number % (self.wanted.every_n_steps or 1) == 0:
            values = zip(self.trainer.loss_names, losses.tolist(), strict=False)
            self.loggers.log_metrics({f"{name}_step": v for name, v in values}, step=number)

    def _best(self) -> dict[str, float]:
        monitor = self.trainer.monitor
        sign = 1 if self.trainer.early_stopper.mode == "max" else -1
        rows = [r for r in self.trainer.history if not math.isnan(r.get(monitor, math.nan))]
        if not rows:
            return {}
        best = max(rows, key=lambda row: sign * row[monitor])
        return {f"best/{monitor}": best[monitor], "best/epoch": best["epoch"]}

    def _figures(self, val_dataloader: Iterable[Any] | None) -> Iterable[tuple[str, Any]]:
        predict = getattr(self.trainer, "labelled_predictions", None)
        if predict is not None and val_dataloader is not None:
            labels, predictions = predict(self.trainer.model, val_dataloader)
            for draw in (roc, calibration, confusion):
                yield f"val/{draw.__name__}", draw(labels, predictions)
        weights = task_weights(self.trainer.history)
        if weights is not None:
            yield "loss_weight", weights
