"""Logits and other parts of a model are used only where its `forward` is made of them."""

import pytest
import torch
from torch.nn import functional as F

from core.training.batch_losses import loss_of
from torch_rechub.basic.features import SparseFeature
from torch_rechub.models.generative import HSTUModel
from torch_rechub.models.logits import forward_has
from torch_rechub.models.matching import DSSM
from torch_rechub.models.multi_task import SharedBottom
from torch_rechub.models.ranking import DCN
from torch_rechub.trainers import CTRTrainer, MatchTrainer, MTLTrainer, SeqTrainer

USER, ITEM = [SparseFeature("user", 9, 4)], [SparseFeature("item", 9, 4)]
X = {"user": torch.arange(9), "item": torch.arange(9).flip(0)}
Y = (torch.arange(9) % 2).float()
DIMS = {"dims": [4]}


class HalfDCN(DCN):
    def forward(self, x):
        return super().forward(x) / 2


class HalfDSSM(DSSM):
    def forward(self, x):
        return super().forward(x) / 2


class HalfScoreDSSM(DSSM):
    def score(self, x):
        return super().score(x) / 2


class HalfSharedBottom(SharedBottom):
    def forward(self, x):
        return super().forward(x) / 2


def dcn(make):
    return make(USER + ITEM, 1, DIMS)


def dssm(make):
    return make(USER, ITEM, DIMS, DIMS)


def shared_bottom(make):
    return make(USER, ["classification"], DIMS, [DIMS])


TRAINED = [
    (CTRTrainer, (), HalfDCN, dcn, Y),
    (MatchTrainer, (), HalfDSSM, dssm, Y),
    (MatchTrainer, (), HalfScoreDSSM, dssm, Y),
    (MTLTrainer, (["classification"],), HalfSharedBottom, shared_bottom, Y.unsqueeze(1)),
]


@pytest.mark.parametrize(("trainer", "arguments", "subclass", "make", "y"), TRAINED)
def test_a_subclass_that_replaces_forward_is_trained_on_what_it_returns(
    trainer, arguments, subclass, make, y, tmp_path
):
    model = make(subclass).eval()
    made = trainer(model, *arguments, model_path=tmp_path)
    losses = loss_of(made, (X, y))
    loss = losses[0] if isinstance(losses, list) else losses
    torch.testing.assert_close(loss, F.binary_cross_entropy(model(X).reshape(-1), Y))
    found = torch.tensor(made.predict(model, [X])).reshape(-1)
    torch.testing.assert_close(found.float(), model(X).reshape(-1).detach())


class EvenHSTU(HSTUModel):
    def forward(self, x, time_diffs=None):
        return super().forward(x, time_diffs) * 0


def test_a_sequence_model_too(tmp_path):
    model = EvenHSTU(10, d_model=8, n_heads=2, n_layers=1, dqk=4, dv=4, max_seq_len=3).eval()
    tokens = torch.tensor([[1, 2, 3]])
    made = SeqTrainer(model, model_path=tmp_path)
    loss = loss_of(made, (tokens, tokens, tokens, torch.tensor([4])))
    assert loss.item() == pytest.approx(torch.tensor(9.0).log().item())  # any of 9 items


class OtherLogits(HalfDCN):
    def logits(self, x):
        return super().logits(x) * 3


def test_who_says_what():
    assert forward_has(dcn(DCN), "logits")
    assert forward_has(dssm(DSSM), "logits")
    assert not forward_has(dcn(HalfDCN), "logits")
    assert forward_has(dcn(OtherLogits), "logits")
    assert not forward_has(torch.nn.Linear(1, 1), "logits")
