"""DCN against its formula, row by row."""

import pytest
import torch

from torch_rechub.basic.features import DenseFeature, SequenceFeature, SparseFeature
from torch_rechub.models.ranking import DCN

FEATURES = [
    DenseFeature("age"),
    SparseFeature("user", 9, 4),
    SparseFeature("city", 5, 3),
    SequenceFeature("tags", 7, 2, padding_idx=0),
]
ROWS = [
    {"user": 8, "tags": [1, 2, 0], "city": 4, "age": 0.5},
    {"user": 0, "tags": [0, 0, 0], "city": 0, "age": -2.0},
    {"user": 3, "tags": [6, 6, 6], "city": 2, "age": 0.0},
]
X = {name: torch.tensor([row[name] for row in ROWS]) for name in ROWS[0]}


def check(model, state, naive, n_cross_layers, dims):
    parts = naive(state)
    for row, p in zip(ROWS, model.eval()(X).tolist()):
        x_0 = x_l = parts.flat("embedding.", FEATURES, row)
        for layer in range(n_cross_layers):
            product = parts.dot(x_l, parts.state[f"cn.w.{layer}.weight"][0])
            b = parts.state[f"cn.b.{layer}"]
            x_l = [x_0[i] * product + b[i] + x_l[i] for i in range(len(x_0))]
        deep = parts.mlp("mlp.mlp.", x_0, len(dims), output=False)
        (logit,) = parts.linear("linear.fc.", x_l + deep)
        assert p == pytest.approx(parts.sigmoid(logit), abs=1e-6)


@pytest.mark.parametrize("n_cross_layers", [0, 1, 3])
@pytest.mark.parametrize("dims", [[], [5], [6, 3]])
def test_it_is_its_formula(n_cross_layers, dims, naive, randomized):
    model = randomized(DCN(FEATURES, n_cross_layers, {"dims": dims, "dropout": 0.3}))
    check(model, model.state_dict(), naive, n_cross_layers, dims)


def test_a_checkpoint_of_0_9_loads(naive):
    old = {
        "embedding.embed_dict.user.weight": torch.randn(9, 4),
        "embedding.embed_dict.city.weight": torch.randn(5, 3),
        "embedding.embed_dict.tags.weight": torch.randn(7, 2),
        "cn.w.0.weight": torch.randn(1, 10) / 3,
        "cn.w.1.weight": torch.randn(1, 10) / 3,
        "cn.b.0": torch.randn(10),
        "cn.b.1": torch.randn(10),
        "mlp.mlp.0.weight": torch.randn(6, 10),
        "mlp.mlp.0.bias": torch.randn(6),
        "mlp.mlp.1.weight": torch.randn(6),
        "mlp.mlp.1.bias": torch.randn(6),
        "mlp.mlp.1.running_mean": torch.randn(6),
        "mlp.mlp.1.running_var": torch.rand(6) + 0.5,
        "mlp.mlp.1.num_batches_tracked": torch.tensor(7),
        "linear.fc.weight": torch.randn(1, 16) / 4,
        "linear.fc.bias": torch.randn(1),
    }
    model = DCN(FEATURES, 2, {"dims": [6]})
    model.load_state_dict(old)
    check(model, old, naive, 2, [6])
