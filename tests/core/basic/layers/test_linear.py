"""Linear terms: over a vector, and over one-hot inputs."""

import pytest
import torch

from torch_rechub.basic.features import DenseFeature, SequenceFeature, SparseFeature
from torch_rechub.basic.layers import LR, FirstOrder


def randomized(module):
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()
    return module


def test_lr_is_a_dot_product_and_a_bias():
    x = torch.randn(4, 3)
    for sigmoid in (False, True):
        lr = LR(3, sigmoid=sigmoid)
        for row in range(4):
            y = lr.fc.bias[0] + sum(lr.fc.weight[0, i] * x[row, i] for i in range(3))
            y = torch.sigmoid(y) if sigmoid else y
            assert lr(x)[row].item() == pytest.approx(y.item(), abs=1e-6)


SPARSE = [SparseFeature("a", 5, 8), SparseFeature("b", 4, 3, shared_with="elsewhere")]
SEQUENCES = [
    SequenceFeature("mean", 6, 8),
    SequenceFeature("sum", 6, 8, "sum", padding_idx=5),
    SequenceFeature("concat", 6, 8, "concat"),
]
DENSE = [DenseFeature("d"), DenseFeature("e", 2)]
X = {
    "a": torch.tensor([0, 4]),
    "b": torch.tensor([3, 0]),
    "mean": torch.tensor([[1, 5, 0], [0, 0, 0]]),
    "sum": torch.tensor([[1, 5, 0], [2, 2, 5]]),
    "concat": torch.tensor([[1, 5, 0], [0, 0, 0]]),
    "d": torch.tensor([0.5, -1.0]),
    "e": torch.tensor([[1.0, 2.0], [3.0, 4.0]]),
}


def one_hot(feature, value):
    """The input vector of a feature: one entry an id, with the share that pooling gives it."""
    vector = torch.zeros(feature.vocab_size)
    if isinstance(feature, SparseFeature):
        vector[value] = 1
        return vector
    ids = [i for i in value.tolist() if i != feature.padding_id]
    for i in ids:
        vector[i] += 1 / len(ids) if feature.pooling == "mean" else 1
    return vector


@pytest.mark.parametrize(
    "features",
    [SPARSE, SEQUENCES, DENSE, [*DENSE, *SPARSE], [*SEQUENCES, *SPARSE, *DENSE]],
    ids=["sparse", "sequences", "dense", "dense and sparse", "all"],
)
def test_first_order_is_linear_in_the_one_hot_inputs(features):
    term = randomized(FirstOrder(features))
    state = term.state_dict()
    dense = [f for f in features if f in DENSE]
    bias = state["fc.bias"] if dense else state["bias"]
    for row in range(2):
        expected = bias[0].item()
        for f in features:
            if f not in dense:
                w = state[f"embedding.embed_dict.{f.name}.weight"][:, 0]
                expected += torch.dot(w, one_hot(f, X[f.name][row])).item()
        values = [v for f in dense for v in X[f.name][row].reshape(-1).tolist()]
        weights = state["fc.weight"][0].tolist() if dense else []
        assert len(values) == len(weights)
        expected += sum(w * v for w, v in zip(weights, values))
        assert term(X)[row].item() == pytest.approx(expected, abs=1e-5)


def test_features_that_share_embeddings_have_first_order_weights_of_their_own():
    own, child = SparseFeature("a", 5, 8), SparseFeature("b", 5, 8, shared_with="a")
    term = FirstOrder([own, child])
    assert sorted(term.state_dict()) == [
        "bias",
        "embedding.embed_dict.a.weight",
        "embedding.embed_dict.b.weight",
    ]


@pytest.mark.parametrize("pooling", ["mean", "sum", "concat"])
@pytest.mark.parametrize("padding_idx", [None, 0])
def test_first_order_does_not_change_with_the_width_of_the_padding(pooling, padding_idx):
    term = randomized(FirstOrder([SequenceFeature("h", 6, 8, pooling, padding_idx=padding_idx)]))
    short, long = torch.tensor([[1, 2]]), torch.tensor([[1, 2, 0, 0, 0]])
    if padding_idx is None:
        torch.testing.assert_close(term({"h": short}), term({"h": long}))
    else:
        difference = term({"h": long}) - term({"h": short})
        torch.testing.assert_close(difference, torch.zeros(1, 1))


def test_the_features_given_are_not_changed():
    feature = SequenceFeature("h", 6, 8, "concat", shared_with="x")
    FirstOrder([feature])
    assert (feature.embed_dim, feature.pooling, feature.shared_with) == (8, "concat", "x")


def test_a_missing_column_is_named():
    with pytest.raises(KeyError, match="no column 'd'"):
        FirstOrder([*SPARSE, *DENSE])({"a": X["a"], "b": X["b"], "e": X["e"]})
