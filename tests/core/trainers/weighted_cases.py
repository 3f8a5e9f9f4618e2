"""A trainer of each task that takes weights of rows, with rows to train it on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from torch_rechub.basic.features import SparseFeature
from torch_rechub.models.multi_task import AITM, ESCM2, MMOE
from torch_rechub.models.ranking import DeepFM
from torch_rechub.trainers import CTRTrainer, MTLTrainer

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


TYPES = ["classification", "regression"]
FUNNEL = ["classification"] * 3


def mmoe() -> torch.nn.Module:
    return MMOE(FIELDS, TYPES, 2, {"dims": [6]}, [{"dims": [4]}, {"dims": [4]}])


def two_tasks(model: torch.nn.Module, **options: Any) -> Any:
    return MTLTrainer(model, TYPES, **options)


def balanced(method: str) -> Callable[..., Any]:
    return lambda model, **options: two_tasks(model, adaptive_params={"method": method}, **options)


def two_labels() -> Tensor:
    return torch.stack([labels().float(), labels(classes=9) / 3], dim=1)


def funnel() -> Tensor:
    clicks, conversions = labels(2).unbind(dim=1)
    return torch.stack([conversions, clicks, clicks * conversions], dim=1).float()


def escm2() -> torch.nn.Module:
    return ESCM2(FIELDS[:1], FIELDS[1:], {"dims": [4]}, {"dims": [4]}, {"dims": [4]})


def aitm() -> torch.nn.Module:
    return AITM(FIELDS, 3, {"dims": [4]}, [{"dims": [4]}] * 3)


def of_funnel(model: torch.nn.Module, **options: Any) -> Any:
    return MTLTrainer(model, FUNNEL, **options)


CASES = {
    "ctr": Case(CTRTrainer, deep_fm, columns(), labels()),
    "mtl": Case(two_tasks, mmoe, columns(), two_labels(), "task_0_loss"),
    "uwl": Case(balanced("uwl"), mmoe, columns(), two_labels(), "task_1_loss"),
    "gradnorm": Case(balanced("gradnorm"), mmoe, columns(), two_labels(), "task_1_loss"),
    "metabalance": Case(balanced("metabalance"), mmoe, columns(), two_labels(), "task_1_loss"),
    "escm2": Case(of_funnel, escm2, columns(), funnel(), "task_1_loss"),
    "aitm": Case(of_funnel, aitm, columns(), funnel().sort(descending=True)[0], "task_2_loss"),
}
