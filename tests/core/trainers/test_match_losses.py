"""MatchTrainer with losses by name, in each mode, against loops in plain numbers."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from core.losses.test_one_positive import (
    bce_formula,
    bpr_max_formula,
    gbce_formula,
    softmax_formula,
)
from core.training.batch_losses import loss_of
from torch_rechub.basic.features import SequenceFeature, SparseFeature
from torch_rechub.data.batch import Batch
from torch_rechub.data.loader import TableLoader, TorchDataset
from torch_rechub.losses import BPRLoss, HingeLoss, NegativesBCELoss
from torch_rechub.models.matching import BPRMF, DSSM, NARM, SASRec, YoutubeDNN
from torch_rechub.objectives.retrieval import RetrievalData
from torch_rechub.trainers import MatchTrainer

V, D, K = 24, 8, 4
USER, ITEM, NEG = (SparseFeature(name, V, D) for name in ("user", "item", "neg"))
PARAMS = {"dims": [16, D], "activation": "prelu"}
CANDIDATES = {
    "sampled_softmax": ({}, softmax_formula),
    "gbce": (
        {"num_items": 1000, "t": 0.6},
        lambda p, q: gbce_formula(p, q, k=len(q), num_items=1000, t=0.6),
    ),
    "bpr_max": ({"regularization": 0.2}, lambda p, q: bpr_max_formula(p, q, 0.2)),
    "bce": ({}, bce_formula),
}
of_candidates = pytest.mark.parametrize(
    ("loss", "params", "formula"),
    [(name, *rest) for name, rest in CANDIDATES.items()],
    ids=CANDIDATES.keys(),
)


def youtube():
    negatives = [SequenceFeature("negatives", V, D, "concat")]
    return YoutubeDNN([USER], [ITEM], negatives, PARAMS, temperature=0.5)


def dssm():
    return DSSM([USER], [ITEM], PARAMS, PARAMS, temperature=0.5)


class Products(nn.Module):
    """Users and items by their products, which have no bounds, as losses of σ(score) need it."""

    def __init__(self):
        super().__init__()
        self.users, self.items = nn.Embedding(V, D), nn.Embedding(V, D)
        nn.init.normal_(self.users.weight, std=0.1)
        nn.init.normal_(self.items.weight, std=0.1)

    def user_tower(self, x):
        return self.users(x["user"])

    def item_tower(self, x):
        return self.items(x["item"])

    def item_groups(self, x):
        return x["item"]

    def forward(self, x):
        candidates = self.items(torch.cat([x["item"].unsqueeze(1), x["negatives"]], dim=1))
        return (candidates @ self.user_tower(x).unsqueeze(2)).squeeze(2)


def planted(n=400, seed=0):
    """Users like the items of their remainder by 4; their negatives are of others."""
    g = torch.Generator().manual_seed(seed)
    user = torch.randint(0, V, (n,), generator=g)
    others = torch.randint(0, V // 4, (n, K), generator=g) * 4
    others += (user.unsqueeze(1) + torch.randint(1, 4, (n, K), generator=g)) % 4
    item = torch.randint(0, V // 4, (n,), generator=g) * 4 + user % 4
    return {"user": user, "item": item, "neg": others[:, 0], "negatives": others}


@pytest.fixture
def make(tmp_path):
    def make_trainer(make_model, mode, **kwargs):
        torch.manual_seed(1)
        model = make_model()
        settings = {"optimizer_params": {"lr": 0.03}, "n_epoch": 6, "progress": False}
        trainer = MatchTrainer(model, mode, model_path=tmp_path, **{**settings, **kwargs})
        trainer.model.eval()
        return trainer

    return make_trainer


def precision(model):
    """The share of the first 6 items that a user likes; 0.25 by chance."""
    model.eval()
    x = {"user": torch.arange(V), "item": torch.arange(V)}
    best = (model.user_tower(x) @ model.item_tower(x).T).topk(6).indices
    return (best % 4 == x["user"].unsqueeze(1) % 4).float().mean().item()


def fit(trainer):
    trainer.fit(TableLoader(TorchDataset(planted(), torch.zeros(400)), 32))
    return precision(trainer.model)


# Lists


@of_candidates
@pytest.mark.parametrize("column", [0, 2])
def test_a_list_has_the_loss_of_its_name(make, loss, params, formula, column):
    trainer = make(youtube, 2, loss=loss, loss_params=params)
    x = planted(20)
    logits = trainer.model(x)
    expected = [
        formula(row[column], row[:column] + row[column + 1 :]) for row in logits.double().tolist()
    ]
    found = loss_of(trainer, (x, torch.full((20,), column)))
    assert found.item() == pytest.approx(math.fsum(expected) / 20, rel=1e-5)
    if column == 0:
        assert loss_of(trainer, x).item() == found.item()


@of_candidates
@pytest.mark.parametrize("in_batch_neg", [False, True])
def test_who_likes_what_is_learned_by_each_loss(make, loss, params, formula, in_batch_neg):
    del formula
    params = {"num_items": 32} if loss == "gbce" else params
    trainer = make(
        Products, 2, in_batch_neg=in_batch_neg, loss=loss, loss_params=params, n_epoch=15
    )
    assert fit(trainer) > 0.9


@of_candidates
@pytest.mark.parametrize("in_batch_neg", [False, True])
def test_rows_are_weighed_by_each_loss(make, loss, params, formula, in_batch_neg):
    """The weighted mean of the losses that the formula gives the rows."""
    trainer = make(youtube, 2, in_batch_neg=in_batch_neg, loss=loss, loss_params=params)
    x, weights = planted(20), 1.0 + torch.arange(20) % 3
    scores = trainer.model(x).double()
    if in_batch_neg:
        user, item = trainer.model.user_tower(x).double(), trainer.model.item_tower(x).double()
        scores = user @ item.T / 0.5
    rows = []
    for i, row in enumerate(scores.tolist()):
        own = i if in_batch_neg else 0
        others = [s for j, s in enumerate(row) if j != own]
        if in_batch_neg:
            others = [s for s, j in zip(row, x["item"].tolist()) if j != x["item"][i]]
        if loss == "gbce":
            rows.append(gbce_formula(row[own], others, len(row) - 1, num_items=1000, t=0.6))
        else:
            rows.append(formula(row[own], others))
    total = math.fsum(w * value for w, value in zip(weights.tolist(), rows))
    batch = Batch.unpacked((x, torch.zeros(20), weights))
    found = trainer.losses(batch)
    assert found.losses.item() == pytest.approx(total / weights.sum().item(), rel=1e-4)
    assert found.count == weights.sum()


def test_all_items_as_candidates_have_the_loss_of_its_name(make):
    history = SequenceFeature("history", V, D, "concat", padding_idx=0)
    x, y = {"history": torch.randint(1, V, (10, 3))}, torch.randint(1, V, (10,))
    trainer = make(lambda: NARM(history, D, 0.0, 0.0), 2, loss="gbce", loss_params={"num_items": V})
    logits = trainer.model(x)
    full = make(lambda: NARM(history, D, 0.0, 0.0), 2, loss="bce")
    assert logits.shape == (10, V)
    assert loss_of(trainer, (x, y)) == loss_of(full, (x, y))  # β = 1: there is nothing to correct


def test_negatives_of_known_frequency_are_corrected(make):
    n = np.arange(V) + 1.0
    trainer = make(youtube, 2, loss="sampled_softmax", item_frequency={"negatives": n})
    x = planted(20)
    q = (n / n.sum()).tolist()
    rows = zip(trainer.model(x).double().tolist(), x["negatives"].tolist())
    expected = [
        softmax_formula(z[0], [s - math.log(K * q[i]) for s, i in zip(z[1:], ids)])
        for z, ids in rows
    ]
    found = loss_of(trainer, x)
    assert found.item() == pytest.approx(math.fsum(expected) / 20, rel=1e-5)
    by_default = make(youtube, 2, item_frequency={"negatives": n})
    assert loss_of(by_default, x) == found


def test_corrected_negatives_leave_popularity_in_the_scores(make):
    """Popular items are drawn as negatives in proportion: only with logQ do scores rank them."""
    g = torch.Generator().manual_seed(0)
    share = 0.8 ** torch.arange(V)
    item, negatives = (
        torch.multinomial(share, m, replacement=True, generator=g).view(*shape)
        for m, shape in ((3000, (3000,)), (3000 * 8, (3000, 8)))
    )
    # several users, as batch normalization makes nothing of one
    x = {"user": torch.arange(3000) % V, "item": item, "negatives": negatives}
    data = TableLoader(TorchDataset(x, torch.zeros(3000)), 100)

    def by_product():
        model = youtube()
        model.by_cosine = False
        return model

    def correlation(**options):
        trainer = make(by_product, 2, loss="sampled_softmax", **options)
        trainer.fit(data)
        trainer.model.eval()
        every = {"user": torch.arange(V), "item": torch.arange(V)}
        scores = (trainer.model.item_tower(every) @ trainer.model.user_tower(every).T).mean(1)
        return torch.corrcoef(torch.stack([scores[:12], share.log()[:12]]))[0, 1].item()

    counts = torch.bincount(negatives.reshape(-1), minlength=V).numpy()
    assert correlation(item_frequency={"negatives": counts}) > 0.9
    assert correlation() < 0.5


def test_frequencies_of_negatives_and_retrieval_go_together(make):
    users, items = {"user": np.arange(V)}, {"item": np.arange(V)}
    data = RetrievalData(users=users, items=items, relevant=[[u % 4] for u in range(V)])
    n = np.arange(V) + 1.0
    trainer = make(youtube, 2, item_frequency={"negatives": n}, retrieval=data, n_epoch=1)
    trainer.fit(TableLoader(TorchDataset(planted(), torch.zeros(400)), 32))
    assert 0 <= trainer.history[0]["val/ndcg@10"] <= 1


def test_the_column_of_frequencies_must_be_that_of_the_negatives(make):
    n = np.ones(V)
    trainer = make(youtube, 2, item_frequency={"item": n})
    with pytest.raises(ValueError, match=r"the column of the 4 negatives .* 'item' has shape"):
        loss_of(trainer, planted(20))
    trainer = make(youtube, 2, item_frequency={"other": n})
    with pytest.raises(KeyError, match="no column 'other', which item_frequency names"):
        loss_of(trainer, planted(20))


# Pairs


@pytest.mark.parametrize(
    ("loss", "params", "module"),
    [
        ("bpr", {}, BPRLoss()),
        ("hinge", {"margin": 0.5}, HingeLoss(0.5)),
        ("bce", {}, NegativesBCELoss()),
        (HingeLoss(0.7), None, HingeLoss(0.7)),
    ],
)
def test_a_pair_has_the_loss_of_its_name(make, loss, params, module):
    trainer = make(lambda: BPRMF(USER, ITEM, NEG), 1, loss=loss, loss_params=params)
    x = planted(20)
    assert loss_of(trainer, x) == module(*trainer.model(x))
    assert fit(trainer) > 0.9


def test_a_named_loss_takes_the_place_of_the_models_own(make):
    def sasrec():
        return SASRec([SequenceFeature(n, V, D, "concat") for n in ("seq", "pos", "neg")], 3, 0.0)

    own, named = make(sasrec, 1), make(sasrec, 1, loss="bce")
    x = {name: torch.randint(1, V, (9, 3)) for name in ("seq", "pos", "neg")}
    torch.testing.assert_close(loss_of(own, x), 2 * loss_of(named, x))


# The items of a batch


@of_candidates
@pytest.mark.parametrize("earlier", [0, 30])
def test_in_batch_negatives_have_the_loss_of_its_name(make, loss, params, formula, earlier):
    trainer = make(
        dssm, 2, in_batch_neg=True, loss=loss, loss_params=params, cross_batch_negatives=earlier
    )
    x = planted(20)
    user, item = trainer.model.user_tower(x).double() / 0.5, trainer.model.item_tower(x).double()
    scores, ids = (user @ item.T).tolist(), x["item"].tolist()
    for repeats in (1, 1 + (earlier > 0)):
        found, rows = loss_of(trainer, x).item(), []
        for i, row in enumerate(scores):
            others = [s for s, j in zip(row, ids) if j != ids[i]] * repeats
            if loss == "gbce":
                k = 20 * repeats - 1
                rows.append(gbce_formula(row[i], others, k, num_items=1000, t=0.6))
            else:
                rows.append(formula(row[i], others))
        assert found == pytest.approx(math.fsum(rows) / 20, rel=1e-4)


# Points, and all modes


def test_points_take_losses_of_probabilities(make):
    x = planted(20)
    y = torch.arange(20) % 2
    plain = make(dssm, 0)
    named = make(dssm, 0, loss="binary_cross_entropy")
    assert loss_of(named, (x, y)) == loss_of(plain, (x, y))
    assert loss_of(make(dssm, 0, loss="focal"), (x, y)) < loss_of(plain, (x, y))


@pytest.mark.parametrize(
    ("mode", "options", "error", "message"),
    [
        (0, {"loss": "bpr"}, ValueError, r"loss 'bpr' of MatchTrainer\(mode=0\); give one of bin"),
        (1, {"loss": "gbce"}, ValueError, r"'gbce' of MatchTrainer\(mode=1\); give one of bpr, h"),
        (2, {"loss": "bpr"}, ValueError, "'bpr' of .*give one of sampled_softmax, gbce, bpr_max"),
        (0, {"loss": "bpr", "in_batch_neg": True}, ValueError, r"\(in_batch_neg=True\); give one"),
        (2, {"loss": "gbce"}, TypeError, "'gbce': missing a required argument: 'num_items'"),
        (2, {"loss": "bce", "loss_params": {"t": 1}}, TypeError, "'bce'.*unexpected .*'t'"),
        (2, {"loss_params": {"t": 1}}, ValueError, "arguments of a loss by name: give loss too"),
        (1, {"loss": BPRLoss}, TypeError, r"got a class: give BPRLoss\(…\)"),
        (1, {"loss": BPRLoss(reduction="none")}, ValueError, "BPRLoss has reduction='none'"),
        (1, {"loss": BPRLoss(), "loss_params": {"a": 1}}, ValueError, "give them to BPRLoss"),
        (1, {"item_frequency": {"item": [1] * V}}, ValueError, "in-batch negatives, or those of"),
        (
            2,
            {"item_frequency": {"negatives": [1] * V}, "loss": "bce"},
            ValueError,
            "or mode=2 and loss='sampled_softmax', or leave it out",
        ),
    ],
)
def test_a_loss_that_does_not_fit_is_refused(make, mode, options, error, message):
    with pytest.raises(error, match=message):
        make(dssm if mode == 0 else youtube, mode, **options)


def test_a_module_of_your_own_is_used_as_it_is(make):
    class Mine(nn.Module):
        def forward(self, logits, target):
            return 3 * nn.functional.cross_entropy(logits, target)

    x = planted(20)
    plain = loss_of(make(youtube, 2), x)
    torch.testing.assert_close(loss_of(make(youtube, 2, loss=Mine()), x), 3 * plain)


@pytest.mark.parametrize("in_batch", [False, True])
def test_losses_are_recorded(make, fake_logger, in_batch):
    trainer = make(
        youtube, 2, in_batch_neg=in_batch, loss="bpr_max", loss_params={"regularization": 0.5},
        n_epoch=1, model_logger=fake_logger,
    )  # fmt: skip
    fit(trainer)
    recorded = fake_logger.calls[0][1]
    assert recorded["loss"] == "bpr_max"
    assert recorded["loss_params"] == {"regularization": 0.5}
