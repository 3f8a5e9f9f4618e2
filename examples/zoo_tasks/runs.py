"""One training run of the zoo: its settings and its results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from torch_rechub.basic.tracking import BaseLogger


@dataclass(frozen=True)
class Outcome:
    """The results of a run: its metrics, the seconds of training, and the model's parameters."""

    metrics: dict[str, float]
    seconds: float | None = None
    parameters: int | None = None


@dataclass(frozen=True)
class Run:
    """The settings of a training run.

    Attributes:
        seed: Seed of weights, order of rows, negatives and random splits.
        folder: Folder for the model's weights.
        epochs: Number of epochs; None means the model's setting.
        device: Device for training.
        trackers: Loggers of the run.
    """

    seed: int
    folder: Path
    epochs: int | None = None
    device: str = "cpu"
    trackers: Sequence[BaseLogger] = field(default_factory=list)

    def trainer_settings(self, epochs: int) -> dict[str, Any]:
        """Return the arguments of every trainer; `epochs` is the model's setting."""
        return {
            "n_epoch": self.epochs or epochs,
            "device": self.device,
            "model_path": self.folder,
            "model_logger": self.lent_trackers(),
            "progress": False,
        }

    def lent_trackers(self) -> list[BaseLogger]:
        """Return wrappers of the trackers for a trainer."""
        return [_Lent(tracker) for tracker in self.trackers]


class _Lent(BaseLogger):
    """Wraps a tracker such that `fit` does not finish it, because the test is recorded later.

    Args:
        tracker: The wrapped tracker.
    """

    def __init__(self, tracker: BaseLogger) -> None:
        self.tracker = tracker

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        self.tracker.log_metrics(dict(metrics), step)

    def log_hyperparams(self, params: Mapping[str, Any]) -> None:
        self.tracker.log_hyperparams(dict(params))


def parameters_of(model: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
