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


def two_layers(mlp):
    """Two linear layers, each with a ReLU, for one row, in plain numbers."""

    def compute(x):
        for layer in (mlp[0], mlp[2]):
            rows = zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)
            x = [max(0.0, b + sum(w * v for w, v in zip(ws, x, strict=True))) for ws, b in rows]
        return x

    return compute


@pytest.mark.parametrize(("crosses", "ratio"), [(3, 1), (3, 5)])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_compose_excitation_weighs_each_vector(crosses, ratio, batch_norm, perceptron):
    layer = CEN(4, crosses, ratio, batch_norm=batch_norm).eval()
    e, u = torch.randn(5, crosses, 4), layer.u.tolist()
    excitation = perceptron(layer.mlp_att, 2) if batch_norm else two_layers(layer.mlp_att)
    for row, found in zip(e.tolist(), layer(e).tolist()):
        d = [max(0.0, sum(a * b for a, b in zip(*pair))) for pair in zip(u, row)]
        s = excitation(d)
        expected = [s[p] * v for p in range(crosses) for v in row[p]]
        assert found == pytest.approx(expected, abs=1e-5)
    first = next(m for m in layer.mlp_att.modules() if isinstance(m, nn.Linear))
    assert first.out_features == max(1, crosses // ratio)


def test_compose_excitation_begins_at_one_where_vectors_are_small():
    e = 1e-4 * torch.randn(5, 9, 4)
    weights = CEN(4, 9, 2)(e) / e.flatten(1)
    # Σ |w h| over four hidden units, with |w| ≤ 1/√4 and |h| ≤ 1/√9
    assert ((weights - 1).abs() <= 2 / 3 + 1e-3).all()


def test_a_layer_with_batch_normalization_says_how_it_loads():
    old = CEN(4, 3, 1, batch_norm=True).state_dict()
    with pytest.raises(RuntimeError, match=r"mlp_att: .* 0\.9.* CEN\(…, batch_norm=True\)"):
        CEN(4, 3, 1).load_state_dict(old)
