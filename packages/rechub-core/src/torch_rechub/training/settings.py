"""Settings: the arguments that all trainers share, checked in one place."""

import logging
import math
import operator
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

import torch
from torch import nn

from .._bounds import check_number, refuse_none, whole_number
from ..distributed import warn_of_processes
from ..models.arguments import constructor

if TYPE_CHECKING:
    from ..metrics.monitor import Metric
    from .recording import Recording

log = logging.getLogger("torch_rechub")

Folder = str | os.PathLike[str]


class TrainerOptions(TypedDict, total=False):
    """Options of every trainer, given by keyword.

    Attributes:
        checkpoint_steps: With ``fit(resume=True)``, the number of steps of the optimizer after
            which a checkpoint is saved within an epoch; None, the default, saves one after each
            epoch alone. It needs a loader with a position, such as `StreamingLoader` and those of
            `DataGenerator`. A run that was killed continues to the same weights as an unbroken one
            (on a CPU, to the bit).
        metrics: The metrics of validation, by name or as `Metric`, such as ("auc", "log_loss");
            None takes the trainer's own. They are recorded as ``val/auc``, …, and nothing else is.
        monitor: The recorded metric that decides on the best epoch, early stopping and
            `ReduceLROnPlateau`, such as "val/log_loss"; None takes the first of `metrics`. Whether
            larger or smaller values are better is a property of the metric.
        min_delta: An epoch is better only if it exceeds the best by more than this.
        group_column: The column of groups, such as users, that "gauc" and ranking metrics need.
        weight_column: The column that says how much each row counts in the loss and in metrics,
            numbers of at least 0; it is taken out of the inputs. None takes the weights of loaders
            that yield (x, y, weights), and else counts all rows alike. The loss of a batch, and of
            an epoch, is Σ w ℓ / Σ w.
        callbacks: Objects with methods of `Callback`, which training calls.
        scheduler_step: Whether the schedule moves each "epoch" or each "batch", a step of the
            optimizer; None, the default, means "batch" for "constant", "cosine" and "linear", else
            "epoch".
        progress: Whether to show a progress bar; None, the default, means on a terminal and in a
            notebook. Also, unless it is False, a line an epoch goes to the log, and is shown where
            the program has configured no logging.
        embedding_update: How a step updates embedding tables. "dense": every row. "lazy": the rows
            that the batch touched, so that its cost does not grow with the vocabulary; moments and
            weight decay of other rows wait. "row_wise": the same, with one second moment a row.
            "auto", the default: lazy where that is the same (SGD without momentum, Adagrad, both
            without weight decay) and for tables of half a million numbers or more, else dense.
        accumulate: Batches to a step of the optimizer: the mean of their gradients, as of one batch
            of as many times the rows (batch normalization still sees each batch alone).
        max_grad_norm: The largest norm of all gradients together; larger ones are shrunk to it.
        mixed_precision: "bf16" computes losses in bfloat16 where torch's autocast deems it safe;
            weights stay in float32. Validation and prediction are in full precision.
        compile: Whether to train on the model as `torch.compile` makes it.
        eval_batch_size: Rows a batch in evaluation and prediction of rows; None, the default, takes
            at least 4096 where the loader is one of `torch_rechub`'s, as its results do not depend
            on it, and 256 where they do and data come without a loader.
        on_nan: Whether to "raise", the default, or to "warn" when the training loss, or weights to
            be saved, are NaN or infinite. The FloatingPointError, or the warning, names the
            parameters and the columns of the batch that are not finite, and the largest columns.
            Such weights are saved in neither case.
        record: Additional records for the loggers: a `Recording`.
        prefetch: Whether to copy the next batch to a GPU, from pinned memory, during a step.
    """

    accumulate: int
    callbacks: Sequence[Any]
    checkpoint_steps: int | None
    compile: bool
    embedding_update: str
    eval_batch_size: int | None
    group_column: str | None
    max_grad_norm: float | None
    metrics: "Sequence[str | Metric] | None"
    min_delta: float
    mixed_precision: str | None
    monitor: str | None
    on_nan: str
    prefetch: bool
    record: "Recording | None"
    scheduler_step: str | None
    progress: bool | None
    weight_column: str | None


class LossOptions(TrainerOptions, total=False):
    """Options of the trainers of rows, whose loss can be chosen.

    Attributes:
        loss: The loss by name, such as "focal", or as an object, such as FocalLoss(gamma=2.0); None
            takes the default of the trainer. Its kind decides which labels are learned, what is
            predicted and which metrics validate; see `losses.names`. `MTLTrainer` takes one for
            each task.
        loss_params: The arguments of a loss by name, such as {"gamma": 2.0}; in `MTLTrainer` one
            for each task.
    """

    loss: Any
    loss_params: Any


_CHOICES: dict[str, tuple[str | bool | None, ...]] = {
    "compile": (False, True),
    "mixed_precision": (None, "bf16"),
    "on_nan": ("raise", "warn"),
    "prefetch": (False, True),
    "progress": (None, False, True),
    "scheduler_step": (None, "epoch", "batch"),
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The arguments of a trainer; `CTRTrainer` and `TrainerOptions` say what each means."""

    optimizer_fn: Callable[..., torch.optim.Optimizer]
    optimizer_params: Mapping[str, Any] | None
    scheduler_fn: Callable[..., Any] | str | None
    scheduler_params: Mapping[str, Any] | None
    n_epoch: int
    earlystop_patience: int
    device: str | torch.device
    gpus: list[int] | None
    model_path: Folder
    model_logger: Any
    regularization_params: Mapping[str, float] | None = None
    metrics: "Sequence[str | Metric] | None" = None
    monitor: str | None = None
    min_delta: float = 0.0
    group_column: str | None = None
    weight_column: str | None = None
    callbacks: Sequence[Any] = ()
    scheduler_step: str | None = None
    progress: bool | None = None
    embedding_update: str = "auto"
    accumulate: int = 1
    max_grad_norm: float | None = None
    mixed_precision: str | None = None
    on_nan: str = "raise"
    compile: bool = False
    eval_batch_size: int | None = None
    prefetch: bool = False
    checkpoint_steps: int | None = None
    record: "Recording | None" = None
    loss: Any = None
    loss_params: Any = None

    def __post_init__(self) -> None:
        warn_of_processes()
        refuse_none(
            n_epoch=self.n_epoch,
            earlystop_patience=self.earlystop_patience,
            accumulate=self.accumulate,
        )
        whole = {"n_epoch": 0, "accumulate": 1, "eval_batch_size": 1, "checkpoint_steps": 1}
        for name, least in whole.items():
            object.__setattr__(self, name, whole_number(least, **{name: getattr(self, name)}))
        check_number("(0, inf]", max_grad_norm=self.max_grad_norm)
        check_number("[0, inf)", min_delta=self.min_delta)
        if self.earlystop_patience != math.inf:
            patience = whole_number(1, earlystop_patience=self.earlystop_patience)
            object.__setattr__(self, "earlystop_patience", patience)
        for name, choices in _CHOICES.items():
            if (value := getattr(self, name)) not in choices:
                known = " or ".join(map(repr, choices))
                raise ValueError(f"{name} must be {known}, got {value!r}")
        if self.prefetch and self.checkpoint_steps is not None:
            raise ValueError(
                "prefetch=True loads a batch before the step of the last one, and checkpoint_steps "
                "saves the position between the two: leave out prefetch"
            )
        object.__setattr__(self, "gpus", _indices_of(self.gpus))
        if self.gpus and not self._side_by_side() and str(self.device) != f"cuda:{self.gpus[0]}":
            reason = "this machine has no CUDA" if len(self.gpus) > 1 else "it names one GPU"
            log.warning("gpus=%s has no effect (%s): device=%r.", self.gpus, reason, self.device)

    def _side_by_side(self) -> list[int]:
        """The GPUs that share each batch; one alone is not among them, that is `device`."""
        gpus = self.gpus or []
        return gpus if len(gpus) > 1 and torch.cuda.is_available() else []

    def main_device(self) -> torch.device:
        """Where the model and its batches go."""
        gpus = self._side_by_side()
        return torch.device("cuda", gpus[0]) if gpus else torch.device(self.device)

    def parallel(self, module: nn.Module) -> nn.Module:
        """The module as it is called in training: compiled, spread over the GPUs, or as it is.

        Raises:
            ValueError: Both are wanted.
        """
        if len(self.gpus or []) > 1 and self.compile:
            raise ValueError("compile=True goes with one device: leave out gpus, or compile")
        gpus = self._side_by_side()
        if gpus:
            return nn.DataParallel(module, device_ids=gpus)
        return torch.compile(module) if self.compile else module  # type: ignore[return-value]


def known_options(
    owner: type[Any], options: TrainerOptions, known: type[TrainerOptions] = TrainerOptions
) -> TrainerOptions:
    """The options of a trainer, if there are no others.

    Args:
        owner: The trainer's class.
        options: By name.
        known: The options that the trainer takes.

    Raises:
        TypeError: There is no such option.
    """
    unknown = sorted(options.keys() - known.__annotations__.keys())
    if unknown:
        arguments = [name for name in constructor(owner).parameters if name != "options"]
        raise TypeError(
            f"{owner.__name__} takes no argument {unknown[0]!r}; its arguments are "
            f"{', '.join([*arguments, *known.__annotations__])}"
        )
    return options


def _indices_of(gpus: Any) -> list[int] | None:
    """A list of GPUs as whole numbers.

    Raises:
        TypeError: It is not a list of whole numbers.
        ValueError: A GPU is listed twice, or, where several are to be used, does not exist.
    """
    if gpus is None:
        return None
    try:
        if isinstance(gpus, str):
            raise TypeError
        indices = [operator.index(gpu) for gpu in gpus]
    except TypeError:
        raise TypeError(
            f"gpus must be a list of indices of GPUs, such as [0, 1], or None, got {gpus!r}"
        ) from None
    if len(indices) < 2:
        return indices
    if len(set(indices)) < len(indices):
        raise ValueError(f"gpus must name each GPU once, got {indices}")
    there = torch.cuda.device_count()
    if torch.cuda.is_available() and not all(0 <= gpu < there for gpu in indices):
        raise ValueError(
            f"gpus={indices} names a GPU that is not there: this machine has {there}, "
            f"{list(range(there))}"
        )
    return indices
