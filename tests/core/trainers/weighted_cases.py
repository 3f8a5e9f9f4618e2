"""A trainer of each task that takes weights of rows, with rows to train it on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from torch_rechub.basic.features import SparseFeature
from torch_rechub.models.ranking import DeepFM
from torch_rechub.trainers import CTRTrainer

N = 24
SGD = {"optimizer_fn": torch.optim.SGD, "optimizer_params": {"lr": 0.2}, "n_epoch": 3}
FIELDS = [SparseFeature("user", 7, 4), SparseFeature("item", 5, 4)]


def columns() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {f.name: torch.randint(0, f.vocab_size, (N,), generator=generator) for f in FIELDS}


def labels(*shape: int, classes: int = 2) -> Tensor:
    return torch.randint(0, classes, (N, *shape), generator=torch.Generator().manual_seed(2))


@dataclass
class Case:
    """Makes a trainer, with the same first weights each time; and the rows of one batch."""

    trainer: Callable[..., Any]
    model: Callable[[], torch.nn.Module]
    x: Any
    y: Tensor | None
    loss: str = "loss"
    repeats: bool = True

    def train(self, folder: Any, *batches: Any, norm: bool = True, **options: Any) -> Any:
        """The trainer after three epochs of SGD on the batches; without batch norm on request."""
        torch.manual_seed(3)
        model = self.model()
        for module in list(model.modules()) if not norm else []:
            for name, part in module.named_children():
                if isinstance(part, torch.nn.BatchNorm1d):
                    setattr(module, name, torch.nn.Identity())
        trainer = self.trainer(model, **SGD, model_path=folder, **options)
        trainer.fit(list(batches))
        return trainer

    def weighted(self, weights: Tensor) -> Any:
        """The batch of all rows, with weights."""
        return self.x, self.y, weights

    def rows(self, index: Tensor) -> Any:
        """The batch of some rows, without weights."""
        x = taken(self.x, index)
        if self.y is None:
            return x
        return (*x, self.y[index]) if isinstance(x, tuple) else (x, self.y[index])


def taken(x: Any, index: Tensor) -> Any:
    if isinstance(x, Mapping):
        return {name: taken(column, index) for name, column in x.items()}
    return tuple(taken(part, index) for part in x) if isinstance(x, tuple) else x[index]


def deep_fm() -> torch.nn.Module:
    return DeepFM(FIELDS, FIELDS, {"dims": [6]})


CASES = {"ctr": Case(CTRTrainer, deep_fm, columns(), labels())}
