"""Weights of fields, against their formula in plain numbers."""

import math

import pytest
import torch
from torch import nn

from torch_rechub.basic.layers import CEN, SENETLayer


@pytest.mark.parametrize("gate", [nn.ReLU, nn.Sigmoid])
def test_squeeze_and_excitation_is_its_formula(gate):
    layer = SENETLayer(4, reduction_ratio=2, gate=gate)
    x = torch.randn(5, 4, 3)
    w_1, w_2 = layer.mlp[0].weight.tolist(), layer.mlp[2].weight.tolist()
    assert (len(w_1), len(w_2)) == (2, 4)
    for row, found in zip(x.tolist(), layer(x).tolist()):
        z = [sum(field) / 3 for field in row]
        hidden = [max(0.0, sum(w * v for w, v in zip(ws, z))) for ws in w_1]
        a = [sum(w * v for w, v in zip(ws, hidden)) for ws in w_2]
        a = [max(0.0, v) if gate is nn.ReLU else 1 / (1 + math.exp(-v)) for v in a]
        for field, weight, expected in zip(row, a, found):
            assert [weight * v for v in field] == pytest.approx(expected, abs=1e-5)


def test_fields_may_differ_in_width_and_few_fields_keep_one_unit():
    layer = SENETLayer(2, reduction_ratio=3)
    assert layer.mlp[0].out_features == 1
    a, b = layer.weighted([torch.ones(3, 2), torch.ones(3, 7)])
    assert (a.shape, b.shape) == ((3, 2), (3, 7))
    same = layer(torch.ones(3, 2, 4))
    torch.testing.assert_close(torch.stack([a[:, 0], b[:, 0]], dim=1), same[:, :, 0])


@pytest.mark.parametrize(("crosses", "ratio"), [(3, 1), (3, 5)])
def test_cen_weighs_each_crossed_field(crosses, ratio, perceptron):
    layer, e = CEN(4, crosses, ratio).eval(), torch.randn(5, crosses, 4)
    excitation, u = perceptron(layer.mlp_att, 2), layer.u.tolist()
    for row, found in zip(e.tolist(), layer(e).tolist()):
        d = [max(0.0, sum(a * b for a, b in zip(*pair))) for pair in zip(u, row)]
        s = excitation(d)
        expected = [s[p] * v for p in range(crosses) for v in row[p]]
        assert found == pytest.approx(expected, abs=1e-5)
    assert layer.mlp_att.mlp[0].out_features == max(1, crosses // ratio)
