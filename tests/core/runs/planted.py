"""Tiny training runs that differ in one thing, which `difference` has to name."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from torch_rechub.basic.features import SparseFeature
from torch_rechub.basic.tracking import JSONLLogger
from torch_rechub.data.loader import DataGenerator
from torch_rechub.data.preprocessing import Categorical, Numeric, Preprocessor
from torch_rechub.models.ranking import LR
from torch_rechub.runs import read_runs
from torch_rechub.trainers import CTRTrainer
from torch_rechub.training.recording import Recording

ROWS = 60


def table(seed, rows=ROWS):
    rng = np.random.default_rng(seed)
    x = {
        "user": rng.integers(0, 5, rows),
        "item": rng.integers(0, 9, rows),
        "price": rng.random(rows),
        "constant": np.ones(rows, dtype=np.int64),
    }
    return x, np.arange(rows) % 2


@dataclass(frozen=True)
class Plan:
    """A training run on the rows of three given tables, or on a random split of one."""

    parts: dict[str, Any] = field(default_factory=lambda: {
        name: table(seed) for seed, name in enumerate(("train", "val", "test"))})  # fmt: skip
    split_seed: int | None = None
    shares: tuple[float, float] = (0.5, 0.25)
    seed: int = 0
    users: int = 5
    settings: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    batch_size: int = 20
    cities: str | None = None
    loaders: Any = None

    def with_x(self, part, change):
        """The plan with another table of inputs in a part."""
        x, y = self.parts[part]
        return self.with_part(part, (change({n: v.copy() for n, v in x.items()}), y))

    def with_part(self, part, pair):
        return replace(self, parts={**self.parts, part: pair})

    def everywhere(self, change):
        """The plan with other inputs in all parts."""
        plan = self
        for part in self.parts:
            plan = plan.with_x(part, change)
        return plan

    def make_loaders(self):
        if self.loaders is not None:
            return self.loaders()
        if self.cities is not None:
            return encoded(self.cities)
        (x, y), val, test = self.parts.values()
        data = DataGenerator(x, y)
        if self.split_seed is None:
            tables = {"x_val": val[0], "y_val": val[1], "x_test": test[0], "y_test": test[1]}
            return data.generate_dataloader(**tables, batch_size=self.batch_size)
        torch.manual_seed(self.split_seed)
        shares = list(self.shares)
        return data.generate_dataloader(split_ratio=shares, batch_size=self.batch_size)


def encoded(cities):
    """Loaders of raw rows that a preprocessor has encoded."""
    raw = {"user": list(cities), "price": [1, 2, 3] * 4, "click": [0, 1, 1, 0] * 3}
    columns = [Categorical("user"), Numeric("price")]
    rows = Preprocessor(columns, targets=["click"]).fit_transform(raw)
    return [part.loader(3) for part in rows.split([0.5, 0.25], seed=0)]


def run_of(plan, folder, logger=None, **recording):
    """Train as planned, and return the recorded run."""
    train, val, test = plan.make_loaders()
    torch.manual_seed(plan.seed)
    features = [SparseFeature("user", plan.users, embed_dim=1)]
    recorded = Recording(**recording) if recording else None
    logger = logger or JSONLLogger(dir=folder / "runs", config=plan.config)
    options = {"n_epoch": 1, "progress": False, **plan.settings}
    trainer = CTRTrainer(
        LR(features), model_path=str(folder), model_logger=logger, record=recorded, **options
    )
    trainer.fit(train, val, test_dataloader=test)
    (run,) = read_runs(folder / "runs")
    return run


def named(difference):
    """The changes of a difference, without their values."""
    return [(c.kind, c.name, c.how, c.where) for c in difference.changes]
