"""The training loop that every trainer shares."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from .._paths import local_path
from .._streams import usable_streams
from ..data.batch import batch_rows
from ..export import trained
from ..losses import RegularizationLoss
from .checkpoints.best_weights import BestWeights
from .checkpoints.early_stopping import EarlyStopper
from .checkpoints.resume import read_checkpoint, write_checkpoint
from .checkpoints.weights import prepare_folder
from .checks import check_inputs
from .data_feed import BatchFeed
from .interruption import sigterm_raises
from .mean_loss import MeanLosses
from .optimizers import make_optimizer
from .reporting.hyperparams import describe
from .reporting.recorder import Recorder
from .schedule import Schedule
from .settings import Folder, Settings
from .steps import Steps

log = logging.getLogger("torch_rechub")


class Trainer:
    """Trains a model epoch by epoch: train, validate, record, stop early, step the schedule.

    A task subclasses it, once: it defines the losses of a batch (`losses`), the metrics of
    validation (`validate`), the one monitored (`monitor`), and adds to what is recorded
    (`recorded`) and kept in a checkpoint (`stateful`). With validation, the best epoch's weights
    are in `model` and on disk when `fit` returns, however it ended; without, the last ones.

    Attributes:
        model: The model being trained.
        optimizer: Its optimizer.
        scheduler: Its learning-rate schedule, or None.
        early_stopper: Keeps the best score and weights.
        history: One dict an epoch: `epoch`, every recorded metric, `seconds`.
    """

    loss_names: tuple[str, ...] = ("train/loss",)
    monitor: str = ""
    weights_file: str = "model.pth"
    evaluate: Callable[..., Any]
    export_onnx, visualization = trained.export_onnx, trained.visualization

    def __init__(self, model: nn.Module, settings: Settings) -> None:
        self.settings, self.device = settings, settings.main_device()
        self.model = model.to(self.device)
        trained = self.trained_parameters()
        self.optimizer, self.embedding_update = make_optimizer(self.model, trained, settings)
        self.schedule = Schedule(self.optimizer, settings)
        self.scheduler = self.schedule.scheduler
        self.steps = Steps(self.optimizer, self.schedule, settings)
        self.regularization = RegularizationLoss(**(settings.regularization_params or {}))
        self.n_epoch, self.model_path = settings.n_epoch, settings.model_path
        self.early_stopper = EarlyStopper(settings.earlystop_patience, settings.earlystop_mode)
        self.best = BestWeights(self.model, self.early_stopper)
        self.history: list[dict[str, float]] = []
        self.stateful: dict[str, Any] = {}
        self.recorded: dict[str, Any] = {}
        self.feed, self.recorder = BatchFeed(self), Recorder.of(self)

    @property
    def model_path(self) -> Folder:
        """The folder of the weights, as given; a relative one was resolved when it was given."""
        return self._model_path

    @model_path.setter
    def model_path(self, folder: Folder) -> None:
        self._model_path, self._folder = folder, local_path("model_path", folder)

    # What a task says

    def losses(self, batch: Any) -> Tensor | Sequence[Tensor]:
        """The losses of a batch, one for each of `loss_names`.

        One as a scalar; several as (n,), or as scalars where their gradients must be told apart.
        Further ones may follow, which are trained on and not recorded.
        """
        raise NotImplementedError

    def validate(self, data_loader: Iterable[Any]) -> dict[str, float]:
        """The metrics of a validation pass by their recorded names, `monitor` among them."""
        return {self.monitor: self.evaluate(self.model, data_loader)}

    def loss_count(self, batch: Any) -> int | Tensor:
        """How many losses those of a batch are the mean of: its weight in the epoch's mean."""
        return batch_rows(batch)

    def check_inputs(self, model: nn.Module, x: Any) -> None:
        """Raise what is wrong with inputs, whole or of one batch, that `model` will take."""
        check_inputs(model, x)

    def check_labels(self, y: Tensor, validation: bool = False) -> None:
        """Raise ValueError if these are no labels of this task, or, if so, to validate on."""

    def trained_parameters(self) -> Iterable[Any]:
        """What the optimizer is made for: the model's parameters, and what the task adds."""
        return self.model.parameters()

    def backward(self, losses: Sequence[Tensor]) -> None:
        """Compute gradients from the losses of a batch."""
        (torch.stack(list(losses)).sum() + self.regularization(self.model)).backward()

    def extra_metrics(self) -> dict[str, float]:
        """What a task records each epoch beside its losses and its validation."""
        return {}

    def hyperparams(self) -> dict[str, Any]:
        """The settings to record when training starts: those of all trainers, and `recorded`."""
        return {**describe(self), **self.recorded}

    def fit(
        self,
        train_dataloader: Iterable[Any],
        val_dataloader: Iterable[Any] | None = None,
        *,
        resume: bool = False,
    ) -> Any:
        """Train for `n_epoch` epochs, or until validation stops improving.

        Args:
            train_dataloader: Yields batches.
            val_dataloader: Yields batches; None trains without validation and early stopping.
            resume: Keep a checkpoint of every epoch in `model_path`, and continue from the one that
                is there: run the same script again after an interruption, such as SIGTERM.

        Raises:
            ValueError: A loader is empty, or labels are none of this task.
            KeyError: The data lack a column that the model's features name.
            IndexError: An id is outside its feature's vocabulary.
            OSError: `model_path` cannot be written to.
            CheckpointError: The checkpoint to continue from is damaged, or of another model.
        """
        loggers = self.recorder or nullcontext()
        with usable_streams(), sigterm_raises(), loggers as recorder, self.feed:
            first = self._start(train_dataloader, val_dataloader, resume)
            if recorder is not None:
                recorder.begin(train_dataloader, first, resume)
            with self.best.kept(trained=lambda: bool(self.history) or self.n_epoch == 0):
                for epoch in range(first, self.n_epoch):
                    record = self._run_epoch(epoch, train_dataloader, val_dataloader)
                    if recorder is not None:
                        recorder.epoch(record, epoch)
                    stop = val_dataloader is not None and self.best.stops(record[self.monitor])
                    loss = sum(record[name] for name in self.loss_names)
                    self.schedule.after_epoch(record.get(self.monitor, loss))
                    if resume:
                        write_checkpoint(self, over=stop)
                    if stop:
                        log.info("Stopped early after epoch %d.", epoch)
                        break
            if recorder is not None:
                recorder.end(val_dataloader)

    def _start(self, train: Iterable[Any], val: Iterable[Any] | None, resume: bool) -> int:
        """Raise what is wrong before the first step; return the epoch to begin with."""
        self.history, self.steps.count = [], 0
        self.best.begin(prepare_folder(self._folder) / self.weights_file)
        self.schedule.begin("min" if val is None else self.settings.earlystop_mode)
        self.feed.verify("train_dataloader", train, self.check_labels)
        if val is not None:
            self.feed.verify("val_dataloader", val, partial(self.check_labels, validation=True))
        return read_checkpoint(self) if resume else 0

    def _run_epoch(
        self, epoch: int, train: Iterable[Any], val: Iterable[Any] | None
    ) -> dict[str, float]:
        started, rate = time.perf_counter(), float(self.optimizer.param_groups[0]["lr"])
        losses = self._train_pass(train, f"epoch {epoch}")
        record = dict(zip(self.loss_names, losses, strict=True)) | {"learning_rate": rate}
        record |= self.extra_metrics() | ({} if val is None else self.validate(val))
        self.history.append({"epoch": epoch, **record, "seconds": time.perf_counter() - started})
        log.info("epoch %d: %s", epoch, ", ".join(f"{k} {v:.6g}" for k, v in record.items()))
        return record

    def train_one_epoch(self, data_loader: Iterable[Any], log_interval: int = 10) -> Any:
        """Train one pass; return the mean loss of a sample, or the list of those of tasks."""
        losses = self._train_pass(data_loader, "train", log_interval)
        return losses[0] if self.loss_names == Trainer.loss_names else losses

    def _train_pass(
        self, data_loader: Iterable[Any], title: str, log_interval: int = 10
    ) -> list[float]:
        self.model.train()
        self.steps.begin()
        mean = MeanLosses(len(self.loss_names), self.device, log_interval, self.settings.on_nan)
        bar = self.feed.bar(data_loader, title)
        for batch in self.feed(data_loader, bar):
            with self.steps.precision():
                found = self.losses(batch)
            losses = list(found.reshape(-1) if isinstance(found, Tensor) else found)
            self.steps(self.backward, losses)
            mean.add(losses, self.loss_count(batch))
            mean.show(bar)
        self.steps.finish()
        return mean.read()
