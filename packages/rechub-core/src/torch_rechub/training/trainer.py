"""The training loop that every trainer shares."""

import logging
from collections.abc import Iterable
from functools import partial
from typing import Any

from torch import nn

from .._paths import local_path
from ..export.trained import ExportsRows
from ..losses import RegularizationLoss
from .callbacks import Callbacks
from .checkpoints.best_weights import BestWeights
from .checkpoints.early_stopping import EarlyStopper
from .checkpoints.resume import TrainingState
from .checkpoints.weights import prepare_folder
from .checkpoints.within_epoch import WithinEpoch
from .checks import check_moments
from .continuing import ContinuesBundles
from .device_loader import DeviceLoader
from .evaluation import Evaluation
from .mean_loss import MeanLosses
from .optimizers import make_optimizer
from .parameter_groups import learning_rates
from .progress import process_prepared
from .reporting.hyperparams import describe
from .reporting.recorder import recorder_of
from .schedule import Schedule
from .settings import Folder, Settings
from .steps import Steps
from .task import Task, as_text

log = logging.getLogger("torch_rechub")


class Trainer(Task, ContinuesBundles, ExportsRows):
    """Trains a model epoch by epoch: train, validate, record, stop early, step the scheduler.

    Each task is a subclass that overrides methods of `Task`, and extends the recorded
    hyper-parameters (`recorded`) and the checkpoint (`stateful`). When `fit` ends, also by an
    error, `model` and the file hold the weights of the best epoch; without validation the last.

    Attributes:
        model: The model being trained.
        optimizer: Its optimizer.
        scheduler: Its learning-rate scheduler, or None.
        history: One dict per epoch: `epoch`, all recorded metrics, `seconds`.
        test_metrics: The metrics of the test data of `fit`, such as `test/auc`.
    """

    def __init__(self, model: nn.Module, settings: Settings) -> None:
        self.settings, self.device = settings, settings.main_device()
        self.metrics = self.choose_metrics()
        self.model = model.to(self.device)
        optimizer = make_optimizer(self.model, self.trained_parameters(), settings)
        self.optimizer, self.embedding_update = optimizer
        self.schedule = Schedule(self.optimizer, settings)
        self.scheduler = self.schedule.scheduler
        self.steps = Steps(self.optimizer, self.schedule, settings)
        self.regularization = RegularizationLoss(**(settings.regularization_params or {}))
        self.n_epoch, self.model_path = settings.n_epoch, settings.model_path
        patience, min_delta = settings.earlystop_patience, settings.min_delta
        stopper = EarlyStopper(patience, self.direction(), min_delta=min_delta)
        self.best = BestWeights(self.model, stopper, settings.on_nan)
        self.history: list[dict[str, float]] = []
        self.test_metrics: dict[str, float] = {}
        self.stateful: dict[str, Any] = {}
        self.recorded: dict[str, Any] = {}
        self.batches = DeviceLoader(self.model, settings, self)
        self.evaluation = Evaluation(self.batches)
        self.callbacks = Callbacks(settings.callbacks)
        self.within_epoch = WithinEpoch(settings.checkpoint_steps)
        self.recorder = recorder_of(settings, self.model, self.batches)

    @property
    def model_path(self) -> Folder:
        """The folder of the weights, as given; relative paths are resolved on assignment."""
        return self._model_path

    @model_path.setter
    def model_path(self, folder: Folder) -> None:
        self._model_path, self._folder = folder, local_path("model_path", folder)

    @property
    def early_stopper(self) -> EarlyStopper:
        """The early stopper, which holds the best score and weights."""
        return self.best.early_stopper

    @early_stopper.setter
    def early_stopper(self, stopper: EarlyStopper) -> None:
        if stopper.mode != self.direction():
            log.warning("early_stopper: mode=%r is not that of %s.", stopper.mode, self.monitor)
        self.best.early_stopper = stopper

    def hyperparams(self) -> dict[str, Any]:
        """Return the hyper-parameters to record when training starts."""
        parts = (self.settings, self.model, self.optimizer, self.scheduler, self.embedding_update)
        return {
            **describe(*parts),
            "trainer": type(self).__name__,
            "n_epoch": self.n_epoch,
            "earlystop_patience": self.early_stopper.patience,
            "metrics": list(self.named_metrics()),
            "monitor": self.monitor,
            "monitor_direction": self.early_stopper.mode,
            **self.recorded,
        }

    # The loop

    def fit(
        self,
        train_dataloader: Iterable[Any],
        val_dataloader: Iterable[Any] | None = None,
        *,
        resume: bool = False,
        test_dataloader: Any = None,
    ) -> Any:
        """Train for `n_epoch` epochs, or until validation stops improving.

        Args:
            train_dataloader: The loader of training data.
            val_dataloader: The validation data, in any form that `predict` takes; None means no
                validation and no early stopping.
            resume: Whether to save a checkpoint after each epoch in `model_path`, and to continue
                from an existing one: run the same script again after an interruption.
            test_dataloader: The test data, in any form as well. Metrics of the best weights on them
                are in `test_metrics`, and in the run of every logger, such as `test/auc`.

        Raises:
            TypeError: The training data are no loader.
            ValueError: A loader is empty, or labels do not suit this task.
            KeyError: The data lack a column of the model's features.
            IndexError: An id is outside its feature's vocabulary.
            OSError: `model_path` cannot be written to.
            CheckpointError: The checkpoint to continue from is damaged, or of another model.
        """
        with process_prepared(self.settings.progress), self.recorder.loggers, self.batches:
            val, test = self.batches.check_data(train_dataloader, val_dataloader, test_dataloader)
            state, first = self._start(train_dataloader, val, resume)
            listeners = self.recorder.step_listeners() + self.callbacks.step_listeners()
            heard = self.steps.heard_by(listeners + self.within_epoch.step_listeners())
            restored = self.best.restored(lambda: bool(self.history) or self.n_epoch == 0)
            with self.callbacks.during_fit(self), heard:
                with restored:
                    for epoch in range(first, self.n_epoch):
                        row = self._run_epoch(epoch, train_dataloader, val)
                        self.recorder.on_epoch_end(row)
                        stops = [self.best.on_epoch_end(row), self.callbacks.on_epoch_end(row)]
                        loss, stop = sum(row[name] for name in self.loss_names), any(stops)
                        self.schedule.after_epoch(row.get(self.monitor, loss))
                        if resume:
                            state.write(self.history, over=stop)
                        if stop:
                            self.callbacks.stopped()
                            self.report("Stopped early after epoch %d.", epoch)
                            break
                self.test_metrics = self.recorder.tested(self.test, test)
            self.recorder.end(self.test_metrics, self.best.path, self.outcome(val, test))

    def _start(self, train: Any, val: Any, resume: bool) -> tuple[TrainingState, int]:
        """Prepare a training run; return the first epoch."""
        path = prepare_folder(self._folder) / self.weights_file
        direction, self.history, self.test_metrics, self.steps.count = self.direction(), [], {}, 0
        self.best.reset(path, self.monitor, direction)
        self.run = self.run.next()
        self.schedule.reset(direction if self.validates(val) else "min", train, self.n_epoch)
        check_moments(self.model, self.optimizer)
        state = TrainingState(
            self.model, self.optimizer, self.scheduler, self.early_stopper, self.steps, self.run,
            self.stateful, self.loss_names, path.with_suffix(".checkpoint"), self.settings.on_nan,
        )  # fmt: skip
        self.history, over = state.restore() if resume else ([], False)
        self.within_epoch.reset(state, self.history, train, resume)
        started = (self.history, self.steps.count, self.loss_names, resume)
        self.recorder.begin(partial(self.describe_run, train), *started)
        return state, self.n_epoch if over else len(self.history)

    def _run_epoch(self, epoch: int, train: Any, val: Any) -> dict[str, float]:
        rates = self.within_epoch.begin(epoch, learning_rates(self.optimizer))
        losses = self._train_epoch(train, f"epoch {epoch}")
        record = dict(zip(self.loss_names, losses, strict=True)) | rates
        record |= self.extra_metrics() | (self.validate(val) if self.validates(val) else {})
        row = {"epoch": epoch, **record, "seconds": self.within_epoch.seconds()}
        self.history.append(row)
        self.report("epoch %d: %s (%.1f s)", epoch, as_text(record), row["seconds"])
        return row

    def train_one_epoch(self, data_loader: Iterable[Any], log_interval: int = 10) -> Any:
        """Train one epoch; return the mean loss, or a list of the mean losses of tasks."""
        losses = self._train_epoch(data_loader, "train", log_interval)
        return losses[0] if self.loss_names == Task.loss_names else losses

    def _train_epoch(self, data_loader: Any, title: str, log_interval: int = 10) -> list[float]:
        self.model.train()
        self.steps.reset()
        reported = (self.settings.on_nan, self.model, self.nothing_to_learn)
        mean = MeanLosses(len(self.loss_names), self.device, log_interval, *reported)
        bar = self.batches.bar(data_loader, title)
        loaded, groups = self.within_epoch.continued(bar, mean), self.trained_groups
        for batch in self.batches(data_loader, loaded, training=True, group_column=groups):
            with self.steps.precision():
                loss = self.losses(batch)
            scalars = loss.scalars()
            mean.add(scalars, loss.count, batch)  # first, as no step may follow a loss of NaN
            self.steps(partial(self.backward, scalars, loss.auxiliary), scalars)
            mean.show(bar)
        self.steps.finish()
        return mean.read()
