"""A trainer of each task that takes weights of rows, with rows to train it on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from core.models import matching_table
from torch_rechub.basic.features import SparseFeature
from torch_rechub.models.generative import HSTUModel
from torch_rechub.models.multi_task import AITM, ESCM2, MMOE
from torch_rechub.models.ranking import DeepFM
from torch_rechub.trainers import CTRTrainer, MatchTrainer, MTLTrainer, SeqTrainer

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


def ctr_of(loss: str, **given: Any) -> Callable[..., Any]:
    return lambda model, **options: CTRTrainer(model, loss=loss, **given, **options)


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


def of_mode(mode: int, **given: Any) -> Callable[..., Any]:
    return lambda model, **options: MatchTrainer(model, mode, **given, **options)


def matching_columns(*names: str) -> dict[str, Tensor]:
    torch.manual_seed(4)
    x = matching_table.inputs(N, empty=False)
    return {name: x[name] for name in names}


DSSM_COLUMNS = matching_columns("user", "age", "history", "item", "kind")
YOUTUBE_COLUMNS = matching_columns("user", "age", "history", "item", "negatives")


def sequences() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    tokens = torch.randint(1, 9, (N, 5), generator=generator)
    tokens[::4, :3] = 0
    times = torch.randint(0, 99, (N, 5), generator=generator)
    return tokens, torch.arange(5).repeat(N, 1), times


def hstu() -> torch.nn.Module:
    sizes = {"d_model": 8, "n_heads": 2, "n_layers": 1, "dqk": 4, "dv": 4, "max_seq_len": 5}
    return HSTUModel(9, **sizes, dropout=0.0)


class Plain(torch.nn.Module):
    """A sequence model whose logits are computed for all items."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(9, 9)

    def forward(self, tokens: Tensor, times: Tensor) -> Tensor:
        logits: Tensor = self.table(tokens)
        return logits


def of_loss(loss_type: str, **params: Any) -> Callable[..., Any]:
    given = {"loss_type": loss_type, "loss_params": params}
    return lambda model, **options: SeqTrainer(model, **given, **options)


def targets() -> Tensor:
    return labels(classes=8) + 1


CASES = {
    "ctr": Case(CTRTrainer, deep_fm, columns(), labels()),
    "focal": Case(ctr_of("focal"), deep_fm, columns(), labels()),
    "huber": Case(ctr_of("huber"), deep_fm, columns(), labels(classes=9) / 3),
    "ranknet": Case(ctr_of("ranknet", group_column="item"), deep_fm, columns(), labels()),
    "mtl": Case(two_tasks, mmoe, columns(), two_labels(), "task_0_loss"),
    "uwl": Case(balanced("uwl"), mmoe, columns(), two_labels(), "task_1_loss"),
    "gradnorm": Case(balanced("gradnorm"), mmoe, columns(), two_labels(), "task_1_loss"),
    "metabalance": Case(balanced("metabalance"), mmoe, columns(), two_labels(), "task_1_loss"),
    "escm2": Case(of_funnel, escm2, columns(), funnel(), "task_1_loss"),
    "aitm": Case(of_funnel, aitm, columns(), funnel().sort(descending=True)[0], "task_2_loss"),
    "points": Case(of_mode(0), matching_table.dssm, DSSM_COLUMNS, labels()),
    "pairs": Case(of_mode(1), matching_table.bpr_mf, matching_columns("user", "item", "neg"), None),
    "pairs of steps": Case(
        of_mode(1), matching_table.sasrec, matching_columns("history", "next", "other"), None
    ),
    "lists": Case(of_mode(2), matching_table.youtube, YOUTUBE_COLUMNS, None),
    "labeled lists": Case(of_mode(2), matching_table.youtube, YOUTUBE_COLUMNS, labels(classes=4)),
    "in batch": Case(
        of_mode(2, in_batch_neg=True), matching_table.dssm, DSSM_COLUMNS, None, repeats=False
    ),
    "in batch, labeled": Case(
        of_mode(0, in_batch_neg=True), matching_table.dssm, DSSM_COLUMNS, labels(), repeats=False
    ),
    "in batch, drawn": Case(
        of_mode(2, in_batch_neg=True, in_batch_neg_ratio=3, sampler_seed=0),
        matching_table.dssm,
        DSSM_COLUMNS,
        None,
        repeats=False,
    ),
    "masked items": Case(
        of_mode(2),
        lambda: matching_table.bert4rec(item=False),
        matching_columns("history"),
        labels(classes=19) + 1,
        repeats=False,
    ),
    "all items masked": Case(
        of_mode(2),
        lambda: matching_table.bert4rec(item=False, mask_rate=1 - 1e-9),
        matching_columns("history"),
        labels(classes=19) + 1,
    ),
    "sequences": Case(SeqTrainer, hstu, sequences(), targets()),
    "sequences, smoothed": Case(
        of_loss("cross_entropy", label_smoothing=0.1), hstu, sequences(), targets()
    ),
    "sequences, nce": Case(of_loss("nce"), Plain, sequences(), targets()),
    "sequences, drawn": Case(of_loss("bce", seed=1), hstu, sequences(), targets(), repeats=False),
}
