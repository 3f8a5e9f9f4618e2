"""Losses of rows with weights, against naive loops and against repeated rows."""

import pytest
import torch
from torch import nn

from torch_rechub.losses import BinaryCrossEntropy, BPRLoss, HingeLoss, NCELoss
from torch_rechub.losses.weighted import weighted_loss

WEIGHTS = torch.tensor([2, 0, 1, 3, 1])
P, Y = torch.tensor([0.1, 0.9, 0.4, 0.7, 0.5]), torch.tensor([0.0, 1.0, 1.0, 1.0, 0.0])
LOGITS = torch.linspace(-2, 3, 15).reshape(5, 3).sin()
CLASSES = torch.tensor([0, 1, 2, 2, 1])
LOSSES = [
    (nn.BCELoss(), P, Y),
    (BinaryCrossEntropy(), P, Y),
    (nn.BCEWithLogitsLoss(pos_weight=torch.tensor(3.0)), P, Y),
    (nn.MSELoss(), P, Y),
    (nn.HuberLoss(delta=0.3), P, Y),
    (nn.MSELoss(), LOGITS, LOGITS.flip(0)),
    (BPRLoss(), P, Y),
    (BPRLoss(), P, LOGITS),
    (HingeLoss(num_items=9), P, LOGITS),
    (nn.CrossEntropyLoss(), LOGITS, CLASSES),
    (nn.CrossEntropyLoss(label_smoothing=0.2), LOGITS, CLASSES),
    (nn.CrossEntropyLoss(weight=torch.tensor([0.5, 2.0, 3.0])), LOGITS, CLASSES),
    (nn.CrossEntropyLoss(ignore_index=2), LOGITS, CLASSES),
    (nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0])), LOGITS, LOGITS.softmax(1)),
    (NCELoss(), LOGITS, CLASSES),
]


@pytest.mark.parametrize(("loss", "p", "y"), LOSSES)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_row_of_weight_n_counts_as_n_rows(loss, p, y, reduction):
    loss.reduction = reduction
    expected = loss(p.repeat_interleave(WEIGHTS, dim=0), y.repeat_interleave(WEIGHTS, dim=0))
    torch.testing.assert_close(weighted_loss(loss, p, y, WEIGHTS.float()), expected)
    assert loss.reduction == reduction


def test_the_loss_is_the_weighted_mean_of_the_rows():
    w = [0.3, 2.0, 0.0, 1.5, 0.25]
    rows = [(p - y) ** 2 for p, y in zip(P.tolist(), Y.tolist(), strict=True)]
    expected = sum(a * b for a, b in zip(w, rows, strict=True)) / sum(w)
    assert weighted_loss(nn.MSELoss(), P, Y, torch.tensor(w)).item() == pytest.approx(expected)


def test_the_loss_of_logits_is_weighted_too():
    logits = torch.tensor([200.0, -3.0, 0.5, 1.0, 2.0])
    expected = BinaryCrossEntropy().on_logits(
        logits.repeat_interleave(WEIGHTS), Y.repeat_interleave(WEIGHTS)
    )
    found = weighted_loss(BinaryCrossEntropy(), logits, Y, WEIGHTS, on_logits=True)
    torch.testing.assert_close(found, expected)


def test_without_weights_the_loss_is_called_as_it_is():
    assert torch.equal(weighted_loss(nn.MSELoss(), P, Y, None), nn.MSELoss()(P, Y))
    assert weighted_loss(lambda p, y: p.max(), P, Y, None) == P.max()


def test_no_weight_is_no_loss():
    p = P.clone().requires_grad_()
    loss = weighted_loss(BinaryCrossEntropy(), p, Y, torch.zeros(5))
    loss.backward()
    assert loss.item() == 0
    assert p.grad.eq(0).all()


def test_a_loss_without_rows_is_refused():
    with pytest.raises(ValueError, match="each row, which square does not give: it has reduction"):
        weighted_loss(square, P, Y, WEIGHTS)
    with pytest.raises(ValueError, match="MSELoss does not give: it has reduction 'none'"):
        weighted_loss(nn.MSELoss(reduction="none"), P, Y, WEIGHTS)
    with pytest.raises(ValueError, match=r"Mean returns the shape \(\) for 5 rows"):
        weighted_loss(Mean(), P, Y, WEIGHTS)


def square(p, y):
    return (p - y).square().mean()


class Mean(nn.Module):
    """Says that it reduces, and always takes the mean."""

    reduction = "mean"

    def forward(self, p, y):
        return square(p, y)
