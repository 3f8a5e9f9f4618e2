"""The training loop that every trainer shares."""

import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from ..basic.callback import EarlyStopper
from ..basic.loss_func import RegularizationLoss
from ..basic.tracking import LoggerGroup
from .batches import BatchFeed, batch_rows
from .checkpoint import prepare_folder, save_weights
from .checks import check_inputs
from .resume import read_checkpoint, write_checkpoint

log = logging.getLogger("torch_rechub")


class Trainer:
    """Trains a model epoch by epoch: train, validate, record, stop early, step the schedule.

    A task subclasses it, once, and says in a few methods what is particular to it: the losses of a
    batch (`losses`), the metrics of a validation pass (`validate`), and which of them decides
    (`monitor`). With validation, the weights of the best epoch are in `model` and on disk when
    `fit` returns, however it ended; without, the last ones.

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

    def __init__(
        self,
        model: nn.Module,
        *,
        optimizer_fn: Callable[..., torch.optim.Optimizer],
        optimizer_params: Mapping[str, Any] | None,
        scheduler_fn: Callable[..., Any] | None,
        scheduler_params: Mapping[str, Any] | None,
        n_epoch: int,
        earlystop_patience: int,
        device: str | torch.device,
        gpus: list[int] | None,
        model_path: str | os.PathLike[str],
        model_logger: Any,
        regularization_params: Mapping[str, float] | None = None,
        earlystop_mode: str = "max",
        scheduler_step: str = "epoch",
        progress: bool | None = None,
    ) -> None:
        if scheduler_step not in ("epoch", "batch"):
            raise ValueError(f"scheduler_step must be 'epoch' or 'batch', got {scheduler_step!r}")
        self.device = torch.device(f"cuda:{gpus[0]}" if gpus else device)
        self.model = model.to(self.device)
        self.gpus = list(gpus or [])
        if optimizer_params is None:
            optimizer_params = {"lr": 1e-3, "weight_decay": 1e-5}
        self.optimizer = optimizer_fn(self.trained_parameters(), **optimizer_params)
        self.scheduler: Any = None
        if scheduler_fn is not None:
            self.scheduler = scheduler_fn(self.optimizer, **(scheduler_params or {}))
        self.scheduler_step = scheduler_step
        self.regularization = RegularizationLoss(**(regularization_params or {}))
        self.n_epoch = n_epoch
        self.early_stopper = EarlyStopper(earlystop_patience, earlystop_mode)
        self.model_path = model_path
        self.loggers = None if model_logger is None else LoggerGroup(model_logger)
        self.history: list[dict[str, float]] = []
        self.feed = BatchFeed(
            self.model, self.device, progress, self.check_labels, self.check_inputs
        )

    # What a task says

    def losses(self, batch: Any) -> Tensor | Sequence[Tensor]:
        """The losses of a batch, one for each of `loss_names`.

        One as a scalar; several as (n,), or as scalars where their gradients must be told apart.
        Further ones may follow, which are trained on and not recorded.
        """
        raise NotImplementedError

    def validate(self, data_loader: Iterable[Any]) -> dict[str, float]:
        """The metrics of a validation pass by their recorded names, `monitor` among them."""
        raise NotImplementedError

    def loss_count(self, batch: Any) -> int | Tensor:
        """How many losses those of a batch are the mean of: its weight in the epoch's mean."""
        return batch_rows(batch)

    def check_inputs(self, model: nn.Module, x: Any) -> None:
        """Raise what is wrong with inputs, whole or of one batch, that `model` will take."""
        check_inputs(model, x)

    def check_labels(self, y: Tensor) -> None:
        """Raise ValueError if these are no labels of this task."""

    def check_validation_labels(self, y: Tensor) -> None:
        """Raise ValueError if these are no labels to validate on, before training."""
        self.check_labels(y)

    def trained_parameters(self) -> Iterable[Any]:
        """What the optimizer is made for: the model's parameters, and what the task adds."""
        return self.model.parameters()

    def backward(self, losses: Sequence[Tensor]) -> None:
        """Compute gradients from the losses of a batch."""
        (torch.stack(list(losses)).sum() + self.regularization(self.model)).backward()

    def extra_metrics(self) -> dict[str, float]:
        """What a task records each epoch beside its losses and its validation."""
        return {}

    def extra_state(self) -> dict[str, Any]:
        """What a task must keep, as tensors and plain data, to go on after an interruption."""
        return {}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Take back what `extra_state` gave."""

    def hyperparams(self) -> dict[str, Any]:
        """The settings to record when training starts."""
        group = self.optimizer.param_groups[0]
        return {
            "model": type(self.model).__name__,
            "trainer": type(self).__name__,
            "n_epoch": self.n_epoch,
            "learning_rate": float(group["lr"]),
            "optimizer": type(self.optimizer).__name__,
            "weight_decay": group.get("weight_decay", 0.0),
            "scheduler": type(self.scheduler).__name__ if self.scheduler else None,
            "earlystop_patience": self.early_stopper.patience,
            "device": str(self.device),
        }

    # The loop

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
                is there: run the same script again after an interruption.

        Raises:
            ValueError: A loader is empty, or labels are none of this task.
            KeyError: The data lack a column that the model's features name.
            IndexError: An id is outside its feature's vocabulary.
            OSError: `model_path` cannot be written to.
            CheckpointError: The checkpoint to continue from is damaged, or of another model.
        """
        with self.loggers or nullcontext() as loggers:
            first = self._start(train_dataloader, val_dataloader, resume)
            if loggers is not None:
                batch_size = getattr(train_dataloader, "batch_size", None)
                loggers.log_hyperparams({**self.hyperparams(), "batch_size": batch_size})
            try:
                for epoch in range(first, self.n_epoch):
                    record = self._run_epoch(epoch, train_dataloader, val_dataloader)
                    if loggers is not None:
                        loggers.log_metrics(record, step=epoch)
                    stop = val_dataloader is not None and self._stops_early(record[self.monitor])
                    self._step_schedule("epoch", record)
                    if resume:
                        write_checkpoint(self, over=stop)
                    if stop:
                        log.info("Stopped early after epoch %d.", epoch)
                        break
            except BaseException:
                try:
                    self._keep_best()
                except Exception:  # the error that ended training is the one to raise
                    log.exception("The best weights could not be kept.")
                raise
            finally:
                self.feed.forget()
            self._keep_best()

    def _start(self, train: Iterable[Any], val: Iterable[Any] | None, resume: bool) -> int:
        """Raise what is wrong before the first step; return the epoch to begin with."""
        self.early_stopper.reset()
        self.history = []
        self.weights_path: Path = prepare_folder(self.model_path) / self.weights_file
        self.feed.verify("train_dataloader", train, self.check_labels)
        if val is not None:
            self.feed.verify("val_dataloader", val, self.check_validation_labels)
        return read_checkpoint(self) if resume else 0

    def _run_epoch(
        self, epoch: int, train: Iterable[Any], val: Iterable[Any] | None
    ) -> dict[str, float]:
        started, rate = time.perf_counter(), float(self.optimizer.param_groups[0]["lr"])
        losses = self._train_pass(train, f"epoch {epoch}")
        record = dict(zip(self.loss_names, losses, strict=True)) | {"learning_rate": rate}
        record |= self.extra_metrics() | ({} if val is None else self.validate(val))
        seconds = time.perf_counter() - started
        self.history.append({"epoch": epoch, **record, "seconds": seconds})
        log.info("epoch %d: %s", epoch, ", ".join(f"{k} {v:.6g}" for k, v in record.items()))
        return record

    def train_one_epoch(self, data_loader: Iterable[Any], log_interval: int = 10) -> Any:
        """Train one pass over the data.

        Args:
            data_loader: Yields batches.
            log_interval: Batches between two updates of the loss beside the progress bar.

        Returns:
            The mean loss of a sample; a list of them where there are several.
        """
        losses = self._train_pass(data_loader, "train", log_interval)
        return losses[0] if len(losses) == 1 else losses

    def _train_pass(
        self, data_loader: Iterable[Any], title: str, log_interval: int = 10
    ) -> list[float]:
        self.model.train()
        total = torch.zeros(len(self.loss_names), device=self.device)
        count: int | Tensor = 0
        bar = self.feed.bar(data_loader, title)
        for step, batch in enumerate(self.feed(data_loader, bar), 1):
            found = self.losses(batch)
            losses = list(found.reshape(-1) if isinstance(found, Tensor) else found)
            self.optimizer.zero_grad()
            self.backward(losses)
            self.optimizer.step()
            self._step_schedule("batch", {})
            n = self.loss_count(batch)
            total += torch.stack([loss.detach() for loss in losses[: len(total)]]) * n
            count += n
            if not bar.disable and step % log_interval == 0:
                bar.set_postfix(loss=f"{float(total.sum()) / float(count):.5g}", refresh=False)
        if count == 0:
            raise ValueError("train_dataloader yielded no batch with anything to learn from")
        return [float(loss) / float(count) for loss in total]

    def _stops_early(self, score: float) -> bool:
        stop = self.early_stopper.stop_training(score, self.model.state_dict())
        if self.early_stopper.improved and self.early_stopper.best_weights is not None:
            save_weights(self.early_stopper.best_weights, self.weights_path)
        return stop

    def _step_schedule(self, unit: str, record: Mapping[str, float]) -> None:
        if self.scheduler is None or self.scheduler_step != unit:
            return
        if isinstance(self.scheduler, ReduceLROnPlateau):
            self.scheduler.step(record.get(self.monitor, sum(record[n] for n in self.loss_names)))
        else:
            self.scheduler.step()

    def _keep_best(self) -> None:
        """Put the best epoch's weights into the model; without any, write the last ones."""
        if self.early_stopper.best_weights is not None:
            self.model.load_state_dict(self.early_stopper.best_weights)
        elif self.history or self.n_epoch == 0:
            save_weights(self.model.state_dict(), self.weights_path)

    def parallel(self, module: nn.Module) -> nn.Module:
        """The module, spread over the GPUs where several were given."""
        return nn.DataParallel(module, device_ids=self.gpus) if len(self.gpus) > 1 else module
