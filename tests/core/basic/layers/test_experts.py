"""Experts, gates, levels of experts, attention and towers against their formulas, row by row."""

import math

import pytest
import torch
from torch import nn

from torch_rechub.basic.layers import (
    CGC,
    AttentionLayer,
    Experts,
    Gate,
    TaskPredictions,
    Towers,
    mix,
)


def softmax(scores):
    top = max(scores)
    powers = [math.exp(s - top) for s in scores]
    return [p / sum(powers) for p in powers]


def linear(layer, x):
    bias = [0.0] * layer.out_features if layer.bias is None else layer.bias.tolist()
    return [
        b + math.fsum(w * v for w, v in zip(row, x, strict=True))
        for row, b in zip(layer.weight.tolist(), bias, strict=True)
    ]


def relu_layer(expert, x):
    """An expert of one hidden layer in evaluation, with a batch normalization that does nothing."""
    return [max(0.0, v / math.sqrt(1 + 1e-5)) for v in linear(expert.mlp[0], x)]


def weighted(weights, vectors):
    return [sum(g * v[d] for g, v in zip(weights, vectors, strict=True)) for d in range(3)]


def close(found, expected):
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-5, rtol=1e-5)


X = torch.tensor([[0.5, -1.0, 2.0, 0.1], [3.0, 0.0, -0.5, 1.0]])


def test_experts_are_perceptrons_side_by_side():
    experts = Experts(4, 2, {"dims": [3], "output_layer": True, "dropout": 0.5}).eval()
    close(experts(X), [[relu_layer(e, x) for e in experts] for x in X.tolist()])
    assert experts.output_dim == 3
    assert Experts(4, 2, {})(X).shape == (2, 2, 4)
    assert Experts(4, 2, {}).output_dim == 4


def test_a_gate_is_the_softmax_of_a_linear_layer_and_nothing_else():
    gate = Gate(4, 3)
    expected = [softmax(linear(gate.mlp[0], x)) for x in X.tolist()]
    for g in (gate.train(), gate.eval()):  # neither the batch nor dropout changes it
        close(g(X), expected)
        close(g(X[:1]), expected[:1])
    assert [type(m) for m in gate.mlp] == [nn.Linear, nn.Softmax]


def test_a_gate_with_a_normalization_loads_folded():
    old = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Softmax(dim=1)).eval()
    for name, value in old.state_dict().items():
        if value.is_floating_point():
            value.uniform_(0.5, 2.0) if "running_var" in name else value.normal_()
    state = {f"mlp.{name}": value for name, value in old.state_dict().items()}
    before = {name: value.clone() for name, value in state.items()}
    gate = Gate(4, 3)
    gate.load_state_dict(state)
    torch.testing.assert_close(gate(X), old(X))
    assert all(torch.equal(state[name], value) for name, value in before.items())
    gate.load_state_dict(gate.state_dict())
    torch.testing.assert_close(gate(X), old(X))


def test_mix_is_a_weighted_sum():
    g, e = torch.rand(2, 5), torch.randn(2, 5, 3)
    close(mix(g, e), [weighted(g[i].tolist(), e[i].tolist()) for i in range(2)])


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize(("n_own", "n_shared"), [(1, 2), (2, 1), (2, 0), (0, 2)])
def test_a_level_is_its_formula(last, n_own, n_shared):
    level = CGC(2 if last else 1, 2, 3, n_own, n_shared, 4, {"dims": [3]}).eval()
    inputs = [X + k for k in range(4)]
    found = level(inputs)
    assert len(found) == (3 if last else 4)
    for row in range(2):
        x = [v[row].tolist() for v in inputs]
        own = [
            [relu_layer(level.experts_specific[k * n_own + j], x[k]) for j in range(n_own)]
            for k in range(3)
        ]
        shared = [relu_layer(e, x[3]) for e in level.experts_shared]
        for k in range(3):
            g = softmax(linear(level.gates_specific[k].mlp[0], x[k]))
            close(found[k][row], weighted(g, own[k] + shared))
        if not last:
            g = softmax(linear(level.gate_shared.mlp[0], x[3]))
            close(found[3][row], weighted(g, own[0] + own[1] + own[2] + shared))


def test_a_level_without_experts_is_refused():
    with pytest.raises(ValueError, match="both 0"):
        CGC(1, 1, 2, 0, 0, 4, {"dims": [3]})


def test_attention_weighs_what_was_transferred_against_the_own_view():
    layer = AttentionLayer(3)
    pair = torch.randn(4, 2, 3)
    expected = []
    for u in pair.tolist():
        scores = [
            sum(q * k for q, k in zip(linear(layer.q_layer, v), linear(layer.k_layer, v)))
            / math.sqrt(3)
            for v in u
        ]
        expected.append(weighted(softmax(scores), [linear(layer.v_layer, v) for v in u]))
    close(layer(pair), expected)
    assert sorted(layer.state_dict()) == ["k_layer.weight", "q_layer.weight", "v_layer.weight"]


def test_each_tower_sees_its_own_input():
    towers = Towers(4, [{"dims": []}, {"dims": [], "output_layer": False}], n_task=2)
    inputs = [X, X + 1]
    expected = [
        [linear(t.mlp[0], v[i].tolist())[0] for t, v in zip(towers, inputs)] for i in (0, 1)
    ]
    close(towers(inputs), expected)
    with pytest.raises(ValueError, match="1 entries for 2 tasks"):
        Towers(4, [{"dims": []}], n_task=2)


def test_classifications_become_probabilities_and_regressions_stay():
    layer = TaskPredictions(["regression", "classification"])
    found = layer(torch.tensor([[3.0, 3.0], [-9.0, 0.0]]))
    close(found, [[3.0, 1 / (1 + math.exp(-3))], [-9.0, 0.5]])
    assert not layer.state_dict()
    for wrong in ([], "classification"):
        with pytest.raises(ValueError, match="a type for each task"):
            TaskPredictions(wrong)
    with pytest.raises(ValueError, match="got 'ranking'"):
        TaskPredictions(["ranking"])
