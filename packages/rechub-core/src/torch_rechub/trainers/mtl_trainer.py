"""Training of models that predict several labels at once."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..data.batch import labelled_batch
from ..objectives.logits import logits_of
from ..objectives.multi_task import MAX, Tasks, stopping_mode
from ..training.evaluation import predictions_of
from ..training.settings import Folder, Settings, TrainerOptions
from ..training.trainer import Trainer

if TYPE_CHECKING:
    from typing_extensions import Unpack


class MTLTrainer(Trainer):
    """Trains a multi-task model: binary cross-entropy and squared error, AUC and squared error.

    What a model may say of itself is listed in `torch_rechub.models.multi_task`. Recorded each
    epoch: train/task_i_loss, learning_rate, val/task_i_score and, with a balancing method,
    loss_weight/task_i. The arguments not listed here are those of `CTRTrainer`.

    Args:
        model: Maps a dict of tensors to predictions (B, T).
        task_types: "classification" or "regression" for each task.
        adaptive_params: How to balance the losses: {"method": "uwl"}, {"method": "gradnorm",
            "alpha": 0.16} or {"method": "metabalance"}; None sums them with fixed weights.
        earlystop_taskid: The task whose validation score decides.
        earlystop_mode: "max" or "min": which scores are better. Where it is not given, larger
            ones, but for a regression smaller ones: its score is an error.

    Attributes:
        loss_fns: The loss of each task, from (predictions, labels).
        evaluate_fns: The score of each task, from (labels, predictions).

    Example:
        >>> import tempfile
        >>> from torch_rechub.basic.features import SparseFeature
        >>> from torch_rechub.models.multi_task import MMOE
        >>> user, tasks = torch.arange(100) % 10, ["classification", "regression"]
        >>> y = torch.stack([user > 4, user * 0.1], dim=1)
        >>> data = [({"user": user}, y)]
        >>> model = MMOE([SparseFeature("user", 10)], tasks, 2, {"dims": [8]}, [{}, {}])
        >>> trainer = MTLTrainer(model, tasks, n_epoch=2, model_path=tempfile.mkdtemp())
        >>> len(trainer.fit(data, data)), len(trainer.predict(model, data))
        (2, 100)
    """

    def __init__(
        self,
        model: nn.Module,
        task_types: Sequence[str],
        optimizer_fn: Callable[..., torch.optim.Optimizer] = torch.optim.Adam,
        optimizer_params: Mapping[str, Any] | None = None,
        regularization_params: Mapping[str, float] | None = None,
        scheduler_fn: Callable[..., Any] | None = None,
        scheduler_params: Mapping[str, Any] | None = None,
        adaptive_params: Mapping[str, Any] | None = None,
        n_epoch: int = 10,
        earlystop_taskid: int = 0,
        earlystop_patience: int = 10,
        device: str | torch.device = "cpu",
        gpus: list[int] | None = None,
        model_path: Folder = "./",
        model_logger: Any = None,
        earlystop_mode: str = MAX,
        **options: "Unpack[TrainerOptions]",
    ) -> None:
        self.tasks = Tasks(model, task_types, adaptive_params)
        earlystop_mode = stopping_mode(earlystop_mode, earlystop_taskid, task_types)
        settings = Settings.of(locals(), options)
        super().__init__(model, settings)
        self.stateful["balancing"], self.loss_names = self.tasks.balancing, self.tasks.loss_names
        self.task_types, self.earlystop_taskid = self.tasks.types, earlystop_taskid
        self.monitor = self.tasks.score_names[earlystop_taskid]
        self.loss_fns, self.evaluate_fns = self.tasks.functions()
        self._outputs = settings.parallel(logits_of(self.model) or self.model)
        self.recorded = self.tasks.settings()
        self.recorded |= {"earlystop_taskid": earlystop_taskid, "earlystop_mode": earlystop_mode}

    @property
    def loss_weight(self) -> Tensor | None:
        """How much the loss of each task counts now, (T,); None without a balancing method."""
        return self.tasks.weights()

    def fit(
        self,
        train_dataloader: Iterable[Any],
        val_dataloader: Iterable[Any] | None = None,
        mode: str = "base",
        seed: int = 0,
        *,
        resume: bool = False,
    ) -> list[list[float]]:
        """Train as `Trainer.fit`; return a row for each epoch: losses of the tasks, then scores.

        `mode` and `seed` are part of the name of the file of weights, `model_{mode}_{seed}.pth`.
        """
        self.weights_file = f"model_{mode}_{seed}.pth"
        super().fit(train_dataloader, val_dataloader, resume=resume)
        names = [*self.loss_names, *self.tasks.score_names]
        return [[row[name] for name in names if name in row] for row in self.history]

    def losses(self, batch: Any) -> list[Tensor]:
        """The loss of each task, and the model's further loss where it has one."""
        x, y = labelled_batch(batch)
        outputs = self.tasks.columns(self._outputs(x), "the model's output")
        return self.tasks.losses(outputs, self.tasks.columns(y), x, self.loss_fns)

    def backward(self, losses: Sequence[Tensor]) -> None:
        """Compute gradients as the balancing strategy has it."""
        further = sum(losses[self.tasks.n :], start=self.regularization(self.model))
        self.tasks.balancing.backward([losses[i] for i in self.tasks.trained], further)

    def trained_parameters(self) -> Iterable[Any]:
        """The parameters of the model, and those of the balancing strategy."""
        balancing = self.tasks.balancing.to(self.device)
        return [*self.model.parameters(), *balancing.trained_parameters()]

    def extra_metrics(self) -> dict[str, float]:
        """The weights of the losses, where they are balanced."""
        weights = [] if self.loss_weight is None else self.loss_weight.tolist()
        return {f"loss_weight/task_{i}": weight for i, weight in enumerate(weights)}

    def check_labels(self, y: Tensor, validation: bool = False) -> None:
        """Refuse labels that are none of their task; warn where those that decide are all one."""
        self.tasks.check(y, self.evaluate_fns, self.earlystop_taskid if validation else None)

    def validate(self, data_loader: Iterable[Any]) -> dict[str, float]:
        """The score of each task."""
        scores = self.evaluate(self.model, data_loader)
        return dict(zip(self.tasks.score_names, scores, strict=True))

    def evaluate(self, model: nn.Module, data_loader: Iterable[Any]) -> list[float]:
        """The score of each task, AUC or mean squared error, over (x, y), y of shape (B, T)."""
        of, labels_of = self.tasks.predictor(model), self.tasks.columns
        found = predictions_of(self.feed, model, data_loader, of, labels_of)
        return self.tasks.scores(*found, self.evaluate_fns)

    def predict(self, model: nn.Module, data_loader: Iterable[Any]) -> list[list[float]]:
        """The predictions of each row of x or (x, y), of which y is not used: a list of T each."""
        of = self.tasks.predictor(model)
        found: list[list[float]] = predictions_of(self.feed, model, data_loader, of)[1].tolist()
        return found
