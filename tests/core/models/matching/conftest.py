"""Retrieval models over one small set of features, and their parts in plain numbers."""

import math

import pytest
import torch

from torch_rechub.basic.features import DenseFeature, SequenceFeature, SparseFeature
from torch_rechub.models import matching

USERS, ITEMS, KINDS, D = 12, 20, 5, 8
PARAMS = {"dims": [16, D], "dropout": 0.0, "activation": "prelu"}


def history(pooling):
    return SequenceFeature("history", ITEMS, D, pooling, shared_with="item")


def features():
    """By name; `neg` and `negatives` have no table of their own."""
    sequence = {"pooling": "concat", "shared_with": "item"}
    return {
        "user": SparseFeature("user", USERS, D),
        "age": DenseFeature("age"),
        "item": SparseFeature("item", ITEMS, D),
        "kind": SparseFeature("kind", KINDS, 3),
        "neg": SparseFeature("neg", ITEMS, D, shared_with="item"),
        "neg_kind": SparseFeature("neg_kind", KINDS, 3),
        "negatives": SequenceFeature("negatives", ITEMS, D, **sequence),
        "pooled": history("mean"),
        "steps": history("concat"),
    }


def dssm(**kwargs):
    f = features()
    users, items = [f["user"], f["age"], f["pooled"]], [f["item"], f["kind"]]
    return matching.DSSM(users, items, PARAMS, PARAMS, **kwargs)


def facebook(**kwargs):
    f = features()
    users, items = [f["user"], f["age"], f["pooled"]], [f["item"], f["kind"]]
    negatives = [f["neg"], f["neg_kind"]]
    return matching.FaceBookDSSM(users, items, negatives, PARAMS, PARAMS, **kwargs)


def youtube(**kwargs):
    f = features()
    users = [f["user"], f["age"], f["pooled"]]
    return matching.YoutubeDNN(users, [f["item"]], [f["negatives"]], PARAMS, **kwargs)


def gru4rec(num_layers=2, **kwargs):
    f = features()
    params = {**PARAMS, "num_layers": num_layers}
    users = [f["user"], f["age"]]
    return matching.GRU4Rec(users, [f["steps"]], [f["item"]], [f["negatives"]], params, **kwargs)


def sasrec(**kwargs):
    sequences = [
        SequenceFeature(name, ITEMS, D, "concat", shared_with=owner)
        for name, owner in (("history", None), ("next", "history"), ("other", "history"))
    ]
    return matching.SASRec(sequences, **{"max_len": 6, "dropout_rate": 0.0, **kwargs})


# A new model joins by a line here: how it is made, and the mode that trains it.
MODELS = {
    "DSSM": (dssm, 0),
    "FaceBookDSSM": (facebook, 1),
    "GRU4Rec": (gru4rec, 2),
    "SASRec": (sasrec, 1),
    "YoutubeDNN": (youtube, 2),
}


def inputs(n, length=6, empty=True):
    """A batch of every column, histories of 1 to `length` items padded on the right; one empty."""
    lengths = torch.randint(1, length + 1, (n, 1))
    if empty and n > 1:
        lengths[0] = 0
    valid = torch.arange(length) < lengths
    x = {name: torch.randint(1, ITEMS, (n, length)) * valid for name in ("history", "next")}
    return {
        **x,
        "other": torch.randint(1, ITEMS, (n, length)) * valid,
        "user": torch.randint(0, USERS, (n,)),
        "age": torch.randn(n),
        "item": torch.randint(1, ITEMS, (n,)),
        "kind": torch.randint(0, KINDS, (n,)),
        "neg": torch.randint(1, ITEMS, (n,)),
        "neg_kind": torch.randint(0, KINDS, (n,)),
        "negatives": torch.randint(1, ITEMS, (n, 3)),
    }


class Naive:
    """A model's parts, computed for one row from a state dict, in Python floats."""

    def __init__(self, model):
        self.state = {k: v.double().tolist() for k, v in model.state_dict().items()}

    def row(self, name, i):
        return self.state[f"embedding.embed_dict.{name}.weight"][i]

    def mean(self, name, ids):
        rows = [self.row(name, i) for i in ids if i != 0]
        return [math.fsum(column) / len(rows) for column in zip(*rows)] if rows else [0.0] * D

    @staticmethod
    def dot(a, b):
        return math.fsum(p * q for p, q in zip(a, b, strict=True))

    def linear(self, prefix, x):
        weight = self.state[f"{prefix}weight"]
        bias = self.state.get(f"{prefix}bias", [0.0] * len(weight))
        return [b + self.dot(w, x) for w, b in zip(weight, bias)]

    def mlp(self, prefix, x):
        """Two hidden layers of PReLU, batch normalisation in evaluation."""
        for layer in (0, 4):
            x = self.linear(f"{prefix}{layer}.", x)
            norm, slope = f"{prefix}{layer + 1}.", self.state[f"{prefix}{layer + 2}.weight"][0]
            mean, var = self.state[f"{norm}running_mean"], self.state[f"{norm}running_var"]
            weight, bias = self.state[f"{norm}weight"], self.state[f"{norm}bias"]
            x = [
                (v - m) / math.sqrt(s + 1e-5) * w + b
                for v, m, s, w, b in zip(x, mean, var, weight, bias)
            ]
            x = [v if v > 0 else slope * v for v in x]
        return x

    def layer_norm(self, prefix, x):
        mean = math.fsum(x) / len(x)
        var = math.fsum((v - mean) ** 2 for v in x) / len(x)
        weight, bias = self.state[f"{prefix}weight"], self.state[f"{prefix}bias"]
        return [(v - mean) / math.sqrt(var + 1e-5) * w + b for v, w, b in zip(x, weight, bias)]

    def cosine(self, a, b):
        return self.dot(a, b) / math.sqrt(self.dot(a, a) * self.dot(b, b))

    @staticmethod
    def sigmoid(z):
        return 1 / (1 + math.exp(-z))


@pytest.fixture
def naive():
    return Naive


@pytest.fixture
def randomized():
    """Gives every weight and running statistic of a model a value of some size."""

    def randomize(model):
        with torch.no_grad():
            for name, value in model.state_dict().items():
                if value.is_floating_point():
                    value.uniform_(0.5, 2.0) if "running_var" in name else value.normal_(0, 0.5)
        return model

    return randomize


@pytest.fixture
def rows():
    """The rows of a batch, as dicts of plain values."""

    def split(x):
        plain = {name: column.tolist() for name, column in x.items()}
        return [dict(zip(plain, values)) for values in zip(*plain.values())]

    return split


@pytest.fixture
def make_inputs():
    return inputs


@pytest.fixture
def models():
    return MODELS
