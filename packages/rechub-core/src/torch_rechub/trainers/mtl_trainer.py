"""Training of models that predict several labels at once."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..basic.layers import TaskPredictions
from .balancing import Balancing, FixedWeights, make_balancing
from .batches import split_batch
from .checks import warn_of_one_class
from .logits import logits_of
from .tasks import (
    LOSSES,
    MAX,
    METRICS,
    by_task,
    check_task_labels,
    check_task_types,
    loss_weights_of,
    stopping_mode,
)
from .trainer import Trainer


class MTLTrainer(Trainer):
    """Trains a multi-task model: binary cross-entropy and squared error, AUC and squared error.

    What a model may say of itself is listed in `torch_rechub.models.multi_task`. Recorded each
    epoch: train/task_i_loss, learning_rate, val/task_i_score and, with a balancing method,
    loss_weight/task_i.

    Args:
        model: Maps a dict of tensors to predictions (B, T).
        task_types: "classification" or "regression" for each task.
        optimizer_fn: Class of the optimizer.
        optimizer_params: Its arguments; None means lr=1e-3, weight_decay=1e-5.
        regularization_params: Arguments of `RegularizationLoss`; None means no penalty.
        scheduler_fn: Class of the learning-rate schedule: any of torch's; None means none.
        scheduler_params: Its arguments.
        adaptive_params: How to balance the losses: {"method": "uwl"}, {"method": "gradnorm",
            "alpha": 0.16} or {"method": "metabalance"}; None sums them with fixed weights.
        n_epoch: Number of epochs at most.
        earlystop_taskid: The task whose validation score decides.
        earlystop_patience: Epochs without a better score after which training stops.
        device: Where to train.
        gpus: Indices of GPUs to train on side by side; overrides `device`.
        model_path: Folder for `model_{mode}_{seed}.pth`, the weights of the best epoch.
        model_logger: A logger, or a list of them; None records nothing and costs nothing.
        earlystop_mode: "max" or "min": which scores are better. Where it is not given, larger
            ones, but for a regression smaller ones: its score is an error.
        scheduler_step: Whether the schedule moves each "epoch" or each "batch".
        progress: Whether to show a progress bar; None means on a terminal.

    Attributes:
        loss_fns: The loss of each task, from (predictions, labels).
        evaluate_fns: The score of each task, from (labels, predictions).

    Example:
        >>> import tempfile
        >>> from torch_rechub.basic.features import SparseFeature
        >>> from torch_rechub.models.multi_task import MMOE
        >>> from torch_rechub.utils.data import DataGenerator
        >>> user, tasks = torch.arange(100) % 10, ["classification", "regression"]
        >>> y = torch.stack([user > 4, user * 0.1], dim=1)
        >>> train, val, test = DataGenerator({"user": user}, y).generate_dataloader(
        ...     split_ratio=[0.6, 0.2], batch_size=20
        ... )
        >>> model = MMOE([SparseFeature("user", 10)], tasks, 2, {"dims": [8]}, [{}, {}])
        >>> trainer = MTLTrainer(model, tasks, n_epoch=2, model_path=tempfile.mkdtemp())
        >>> len(trainer.fit(train, val)), len(trainer.predict(model, test))
        (2, 20)
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
        model_path: str | os.PathLike[str] = "./",
        model_logger: Any = None,
        earlystop_mode: str = MAX,
        *,
        scheduler_step: str = "epoch",
        progress: bool | None = None,
    ) -> None:
        self.predictions_of = TaskPredictions(task_types)
        self.task_types, self.n_task = check_task_types(task_types, model), len(task_types)
        self.adaptive_method = (adaptive_params or {}).get("method")
        weights = loss_weights_of(model, self.n_task)
        self.trained = [i for i, weight in enumerate(weights) if weight]
        self.balancing: Balancing = (
            FixedWeights([weights[i] for i in self.trained])
            if adaptive_params is None
            else make_balancing(adaptive_params, model, [task_types[i] for i in self.trained])
        )
        super().__init__(
            model,
            optimizer_fn=optimizer_fn,
            optimizer_params=optimizer_params,
            regularization_params=regularization_params,
            scheduler_fn=scheduler_fn,
            scheduler_params=scheduler_params,
            n_epoch=n_epoch,
            earlystop_patience=earlystop_patience,
            device=device,
            gpus=gpus,
            model_path=model_path,
            model_logger=model_logger,
            earlystop_mode=stopping_mode(earlystop_mode, earlystop_taskid, task_types),
            scheduler_step=scheduler_step,
            progress=progress,
        )
        self.earlystop_taskid = earlystop_taskid
        self.loss_names = tuple(f"train/task_{i}_loss" for i in range(self.n_task))
        self.score_names = [f"val/task_{i}_score" for i in range(self.n_task)]
        self.monitor = self.score_names[earlystop_taskid]
        self.loss_fns = [LOSSES[task_type] for task_type in task_types]
        self.evaluate_fns = [METRICS[task_type] for task_type in task_types]
        logits = logits_of(model)
        self._outputs = self.parallel(self.model if logits is None else logits)
        self._has_logits = logits is not None

    @property
    def loss_weight(self) -> Tensor | None:
        """How much the loss of each task counts now, (T,); None without a balancing method."""
        if self.adaptive_method is None:
            return None
        weights = torch.zeros(self.n_task)
        weights[self.trained] = self.balancing.weights().cpu()
        return weights

    def fit(
        self,
        train_dataloader: Iterable[Any],
        val_dataloader: Iterable[Any] | None = None,
        mode: str = "base",
        seed: int = 0,
        *,
        resume: bool = False,
    ) -> list[list[float]]:
        """Train for `n_epoch` epochs, or until validation stops improving; see `Trainer.fit`.

        Args:
            train_dataloader: Yields (x, y), y of shape (B, T).
            val_dataloader: Yields the same; None trains without validation and early stopping.
            mode: Part of the name of the file of weights, `model_{mode}_{seed}.pth`.
            seed: Likewise.
            resume: Keep a checkpoint of every epoch, and continue from the one that is there.

        Returns:
            A row for each epoch: the losses of the tasks, then their scores if there are any.
        """
        self.weights_file = f"model_{mode}_{seed}.pth"
        super().fit(train_dataloader, val_dataloader, resume=resume)
        names = [*self.loss_names, *self.score_names]
        return [[row[name] for name in names if name in row] for row in self.history]

    def train_one_epoch(self, data_loader: Iterable[Any], log_interval: int = 10) -> list[float]:
        """Train one pass over the data; return the mean loss of each task."""
        return self._train_pass(data_loader, "train", log_interval)

    def losses(self, batch: Any) -> list[Tensor]:
        """The loss of each task, and the model's further loss where it has one."""
        x, y = split_batch(batch)
        if y is None:
            raise ValueError("training needs labels: the loader must yield (x, y)")
        y = by_task(y, self.n_task).float()
        outputs = by_task(self._outputs(x), self.n_task, "the model's output")
        predictions = self.predictions_of(outputs) if self._has_logits else outputs
        found = []
        for i, loss_fn in enumerate(self.loss_fns):
            if self._has_logits and loss_fn is LOSSES["classification"]:
                found.append(F.binary_cross_entropy_with_logits(outputs[:, i], y[:, i]))
            else:
                found.append(loss_fn(predictions[:, i], y[:, i]))
        further: Any = getattr(self.model, "further_loss", None)
        return found if further is None else [*found, further(predictions)]

    def backward(self, losses: Sequence[Tensor]) -> None:
        """Compute gradients as the balancing strategy has it."""
        further = sum(losses[self.n_task :], start=self.regularization(self.model))
        self.balancing.backward([losses[i] for i in self.trained], further)

    def trained_parameters(self) -> Iterable[Any]:
        """The parameters of the model, and those of the balancing strategy."""
        parameters = self.balancing.to(self.device).trained_parameters()
        return [*self.model.parameters(), *parameters]

    def extra_metrics(self) -> dict[str, float]:
        """The weights of the losses, where they are balanced."""
        weights = self.loss_weight
        if weights is None:
            return {}
        return {f"loss_weight/task_{i}": weight for i, weight in enumerate(weights.tolist())}

    def extra_state(self) -> dict[str, Any]:
        """The state of the balancing strategy."""
        return {"balancing": self.balancing.state_dict()}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Take back what `extra_state` gave."""
        self.balancing.load_state_dict(state["balancing"])

    def hyperparams(self) -> dict[str, Any]:
        """The settings to record when training starts."""
        return {
            **super().hyperparams(),
            "task_types": self.task_types,
            "adaptive_method": self.adaptive_method,
            "earlystop_taskid": self.earlystop_taskid,
            "earlystop_mode": self.early_stopper.mode,
        }

    def check_labels(self, y: Tensor) -> None:
        """Refuse labels that are none of their task; let the model look at them."""
        y = by_task(y, self.n_task)
        check_task_labels(y, self.task_types)
        check: Any = getattr(self.model, "check_labels", None)
        if check is not None:
            check(y)

    def check_validation_labels(self, y: Tensor) -> None:
        """Likewise; warn where those of the task that decides are all the same."""
        self.check_labels(y)
        if self.evaluate_fns[self.earlystop_taskid] is METRICS["classification"]:
            warn_of_one_class(by_task(y, self.n_task)[:, self.earlystop_taskid])

    def validate(self, data_loader: Iterable[Any]) -> dict[str, float]:
        """The score of each task."""
        return dict(zip(self.score_names, self.evaluate(self.model, data_loader), strict=True))

    def evaluate(self, model: nn.Module, data_loader: Iterable[Any]) -> list[float]:
        """The score of each task: AUC, or mean squared error.

        Args:
            model: Maps a dict of tensors to predictions (B, T).
            data_loader: Yields (x, y), y of shape (B, T).

        Raises:
            ValueError: There are no labels, or others than the task's.
        """
        labels, predictions = self._pass(model, data_loader, labels=True)
        if len(labels) != len(predictions):
            raise ValueError("evaluation needs labels: the loader must yield (x, y)")
        y, p = labels.numpy(), predictions.numpy()
        return [score(y[:, i], p[:, i]) for i, score in enumerate(self.evaluate_fns)]

    def predict(self, model: nn.Module, data_loader: Iterable[Any]) -> list[list[float]]:
        """The predictions of a model, a list of T for each row, in the order of the loader.

        Args:
            model: Maps a dict of tensors to predictions (B, T).
            data_loader: Yields x, or (x, y), of which y is not used.
        """
        predictions: list[list[float]] = self._pass(model, data_loader, labels=False)[1].tolist()
        return predictions

    def _pass(
        self, model: nn.Module, data_loader: Iterable[Any], labels: bool
    ) -> tuple[Tensor, Tensor]:
        """The labels (none where there are none) and the predictions of every row, (N, T)."""
        model.eval()
        truth, predictions = [torch.empty(0, self.n_task)], [torch.empty(0, self.n_task)]
        bar = self.feed.bar(data_loader, "predict")
        with torch.inference_mode():
            for batch in self.feed(data_loader, bar, model=model, labels=labels):
                x, y = split_batch(batch)
                predictions.append(by_task(model(x), self.n_task, "the model's output").cpu())
                truth += [by_task(y, self.n_task).cpu()] if labels and y is not None else []
        return torch.cat(truth), torch.cat(predictions).float()
