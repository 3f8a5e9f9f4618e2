"""The penalty on weights, against a loop over the weights that should be in it."""

import pytest
import torch
from torch import nn

from torch_rechub.basic.features import DenseFeature, SparseFeature
from torch_rechub.basic.initializers import Pretrained, RandomNormal
from torch_rechub.basic.layers import EmbeddingLayer
from torch_rechub.basic.loss_func import RegularizationLoss
from torch_rechub.models.ranking import WideDeep


@pytest.fixture
def model():
    wide = SparseFeature("a", 5, 2, initializer=RandomNormal(0, 1))
    frozen = SparseFeature("b", 3, 2, initializer=Pretrained(torch.full((3, 2), 9.0)))
    model = WideDeep([DenseFeature("d"), wide], [wide, frozen], {"dims": [4, 3]})
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.normal_()
    return model


def entries(model, names):
    state = model.state_dict()
    return [v for name in names for v in state[name].flatten().tolist()]


EMBEDDINGS = ["embedding.embed_dict.a.weight", "linear.embedding.embed_dict.a.weight"]
DENSE = ["linear.fc.weight", "linear.fc.bias"] + [
    f"mlp.mlp.{i}.{kind}" for i in (0, 4, 8) for kind in ("weight", "bias")
]  # 1 and 5 are batch normalizations, embed_dict.b is frozen


@pytest.mark.parametrize(
    ("argument", "names", "size"),
    [
        ("embedding_l1", EMBEDDINGS, abs),
        ("embedding_l2", EMBEDDINGS, lambda w: w * w),
        ("dense_l1", DENSE, abs),
        ("dense_l2", DENSE, lambda w: w * w),
    ],
)
def test_each_penalty_is_a_sum_over_its_weights(model, argument, names, size):
    expected = 0.01 * sum(size(w) for w in entries(model, names))
    assert RegularizationLoss(**{argument: 0.01})(model).item() == pytest.approx(expected, rel=1e-5)


def test_penalties_add_up(model):
    weights = {"embedding_l1": 0.1, "embedding_l2": 0.2, "dense_l1": 0.3, "dense_l2": 0.4}
    alone = sum(RegularizationLoss(**{k: v})(model).item() for k, v in weights.items())
    assert RegularizationLoss(**weights)(model).item() == pytest.approx(alone, rel=1e-5)


def test_the_penalty_has_gradients_of_its_own_weights_alone(model):
    RegularizationLoss(embedding_l2=0.5)(model).backward()
    for name, parameter in model.named_parameters():
        if "embedding" in name and parameter.requires_grad:
            assert torch.allclose(parameter.grad, parameter)  # d(½ w²) = w
        else:
            assert parameter.grad is None


def test_no_penalty_is_plain_0(model):
    assert RegularizationLoss()(model) == 0.0
    assert type(RegularizationLoss()(model)) is float
    assert RegularizationLoss(embedding_l2=1.0)(nn.Linear(2, 2)) == 0.0


def test_embeddings_of_torch_count_as_embeddings():
    model = nn.ModuleList([nn.Embedding(3, 2), nn.EmbeddingBag(3, 2), nn.Linear(2, 1)])
    expected = sum(float(m.weight.detach().abs().sum()) for m in model[:2])
    assert RegularizationLoss(embedding_l1=1.0)(model).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    "norm", [nn.BatchNorm1d(4), nn.LayerNorm(4), nn.GroupNorm(2, 4), nn.RMSNorm(4)]
)
def test_norms_are_left_out(norm):
    assert RegularizationLoss(dense_l1=1.0)(nn.Sequential(norm)) == 0.0


def test_a_weight_used_twice_counts_once():
    linear = nn.Linear(2, 1, bias=False)
    expected = linear.weight.detach().abs().sum().item()
    twice = nn.Sequential(linear, nn.ModuleList([linear]))
    assert RegularizationLoss(dense_l1=1.0)(twice).item() == pytest.approx(expected)


def test_a_frozen_stack_is_left_out_and_its_neighbor_not():
    fields = [
        SparseFeature("a", 3, 2, initializer=Pretrained(torch.ones(3, 2), freeze=False)),
        SparseFeature("b", 3, 2, initializer=Pretrained(torch.ones(3, 2), freeze=True)),
    ]
    assert RegularizationLoss(embedding_l1=1.0)(EmbeddingLayer(fields)).item() == 6.0
