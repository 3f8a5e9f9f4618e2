"""Losses by name: which class, which arguments, which kind of predictions."""

import pytest
from torch import nn

from torch_rechub.losses import BinaryCrossEntropy, FocalLoss
from torch_rechub.losses.names import LOSSES, kind_of, make_loss

ROWS = ("probability", "value")
ARGUMENTS = {"gbce": {"num_items": 50}}  # which has no default


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, named in LOSSES.items() for name in named]
)
def test_a_loss_is_found_by_its_name_and_knows_its_kind(kind, name):
    loss = make_loss(name, ARGUMENTS.get(name), [kind], name)
    assert isinstance(loss, nn.Module)
    assert kind_of(loss) == kind
    assert make_loss(loss, None, [kind], name) is loss


def test_the_default_takes_arguments_too():
    loss = make_loss(None, {"pos_weight": 2.0}, ROWS, "binary_cross_entropy")
    assert isinstance(loss, BinaryCrossEntropy)
    assert loss.pos_weight == 2


def test_a_loss_of_your_own_says_its_kind_or_is_one_of_probabilities():
    class Mine(nn.Module):
        pass

    class OfValues(nn.Module):
        kind = "value"

    assert kind_of(Mine()) == kind_of(nn.BCELoss()) == "probability"
    assert kind_of(OfValues()) == "value"


@pytest.mark.parametrize(
    ("loss", "params", "error", "message"),
    [
        ("focl", None, ValueError, "unknown loss 'focl' of CTRTrainer; give one of .*focal, mse"),
        ("softmax", None, ValueError, "unknown loss 'softmax' of CTRTrainer"),
        ("focal", {"gama": 1}, TypeError, "'focal'.*'gama'; its arguments are gamma, alpha"),
        ("huber", {"d": 1}, TypeError, "'huber'.*'d'; its arguments are reduction, delta$"),
        (FocalLoss(), {"gamma": 1}, ValueError, "give them to FocalLoss instead"),
        (FocalLoss, None, TypeError, r"got a class: give FocalLoss\(…\)"),
        (3, None, TypeError, "loss must be a name, such as 'mse', or a module, got 3"),
        (nn.CrossEntropyLoss(), None, ValueError, "CrossEntropyLoss is one of classes"),
    ],
)
def test_a_loss_that_is_none_is_refused(loss, params, error, message):
    with pytest.raises(error, match=message):
        make_loss(loss, params, ROWS, "mse", "CTRTrainer")
