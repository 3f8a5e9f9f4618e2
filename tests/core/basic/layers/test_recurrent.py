"""AUGRU against its formula, step by step."""

import torch
from torch.nn import functional as F

from torch_rechub.basic.layers import AUGRU, AUGRU_Cell

MASK = torch.tensor([[1, 1, 1], [0, 1, 0], [0, 0, 0], [1, 0, 1]]).bool()


def next_state(cell, x, h, a):
    """One step for one row, gate by gate."""
    u = torch.sigmoid(cell.Wu.T @ x + cell.Uu.T @ h + cell.bu[0])
    r = torch.sigmoid(cell.Wr.T @ x + cell.Ur.T @ h + cell.br[0])
    new = torch.tanh(cell.Wh.T @ x + r * (cell.Uh.T @ h) + cell.bh[0])
    return (1 - a * u) * h + a * u * new


def test_a_cell_is_its_formula():
    cell = AUGRU_Cell(4)
    for b in (cell.bu, cell.br, cell.bh):
        torch.nn.init.normal_(b)
    x, h, a = torch.randn(3, 4), torch.randn(3, 4), torch.rand(3, 1)
    found = cell(x, h, a)
    for row in range(3):
        expected = next_state(cell, x[row], h[row], a[row])
        torch.testing.assert_close(found[row], expected, atol=1e-5, rtol=1e-5)


def test_the_update_gate_is_scaled_by_the_attention_of_the_target():
    layer = AUGRU(4)
    x, item = torch.randn(4, 3, 4), torch.randn(4, 4)
    states, last = layer(x, item, MASK)
    for row in range(4):
        valid = [t for t in range(3) if MASK[row, t]]
        scores = torch.tensor([(x[row, t] @ layer.Wa @ item[row]).item() for t in valid])
        h = torch.zeros(4)
        for t, a in zip(valid, scores.softmax(0)):
            h = next_state(layer.augru_cell, x[row, t], h, a)
            torch.testing.assert_close(states[row, t], h, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(last[row], h, atol=1e-5, rtol=1e-5)


def test_padding_leaves_the_state_as_it_is():
    layer = AUGRU(4)
    x, item, mask = torch.randn(2, 3, 4), torch.randn(2, 4), torch.ones(2, 3)
    expected = layer(x, item)[1]
    for left, right in ((2, 0), (0, 2)):
        padded = F.pad(x, (0, 0, left, right), value=7.0)
        found = layer(padded, item, F.pad(mask, (left, right)))[1]
        torch.testing.assert_close(found, expected)
    assert torch.equal(layer(x[:, :0], item, mask[:, :0])[1], torch.zeros(2, 4))
