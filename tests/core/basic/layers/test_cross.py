"""Cross networks against loops over their formulas."""

import math

import pytest
import torch

from torch_rechub.basic.layers import (
    CrossLayer,
    CrossNetMix,
    CrossNetV2,
    CrossNetwork,
    GatedCrossNetwork,
)


def crossed(x_0, x_l, w, b):
    """x_0 (x_lᵀ w) + b, entry by entry."""
    dot = sum(x_l[i] * w[i] for i in range(len(w)))
    return torch.stack([x_0[i] * dot + b[i] for i in range(len(w))])


def test_a_cross_layer_is_its_formula():
    layer = CrossLayer(5)
    torch.nn.init.normal_(layer.b)
    x_0, x_i = torch.randn(3, 5), torch.randn(3, 5)
    y = layer(x_0, x_i).detach()
    for row in range(3):
        expected = crossed(x_0[row], x_i[row], layer.w.weight[0], layer.b)
        torch.testing.assert_close(y[row], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("num_layers", [0, 1, 3])
def test_a_cross_network_adds_a_cross_to_what_it_crossed(num_layers):
    net = CrossNetwork(5, num_layers)
    for b in net.b:
        torch.nn.init.normal_(b)
    x = torch.randn(3, 5)
    y = net(x)
    for row in range(3):
        x_l = x[row]
        for w, b in zip(net.w, net.b):
            x_l = crossed(x[row], x_l, w.weight[0], b) + x_l
        torch.testing.assert_close(y[row], x_l, atol=1e-5, rtol=1e-5)


def test_the_state_dict_has_the_names_of_0_9():
    shapes = {name: tuple(v.shape) for name, v in CrossNetwork(5, 2).state_dict().items()}
    assert shapes == {"w.0.weight": (1, 5), "w.1.weight": (1, 5), "b.0": (5,), "b.1": (5,)}


@pytest.mark.parametrize("num_layers", [0, 1, 3])
def test_the_second_version_has_its_bias_inside_the_product(num_layers):
    net, x = CrossNetV2(4, num_layers), torch.randn(3, 4)
    for b in net.b:
        torch.nn.init.normal_(b)
    y = net(x)
    for row in range(3):
        x_l = x[row].tolist()
        for w, b in zip(net.w, net.b):
            inner = [
                sum(w.weight[i, j].item() * x_l[j] for j in range(4)) + b[i].item()
                for i in range(4)
            ]
            x_l = [x[row, i].item() * inner[i] + x_l[i] for i in range(4)]
        torch.testing.assert_close(y[row], torch.tensor(x_l), atol=1e-5, rtol=1e-5)


def mixed(x_0, x_l, net, layer):
    """One layer of the mixture, expert by expert, in plain numbers."""

    def times(matrix, vector):
        return [sum(m * v for m, v in zip(row, vector)) for row in matrix]

    u, v, c = (factor[layer].tolist() for factor in (net.u_list, net.v_list, net.c_list))
    b = net.bias[layer].flatten().tolist()
    scores = [math.exp(times(w.weight.tolist(), x_l)[0]) for w in net.gating]
    out = list(x_l)
    for k, score in enumerate(scores):
        low = [math.tanh(value) for value in times(list(zip(*v[k])), x_l)]
        low = [math.tanh(value) for value in times(c[k], low)]
        expert = times(u[k], low)
        for d in range(len(out)):
            out[d] += score / sum(scores) * x_0[d] * (expert[d] + b[d])
    return out


@pytest.mark.parametrize("batch", [1, 3])
def test_the_mixture_is_its_formula_also_for_one_row(batch):
    net, x = CrossNetMix(5, num_layers=2, low_rank=3, num_experts=4), torch.randn(batch, 5)
    for b in net.bias:
        torch.nn.init.normal_(b)
    y = net(x)
    for row in range(batch):
        x_0 = x_l = x[row].tolist()
        for layer in range(2):
            x_l = mixed(x_0, x_l, net, layer)
        torch.testing.assert_close(y[row], torch.tensor(x_l), atol=1e-5, rtol=1e-5)


def test_the_mixture_has_the_state_dict_of_0_9():
    shapes = {name: tuple(v.shape) for name, v in CrossNetMix(5, 1, 3, 2).state_dict().items()}
    assert shapes == {
        "u_list.0": (2, 5, 3),
        "v_list.0": (2, 5, 3),
        "c_list.0": (2, 3, 3),
        "gating.0.weight": (1, 5),
        "gating.1.weight": (1, 5),
        "bias.0": (5, 1),
    }


@pytest.mark.parametrize("num_layers", [0, 1, 3])
def test_a_gated_cross_network_is_its_formula(num_layers):
    net = GatedCrossNetwork(4, num_layers)
    x = torch.randn(3, 4)
    y = net(x)
    for row in range(3):
        c_0 = c = x[row].tolist()
        for layer, gate in zip(net.w, net.gates):
            w, b, v = layer.weight.tolist(), layer.bias.tolist(), gate.weight.tolist()
            crosses = [sum(w[i][k] * c[k] for k in range(4)) + b[i] for i in range(4)]
            gates = [1 / (1 + math.exp(-sum(v[i][k] * c[k] for k in range(4)))) for i in range(4)]
            c = [c_0[i] * crosses[i] * gates[i] + c[i] for i in range(4)]
        torch.testing.assert_close(y[row], torch.tensor(c), atol=1e-5, rtol=1e-5)
