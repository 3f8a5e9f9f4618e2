"""Losses of one positive against several negatives, against their formulas in plain numbers."""

import math

import pytest
import torch

from torch_rechub.losses.one_positive import (
    BPRMaxLoss,
    GBCELoss,
    NegativesBCELoss,
    OverCandidates,
    SampledSoftmaxLoss,
)

INF = math.inf


def sigmoid(z):
    return 1 / (1 + math.exp(-z))


def softmax_formula(p, negatives):
    return -math.log(math.exp(p) / (math.exp(p) + sum(math.exp(q) for q in negatives)))


def bce_formula(p, negatives, beta=1.0):
    positive = math.log(sigmoid(p) ** beta)
    return -(positive + sum(math.log(1 - sigmoid(q)) for q in negatives)) / (len(negatives) + 1)


def gbce_formula(p, negatives, k=4, num_items=21, t=0.75):
    alpha = k / (num_items - 1)
    return bce_formula(p, negatives, alpha * (t * (1 - 1 / alpha) + 1 / alpha))


def bpr_max_formula(p, negatives, penalty=1.0):
    total = sum(math.exp(q) for q in negatives)
    shares = [math.exp(q) / total for q in negatives]
    beaten = sum(s * sigmoid(p - q) for s, q in zip(shares, negatives))
    return -math.log(beaten) + penalty * sum(s * q * q for s, q in zip(shares, negatives))


LOSSES = {
    "sampled softmax": (SampledSoftmaxLoss, {}, softmax_formula),
    "bce": (NegativesBCELoss, {}, bce_formula),
    "gbce": (GBCELoss, {"num_items": 21}, gbce_formula),
    "gbce, t = 1": (
        GBCELoss,
        {"num_items": 21, "t": 1.0},
        lambda p, q: gbce_formula(p, q, t=1.0),
    ),
    "bpr-max": (BPRMaxLoss, {}, bpr_max_formula),
    "bpr-max, 0.3": (
        BPRMaxLoss,
        {"regularization": 0.3},
        lambda p, q: bpr_max_formula(p, q, 0.3),
    ),
}
each_loss = pytest.mark.parametrize(
    ("loss", "arguments", "formula"), LOSSES.values(), ids=LOSSES.keys()
)


@pytest.fixture
def scores():
    return torch.randn(6, dtype=torch.float64), torch.randn(6, 4, dtype=torch.float64)


@each_loss
def test_a_loss_is_its_formula_on_each_row(loss, arguments, formula, scores):
    pos, neg = scores
    rows = [formula(p, q) for p, q in zip(pos.tolist(), neg.tolist())]
    assert loss(**arguments, reduction="none")(pos, neg).tolist() == pytest.approx(rows)
    assert loss(**arguments, reduction="sum")(pos, neg).item() == pytest.approx(sum(rows))
    assert loss(**arguments)(pos, neg).item() == pytest.approx(sum(rows) / len(rows))


@each_loss
def test_a_negative_of_score_minus_infinity_is_none(loss, arguments, formula, scores):
    pos, neg = scores
    none = torch.tensor(
        [[0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 1]] + [[0, 0, 1, 0]] * 2
    )
    given = neg.masked_fill(none.bool(), -INF)
    rows = [
        formula(p, [q for q, n in zip(qs, left_out) if not n])
        for p, qs, left_out in zip(pos.tolist(), neg.tolist(), none.tolist())
    ]
    assert loss(**arguments, reduction="none")(pos, given).tolist() == pytest.approx(rows)


@each_loss
def test_gradients_are_those_of_the_formula_and_0_where_there_is_no_negative(
    loss, arguments, formula, scores
):
    pos, neg = (s.requires_grad_() for s in scores)
    none = torch.tensor([[False, True, False, False]] * 5 + [[True] * 4])

    def masked(pos, neg):
        return loss(**arguments)(pos, neg.masked_fill(none, -INF))

    assert torch.autograd.gradcheck(masked, (pos, neg))
    masked(pos, neg).backward()
    assert (neg.grad[none] == 0).all()
    assert pos.grad.isfinite().all()


@each_loss
def test_scores_of_any_size_give_finite_losses_and_gradients(loss, arguments, formula):
    pos = torch.tensor([1e4, -1e4, 0.0], requires_grad=True)
    neg = torch.tensor([[-1e4, 1e4], [1e4, -1e4], [-INF, -INF]], requires_grad=True)
    value = loss(**arguments)(pos, neg)
    value.backward()
    assert value.isfinite()
    assert pos.grad.isfinite().all()
    assert neg.grad.isfinite().all()


@each_loss
def test_half_precision_is_widened(loss, arguments, formula, scores):
    pos, neg = (s.bfloat16() for s in scores)
    found = loss(**arguments)(pos, neg)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, loss(**arguments)(pos.float(), neg.float()))


@each_loss
def test_one_negative_a_row_may_be_without_a_dimension(loss, arguments, formula, scores):
    pos, neg = scores[0], scores[1][:, 0]
    criterion = loss(**arguments)
    assert criterion(pos, neg) == criterion(pos, neg.unsqueeze(1))


@each_loss
def test_shapes_that_do_not_fit_are_refused(loss, arguments, formula):
    with pytest.raises(
        ValueError, match=r"positives of shape \(3,\) need negatives .*got \(2, 4\)"
    ):
        loss(**arguments)(torch.zeros(3), torch.zeros(2, 4))


@each_loss
def test_the_positive_may_be_in_any_column(loss, arguments, formula, scores):
    pos, neg = scores
    target = torch.tensor([0, 4, 2, 1, 0, 3])
    rows = [[*q[:t], p, *q[t:]] for p, q, t in zip(pos.tolist(), neg.tolist(), target.tolist())]
    logits = torch.tensor(rows, dtype=torch.float64)
    each = [formula(p, q) for p, q in zip(pos.tolist(), neg.tolist())]
    for reduction, expected in (("none", each), ("sum", sum(each)), ("mean", sum(each) / 6)):
        found = OverCandidates(loss(**arguments, reduction="none"), reduction)(logits, target)
        assert found.tolist() == pytest.approx(expected)
    empty = logits[:0].requires_grad_()
    nothing = OverCandidates(loss(**arguments, reduction="none"))(empty, target[:0])
    nothing.backward()
    assert nothing == 0


# Each by itself


def test_a_correction_is_taken_from_the_negatives():
    pos, neg, c = torch.randn(3), torch.randn(3, 2), torch.tensor([0.5, -2.0])
    rows = [
        softmax_formula(p, [q - c for q, c in zip(qs, c.tolist())])
        for p, qs in zip(pos.tolist(), neg.tolist())
    ]
    found = SampledSoftmaxLoss(reduction="none")(pos, neg, c)
    assert found.tolist() == pytest.approx(rows, rel=1e-5)


def test_with_all_items_as_negatives_sampled_softmax_is_cross_entropy():
    logits, target = torch.randn(5, 9), torch.randint(0, 9, (5,))
    found = OverCandidates(SampledSoftmaxLoss(reduction="none"))(logits, target)
    torch.testing.assert_close(found, torch.nn.functional.cross_entropy(logits, target))


@pytest.mark.parametrize(
    ("k", "num_items", "t", "beta"),
    [
        (1, 1001, 0.0, 1.0),  # t = 0: binary cross-entropy
        (1, 1001, 1.0, 0.001),  # t = 1: α
        (256, 3417, 0.75, 1 - 0.75 * (1 - 256 / 3416)),
        (20, 21, 0.9, 1.0),  # all negatives: nothing to correct
    ],
)
def test_beta_of_gbce(k, num_items, t, beta):
    assert GBCELoss(num_items, t).beta(k) == pytest.approx(beta)


def test_gbce_has_no_more_negatives_than_there_are_items():
    with pytest.raises(ValueError, match=r"at most 20 negatives, .* num_items=21, got 21"):
        GBCELoss(21)(torch.zeros(1), torch.zeros(1, 21))


def test_a_positive_calibrated_by_gbce_has_the_probability_of_training_on_all_negatives():
    """At t = 1 the best score of an item that is the positive in a share r of rows is ln r/(1 − r).

    Each of V − 1 = 20 negatives is drawn with α = 4/20, so that in n rows its item is a positive
    n r times and a negative α n (1 − r) times; the expected loss of s is r β softplus(−s) +
    α (1 − r) softplus(s), least where σ(s) = β r / (β r + α (1 − r)).
    """
    share, loss = 0.3, GBCELoss(21, t=1.0)
    s = torch.linspace(-5, 5, 100_001, dtype=torch.float64)
    softplus = torch.nn.functional.softplus
    expected = share * loss.beta(4) * softplus(-s) + 0.2 * (1 - share) * softplus(s)
    assert torch.sigmoid(s[expected.argmin()]).item() == pytest.approx(share, abs=1e-4)


def test_the_gradient_of_bpr_max_follows_the_negatives_of_high_score():
    neg = torch.tensor([[4.0, -4.0]], requires_grad=True)
    BPRMaxLoss(regularization=0.0)(torch.tensor([0.0]), neg).backward()
    assert neg.grad[0, 0] > 50 * neg.grad[0, 1].abs()


def test_a_positive_without_negatives_has_loss_0():
    pos, neg = torch.tensor([3.0]), torch.tensor([[-INF, -INF]])
    assert SampledSoftmaxLoss()(pos, neg) == 0
    assert BPRMaxLoss()(pos, neg) == 0
    assert NegativesBCELoss()(pos, neg).item() == pytest.approx(-math.log(sigmoid(3.0)), rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "arguments", "message"),
    [
        (SampledSoftmaxLoss, {"reduction": "max"}, "reduction must be"),
        (NegativesBCELoss, {"reduction": "max"}, "reduction must be"),
        (GBCELoss, {"num_items": 1}, "num_items must be at least 2"),
        (GBCELoss, {"num_items": 9, "t": 1.5}, "t must be at least 0 and at most 1"),
        (BPRMaxLoss, {"regularization": -1}, "regularization must be at least 0"),
    ],
)
def test_impossible_arguments_are_refused(loss, arguments, message):
    with pytest.raises(ValueError, match=message):
        loss(**arguments)


# The statistics of a draw


def test_corrected_negatives_sum_to_the_other_items_in_expectation():
    """The mean of exp(q − ln(K π)) over draws is Σ_j exp s_j over the items but the positive."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(30, generator=generator, dtype=torch.float64)
    share = torch.rand(30, generator=generator, dtype=torch.float64) ** 2 + 0.02
    share /= share.sum()
    k, positive = 8, 3
    drawn = torch.multinomial(share, 40_000 * k, replacement=True, generator=generator)
    drawn = drawn.view(40_000, k)
    q = scores[drawn].masked_fill(drawn == positive, -INF)
    sums = (q - (k * share[drawn]).log()).exp().sum(dim=1)
    expected = scores.exp().sum() - scores[positive].exp()
    error = sums.std() / 200  # of the mean of 40,000
    assert abs(sums.mean() - expected) < 3 * error
    assert error < 0.02 * expected


@pytest.mark.parametrize("corrected", [True, False])
def test_the_corrected_loss_tends_to_the_softmax_over_all_items(corrected):
    generator = torch.Generator().manual_seed(1)
    scores = torch.randn(50, generator=generator)
    share = torch.rand(50, generator=generator) + 0.1
    share /= share.sum()
    positive = 7
    full = -scores.log_softmax(dim=0)[positive].item()

    def gap(k):
        drawn = torch.multinomial(share, 500 * k, replacement=True, generator=generator)
        drawn = drawn.view(500, k)
        q = scores[drawn].masked_fill(drawn == positive, -INF)
        correction = (k * share[drawn]).log() if corrected else None
        pos = scores[positive].expand(500)
        return abs(SampledSoftmaxLoss()(pos, q, correction).item() - full)

    if corrected:
        assert gap(20) > 2 * gap(2000)
        assert gap(2000) < 0.02
    else:
        assert gap(2000) > 1  # the negatives then count 2000 times over
