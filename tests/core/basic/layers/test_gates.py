"""The gates against their formula."""

import math

import pytest
import torch

from torch_rechub.basic.layers.gates import GateNU


def test_gate_nu_is_its_formula():
    gate = GateNU(3, 2)
    x = torch.randn(4, 3)
    (w, b, w2, b2) = (p.detach().double().tolist() for p in gate.parameters())
    for row, found in zip(x.tolist(), gate(x).tolist()):
        h = [max(0.0, c + sum(p * q for p, q in zip(v, row))) for v, c in zip(w, b)]
        z = [c + sum(p * q for p, q in zip(v, h)) for v, c in zip(w2, b2)]
        assert found == pytest.approx([2 / (1 + math.exp(-v)) for v in z], abs=1e-5)
