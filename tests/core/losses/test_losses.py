"""Losses of scores, against loops written from their formulas."""

import math

import pytest
import torch
import torch.nn.functional as F

from torch_rechub.basic.loss_func import BPRLoss, HingeLoss, InBatchNCELoss, NCELoss


@pytest.fixture
def scores():
    return torch.randn(6, dtype=torch.float64), torch.randn(6, 4, dtype=torch.float64)


def hinge(p, negatives, margin, num_items=None):
    within = [margin - p + q for q in negatives if margin - p + q > 0]
    weight = 1.0
    if num_items is not None:
        weight = math.log(1 + num_items * len(within) / len(negatives))
    return weight * max(within, default=0.0)


def bpr(p, negatives):
    return sum(math.log(1 + math.exp(q - p)) for q in negatives) / len(negatives)


PAIRWISE = {
    "hinge": (HingeLoss, {}, lambda p, q: hinge(p, q, 2)),
    "hinge, margin": (HingeLoss, {"margin": 0.3}, lambda p, q: hinge(p, q, 0.3)),
    "hinge, items": (HingeLoss, {"num_items": 50}, lambda p, q: hinge(p, q, 2, 50)),
    "bpr": (BPRLoss, {}, bpr),
}
pairwise = pytest.mark.parametrize(
    ("loss", "arguments", "formula"), PAIRWISE.values(), ids=PAIRWISE.keys()
)


@pairwise
def test_a_pairwise_loss_is_its_formula_on_each_row(loss, arguments, formula, scores):
    pos, neg = scores
    rows = [formula(p, q) for p, q in zip(pos.tolist(), neg.tolist())]
    assert loss(**arguments)(pos, neg).item() == pytest.approx(sum(rows) / len(rows))
    assert loss(**arguments, reduction="sum")(pos, neg).item() == pytest.approx(sum(rows))
    assert loss(**arguments, reduction="none")(pos, neg).tolist() == pytest.approx(rows)


@pairwise
def test_one_negative_a_row_is_compared_with_its_own_row(loss, arguments, formula, scores):
    pos, neg = scores[0], scores[1][:, 0]
    rows = [formula(p, [q]) for p, q in zip(pos.tolist(), neg.tolist())]
    for q in (neg, neg.unsqueeze(1)):
        assert loss(**arguments, reduction="none")(pos, q).tolist() == pytest.approx(rows)


@pairwise
def test_positives_may_be_a_column(loss, arguments, formula, scores):
    pos, neg = scores
    criterion = loss(**arguments)
    assert criterion(pos[:, None], neg) == criterion(pos, neg)
    assert criterion(pos[:, None], neg[:, :1]) == criterion(pos, neg[:, 0])
    assert criterion(pos[:, None], neg[:, 0]) == criterion(pos, neg[:, 0])


@pairwise
def test_scores_of_each_step_of_a_sequence_are_pairs(loss, arguments, formula):
    pos, neg = torch.randn(2, 3, 5)
    criterion = loss(**arguments)
    assert criterion(pos, neg).item() == pytest.approx(criterion(pos.ravel(), neg.ravel()).item())


@pairwise
def test_where_negatives_come_from_does_not_change_the_loss(loss, arguments, formula, scores):
    criterion = loss(**arguments)
    assert criterion(*scores, in_batch_neg=True) == criterion(*scores)
    square = scores[1][:4]
    assert criterion(scores[0][:4], square, True) == criterion(scores[0][:4], square)


@pairwise
def test_pairwise_losses_refuse_shapes_that_do_not_fit(loss, arguments, formula):
    for neg in (torch.zeros(4), torch.zeros(4, 3), torch.zeros(3, 0), torch.tensor(1.0)):
        with pytest.raises(ValueError, match=r"positives of shape \(3,\) need negatives"):
            loss(**arguments)(torch.zeros(3), neg)


@pairwise
def test_pairwise_losses_push_positives_up_and_negatives_down(loss, arguments, formula):
    pos, neg = torch.zeros(3, requires_grad=True), torch.zeros(3, 2, requires_grad=True)
    loss(**arguments)(pos, neg).backward()
    assert (pos.grad < 0).all()
    assert (neg.grad >= 0).all()
    assert neg.grad.sum() > 0


@pytest.mark.parametrize("gap", [200.0, 1e4])
def test_bpr_of_a_hopeless_positive_is_finite_and_has_a_gradient(gap):
    pos = torch.zeros(1, requires_grad=True)
    loss = BPRLoss()(pos, torch.tensor([gap]))
    assert loss.item() == pytest.approx(gap)  # ln(1 + e^x) → x
    loss.backward()
    assert pos.grad.item() == pytest.approx(-1.0)


def test_hinge_without_a_violation_is_0():
    assert HingeLoss()(torch.tensor([5.0]), torch.tensor([[1.0, 3.0]])).item() == 0.0
    assert HingeLoss(num_items=9)(torch.tensor([5.0]), torch.tensor([[1.0, 3.0]])).item() == 0.0


def test_only_the_hardest_negative_has_a_gradient_in_hinge():
    neg = torch.tensor([[0.5, 1.0, -3.0]], requires_grad=True)
    HingeLoss()(torch.tensor([0.0]), neg).backward()
    assert neg.grad.tolist() == [[0.0, 1.0, 0.0]]


def test_the_rank_weight_of_hinge_scales_its_gradient_alone():
    pos = torch.zeros(1, requires_grad=True)
    HingeLoss(num_items=10)(pos, torch.tensor([[1.0, 0.5, -9.0, -9.0]])).backward()
    assert pos.grad.item() == pytest.approx(-math.log(1 + 10 * 2 / 4))


# Cross-entropy over all candidates


def cross_entropy(logits, target, temperature=1.0):
    total = sum(math.exp(z / temperature) for z in logits)
    return math.log(total) - logits[target] / temperature


def test_nce_is_softmax_cross_entropy_of_the_rows_that_count():
    logits, targets = torch.randn(4, 5, dtype=torch.float64), torch.tensor([1, 0, 4, 2])
    rows = [cross_entropy(z, t, 0.3) if t else 0.0 for z, t in zip(logits.tolist(), targets)]
    assert NCELoss(0.3)(logits, targets).item() == pytest.approx(sum(rows) / 3)
    assert NCELoss(0.3, reduction="sum")(logits, targets).item() == pytest.approx(sum(rows))
    assert NCELoss(0.3, reduction="none")(logits, targets).tolist() == pytest.approx(rows)


def test_nce_counts_candidate_0_where_another_target_is_ignored():
    logits, targets = torch.randn(3, 5), torch.tensor([0, -100, 2])
    expected = F.cross_entropy(logits, targets).item()
    assert NCELoss(ignore_index=-100)(logits, targets).item() == pytest.approx(expected)


def test_nce_of_sequences_is_that_of_their_steps():
    logits, targets = torch.randn(2, 3, 5), torch.tensor([[0, 1, 2], [4, 0, 3]])
    flat = NCELoss()(logits.view(6, 5), targets.view(6))
    assert NCELoss()(logits, targets).item() == pytest.approx(flat.item())
    assert NCELoss(reduction="none")(logits, targets).shape == (2, 3)


def test_nce_takes_short_integers():
    logits, targets = torch.randn(3, 5), torch.tensor([1, 2, 3])
    assert NCELoss()(logits, targets.int()) == NCELoss()(logits, targets)


def test_in_batch_nce_is_nce_of_inner_products():
    users, items = torch.randn(3, 4, dtype=torch.float64), torch.randn(6, 4, dtype=torch.float64)
    targets = torch.tensor([5, 0, 2])
    logits = [[sum(a * b for a, b in zip(u, i)) for i in items.tolist()] for u in users.tolist()]
    expected = [cross_entropy(logits[0], 5, 0.1), 0.0, cross_entropy(logits[2], 2, 0.1)]
    loss = InBatchNCELoss(reduction="none")(users, items, targets)
    assert loss.tolist() == pytest.approx(expected)
    assert InBatchNCELoss()(users, items, targets).item() == pytest.approx(sum(expected) / 2)


LISTWISE = {
    "nce": (NCELoss, (torch.randn(4, 5),)),
    "in-batch nce": (InBatchNCELoss, (torch.randn(4, 3), torch.randn(5, 3))),
}
listwise = pytest.mark.parametrize(("loss", "inputs"), LISTWISE.values(), ids=LISTWISE.keys())


@listwise
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_a_batch_of_ignored_targets_has_no_loss_and_no_gradient(loss, inputs, reduction):
    inputs = [x.clone().requires_grad_() for x in inputs]
    value = loss(reduction=reduction)(*inputs, torch.zeros(4, dtype=torch.long))
    assert value.sum().item() == 0.0
    value.sum().backward()
    assert all((x.grad == 0).all() for x in inputs)


@listwise
def test_ignored_rows_change_neither_loss_nor_gradient(loss, inputs):
    first = inputs[0].clone().requires_grad_()
    value = loss()(first, *inputs[1:], torch.tensor([3, 0, 1, 0]))
    value.backward()
    kept = loss()(inputs[0][[0, 2]], *inputs[1:], torch.tensor([3, 1]))
    assert value.item() == pytest.approx(kept.item())
    assert (first.grad[[1, 3]] == 0).all()


@listwise
def test_large_scores_stay_finite(loss, inputs):
    value = loss(temperature=1e-4)(*inputs, torch.tensor([1, 2, 3, 4]))
    assert value.isfinite()


@listwise
def test_targets_must_be_whole_numbers_one_a_row(loss, inputs):
    for targets in (torch.ones(3).long(), torch.ones(4, 1).long(), torch.ones(4)):
        with pytest.raises(ValueError, match=r"need whole-number targets of shape \(4,\)"):
            loss()(*inputs, targets)


def test_items_must_have_the_width_of_the_embeddings():
    with pytest.raises(ValueError, match=r"need items of shape \(V, 3\), got \(5, 2\)"):
        InBatchNCELoss()(torch.zeros(4, 3), torch.zeros(5, 2), torch.ones(4).long())


@pytest.mark.parametrize("loss", [NCELoss, InBatchNCELoss])
@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_temperature_must_be_above_0(loss, temperature):
    with pytest.raises(ValueError, match="temperature must be above 0"):
        loss(temperature=temperature)


@pytest.mark.parametrize("loss", [HingeLoss, BPRLoss, NCELoss, InBatchNCELoss])
def test_an_unknown_reduction_is_refused(loss):
    with pytest.raises(ValueError, match="'none', 'mean' or 'sum', got 'avg'"):
        loss(reduction="avg")


def test_num_items_must_be_at_least_1():
    with pytest.raises(ValueError, match="num_items must be at least 1, got 0"):
        HingeLoss(num_items=0)
