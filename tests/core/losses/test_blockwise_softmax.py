"""The softmax over many candidates, block by block, next to a naive loop and torch's own loss."""

import math

import pytest
import torch
from torch.nn import functional as F

from torch_rechub.losses import blockwise_softmax as module
from torch_rechub.losses.blockwise_softmax import softmax_loss

N, M, D = 9, 6, 3


@pytest.fixture(params=[1, 13, 2**21], ids="{}-numbers".format)
def block(request, monkeypatch):
    monkeypatch.setattr(module, "BLOCK_NUMBERS", request.param)
    monkeypatch.setattr(module, "MIN_ROWS", 1)


def inputs(n=N, m=M, seed=0):
    torch.manual_seed(seed)
    h, v = torch.randn(n, D, requires_grad=True), torch.randn(m, D, requires_grad=True)
    return h, v, torch.randint(0, m, (n,))


def excluded_pairs(target):
    """For rows 1, 4 and 5, a candidate or two that are not their target."""
    pairs = [(i, j) for i, k in ((1, 1), (4, 2), (5, 1)) for j in range(k) if j != target[i]]
    row, column = zip(*pairs, strict=True)
    return torch.tensor(row), torch.tensor(column)


def naive(h, v, target, bias, weight, excluded):
    """The formula, number by number."""
    left_out = set(zip(*(part.tolist() for part in excluded), strict=True))
    total = 0.0
    for i, t in enumerate(target.tolist()):
        scores = {
            j: (h[i] @ v[j] + bias[j]).item() for j in range(len(v)) if (i, j) not in left_out
        }
        below = sum(math.exp(score) for score in scores.values())
        total -= weight[i].item() * math.log(math.exp(scores[t]) / below)
    return total / weight.sum().item()


@pytest.mark.usefixtures("block")
def test_it_is_the_formula():
    h, v, target = inputs()
    bias, weight, excluded = torch.randn(M), torch.rand(N), excluded_pairs(target)
    found = softmax_loss(h, v, target, bias, weight, excluded)
    assert found.item() == pytest.approx(naive(h, v, target, bias, weight, excluded), abs=1e-5)


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("excluding", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_its_gradients_are_those_of_the_matrix_of_scores(biased, excluding, weighted):
    h, v, target = inputs()
    bias = torch.randn(M, requires_grad=True) if biased else None
    excluded = excluded_pairs(target) if excluding else None
    weight = torch.rand(N) if weighted else None
    found = softmax_loss(h, v, target, bias, weight, excluded)
    (3 * found).backward()
    leaves = [leaf for leaf in (h, v, bias) if leaf is not None]
    gradients = [leaf.grad for leaf in leaves]
    for leaf in leaves:
        leaf.grad = None
    scores = h @ v.T + (0 if bias is None else bias)
    if excluded is not None:
        scores[excluded] = -torch.inf
    losses = F.cross_entropy(scores, target, reduction="none")
    expected = losses.mean() if weight is None else (losses * weight).sum() / weight.sum()
    (3 * expected).backward()
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(gradients, [leaf.grad for leaf in leaves])


def test_large_scores_do_not_overflow():
    h, v, target = inputs()
    found = softmax_loss(1000 * h, 1000 * v, target)
    torch.testing.assert_close(found, F.cross_entropy(1e6 * (h @ v.T), target))


def test_one_candidate_has_no_loss_and_no_gradient():
    h, v, target = inputs(m=1)
    loss = softmax_loss(h, v, target)
    loss.backward()
    assert loss.item() == 0
    assert not h.grad.any()
    assert not v.grad.any()


def test_no_rows_are_no_loss():
    h, v, target = inputs(n=0)
    loss = softmax_loss(h, v, target)
    loss.backward()
    assert loss.item() == 0
    assert not v.grad.any()


def test_half_precision_is_computed_in_single():
    h, v, target = inputs()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = softmax_loss(h, v, target)
    torch.testing.assert_close(found, F.cross_entropy(h @ v.T, target))


def test_no_matrix_of_scores_is_kept():
    h, v, target = inputs(n=500, m=60)
    kept = softmax_loss(h, v, target).grad_fn.gradients
    assert [part.shape for part in kept[:2]] == [h.shape, v.shape]
    assert kept[2] is None
