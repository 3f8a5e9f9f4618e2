"""The gates against their formulas, in plain numbers."""

import math

import pytest
import torch

from torch_rechub.basic.layers import GateNU, MaskBlock


def linear(layer, x):
    bias = [0.0] * layer.out_features if layer.bias is None else layer.bias.tolist()
    rows = zip(layer.weight.tolist(), bias, strict=True)
    return [b + math.fsum(w * v for w, v in zip(row, x, strict=True)) for row, b in rows]


def test_gate_nu_is_its_formula():
    gate = GateNU(3, 2)
    x = torch.randn(4, 3)
    for row, found in zip(x.tolist(), gate(x).tolist()):
        hidden = [max(0.0, v) for v in linear(gate.hidden, row)]
        z = linear(gate.output, hidden)
        assert found == pytest.approx([2 / (1 + math.exp(-v)) for v in z], abs=1e-5)


@pytest.mark.parametrize("ratio", [0.5, 2.0])
def test_a_mask_block_is_its_formula(ratio):
    block = MaskBlock(4, 6, 3, ratio)
    torch.nn.init.normal_(block.norm.weight)
    torch.nn.init.normal_(block.norm.bias)
    assert block.mask[0].out_features == int(4 * ratio)
    h, e = torch.randn(5, 4), torch.randn(5, 6)
    weight, bias = block.norm.weight.tolist(), block.norm.bias.tolist()
    for h_row, e_row, found in zip(h.tolist(), e.tolist(), block(h, e).tolist()):
        hidden = [max(0.0, v) for v in linear(block.mask[0], e_row)]
        m = linear(block.mask[2], hidden)
        z = linear(block.fc, [a * b for a, b in zip(m, h_row, strict=True)])
        mean = math.fsum(z) / 3
        deviation = math.sqrt(math.fsum((v - mean) ** 2 for v in z) / 3 + 1e-5)
        y = [max(0.0, (v - mean) / deviation * w + b) for v, w, b in zip(z, weight, bias)]
        assert found == pytest.approx(y, abs=1e-5)


def test_a_mask_without_a_hidden_unit_is_refused():
    with pytest.raises(ValueError, match=r"ratio=0\.2 leaves no hidden unit next to 4 inputs"):
        MaskBlock(4, 6, 3, 0.2)
