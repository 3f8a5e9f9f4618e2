"""The models' formulas in plain numbers: one row at a time, from the tensors of a state dict."""

import math

import pytest
import torch

from torch_rechub.basic.features import DenseFeature, SparseFeature
from torch_rechub.testing import ModelContract

COMPILED = "test_a_compiled_model_computes_the_same"


def pytest_collection_modifyitems(items):
    """Mark as slow the compiled models but the first of each contract: each takes a second."""
    seen = set()
    for item in items:
        if item.cls is not None and getattr(item, "originalname", "") == COMPILED:
            if item.cls in seen:
                item.add_marker(pytest.mark.slow)
            seen.add(item.cls)


class Naive:
    """A model's parts, computed for one row from a state dict, in Python floats."""

    def __init__(self, state):
        self.state = {name: value.double().tolist() for name, value in state.items()}

    def embedding(self, prefix, feature, value):
        table = self.state[f"{prefix}embed_dict.{feature.shared_with or feature.name}.weight"]
        if isinstance(feature, SparseFeature):
            return table[value]
        rows = [table[i] for i in value if i != (feature.padding_idx or 0)]
        total = [sum(column) for column in zip(*rows)] or [0.0] * len(table[0])
        return [t / (len(rows) or 1) for t in total] if feature.pooling == "mean" else total

    def flat(self, prefix, features, row):
        ids = [f for f in features if not isinstance(f, DenseFeature)]
        dense = [f for f in features if isinstance(f, DenseFeature)]
        vector = [v for f in ids for v in self.embedding(prefix, f, row[f.name])]
        return vector + [v for f in dense for v in self.dense(row[f.name])]

    @staticmethod
    def dense(value):
        return value if isinstance(value, list) else [value]

    def linear(self, prefix, x):
        weight, bias = self.state[f"{prefix}weight"], self.state[f"{prefix}bias"]
        return [b + self.dot(w, x) for w, b in zip(weight, bias)]

    @staticmethod
    def dot(a, b):
        assert len(a) == len(b)
        return math.fsum(p * q for p, q in zip(a, b))

    def mlp(self, prefix, x, n_hidden, output=True):
        """Linear, batch normalization in evaluation, ReLU; no dropout."""
        for layer in range(n_hidden):
            x = self.linear(f"{prefix}{4 * layer}.", x)
            x = [max(0.0, v) for v in self.batch_norm(f"{prefix}{4 * layer + 1}.", x)]
        return self.linear(f"{prefix}{4 * n_hidden}.", x) if output else x

    def batch_norm(self, prefix, x):
        """In evaluation."""
        mean, var = self.state[f"{prefix}running_mean"], self.state[f"{prefix}running_var"]
        weight, bias = self.state[f"{prefix}weight"], self.state[f"{prefix}bias"]
        return [
            (v - m) / math.sqrt(s + 1e-5) * w + b
            for v, m, s, w, b in zip(x, mean, var, weight, bias)
        ]

    def first_order(self, prefix, features, row):
        dense = [
            v for f in features if isinstance(f, DenseFeature) for v in self.dense(row[f.name])
        ]
        total = self.linear(f"{prefix}fc.", dense)[0] if dense else self.state[f"{prefix}bias"][0]
        for f in features:
            if not isinstance(f, DenseFeature):
                total += self.embedding(f"{prefix}embedding.", f, row[f.name])[0]
        return total

    @staticmethod
    def sigmoid(logit):
        return 1 / (1 + math.exp(-logit))


@pytest.fixture
def naive():
    return Naive


@pytest.fixture
def randomized():
    """Gives every weight and running statistic of a model a value of some size."""

    return ModelContract().randomize


@pytest.fixture
def seed_decides():
    """Asserts that a seed decides the weights of the model that a function makes or trains."""

    def check(make):
        states = []
        for seed in (3, 3, 4):
            torch.manual_seed(seed)
            states.append(make().state_dict())
        same = [all(torch.equal(states[0][k], s[k]) for k in s) for s in states]
        assert same == [True, True, False]

    return check
