"""The head of several classes, on ranking models of every form."""

import copy
import math

import pytest
import torch
from torch import nn

from torch_rechub.basic.features import SequenceFeature, SparseFeature
from torch_rechub.export.onnx import ONNXExporter
from torch_rechub.models.multi_class import MultiClass
from torch_rechub.models.ranking import DIEN, DIN, FM, LR, DeepFM

USER, ITEM = (SparseFeature(name, 9, 4) for name in ("user", "item"))
STEPS, OTHERS = (
    SequenceFeature(name, 9, 4, "concat", shared_with="item") for name in ("steps", "others")
)
X = {
    "user": torch.arange(8), "item": torch.arange(8).flip(0),
    "steps": torch.arange(8).repeat(4, 1).T, "others": torch.arange(8).roll(1).repeat(4, 1).T,
}  # fmt: skip
MODELS = {
    "deep": lambda: DeepFM([USER, ITEM], [USER, ITEM], {"dims": [6]}),
    "history": lambda: DIN([USER], [STEPS], [ITEM], {"dims": [6]}, {"dims": [6]}),
    "linear": lambda: LR([USER, ITEM]),
}


def scattered(model):
    with torch.no_grad():
        for p in model.parameters():
            p.normal_()
    return model.eval()


@pytest.mark.parametrize("name", MODELS)
def test_probabilities_are_the_softmax_of_the_logits_of_each_class(name):
    model = scattered(MultiClass(MODELS[name](), 3))
    z = torch.stack([part.logits(X) for part in model.models], dim=1)
    assert z.std(dim=1).min() > 0
    assert torch.allclose(model.logits(X), z)
    p = model(X)
    for row, logits in zip(p.tolist(), z.tolist()):
        exp = [math.exp(value - max(logits)) for value in logits]
        assert row == pytest.approx([value / sum(exp) for value in exp], rel=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_every_class_begins_with_the_weights_of_the_model_which_stays_as_it_is(name):
    given = scattered(MODELS[name]())
    before = copy.deepcopy(given.state_dict())
    model = MultiClass(given, 5).eval()
    assert torch.allclose(model(X), torch.full((8, 5), 0.2))
    scattered(model)
    assert all(torch.equal(before[key], value) for key, value in given.state_dict().items())


def test_classes_share_embedding_tables_and_nothing_else():
    single = MODELS["deep"]()
    tables = sum(p.numel() for p in single.embedding.parameters())
    n = sum(p.numel() for p in single.parameters())
    shared, own = (MultiClass(single, 3, share_embeddings=share) for share in (True, False))
    assert sum(p.numel() for p in shared.parameters()) == tables + 3 * (n - tables)
    assert sum(p.numel() for p in own.parameters()) == 3 * n
    assert len({id(part.embedding) for part in shared.models}) == 1
    assert len({id(part.linear) for part in shared.models}) == 3


def test_second_order_terms_differ_between_classes_with_tables_of_their_own():
    x = {"user": torch.tensor([1]), "item": torch.tensor([2])}
    for share, alike in ((True, True), (False, False)):
        model = scattered(MultiClass(FM([USER, ITEM]), 2, share_embeddings=share))
        second = [part.logits(x) - part.linear(x).squeeze(1) for part in model.models]
        assert torch.allclose(*second) == alike


def test_an_auxiliary_loss_of_the_logits_is_the_mean_of_those_of_classes():
    model = scattered(MultiClass(DIEN([USER], [STEPS], [OTHERS], [ITEM], {"dims": [6]}), 3))
    p, loss = model(X)
    assert p.shape == (8, 3)
    losses = [part.logits(X)[1].item() for part in model.models]
    assert loss.item() == pytest.approx(sum(losses) / 3)


def test_its_columns_are_those_of_the_model():
    model = MODELS["history"]()
    wanted = ONNXExporter(model).get_input_info()["input_names"]
    assert ONNXExporter(MultiClass(model, 3)).get_input_info()["input_names"] == wanted


class WithLoss(LR):
    def auxiliary_loss(self, x, predictions, y):
        return predictions.sum()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MultiClass(LR([USER]), 1), "n_classes must be at least 2, got 1"),
        (lambda: MultiClass(nn.Linear(2, 1), 3), r"Linear has no method logits\(x\)"),
        (lambda: MultiClass(WithLoss([USER]), 3), "auxiliary_loss of one prediction a row"),
    ],
)
def test_a_model_that_has_no_classes_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
