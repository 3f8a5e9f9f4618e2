"""Retrieval models over one small set of features, and their parts in plain numbers."""

import math

import pytest
import torch

from core.models.matching_table import MODELS, D, inputs


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
        """Two hidden layers of PReLU, batch normalization in evaluation."""
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
