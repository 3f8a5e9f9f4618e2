"""DeepFM against its formula, row by row."""

import pytest
import torch

from torch_rechub.basic.features import DenseFeature, SequenceFeature, SparseFeature
from torch_rechub.models.ranking import DeepFM

USER, ITEM = SparseFeature("user", 9, 4), SparseFeature("item", 7, 4, padding_idx=0)
HISTORY = SequenceFeature("history", 7, 4, shared_with="item")
CITY, AGE, PAIR = SparseFeature("city", 5, 3), DenseFeature("age"), DenseFeature("pair", 2)
ROWS = [
    {"user": 8, "item": 0, "history": [1, 2, 0], "city": 4, "age": 0.5, "pair": [1.0, -1.0]},
    {"user": 0, "item": 6, "history": [0, 0, 0], "city": 0, "age": -2.0, "pair": [0.25, 3.0]},
    {"user": 3, "item": 3, "history": [6, 6, 6], "city": 2, "age": 0.0, "pair": [0.0, 0.5]},
]
X = {name: torch.tensor([row[name] for row in ROWS]) for name in ROWS[0]}


@pytest.mark.parametrize(
    ("deep", "fm"),
    [
        ([USER, ITEM], [USER, ITEM]),
        ([AGE, USER, CITY, PAIR], [USER, ITEM]),
        ([CITY, ITEM, USER, HISTORY, AGE], [HISTORY, USER, ITEM, AGE, PAIR]),
        ([USER, ITEM], [USER]),
        ([USER, ITEM], [HISTORY, USER]),  # the table that the history shares is not among them
    ],
    ids=["same", "apart", "all", "one field", "shared"],
)
@pytest.mark.parametrize("dims", [[], [5], [6, 3]])
def test_it_is_its_formula(deep, fm, dims, naive, randomized):
    model = randomized(DeepFM(deep, fm, {"dims": dims, "dropout": 0.3})).eval()
    parts = naive(model.state_dict())
    own_weights = [
        f
        if isinstance(f, DenseFeature)
        else type(f)(f.name, f.vocab_size, padding_idx=f.padding_idx)
        for f in fm
    ]
    for row, p in zip(ROWS, model(X).tolist()):
        v = [
            parts.embedding("embedding.", f, row[f.name])
            for f in fm
            if not isinstance(f, DenseFeature)
        ]
        pairs = sum(parts.dot(v[i], v[j]) for i in range(len(v)) for j in range(i + 1, len(v)))
        (deep_part,) = parts.mlp("mlp.mlp.", parts.flat("embedding.", deep, row), len(dims))
        first = parts.first_order("linear.", own_weights, row)
        assert p == pytest.approx(parts.sigmoid(first + pairs + deep_part), abs=1e-6)


def test_a_dense_feature_of_the_fm_enters_the_first_order_alone(randomized):
    model = randomized(DeepFM([USER, ITEM], [USER, ITEM, AGE], {"dims": [4]})).eval()
    moved = {**X, "age": X["age"] + 2.0}
    expected = model.logits(X) + 2.0 * model.linear.fc.weight[0, 0]
    torch.testing.assert_close(model.logits(moved), expected)


@pytest.mark.parametrize(
    ("fm", "message"),
    [
        ([USER, CITY], r"one embed_dim, got {'user': 4, 'city': 3}"),
        ([AGE], "got none"),
        ([], "got none"),
        ([USER, SequenceFeature("h", 7, 4, "concat")], "'h': with pooling='concat'"),
    ],
)
def test_fields_that_do_not_interact_are_refused_when_the_model_is_made(fm, message):
    with pytest.raises(ValueError, match=message):
        DeepFM([USER, ITEM], fm, {"dims": [4]})


def test_a_checkpoint_of_0_9_is_refused_with_the_reason_and_the_way_out():
    old = {
        "linear.fc.weight": torch.randn(1, 8),
        "linear.fc.bias": torch.randn(1),
        "embedding.embed_dict.user.weight": torch.randn(9, 4),
        "embedding.embed_dict.item.weight": torch.randn(7, 4),
        "mlp.mlp.0.weight": torch.randn(1, 8),
        "mlp.mlp.0.bias": torch.randn(1),
    }
    model = DeepFM([USER, ITEM], [USER, ITEM], {"dims": []})
    with pytest.raises(
        RuntimeError, match=r"torch-rechub 0\.x, where the first-order term"
    ) as error:
        model.load_state_dict(old)
    assert "drop the keys that start with 'linear.' and load with strict=False" in str(error.value)
    rest = {name: value for name, value in old.items() if not name.startswith("linear.")}
    model.load_state_dict(rest, strict=False)
    for name, value in rest.items():
        assert torch.equal(model.state_dict()[name], value)
