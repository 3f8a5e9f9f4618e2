"""Training of RQ-VAE, the model of semantic ids."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .._bounds import refuse_none, whole_number
from ..data.batch import Batch
from ..export.trained import ExportsCodes
from ..losses import BatchLoss
from ..metrics.monitor import Metric
from ..models.generative.rqvae import RQVAEModel
from ..training import trainer
from ..training.checkpoints.weights import save_weights
from ..training.finite import non_finite_weights
from ..training.saving_codes import SavesCodes
from ..training.settings import Folder, Settings, TrainerOptions, known_options

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Trainer(SavesCodes, ExportsCodes, trainer.Trainer):
    """Trains an RQ-VAE on embeddings of items, and computes the collision rate of their codes.

    Every `eval_step` epochs, and after the last one, it computes the collision rate: the share of
    items with the codes of another item. The weights of the lowest training loss are in
    `model_best_loss.pth`, and in `model` when `fit` returns; those of the lowest collision rate are
    in `model_best_collision_rate.pth`. Recorded each epoch: train/loss, train/recon_loss,
    learning_rate, and val/collision_rate when it was computed. The arguments not listed here are
    those of `CTRTrainer`; training never stops early.

    Args:
        model: The RQ-VAE. With `kmeans_init`, the first batch must be at least as large as its
            codebooks.
        eval_step: Number of epochs between two computations of the collision rate.

    Raises:
        ValueError: `eval_step` is below 1.

    Example:
        >>> import tempfile
        >>> from torch.utils.data import DataLoader
        >>> model = RQVAEModel(8, num_emb_list=[4, 4], e_dim=4, layers=[6], kmeans_init=True)
        >>> loader = DataLoader(torch.randn(40, 8), batch_size=20, shuffle=True)
        >>> trainer = Trainer(model, n_epoch=2, model_path=tempfile.mkdtemp())
        >>> best_loss, best_collision_rate = trainer.fit(loader)
        >>> [name for name in trainer.history[-1] if name.startswith(("train/", "val/"))]
        ['train/loss', 'train/recon_loss', 'val/collision_rate']
    """

    loss_names = ("train/loss", "train/recon_loss")
    model_inputs = "embeddings"
    weights_file = "model_best_loss.pth"
    collision_file = "model_best_collision_rate.pth"

    def __init__(
        self,
        model: RQVAEModel,
        optimizer_fn: Callable[..., torch.optim.Optimizer] = torch.optim.Adam,
        optimizer_params: Mapping[str, Any] | None = None,
        scheduler_fn: Callable[..., Any] | str | None = None,
        scheduler_params: Mapping[str, Any] | None = None,
        n_epoch: int = 10,
        device: str | torch.device = "cpu",
        model_path: Folder = "./",
        model_logger: Any = None,
        eval_step: int = 50,
        **options: "Unpack[TrainerOptions]",
    ) -> None:
        refuse_none(n_epoch=n_epoch, eval_step=eval_step)
        n_epoch = whole_number(0, n_epoch=n_epoch)
        eval_step = whole_number(1, eval_step=eval_step)
        settings = Settings(
            optimizer_fn=optimizer_fn, optimizer_params=optimizer_params,
            scheduler_fn=scheduler_fn, scheduler_params=scheduler_params,
            n_epoch=n_epoch, earlystop_patience=max(1, n_epoch), device=device, gpus=None,
            model_path=model_path, model_logger=model_logger, **known_options(Trainer, options),
        )  # fmt: skip
        super().__init__(model, settings)
        self.eval_step, self.recorded = eval_step, {"eval_step": eval_step}
        self._forward = settings.parallel(self.model)

    def fit(  # type: ignore[override]
        self, train_dataloader: Iterable[Any], *, resume: bool = False, test_dataloader: Any = None
    ) -> tuple[float, float]:
        """Train as `Trainer.fit`; return the lowest training loss and collision rate."""
        data = (train_dataloader, train_dataloader)
        super().fit(*data, resume=resume, test_dataloader=test_dataloader)
        return self._lowest("train/loss"), self._lowest("val/collision_rate")

    def losses(self, batch: Batch) -> BatchLoss:
        """Return the loss of a batch, and the reconstruction loss, which is recorded only."""
        x = batch.inputs
        out, quant_loss, _ = self._forward(x)
        loss, reconstruction = self.model.compute_loss(out, quant_loss, x)  # type: ignore[operator]
        return BatchLoss([loss, reconstruction.detach()], batch.rows)

    def check_weights(self, validation: bool = False) -> None:
        """Refuse weights: codebooks are learned from items as they are.

        Raises:
            ValueError: Always.
        """
        raise ValueError(
            "an RQ-VAE takes no weights of items: leave out weight_column and the weights of the "
            "loader, and repeat the items that are to count more"
        )

    def choose_metrics(self) -> tuple[Metric, ...]:
        """Return the collision rate."""
        given = self.settings.metrics
        if given not in (None, "collision_rate") and list(given or ()) != ["collision_rate"]:
            raise ValueError(f"an RQ-VAE has one metric, 'collision_rate', got {given!r}")
        return (Metric("collision_rate", collision_rate, "min"),)

    def default_monitor(self) -> str:
        """The default of the metric to monitor: the training loss."""
        return "train/loss"

    def validate(self, val_dataloader: Any) -> dict[str, float]:
        """Return the collision rate, in the epochs in which it is computed."""
        epoch = len(self.history)
        if (epoch + 1) % self.eval_step and epoch + 1 < self.n_epoch:
            return {}
        rate = self.evaluate(val_dataloader)
        if rate < self._lowest("val/collision_rate") and not non_finite_weights(self.model):
            save_weights(self.model.state_dict(), self.best.path.with_name(self.collision_file))
        return {"val/collision_rate": rate}

    def measure(self, model: nn.Module, data_loader: Any) -> dict[str, float]:
        """The collision rate of a loader, by name; `model` must be the one being trained."""
        return {"collision_rate": self.evaluate(data_loader)}

    def evaluate(self, data_loader: Iterable[Any]) -> float:
        """Return the collision rate of a loader: 1 − distinct codes / items; NaN for no items."""
        model: Any = self.model

        def step(batch: Batch) -> Tensor:
            codes: Tensor = model.get_indices(batch.inputs).cpu()
            return codes

        return collision_rate(self.evaluation(model, data_loader, step))

    def _lowest(self, name: str) -> float:
        values = (row[name] for row in self.history if name in row)
        return min((value for value in values if not math.isnan(value)), default=math.inf)


def collision_rate(codes: Sequence[Tensor]) -> float:
    """Return 1 − distinct codes / items, from codes (n, levels) of batches; NaN for no items."""
    if not codes:
        return math.nan
    found = torch.cat(list(codes))
    return 1 - len(found.unique(dim=0)) / len(found)
