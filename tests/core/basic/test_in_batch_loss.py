"""The softmax over a batch's items, block by block, beside a naive loop and torch's own loss."""

import math

import pytest
import torch
from torch.nn import functional as F

from torch_rechub.basic import in_batch_loss
from torch_rechub.basic.in_batch import in_batch_scores, repeated_items
from torch_rechub.basic.in_batch_loss import in_batch_softmax_loss


@pytest.fixture(params=[1, 13, 2**19], ids="{}-numbers".format)
def block(request, monkeypatch):
    monkeypatch.setattr(in_batch_loss, "BLOCK_NUMBERS", request.param)


def vectors(n, d=3, seed=0):
    torch.manual_seed(seed)
    return [torch.randn(n, d, requires_grad=True) for _ in range(2)]


def naive(u, v, items, log_q, weight):
    """The formula, number by number."""
    total, n = 0.0, len(u)
    for i in range(n):
        scores = {
            j: (u[i] @ v[j]).item() - log_q[j] for j in range(n) if j == i or items[j] != items[i]
        }
        below = sum(math.exp(s) for s in scores.values())
        total -= weight[i] * math.log(math.exp(scores[i]) / below)
    return total / sum(weight)


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("n", [1, 2, 7, 30])
def test_it_is_the_formula(n):
    u, v = vectors(n)
    items = torch.arange(n) % 4
    log_q, weight = torch.randn(n), torch.rand(n)
    found = in_batch_softmax_loss(u, v, repeated_items(items), log_q, weight)
    expected = naive(u, v, items.tolist(), log_q.tolist(), weight.tolist())
    assert found.item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("items", [None, [0, 1, 2, 1, 1, 3, 4, 0]])
@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize("positives", [None, [1, 0, 1, 1, 0, 0, 1, 1]])
def test_its_gradients_are_those_of_the_matrix_of_scores(items, corrected, positives):
    n = 8
    u, v = vectors(n)
    same = groups = weight = None
    if items is not None:
        groups = torch.tensor(items)
        same = repeated_items(groups)
    log_q = torch.randn(n) if corrected else None
    rows = torch.ones(n, dtype=torch.bool)
    if positives is not None:
        rows = torch.tensor(positives, dtype=torch.bool)
        weight = rows.float()
    found = in_batch_softmax_loss(u, v, same, log_q, weight)
    (3 * found).backward()
    gradients, u.grad, v.grad = (u.grad, v.grad), None, None
    scores = in_batch_scores(u, v, groups) - (0 if log_q is None else log_q)
    expected = F.cross_entropy(scores[rows], torch.arange(n)[rows])
    (3 * expected).backward()
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(gradients, (u.grad, v.grad))


def test_large_scores_do_not_overflow():
    u, v = (1000 * x.detach() for x in vectors(6))
    found = in_batch_softmax_loss(u, v)
    torch.testing.assert_close(found, F.cross_entropy(u @ v.T, torch.arange(6)))


def test_a_batch_of_one_has_no_loss_and_no_gradient():
    u, v = vectors(1)
    loss = in_batch_softmax_loss(u, v)
    loss.backward()
    assert loss.item() == 0
    assert not u.grad.any()
    assert not v.grad.any()


def test_no_matrix_of_scores_is_kept():
    u, v = vectors(4000, d=2)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: kept.append(t.numel()) or t, lambda t: t
    ):
        in_batch_softmax_loss(u, v)
    assert sum(kept) == u.numel() + v.numel()
