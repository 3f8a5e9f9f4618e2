"""Self-attention over steps and over fields against its formula; masked steps have no effect."""

import math

import pytest
import torch
from torch.nn import functional as F

from torch_rechub.basic.layers import (
    InteractingLayer,
    MultiHeadSelfAttention,
    PointWiseFeedForward,
)

MASK = torch.tensor([[1, 1, 1, 1], [0, 0, 1, 1], [1, 1, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0]]).bool()


def naive(layer, x, valid, causal, bias=None):
    """One sequence (L, D), read by the loops of the formula; bias (H, L, L)."""
    q, k, v = (w(x).tolist() for w in (layer.w_q, layer.w_k, layer.w_v))
    d = x.shape[1] // layer.num_heads
    out = []
    for i in range(len(x)):
        readable = [j for j in range(len(x)) if j == i or (valid[j] and (j < i or not causal))]
        joined = []
        for h in range(layer.num_heads):
            part = range(h * d, (h + 1) * d)
            b = [0.0 if bias is None else float(bias[h, i, j]) for j in readable]
            dots = [sum(q[i][c] * k[j][c] for c in part) / math.sqrt(d) for j in readable]
            e = [math.exp(dot + of_pair) for dot, of_pair in zip(dots, b)]
            joined += [
                sum(weight * v[j][c] for weight, j in zip(e, readable)) / sum(e) for c in part
            ]
        out.append(joined)
    return layer.w_o(torch.tensor(out))


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("num_heads", [1, 3])
def test_it_is_its_formula(causal, num_heads):
    layer = MultiHeadSelfAttention(6, num_heads, dropout=0.5, causal=causal).eval()
    x = torch.randn(5, 4, 6)
    found = layer(x, MASK)
    expected = [naive(layer, row, valid, causal) for row, valid in zip(x, MASK.tolist())]
    torch.testing.assert_close(found, torch.stack(expected))
    torch.testing.assert_close(layer(x[:1], MASK[:1].long()), found[:1])


@pytest.mark.parametrize("causal", [True, False])
def test_a_bias_is_added_to_the_dot_products(causal):
    layer, x = MultiHeadSelfAttention(6, num_heads=3, causal=causal), torch.randn(5, 4, 6)
    bias = torch.randn(1, 3, 4, 4)
    rows = zip(x, MASK.tolist())
    expected = [naive(layer, row, valid, causal, bias[0]) for row, valid in rows]
    torch.testing.assert_close(layer(x, MASK, bias), torch.stack(expected))


def test_a_step_reads_nothing_after_it_and_no_padding():
    layer = MultiHeadSelfAttention(6, 2)
    x = torch.randn(1, 4, 6, requires_grad=True)
    mask = torch.tensor([[True, False, True, True]])
    for i in range(4):
        (grad,) = torch.autograd.grad(layer(x, mask)[0, i].sum(), x)
        read = (grad[0] != 0).any(dim=1).tolist()
        assert read == [j == i or (j < i and mask[0, j].item()) for j in range(4)]


def test_padding_alone_gives_finite_numbers_and_gradients():
    layer = MultiHeadSelfAttention(6, 2, dropout=0.3)
    x = torch.randn(3, 4, 6, requires_grad=True)
    y = layer(x, torch.zeros(3, 4))
    y.square().sum().backward()
    assert y.isfinite().all()
    assert x.grad.isfinite().all()


def test_weights_are_dropped_while_training_alone():
    layer = MultiHeadSelfAttention(6, 1, dropout=0.5)
    x, mask = torch.randn(2, 8, 6), torch.ones(2, 8)
    assert not torch.equal(layer(x, mask), layer(x, mask))
    layer.eval()
    assert torch.equal(layer(x, mask), layer(x, mask))


def test_the_width_must_divide():
    with pytest.raises(ValueError, match="the width 6 must be a multiple of num_heads=4"):
        MultiHeadSelfAttention(6, 4)


def test_padding_on_the_left_shifts_the_result():
    layer = MultiHeadSelfAttention(6, 2).eval()
    x, mask = torch.randn(2, 3, 6), torch.ones(2, 3)
    shifted = layer(F.pad(x, (0, 0, 2, 0)), F.pad(mask, (2, 0)))
    torch.testing.assert_close(shifted[:, 2:], layer(x, mask))


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("num_heads", [1, 2])
def test_interacting_fields_are_the_formula(num_heads, residual):
    layer, x = (
        InteractingLayer(4, num_heads, dropout=0.5, residual=residual).eval(),
        torch.randn(3, 5, 4),
    )
    found = layer(x)
    d = 4 // num_heads
    for row in range(3):
        q, k, v = (w(x[row]).tolist() for w in (layer.W_Q, layer.W_K, layer.W_V))
        for m in range(5):
            read = []
            for h in range(num_heads):
                part = range(h * d, (h + 1) * d)
                scores = [sum(q[m][c] * k[f][c] for c in part) / math.sqrt(d) for f in range(5)]
                e = [math.exp(score) for score in scores]
                read += [sum(e[f] * v[f][c] for f in range(5)) / sum(e) for c in part]
            expected = torch.tensor(read)
            if residual:
                expected = expected + layer.W_Res(x[row, m])
            torch.testing.assert_close(found[row, m], expected.relu(), atol=1e-5, rtol=1e-5)


def test_the_width_of_fields_must_divide_too():
    with pytest.raises(ValueError, match="the width 6 must be a multiple of num_heads=4"):
        InteractingLayer(6, 4)


def test_the_point_wise_network_is_its_formula_at_every_step():
    layer = PointWiseFeedForward(4, 0.5).eval()
    x = torch.randn(2, 3, 4)
    weights = [(w.weight.tolist(), w.bias.tolist()) for w in (layer.w_1, layer.w_2)]
    found = layer(x).reshape(6, 4).tolist()
    for step, y in zip(x.reshape(6, 4).tolist(), found):
        for number, (weight, bias) in enumerate(weights):
            step = [b + sum(w * v for w, v in zip(row, step)) for row, b in zip(weight, bias)]
            step = [max(0.0, v) for v in step] if number == 0 else step
        assert y == pytest.approx(step, abs=1e-5)
    assert (layer.train()(x) == layer(x)).sum() < 24  # dropout
