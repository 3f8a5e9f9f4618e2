"""A small click table, a model that is quick, and a logger that remembers its calls."""

import copy

import pytest
import torch

from torch_rechub.basic.features import DenseFeature, SparseFeature
from torch_rechub.data.loader import TableLoader, TorchDataset
from torch_rechub.models.ranking import WideDeep
from torch_rechub.trainers import CTRTrainer, Metric

N = 50


def table(n=N):
    generator = torch.Generator().manual_seed(5)
    x = {
        "user": torch.randint(0, 10, (n,), generator=generator),
        "price": torch.randn(n, generator=generator),
    }
    y = (x["price"] + (x["user"] < 5) > 0.5).float()
    return x, y


class FakeLogger:
    """Accepted for its three methods alone; `calls` has each call in order."""

    def __init__(self):
        self.calls = []

    def log_hyperparams(self, params):
        self.calls.append(("log_hyperparams", params))

    def log_metrics(self, metrics, step=None):
        self.calls.append(("log_metrics", step, metrics))

    def finish(self):
        self.calls.append(("finish",))

    @property
    def order(self):
        return [call[0] for call in self.calls]

    @property
    def steps(self):
        return [call[1] for call in self.calls if call[0] == "log_metrics"]

    @property
    def metrics(self):
        return [call[2] for call in self.calls if call[0] == "log_metrics"]


class Scores:
    """Takes the place of the AUC: gives the scores it was made of and keeps each epoch's weights.

    A score that is an exception is raised.
    """

    def __init__(self, trainer, scores):
        self.trainer, self.scores, self.weights = trainer, iter(scores), []
        trainer.evaluate_fn = Metric("auc", self, "max")

    def __call__(self, y, p):
        self.weights.append(copy.deepcopy(self.trainer.model.state_dict()))
        score = next(self.scores)
        if isinstance(score, BaseException):
            raise score
        return score


@pytest.fixture
def scores():
    return Scores


@pytest.fixture
def data():
    """x and y of 50 rows."""
    return table()


@pytest.fixture
def loaders(data):
    """Training on 35 rows in batches of 10, the last one of 5, in order; validation on 15."""
    x, y = data

    def part(rows, batch_size):
        return TableLoader(TorchDataset({k: v[rows] for k, v in x.items()}, y[rows]), batch_size)

    return part(slice(0, 35), 10), part(slice(35, N), 10)


@pytest.fixture
def make_model():
    def make():
        torch.manual_seed(1)
        user = SparseFeature("user", 10, 4)
        return WideDeep([DenseFeature("price"), user], [user], {"dims": [6]})

    return make


@pytest.fixture
def make_trainer(make_model, tmp_path):
    """A trainer with what is given; otherwise two epochs at 0.05, silent, into a fresh folder."""

    def make(model=None, **kwargs):
        settings = {
            "optimizer_params": {"lr": 0.05},
            "n_epoch": 2,
            "model_path": tmp_path / "model",
            "progress": False,
            **kwargs,
        }
        return CTRTrainer(make_model() if model is None else model, **settings)

    return make


@pytest.fixture
def fake_logger():
    return FakeLogger()


@pytest.fixture
def same_weights():
    def same(first, second):
        return list(first) == list(second) and all(torch.equal(first[k], second[k]) for k in first)

    return same


@pytest.fixture
def saved(tmp_path):
    """Reads the weights that training left behind."""
    return lambda: torch.load(tmp_path / "model" / "model.pth", weights_only=True)
