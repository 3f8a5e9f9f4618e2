"""Wide & Deep against its formula, row by row."""

import pytest
import torch

from torch_rechub.basic.features import DenseFeature, SequenceFeature, SparseFeature
from torch_rechub.models.ranking import WideDeep

USER, CITY = SparseFeature("user", 9, 4), SparseFeature("city", 5, 3)
TAGS = SequenceFeature("tags", 7, 6, "sum")
AGE, PAIR = DenseFeature("age"), DenseFeature("pair", 2)
ROWS = [
    {"user": 8, "tags": [1, 2, 0], "city": 4, "age": 0.5, "pair": [1.0, -1.0]},
    {"user": 0, "tags": [0, 0, 0], "city": 0, "age": -2.0, "pair": [0.25, 3.0]},
    {"user": 3, "tags": [6, 6, 6], "city": 2, "age": 0.0, "pair": [0.0, 0.5]},
]
X = {name: torch.tensor([row[name] for row in ROWS]) for name in ROWS[0]}


def check(model, state, naive, wide, deep, dims):
    parts = naive(state)
    for row, p in zip(ROWS, model.eval()(X).tolist()):
        (deep_part,) = parts.mlp("mlp.mlp.", parts.flat("embedding.", deep, row), len(dims))
        logit = parts.first_order("linear.", wide, row) + deep_part
        assert p == pytest.approx(parts.sigmoid(logit), abs=1e-6)


@pytest.mark.parametrize(
    ("wide", "deep"),
    [
        ([AGE, PAIR], [USER, CITY]),
        ([CITY, TAGS], [USER, TAGS]),
        ([PAIR, TAGS, AGE, USER], [PAIR, CITY, TAGS, AGE, USER]),
    ],
)
@pytest.mark.parametrize("dims", [[], [5], [6, 3]])
def test_it_is_its_formula(wide, deep, dims, naive, randomized):
    model = randomized(WideDeep(wide, deep, {"dims": dims, "dropout": 0.3}))
    check(model, model.state_dict(), naive, wide, deep, dims)


def test_a_checkpoint_of_0_9_loads_where_the_wide_part_is_dense(naive):
    old = {
        "linear.fc.weight": torch.randn(1, 3),
        "linear.fc.bias": torch.randn(1),
        "embedding.embed_dict.user.weight": torch.randn(9, 4),
        "embedding.embed_dict.city.weight": torch.randn(5, 3),
        "mlp.mlp.0.weight": torch.randn(6, 7),
        "mlp.mlp.0.bias": torch.randn(6),
        "mlp.mlp.1.weight": torch.randn(6),
        "mlp.mlp.1.bias": torch.randn(6),
        "mlp.mlp.1.running_mean": torch.randn(6),
        "mlp.mlp.1.running_var": torch.rand(6) + 0.5,
        "mlp.mlp.1.num_batches_tracked": torch.tensor(7),
        "mlp.mlp.4.weight": torch.randn(1, 6),
        "mlp.mlp.4.bias": torch.randn(1),
    }
    model = WideDeep([AGE, PAIR], [USER, CITY], {"dims": [6]})
    model.load_state_dict(old)
    check(model, old, naive, [AGE, PAIR], [USER, CITY], [6])


def test_one_with_a_wide_part_of_ids_is_refused_with_the_reason():
    model = WideDeep([AGE, USER], [USER], {"dims": []})
    old = {
        "linear.fc.weight": torch.randn(1, 5),
        "linear.fc.bias": torch.randn(1),
        "embedding.embed_dict.user.weight": torch.randn(9, 4),
        "mlp.mlp.0.weight": torch.randn(1, 4),
        "mlp.mlp.0.bias": torch.randn(1),
    }
    with pytest.raises(RuntimeError, match=r"torch-rechub 0\.x, where the first-order term"):
        model.load_state_dict(old)


def test_a_deep_sequence_that_is_not_pooled_is_refused_when_the_model_is_made():
    with pytest.raises(ValueError, match="'h': with pooling='concat'"):
        WideDeep([AGE], [USER, SequenceFeature("h", 7, 4, "concat")], {"dims": [4]})
