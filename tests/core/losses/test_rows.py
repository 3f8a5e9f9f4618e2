"""Losses of one prediction a row, against their formulas in plain numbers."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.autograd import gradcheck

from torch_rechub.losses import (
    BinaryCrossEntropy,
    FocalLoss,
    LogCoshLoss,
    PoissonLoss,
    QuantileLoss,
)

ln = math.log


def cross_entropy(p, y, w=1.0, eps=0.0):
    y = (1 - eps) * y + eps / 2
    return -(w * y * ln(p) + (1 - y) * ln(1 - p))


def focal(p, y, gamma=2.0, alpha=None):
    a, b = (1.0, 1.0) if alpha is None else (alpha, 1 - alpha)
    return -a * y * (1 - p) ** gamma * ln(p) - b * (1 - y) * p**gamma * ln(1 - p)


OF_PROBABILITIES = {
    "cross-entropy": (BinaryCrossEntropy(), cross_entropy),
    "pos_weight": (BinaryCrossEntropy(pos_weight=3.5), lambda p, y: cross_entropy(p, y, w=3.5)),
    "smoothing": (
        BinaryCrossEntropy(label_smoothing=0.1),
        lambda p, y: cross_entropy(p, y, eps=0.1),
    ),
    "both": (
        BinaryCrossEntropy(pos_weight=0.5, label_smoothing=0.2),
        lambda p, y: cross_entropy(p, y, 0.5, 0.2),
    ),
    "focal": (FocalLoss(), focal),
    "focal, alpha": (FocalLoss(gamma=0.5, alpha=0.25), lambda p, y: focal(p, y, 0.5, 0.25)),
}
OF_VALUES = {
    "log-cosh": (LogCoshLoss(), lambda v, y: ln(math.cosh(v - y))),
    "median": (QuantileLoss(), lambda v, y: abs(y - v) / 2),
    "quantile": (QuantileLoss(q=0.9), lambda v, y: (0.9 if y >= v else -0.1) * (y - v)),
    "poisson": (PoissonLoss(), lambda v, y: v - y * ln(v)),
}
of_probabilities = pytest.mark.parametrize(
    ("loss", "formula"), OF_PROBABILITIES.values(), ids=OF_PROBABILITIES.keys()
)
of_values = pytest.mark.parametrize(("loss", "formula"), OF_VALUES.values(), ids=OF_VALUES.keys())


def with_reduction(loss, reduction):
    loss.reduction = reduction
    return loss


@of_probabilities
@pytest.mark.parametrize("labels", ["hard", "soft"])
def test_a_loss_of_probabilities_is_its_formula_on_each_row(loss, formula, labels):
    rng = np.random.default_rng(0)
    z = rng.normal(size=30) * 3
    y = rng.integers(0, 2, 30).astype(float) if labels == "hard" else rng.random(30)
    p = 1 / (1 + np.exp(-z))
    rows = [formula(a, b) for a, b in zip(p.tolist(), y.tolist())]
    p, z, y = map(torch.tensor, (p, z, y))
    for reduction, wanted in (("none", rows), ("sum", sum(rows)), ("mean", sum(rows) / 30)):
        reduced = with_reduction(loss, reduction)
        assert reduced(p, y).tolist() == pytest.approx(wanted)
        assert reduced.on_logits(z, y).tolist() == pytest.approx(wanted)
    assert gradcheck(lambda logits: loss.on_logits(logits, y), z.requires_grad_())


@of_probabilities
def test_a_loss_of_probabilities_is_finite_and_learns_from_extreme_logits(loss, formula):
    z = torch.tensor([-200.0, 200.0, 0.0], requires_grad=True)
    value = with_reduction(loss, "sum").on_logits(z, torch.tensor([1.0, 0.0, 1.0]))
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(z.grad).all()
    assert z.grad[0] < -0.1  # both are predicted wrong
    assert z.grad[1] > 0.1
    probabilities = torch.tensor([0.0, 1.0, 0.5], requires_grad=True)
    loss(probabilities, torch.tensor([1.0, 0.0, 1.0])).backward()
    assert torch.isfinite(probabilities.grad).all()


@of_values
def test_a_loss_of_values_is_its_formula_on_each_row(loss, formula):
    rng = np.random.default_rng(0)
    v, y = rng.random(30) * 4 + 0.1, rng.integers(0, 6, 30).astype(float)
    rows = [formula(a, b) for a, b in zip(v.tolist(), y.tolist())]
    v, y = map(torch.tensor, (v, y))
    for reduction, wanted in (("none", rows), ("sum", sum(rows)), ("mean", sum(rows) / 30)):
        assert with_reduction(loss, reduction)(v, y).tolist() == pytest.approx(wanted)
    assert gradcheck(lambda values: loss(values, y), v.requires_grad_())


def test_focal_loss_without_focus_is_cross_entropy():
    z, y = torch.randn(20), torch.rand(20)
    wanted = nn.functional.binary_cross_entropy_with_logits(z, y)
    assert torch.allclose(FocalLoss(gamma=0.0).on_logits(z, y), wanted)


def test_log_cosh_of_a_large_error_does_not_overflow():
    e = torch.tensor([-500.0, 500.0], requires_grad=True)
    loss = LogCoshLoss(reduction="sum")(e, torch.zeros(2))
    loss.backward()
    assert loss.item() == pytest.approx(1000 - 2 * ln(2))
    assert e.grad.tolist() == [-1, 1]


def test_the_quantile_of_labels_has_the_least_quantile_loss():
    y = torch.tensor(np.random.default_rng(0).exponential(size=1001))
    candidates = torch.linspace(0, 5, 501, dtype=y.dtype)
    losses = [QuantileLoss(q=0.8)(c.expand(len(y)), y).item() for c in candidates]
    best = candidates[int(np.argmin(losses))].item()
    assert best == pytest.approx(np.quantile(y.numpy(), 0.8), abs=0.01)


def test_poisson_loss_of_logits_is_that_of_torch():
    z, y = torch.randn(20), torch.randint(0, 5, (20,)).float()
    assert torch.allclose(PoissonLoss().on_logits(z, y), nn.PoissonNLLLoss()(z, y))
    assert torch.allclose(PoissonLoss()(PoissonLoss().from_logits(z), y), nn.PoissonNLLLoss()(z, y))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BinaryCrossEntropy(pos_weight=0), "pos_weight must be above 0, got 0"),
        (lambda: BinaryCrossEntropy(label_smoothing=1.0), "label_smoothing must be .* got 1.0"),
        (lambda: FocalLoss(gamma=-1), "gamma must be .* got -1"),
        (lambda: FocalLoss(alpha=1.5), "alpha must be .* got 1.5"),
        (lambda: QuantileLoss(q=1), "q must be .* got 1"),
        (lambda: LogCoshLoss(reduction="max"), "reduction must be .* got 'max'"),
    ],
)
def test_an_argument_out_of_its_range_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
