"""Losses of the order within groups, against loops over pairs and lists."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from torch_rechub.losses import GroupBPR, LambdaRank, ListNet, RankNet


def rows(n=40, n_groups=7, n_labels=4, seed=0):
    """Scores, labels and groups of rows in mixed order; equal scores and lone rows among them."""
    rng = np.random.default_rng(seed)
    scores = np.round(rng.normal(size=n), 1)
    groups = rng.integers(0, n_groups, n) * 1000 - 3
    groups[0] = 99999  # a group of one row
    return scores.tolist(), rng.integers(0, n_labels, n).astype(float).tolist(), groups.tolist()


def members(groups, g):
    return [i for i, group in enumerate(groups) if group == g]


def pairs(labels, groups, above):
    n = range(len(labels))
    return [(i, j) for i, j in product(n, n) if groups[i] == groups[j] and above(i, j)]


def ranknet(s, y, g, sigma=1.0):
    found = pairs(y, g, lambda i, j: y[i] > y[j])
    return [math.log(1 + math.exp(-sigma * (s[i] - s[j]))) for i, j in found]


def bpr(s, y, g):
    found = pairs(y, g, lambda i, j: y[i] > 0 and y[j] == 0)
    return [math.log(1 + math.exp(s[j] - s[i])) for i, j in found]


def ndcg(order, y, k):
    gains = [(2 ** y[i] - 1) / math.log2(r + 1) for r, i in enumerate(order, 1) if r <= k]
    return sum(gains)


def lambdarank(s, y, g, sigma=1.0, k=math.inf):
    """The change of NDCG is measured by swapping two rows of the ranked list."""
    terms = []
    for group in sorted(set(g)):
        rows = members(g, group)
        order = sorted(rows, key=lambda i: -s[i])  # stable: of equal scores the first is first
        ideal = ndcg(sorted(rows, key=lambda i: -y[i]), y, k)
        total, count = 0.0, 0
        for i, j in product(rows, rows):
            if y[i] > y[j]:
                swapped = [j if row == i else i if row == j else row for row in order]
                delta = abs(ndcg(order, y, k) - ndcg(swapped, y, k)) / ideal
                total += delta * math.log(1 + math.exp(-sigma * (s[i] - s[j])))
                count += 1
        if count:
            terms.append(total)
    return terms


def listnet(s, y, g):
    terms = []
    for group in sorted(set(g)):
        rows = members(g, group)
        if len({y[i] for i in rows}) > 1:
            p, q = (sum(math.exp(v[i]) for i in rows) for v in (y, s))
            terms.append(-sum(math.exp(y[i]) / p * math.log(math.exp(s[i]) / q) for i in rows))
    return terms


LOSSES = {
    "bpr": (GroupBPR, {}, bpr),
    "ranknet": (RankNet, {}, ranknet),
    "ranknet, sigma": (RankNet, {"sigma": 2.0}, lambda *a: ranknet(*a, sigma=2.0)),
    "lambdarank": (LambdaRank, {}, lambdarank),
    "lambdarank@3": (LambdaRank, {"k": 3, "sigma": 0.5}, lambda *a: lambdarank(*a, 0.5, 3)),
    "listnet": (ListNet, {}, listnet),
}
losses = pytest.mark.parametrize(
    ("loss", "arguments", "formula"), LOSSES.values(), ids=LOSSES.keys()
)


def tensors(scores, labels, groups):
    return torch.tensor(scores).double(), torch.tensor(labels), torch.tensor(groups)


@losses
@pytest.mark.parametrize("n_labels", [2, 4])
def test_a_loss_is_its_formula(loss, arguments, formula, n_labels):
    given = rows(n_labels=n_labels)
    terms = formula(*given)
    assert len(terms) > 3
    s, y, g = tensors(*given)
    found = loss(**arguments, reduction="none")(s, y, g)
    assert sorted(found.tolist()) == pytest.approx(sorted(terms))
    assert loss(**arguments, reduction="sum")(s, y, g).item() == pytest.approx(sum(terms))
    mean = sum(terms) / len(terms)
    assert loss(**arguments)(s, y, g).item() == pytest.approx(mean)


@losses
def test_gradients_are_those_of_finite_differences(loss, arguments, formula):
    s, y, g = tensors(*rows(n=15, n_groups=3))
    s = (s + torch.arange(15) * 1e-3).requires_grad_()  # no ties, so that no rank changes
    assert gradcheck(lambda scores: loss(**arguments)(scores, y, g), s, eps=1e-7, atol=1e-5)


@losses
def test_groups_of_equal_labels_do_not_count(loss, arguments, formula):
    s, g = torch.randn(6, requires_grad=True), torch.tensor([1, 1, 1, 2, 2, 3])
    y = torch.tensor([1.0, 1, 1, 0, 0, 1])
    value = loss(**arguments)(s, y, g)
    value.backward()
    assert value == 0
    assert s.grad.tolist() == [0] * 6
    with_one_more = loss(**arguments)(torch.cat([s, s[:2]]), torch.tensor([*y, 1.0, 0.0]),
                                      torch.tensor([*g, 9, 9]))  # fmt: skip
    alone = loss(**arguments)(s[:2], torch.tensor([1.0, 0.0]), torch.tensor([9, 9]))
    assert with_one_more.item() == pytest.approx(alone.item())


@pytest.mark.parametrize("loss", [GroupBPR, RankNet, ListNet])
def test_a_row_of_weight_two_counts_as_two_rows(loss):
    s, y, g = tensors(*rows(n_labels=3))
    w = torch.randint(0, 4, (len(s),))
    repeated = [t.repeat_interleave(w) for t in (s, y, g)]
    assert loss()(s, y, g, w).item() == pytest.approx(loss()(*repeated).item())


def test_lambdarank_refuses_weights_of_rows():
    s, y, g = tensors(*rows())
    with pytest.raises(ValueError, match="LambdaRank takes no weights of rows"):
        LambdaRank()(s, y, g, torch.ones(len(s)))


def test_large_scores_do_not_overflow():
    s = torch.tensor([-500.0, 500.0], requires_grad=True)
    for loss in (GroupBPR(), RankNet(), LambdaRank(), ListNet()):
        value = loss(s, torch.tensor([1.0, 0.0]), torch.tensor([4, 4]))
        assert torch.isfinite(value)
        assert torch.isfinite(torch.autograd.grad(value, s)[0]).all()
