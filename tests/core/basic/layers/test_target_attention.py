"""The activation unit of DIN against its formula; padding takes no part in it."""

import math

import pytest
import torch

from torch_rechub.basic.layers import ActivationUnit
from torch_rechub.basic.layers.target_attention import masked_softmax

MASK = torch.tensor([[1, 1, 1], [0, 1, 0], [0, 0, 0], [1, 0, 1]]).bool()


@pytest.mark.parametrize("use_softmax", [False, True])
def test_it_is_its_formula(use_softmax, perceptron):
    unit = ActivationUnit(4, [5], "relu", use_softmax).eval()
    history, target = torch.randn(4, 3, 4), torch.randn(4, 4)
    attention = perceptron(unit.attention, 1)
    found = unit(history, target, MASK).tolist()
    for row in range(4):
        v = target[row].tolist()
        steps = [history[row, j].tolist() for j in range(3) if MASK[row, j]]
        a = []
        for e in steps:
            apart, together = [p - q for p, q in zip(v, e)], [p * q for p, q in zip(v, e)]
            a += attention([*v, *e, *apart, *together])
        if use_softmax:
            a = [math.exp(w) / sum(map(math.exp, a)) for w in a]
        expected = [math.fsum(w * e[d] for w, e in zip(a, steps)) for d in range(4)]
        assert found[row] == pytest.approx(expected, abs=1e-5)


def test_without_a_mask_every_step_counts():
    unit = ActivationUnit(4)
    history, target = torch.randn(2, 3, 4), torch.randn(2, 4)
    expected = unit.eval()(history, target, torch.ones(2, 3))
    assert torch.equal(unit(history, target), expected)
    assert unit.attention.mlp[0].out_features == 36


def test_the_batch_normalization_sees_no_padding():
    unit = ActivationUnit(4, [5])
    history, target = torch.randn(4, 3, 4), torch.randn(4, 4)
    seen = []
    unit.attention.register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
    first = unit(history, target, MASK)
    changed = torch.where(MASK.unsqueeze(2), history, 99.0)
    torch.testing.assert_close(unit(changed, target, MASK), first)
    assert seen == [6, 6]


@pytest.mark.parametrize("training", [True, False])
def test_a_batch_without_any_history_gives_zeros(training):
    unit = ActivationUnit(4, [5]).train(training)
    for length in (0, 2):
        y = unit(torch.randn(3, length, 4), torch.randn(3, 4), torch.zeros(3, length))
        assert torch.equal(y, torch.zeros(3, 4))


def test_a_masked_softmax_is_that_of_the_valid_steps():
    scores = torch.randn(4, 3, requires_grad=True)
    weights = masked_softmax(scores, MASK)
    for row in range(4):
        torch.testing.assert_close(weights[row][MASK[row]], scores[row][MASK[row]].softmax(0))
        assert (weights[row][~MASK[row]] == 0).all()
    weights.square().sum().backward()
    assert scores.grad.isfinite().all()
