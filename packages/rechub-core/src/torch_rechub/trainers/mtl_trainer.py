"""`MTLTrainer`: training of multi-task models."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..data.batch import Batch
from ..losses import BatchLoss
from ..metrics.monitor import Metric, Needs
from ..models.logits import logits_of
from ..objectives.multi_task import Tasks
from ..objectives.task_metrics import BY_TASK, RowsOfTasks, TaskMetrics
from ..training.monitoring import available_needs
from ..training.reporting.hyperparams import describe_loss
from ..training.saving import SavesTasks
from ..training.settings import Folder, LossOptions, Settings, known_options
from ..training.slice_examples import ShowsTaskSlices
from ..training.trainer import Trainer

if TYPE_CHECKING:
    from typing_extensions import Unpack


class MTLTrainer(ShowsTaskSlices, SavesTasks, Trainer):
    """Trains a multi-task model: binary cross-entropy and squared error, AUC and squared error.

    A ranking model has one task; in regression it predicts its logit. Recorded: train/task_i_loss,
    learning_rate, val/task_i_score, loss_weight/task_i if balanced. Other arguments: `CTRTrainer`.

    Args:
        model: A model from a dict of tensors to predictions (B, T).
        task_types: "classification" or "regression" for each task.
        adaptive_params: How to balance the losses: {"method": "uwl"}, {"method": "gradnorm",
            "alpha": 0.16} or {"method": "metabalance"}; None sums them with fixed weights.
        earlystop_taskid: The task whose validation score is monitored.
        earlystop_mode: "max" or "min", the better scores; by default "min" for a regression.

    Attributes:
        loss_fns: The loss of each task, from (predictions, labels).
        evaluate_fns: The score of each task, from (labels, predictions).

    Example:
        >>> import tempfile
        >>> from torch_rechub.basic.features import SparseFeature
        >>> from torch_rechub.models.multi_task import MMOE
        >>> user, tasks = torch.arange(100) % 10, ["classification", "regression"]
        >>> data = [({"user": user}, torch.stack([user > 4, user * 0.1], dim=1))]
        >>> model = MMOE([SparseFeature("user", 10)], tasks, 2, {"dims": [8]}, [{}, {}])
        >>> trainer = MTLTrainer(model, tasks, n_epoch=2, model_path=tempfile.mkdtemp())
        >>> len(trainer.fit(data, data)), len(trainer.predict(model, data))
        (2, 100)
    """

    model_inputs = "columns"
    measured: tuple[Needs, ...] = ("predictions", "groups")

    def __init__(
        self,
        model: nn.Module,
        task_types: Sequence[str],
        optimizer_fn: Callable[..., torch.optim.Optimizer] = torch.optim.Adam,
        optimizer_params: Mapping[str, Any] | None = None,
        regularization_params: Mapping[str, float] | None = None,
        scheduler_fn: Callable[..., Any] | str | None = None,
        scheduler_params: Mapping[str, Any] | None = None,
        adaptive_params: Mapping[str, Any] | None = None,
        n_epoch: int = 10,
        earlystop_taskid: int = 0,
        earlystop_patience: int = 10,
        device: str | torch.device = "cpu",
        gpus: list[int] | None = None,
        model_path: Folder = "./",
        model_logger: Any = None,
        earlystop_mode: str = BY_TASK,
        **options: "Unpack[LossOptions]",
    ) -> None:
        self.tasks = Tasks(model, task_types, adaptive_params)
        self.loss_names = self.tasks.loss_names
        self.of_tasks = TaskMetrics(self.tasks.types, earlystop_taskid, earlystop_mode)
        self.evaluate_fns = self.of_tasks.default_functions
        settings = Settings(
            optimizer_fn=optimizer_fn, optimizer_params=optimizer_params,
            scheduler_fn=scheduler_fn, scheduler_params=scheduler_params,
            regularization_params=regularization_params, n_epoch=n_epoch, device=device, gpus=gpus,
            earlystop_patience=earlystop_patience, model_path=model_path, model_logger=model_logger,
            **known_options(MTLTrainer, options, LossOptions),
        )  # fmt: skip
        super().__init__(model, settings)
        self.stateful["balancing"] = self.tasks.balancing
        self.task_types, self.earlystop_taskid = self.tasks.types, earlystop_taskid
        self.loss_fns = self.tasks.loss_functions(settings.loss, settings.loss_params, self.device)
        self._outputs = settings.parallel(logits_of(self.model) or self.model)
        self.recorded = self.tasks.hyperparams(earlystop_taskid)
        self.recorded |= describe_loss(settings, *self.loss_fns)

    @property
    def loss_weight(self) -> Tensor | None:
        """The current weights of the losses, (T,); None without a balancing method."""
        return self.tasks.weights()

    def fit(
        self,
        train_dataloader: Iterable[Any],
        val_dataloader: Iterable[Any] | None = None,
        mode: str = "base",
        seed: int = 0,
        *,
        resume: bool = False,
        test_dataloader: Any = None,
    ) -> list[list[float]]:
        """Train as `Trainer.fit`; return a row for each epoch: losses of the tasks, then scores.

        `mode` and `seed` are part of the file name of the weights, `model_{mode}_{seed}.pth`.
        """
        self.weights_file = f"model_{mode}_{seed}.pth"
        data = (train_dataloader, val_dataloader)
        super().fit(*data, resume=resume, test_dataloader=test_dataloader)
        names = [*self.loss_names, *(f"val/{name}" for name in self.named_metrics())]
        return [[row[name] for name in names if name in row] for row in self.history]

    def losses(self, batch: Batch) -> BatchLoss:
        """Return the loss of each task, and the model's auxiliary loss if it has one."""
        return self.tasks.losses(self._outputs(batch.inputs), batch, self.loss_fns)

    def backward(self, losses: Sequence[Tensor], auxiliary: Tensor | float) -> None:
        """Compute gradients by the balancing strategy."""
        auxiliary = auxiliary + self.regularization(self.model)
        self.tasks.balancing.backward([losses[i] for i in self.tasks.trained], auxiliary)

    def trained_parameters(self) -> Iterable[Any]:
        """Return the parameters of the model, and those of the balancing strategy."""
        balancing = self.tasks.balancing.to(self.device)
        return [*self.model.parameters(), *balancing.trained_parameters()]

    def extra_metrics(self) -> dict[str, float]:
        """Return the weights of the losses, if they are balanced."""
        return self.tasks.named_weights()

    def choose_metrics(self) -> tuple[Metric, ...]:
        """Return the metrics of all tasks."""
        available = available_needs("MTLTrainer", self.settings, self.measured)
        return self.of_tasks.choose(self.settings.metrics, available)

    def named_metrics(self) -> dict[str, Metric]:
        """Return the metrics of all tasks; by default the scores of `evaluate_fns`."""
        return self.of_tasks.named(self.evaluate_fns)

    def default_monitor(self) -> str:
        """The first metric of the monitored task."""
        return f"val/{self.of_tasks.first}"

    def check_labels(self, y: Tensor, validation: bool = False) -> None:
        """Refuse labels that do not suit their task; warn if the monitored ones are constant."""
        named = self.named_metrics() if validation else {}
        self.tasks.check(y, self.loss_fns, self.of_tasks.with_tasks(named), self.monitor)

    def check_model(self, batch: Batch) -> None:
        """Refuse a model whose output does not suit the tasks."""
        self.tasks.check_model(batch, self.loss_fns)

    def predictor(self, model: nn.Module) -> nn.Module:
        """Return a module that maps x to the predictions of a model."""
        return self.tasks.predictor(model)

    def check_table_labels(self, y: Tensor, validation: bool = False) -> None:
        """Check the labels of a whole table, and count the missing ones of tasks."""
        self.check_labels(y, validation)
        self.recorded |= self.tasks.count_missing(y, validation)

    def measure(self, model: nn.Module, data_loader: Iterable[Any]) -> dict[str, float]:
        """Return the metrics of all tasks over (x, y), y of shape (B, T), by name."""
        if self.settings.metrics is None:
            return dict(zip(self.named_metrics(), self.evaluate(model, data_loader), strict=True))
        return self.of_tasks.measure(self._predictions(model, data_loader))

    def evaluate(self, model: nn.Module, data_loader: Iterable[Any]) -> list[float]:
        """Return the score of each task, AUC or mean squared error, over (x, y), y (B, T)."""
        return self.of_tasks.scores(self.evaluate_fns, self._predictions(model, data_loader))

    def _predictions(self, model: nn.Module, data_loader: Iterable[Any]) -> RowsOfTasks:
        asked = (self.tasks.predict(model), self.tasks.columns, self.settings.group_column)
        found = self.evaluation.predictions(model, data_loader, *asked)
        return RowsOfTasks.of(found.as_numpy(), self.tasks.n)

    def predict(self, model: nn.Module, data_loader: Iterable[Any]) -> list[list[float]]:
        """Return the predictions of each row of x or (x, y), T per row; y is ignored."""
        found = self.evaluation.predictions(model, data_loader, self.tasks.predict(model))
        return list(found.scores.tolist())
