"""MatchTrainer: the loss of each mode, what is evaluated, negatives from the batch, embeddings."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.nn import functional as F

from core.training.batch_losses import count_of, loss_of
from torch_rechub.basic.features import SequenceFeature, SparseFeature
from torch_rechub.basic.loss_func import HingeLoss
from torch_rechub.data.loader import PredictDataset, TableLoader, TorchDataset
from torch_rechub.models.matching import DSSM, FaceBookDSSM, SASRec, YoutubeDNN
from torch_rechub.trainers import MatchTrainer

D = 8
USER = SparseFeature("user", 12, D)
ITEM = SparseFeature("item", 20, D)
PARAMS = {"dims": [16, D], "activation": "prelu"}


def dssm(temperature=1.0, params=PARAMS):
    return DSSM([USER], [ITEM], params, params, temperature)


def facebook(temperature=1.0):
    return FaceBookDSSM([USER], [ITEM], [SparseFeature("neg", 20, D)], PARAMS, PARAMS, temperature)


def youtube(temperature=1.0):
    negatives = [SequenceFeature("negatives", 20, D, "concat")]
    return YoutubeDNN([USER], [ITEM], negatives, PARAMS, temperature)


def sasrec():
    return SASRec([SequenceFeature(n, 20, D, "concat") for n in ("seq", "pos", "neg_seq")], 5, 0.0)


TIES = 2e-3  # equal scores of a batch may differ by rounding in another one
MAKE = {0: dssm, 1: facebook, 2: youtube}


def table(n=50, seed=3):
    """Users like the items of their parity; y tells it of `item`."""
    g = torch.Generator().manual_seed(seed)

    def draw(low, high, *shape):
        return torch.randint(low, high, (n, *shape), generator=g)

    user = draw(0, 12)
    valid = torch.arange(5) < draw(0, 6, 1)
    liked = user.unsqueeze(1) % 2
    x = {
        "user": user,
        "item": draw(0, 20),
        "neg": draw(0, 20),
        "negatives": draw(0, 20, 3),
        "seq": (draw(0, 9, 5) * 2 + 2 - liked) * valid,
        "pos": (draw(0, 9, 5) * 2 + 2 - liked) * valid,
        "neg_seq": draw(1, 20, 5) * valid,
    }
    return x, ((x["item"] + user) % 2 == 0).long()


def loader(n=50, y=None, columns=None, batch_size=16, seed=3):
    x, labels = table(n, seed)
    x = {name: x[name] for name in columns or x}
    if y is not None:
        labels = torch.full((n,), y)
    return TableLoader(TorchDataset(x, labels), batch_size)


@pytest.fixture
def make(tmp_path):
    """A trainer of what is given; otherwise two epochs at 0.02, silent, into a fresh folder."""

    def make_trainer(model, mode=0, **kwargs):
        settings = {"optimizer_params": {"lr": 0.02}, "n_epoch": 2, "progress": False}
        return MatchTrainer(model, mode, model_path=tmp_path / "m", **{**settings, **kwargs})

    return make_trainer


# The loss of each mode


def test_points_train_on_logits_at_temperature_1(make):
    # ŷ = σ(cos / τ) would be a step at cosine 0 under a small τ, and lose the gradient
    trainer = make(dssm(0.02))
    trainer.model.eval()
    x, y = table()
    cosines = (trainer.model.user_tower(x) * trainer.model.item_tower(x)).sum(dim=1).tolist()
    expected = [
        math.log1p(math.exp(-c)) if label else math.log1p(math.exp(c))
        for c, label in zip(cosines, y.tolist())
    ]
    assert loss_of(trainer, (x, y)).item() == pytest.approx(math.fsum(expected) / 50, rel=1e-5)


def test_points_of_a_model_without_logits_train_on_probabilities(make):
    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.tensor(0.3))

        def forward(self, x):
            return (self.w * x["item"]).sigmoid()

    x, y = table()
    trainer = make(Plain())
    expected = F.binary_cross_entropy((0.3 * x["item"]).sigmoid(), y.float())
    torch.testing.assert_close(loss_of(trainer, (x, y)), expected, check_dtype=False)
    trainer.fit(loader(), loader(seed=4))
    seen = roc_auc_score(table(seed=4)[1], table(seed=4)[0]["item"] * trainer.model.w.sign().item())
    assert trainer.history[-1]["val/auc"] == pytest.approx(seen, abs=0.02)  # ties of sigmoids


def test_pairs_train_on_bpr(make):
    trainer = make(facebook(0.1), mode=1)
    trainer.model.eval()
    x, y = table()
    pos, neg = (scores.tolist() for scores in trainer.model(x))
    expected = [math.log1p(math.exp(n - p)) for p, n in zip(pos, neg)]
    assert loss_of(trainer, (x, y)).item() == pytest.approx(math.fsum(expected) / 50, rel=1e-5)
    assert loss_of(trainer, x).item() == loss_of(trainer, (x, y * 0)).item()  # labels say nothing
    trainer.criterion = HingeLoss(margin=1)
    expected = [max(0.0, 1 - p + n) for p, n in zip(pos, neg)]
    assert loss_of(trainer, (x, y)).item() == pytest.approx(math.fsum(expected) / 50, rel=1e-5)


def test_pairs_of_sequences_leave_padding_out(make):
    trainer = make(sasrec(), mode=1)
    x, _ = table()
    pos, neg = (scores.detach() for scores in trainer.model(x))
    expected = [
        -math.log(torch.sigmoid(pos[i, t])) - math.log(1 - torch.sigmoid(neg[i, t]))
        for i in range(50)
        for t in range(5)
        if x["seq"][i, t] != 0
    ]
    found = loss_of(trainer, x).item()
    assert found == pytest.approx(math.fsum(expected) / len(expected), rel=1e-5)
    assert count_of(trainer, x) == len(expected)
    wider = {k: F.pad(v, (0, 3)) if v.dim() == 2 else v for k, v in x.items()}
    assert loss_of(trainer, wider).item() == pytest.approx(found, rel=1e-5)


def test_padding_alone_has_loss_0(make):
    trainer = make(sasrec(), mode=1)
    columns = ("seq", "pos", "neg_seq")
    loss = loss_of(trainer, {name: torch.zeros(3, 5, dtype=torch.long) for name in columns})
    loss.backward()
    assert loss.item() == 0


@pytest.mark.parametrize("labels", ["zeros", "none", "others"])
def test_lists_train_on_the_cross_entropy_of_the_positive(make, labels):
    trainer = make(youtube(0.2), mode=2)
    trainer.model.eval()
    x, _ = table()
    y = torch.randint(0, 4, (50,)) if labels == "others" else torch.zeros(50, dtype=torch.long)
    logits = trainer.model(x).tolist()
    expected = [
        math.log(math.fsum(math.exp(v) for v in row)) - row[c] for row, c in zip(logits, y.tolist())
    ]
    loss = loss_of(trainer, x if labels == "none" else (x, y.float()))
    assert loss.item() == pytest.approx(math.fsum(expected) / 50, rel=1e-5)


# Negatives from the batch


def in_batch_loss(model, x, temperature, keep=None, q=None):
    """−ln softmax of each row's own item among those of rows with other items, in plain loops."""
    user, item = model.user_tower(x).tolist(), model.item_tower(x).tolist()
    ids, losses = x["item"].tolist(), []
    for i in range(len(user)):
        if keep is None or keep[i]:
            scores = {
                j: math.fsum(a * b for a, b in zip(user[i], item[j])) / temperature
                - (0 if q is None else math.log(q[ids[j]]))
                for j in range(len(item))
                if j == i or ids[j] != ids[i]
            }
            losses.append(math.log(math.fsum(map(math.exp, scores.values()))) - scores[i])
    return math.fsum(losses) / len(losses)


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_the_other_rows_items_are_negatives_but_the_same_item(make, mode):
    trainer = make(MAKE[mode](0.5), mode, in_batch_neg=True)
    trainer.model.eval()
    x, y = table()
    assert len(x["item"].unique()) < 20
    expected = in_batch_loss(trainer.model, x, 0.5)
    assert loss_of(trainer, (x, y * 0 + 1)).item() == pytest.approx(expected, rel=1e-5)
    assert loss_of(trainer, x).item() == pytest.approx(expected, rel=1e-5)


def test_rows_without_a_click_are_no_positives_in_mode_0(make):
    x, y = table()
    for mode, keep in ((0, y.tolist()), (2, None)):
        trainer = make(dssm(0.5), mode, in_batch_neg=True)
        trainer.model.eval()
        expected = in_batch_loss(trainer.model, x, 0.5, keep)
        assert loss_of(trainer, (x, y)).item() == pytest.approx(expected, rel=1e-5)
        assert count_of(trainer, (x, y)) == (50 if keep is None else sum(keep))
        # where all are 0 there are no labels, as MatchDataGenerator makes them
        expected = in_batch_loss(trainer.model, x, 0.5)
        assert loss_of(trainer, (x, y * 0)).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("ratio", [1, 4, 500])
def test_hard_negatives_are_the_ratio_of_highest_score(make, ratio):
    trainer = make(dssm(0.5), in_batch_neg=True, in_batch_neg_ratio=ratio, hard_negative=True)
    trainer.model.eval()
    x, _ = table()
    scores = trainer.model.user_tower(x) @ trainer.model.item_tower(x).T / 0.5
    losses = []
    for i, row in enumerate(scores.tolist()):
        others = [s for j, s in enumerate(row) if x["item"][j] != x["item"][i]]
        z = [row[i], *sorted(others, reverse=True)[:ratio]]
        losses.append(math.log(math.fsum(map(math.exp, z))) - row[i])
    assert loss_of(trainer, x).item() == pytest.approx(math.fsum(losses) / 50, rel=1e-5)


@pytest.mark.parametrize("ratio", [None, 3])
@pytest.mark.parametrize("model", [dssm, facebook, youtube, sasrec])
def test_a_last_batch_of_one_row(make, model, ratio):
    trainer = make(model(), mode=2, in_batch_neg=True, in_batch_neg_ratio=ratio)
    trainer.fit(loader(n=33), loader(n=17))
    assert len(trainer.history) == 2
    assert all(math.isfinite(row["train/loss"]) for row in trainer.history)
    assert all(0 <= row["val/auc"] <= 1 for row in trainer.history)


def test_a_sampler_seed_makes_training_repeat(make, same_weights):
    states = []
    for seed in (1, 1, 2):
        torch.manual_seed(0)
        trainer = make(dssm(), in_batch_neg=True, in_batch_neg_ratio=2, sampler_seed=seed)
        torch.manual_seed(len(states))  # nothing else is drawn
        trainer.fit(loader())
        states.append(trainer.model.state_dict())
    assert same_weights(states[0], states[1])
    assert not same_weights(states[0], states[2])


def test_an_interrupted_training_goes_on_with_the_draws_it_would_have_made(
    make, same_weights, tmp_path
):
    def trainer(n_epoch, folder):
        torch.manual_seed(0)
        return MatchTrainer(
            dssm(),
            in_batch_neg=True,
            in_batch_neg_ratio=2,
            sampler_seed=1,
            n_epoch=n_epoch,
            model_path=tmp_path / folder,
            progress=False,
        )

    whole = trainer(4, "whole")
    whole.fit(loader())
    trainer(2, "parts").fit(loader(), resume=True)
    rest = trainer(4, "parts")
    rest.fit(loader(), resume=True)
    assert same_weights(rest.model.state_dict(), whole.model.state_dict())


def test_negatives_from_the_batch_need_no_columns_of_negatives(make):
    columns = ["user", "item"]
    for model in (facebook, youtube):
        trainer = make(model(), mode=2, in_batch_neg=True)
        trainer.fit(loader(columns=columns), loader(columns=columns))
        assert 0 <= trainer.history[-1]["val/auc"] <= 1
        with pytest.raises(KeyError, match="no column 'neg"):
            make(model(), mode=2).fit(loader(columns=columns))
        with pytest.raises(KeyError, match="no column 'user', which"):
            trainer.fit(loader(columns=["item"]))
    x, y = table()
    x["item"][7] = 20
    with pytest.raises(IndexError, match="'item': id 20"):
        trainer.fit(TableLoader(TorchDataset(x, y), 16))


def test_item_frequency_takes_ln_q_from_the_scores_of_training(make):
    x, y = table()
    n = torch.bincount(x["item"], minlength=20).tolist()
    n[x["item"][0]] = 0  # an item without a count is taken to occur once
    q = [max(count, 1) / sum(n) for count in n]
    for mode in (0, 1, 2):
        trainer = make(MAKE[mode](0.5), mode, in_batch_neg=True, item_frequency={"item": n})
        trainer.model.eval()
        expected = in_batch_loss(trainer.model, x, 0.5, q=q)
        assert abs(expected - in_batch_loss(trainer.model, x, 0.5)) > 0.01
        assert loss_of(trainer, (x, y * 0 + 1)).item() == pytest.approx(expected, rel=1e-5)
        assert trainer.hyperparams()["log_q_correction"]


def test_item_frequency_chooses_hard_negatives_by_corrected_scores(make):
    n = torch.arange(1, 21)
    options = {"in_batch_neg_ratio": 4, "hard_negative": True, "item_frequency": {"item": n}}
    trainer = make(dssm(0.5), in_batch_neg=True, **options)
    trainer.model.eval()
    x, _ = table()
    scores = trainer.model.user_tower(x) @ trainer.model.item_tower(x).T / 0.5
    losses = []
    for i, row in enumerate(scores.tolist()):
        row = [s - math.log(n[j] / 210) for s, j in zip(row, x["item"])]
        others = [s for j, s in enumerate(row) if x["item"][j] != x["item"][i]]
        z = [row[i], *sorted(others, reverse=True)[:4]]
        losses.append(math.log(math.fsum(map(math.exp, z))) - row[i])
    assert loss_of(trainer, x).item() == pytest.approx(math.fsum(losses) / 50, rel=1e-5)


def test_item_frequency_leaves_what_is_evaluated_alone(make):
    torch.manual_seed(0)
    model, n = dssm(), torch.arange(1, 21)
    plain = make(model, in_batch_neg=True)
    corrected = make(model, in_batch_neg=True, item_frequency={"item": n})
    assert plain.evaluate(model, loader()) == corrected.evaluate(model, loader())


def test_in_batch_training_with_item_frequency_learns_popularity_and_without_it_does_not(make):
    # ten items are taken four times as often as ten others, by users drawn at random
    n = torch.tensor([4] * 10 + [1] * 10)
    item = torch.arange(20).repeat_interleave(n * 10)
    x = {"user": torch.randint(0, 12, (len(item),)), "item": item}
    gap = []
    for item_frequency in (None, {"item": n}):
        trainer = make(dssm(0.2), in_batch_neg=True, item_frequency=item_frequency)
        trainer.n_epoch = 30
        trainer.fit(TableLoader(TorchDataset(x, torch.ones(len(item))), 250, shuffle=True))
        trainer.model.eval()
        every = {"user": torch.arange(12), "item": torch.arange(20)}
        u, v = trainer.model.user_tower(every), trainer.model.item_tower(every)
        often, seldom = (u @ v.T / 0.2).mean(dim=0).split(10)
        gap.append((often.mean() - seldom.mean()).item())
    without, corrected = gap
    assert abs(without) < math.log(4) / 2 < corrected, gap


@pytest.mark.parametrize(
    ("n", "message"),
    [
        ({}, "one column, got \\[\\]"),
        ({"item": [1] * 20, "user": [1] * 12}, "one column, got \\['item', 'user'\\]"),
        ({"item": [1] * 19}, "19 numbers for the 20 ids .* minlength=20"),
        ({"item": [[1] * 20]}, "in one dimension"),
        ({"item": [-1] * 20}, "at least 0"),
        ({"item": [0] * 20}, "not all 0"),
        ({"item": [math.nan] * 20}, "finite"),
    ],
)
def test_item_frequency_that_is_of_no_use(make, n, message):
    with pytest.raises(ValueError, match=message):
        make(dssm(), in_batch_neg=True, item_frequency=n)


def test_item_frequency_and_the_data(make):
    with pytest.raises(ValueError, match="set in_batch_neg=True"):
        make(dssm(), item_frequency={"item": [1] * 20})
    with pytest.raises(KeyError, match="no column 'movie', which item_frequency names"):
        make(dssm(), in_batch_neg=True, item_frequency={"movie": [1]}).fit(loader())
    with pytest.raises(ValueError, match=r"one item a row, .* 'seq' has shape"):
        make(sasrec(), 1, in_batch_neg=True, item_frequency={"seq": [1] * 20}).fit(loader())
    x, y = table()
    data = TableLoader(TorchDataset({**x, "movie": x["item"]}, y), 16)
    with pytest.raises(IndexError, match="'movie': id"):
        make(dssm(), in_batch_neg=True, item_frequency={"movie": [1, 1]}).fit(data)


def test_in_batch_negatives_need_two_towers(make):
    with pytest.raises(ValueError, match="two towers; Linear has no method user_tower"):
        make(nn.Linear(1, 1), in_batch_neg=True)


# Evaluation


def test_points_are_evaluated_by_their_labels(make):
    trainer = make(dssm(0.02))
    trainer.fit(loader())
    x, y = table(seed=4)
    expected = roc_auc_score(y, trainer.model.eval().logits(x).detach())
    found = trainer.evaluate(trainer.model, loader(seed=4))
    assert found == pytest.approx(expected, abs=TIES)
    with pytest.raises(ValueError, match=r"mode=0 needs labels.*\(x, y\)"):
        trainer.evaluate(trainer.model, [x])


def pooled(pos, neg):
    labels = [1] * len(pos) + [0] * len(neg)
    return roc_auc_score(labels, np.concatenate([pos, neg]))


def test_pairs_and_lists_are_evaluated_by_positives_against_negatives(make):
    x, _ = table(seed=4)
    trainer = make(facebook(), mode=1)
    trainer.fit(loader(), loader(seed=4))
    with torch.no_grad():
        expected = pooled(*trainer.model.eval()(x))
    assert trainer.evaluate(trainer.model, loader(seed=4)) == pytest.approx(expected, abs=TIES)

    trainer = make(sasrec(), mode=1)
    trainer.fit(loader(), loader(seed=4))
    with torch.no_grad():
        pos, neg = trainer.model.eval()(x)
    valid = x["seq"] != 0
    expected = pooled(pos[valid], neg[valid])
    assert trainer.evaluate(trainer.model, loader(seed=4)) == pytest.approx(expected, abs=TIES)

    trainer = make(youtube(), mode=2)
    trainer.fit(loader(y=0), loader(y=0, seed=4))
    with torch.no_grad():
        logits = trainer.model.eval()(x)
    for column in (0, 2):
        expected = pooled(
            logits[:, column], logits[:, [c for c in range(4) if c != column]].flatten()
        )
        found = trainer.evaluate(trainer.model, loader(y=column, seed=4))
        assert found == pytest.approx(expected, abs=TIES)


def test_in_batch_training_is_evaluated_by_labels_or_by_the_items_of_other_rows(make):
    trainer = make(dssm(), in_batch_neg=True)
    trainer.fit(loader(y=1))
    x, y = table(seed=4)
    trainer.model.eval()
    with torch.no_grad():
        user, item = trainer.model.user_tower(x), trainer.model.item_tower(x)
    by_label = roc_auc_score(y, (user * item).sum(dim=1))
    found = trainer.evaluate(trainer.model, loader(seed=4))
    assert found == pytest.approx(by_label, abs=TIES)
    # of a batch of 5 rows, all 4 others are drawn; those with the same item are no negatives
    pos, neg = [], []
    for i in range(50):
        pos.append((user[i] @ item[i]).item())
        same_batch = range(i // 5 * 5, i // 5 * 5 + 5)
        others = [j for j in same_batch if x["item"][j] != x["item"][i]]
        neg += [(user[i] @ item[j]).item() for j in others]
    for batches in (loader(y=1, seed=4, batch_size=5), loader(y=0, seed=4, batch_size=5)):
        found = trainer.evaluate(trainer.model, batches)
        assert found == pytest.approx(pooled(pos, neg), abs=TIES)


def test_the_draw_of_an_evaluation_repeats_and_leaves_training_alone(make):
    trainer = make(dssm(), mode=2, in_batch_neg=True, in_batch_neg_ratio=3, sampler_seed=1)
    before = trainer.objective.state_dict()["sampler"]
    first = trainer.evaluate(trainer.model, loader())
    assert trainer.evaluate(trainer.model, loader()) == first
    assert torch.equal(trainer.objective.state_dict()["sampler"], before)


def test_the_best_epoch_is_kept(make, saved, same_weights):
    trainer = make(dssm(), mode=0, n_epoch=8, optimizer_params={"lr": 0.1})
    scores = iter([0.5, 0.9, 0.6, 0.7, 0.8, 0.2, 0.1, 0.3])
    states = []

    def judge(labels, predictions):
        states.append({k: v.clone() for k, v in trainer.model.state_dict().items()})
        return next(scores)

    trainer.evaluate_fn = judge
    trainer.fit(loader(), loader())
    assert len(states) == 8
    assert same_weights(trainer.model.state_dict(), states[1])
    written = torch.load(trainer.best.path, weights_only=True)
    assert same_weights(written, states[1])


def test_what_is_recorded(make, fake_logger):
    trainer = make(facebook(), mode=1, model_logger=fake_logger)
    assert trainer.fit(loader(), loader()) is None
    assert [list(row) for row in fake_logger.metrics] == [
        ["train/loss", "learning_rate", "val/auc"]
    ] * 2
    settings = fake_logger.calls[0][1]
    assert settings["loss_mode"] == 1
    assert settings["in_batch_neg"] is False
    assert {"n_epoch", "learning_rate"} <= set(settings)


def test_labels_of_one_class_are_warned_of_where_they_decide(make, caplog):
    make(dssm(), n_epoch=1).fit(loader(), loader(y=1))
    assert "Every validation label is 1" in caplog.text
    caplog.clear()
    make(dssm(), n_epoch=1, in_batch_neg=True).fit(loader(y=1), loader(y=1))
    make(youtube(), mode=2, n_epoch=1).fit(loader(y=0), loader(y=0))
    assert caplog.text == ""


# Temperature


def test_a_small_temperature_ranks_points_no_worse(make):
    # unchanged scripts pass values such as 0.02, which 0.9 did not use
    def fitted(temperature, seed):
        torch.manual_seed(seed)
        model = dssm(temperature, {"dims": [32, 16], "activation": "relu"})
        trainer = make(model, n_epoch=6, optimizer_params={"lr": 0.01})
        trainer.fit(loader(2000, batch_size=100))
        return trainer

    for seed in range(2):
        trainers = [fitted(t, seed) for t in (1.0, 0.02)]
        aucs = [t.evaluate(t.model, loader(500, seed=4)) for t in trainers]
        assert aucs[1] >= aucs[0] - 1e-6
        assert aucs[0] > 0.9
        labels = table(500, seed=4)[1]
        predictions = [t.predict(t.model, loader(500, seed=4)) for t in trainers]
        by_prediction = [roc_auc_score(labels, p) for p in predictions]
        assert by_prediction[1] >= by_prediction[0] - 0.01


# Prediction and embeddings


def test_predictions_by_mode(make):
    x, _ = table()
    for mode, model in ((0, dssm(0.3)), (1, facebook()), (2, youtube()), (1, sasrec())):
        trainer = make(model, mode)
        found = trainer.predict(model, loader())
        unlabeled = TableLoader(PredictDataset(x), 7)
        again = torch.tensor(trainer.predict(model, unlabeled))
        torch.testing.assert_close(again, torch.tensor(found))
        with torch.no_grad():
            expected = model(x)
        expected = expected[0] if isinstance(expected, tuple) else expected
        assert type(found) is list
        torch.testing.assert_close(torch.tensor(found), expected, rtol=1e-5, atol=1e-6)


def embed(trainer, model, mode, columns, n=23):
    x, _ = table(n)
    batches = TableLoader(PredictDataset({c: x[c] for c in columns}), 10)
    return trainer.inference_embedding(model, mode, batches, trainer.model_path)


@pytest.mark.parametrize("make_model", [dssm, facebook, youtube, sasrec])
def test_embeddings_of_users_and_items_by_the_weights_on_disk(make, make_model):
    trainer = make(make_model(), mode=2, in_batch_neg=True)
    trainer.fit(loader())
    expected = trainer.model.eval()
    fresh = make_model()
    own = {"user": ["seq" if make_model is sasrec else "user"]}
    own["item"] = ["pos" if make_model is sasrec else "item"]
    for mode, tower in (("user", expected.user_tower), ("item", expected.item_tower)):
        found = embed(trainer, fresh, mode, own[mode])
        assert found.shape == (23, D)
        assert not found.requires_grad
        torch.testing.assert_close(found, tower(table(23)[0]).detach())
        assert fresh.mode is None


def test_training_goes_on_after_embedding(make):
    trainer = make(dssm())
    trainer.fit(loader(), loader())
    before = trainer.evaluate(trainer.model, loader())
    embed(trainer, trainer.model, "user", ["user"])
    assert trainer.evaluate(trainer.model, loader()) == before
    trainer.fit(loader(), loader())
    trainer.model.mode = "item"
    embed(trainer, trainer.model, "user", ["user"])
    assert trainer.model.mode == "item"


def test_the_mode_is_restored_after_an_error(make):
    trainer = make(dssm())
    trainer.fit(loader())
    with pytest.raises(KeyError, match="no column 'user'"):
        embed(trainer, trainer.model, "user", ["item"])
    assert trainer.model.mode is None
    with pytest.raises(AssertionError, match="'user' or 'item', got 'users'"):
        embed(trainer, trainer.model, "users", ["user"])
    with pytest.raises(ValueError, match="data_loader has no batches"):
        trainer.inference_embedding(trainer.model, "user", [], trainer.model_path)
    with pytest.raises(FileNotFoundError):
        trainer.inference_embedding(trainer.model, "user", loader(), "nowhere")


def test_columns_that_no_tower_in_use_reads_may_lack(make):
    # what is asked of each batch where a device cannot raise from a lookup
    trainer = make(youtube(), mode=2)
    trainer.check_inputs(trainer.model, table()[0])
    x = {"user": torch.tensor([3])}
    with pytest.raises(KeyError, match="'item', 'negatives'"):
        trainer.check_inputs(trainer.model, x)
    trainer.model.mode = "user"
    trainer.check_inputs(trainer.model, x)
    sequences = ["seq", "pos", "neg_seq"]
    model = SASRec([SequenceFeature(n, 20, D, "concat") for n in sequences], item_feature=ITEM)
    make(model, mode=1).fit(loader(columns=sequences))  # whose items are embedded afterwards
    with pytest.raises(IndexError, match="'user': id 12"):
        trainer.check_inputs(trainer.model, {"user": torch.tensor([12])})


# Refused inputs


@pytest.mark.parametrize("mode", [3, -1, "0", None])
def test_other_modes(make, mode):
    with pytest.raises(ValueError, match=r"mode must be 0 \(points\), 1 \(pairs\) or 2 \(lists\)"):
        make(dssm(), mode)


@pytest.mark.parametrize(
    ("model", "mode", "message"),
    [
        (facebook, 0, r"mode=0 .* not a tuple of 2: set mode=1"),
        (youtube, 0, r"mode=0 .* not a tensor of shape \(\d+, 4\): set mode=1"),
        (dssm, 1, r"mode=1 .* not a tensor of shape \(\d+,\)"),
        (dssm, 2, r"mode=2 .* not a tensor of shape \(\d+,\)"),
        (sasrec, 2, r"mode=2 .* not a tuple of 2"),
    ],
)
def test_a_mode_that_the_model_is_not_for(make, model, mode, message):
    with pytest.raises(ValueError, match=message):
        make(model(), mode).fit(loader())


def test_labels_of_points_are_0_and_1(make):
    for in_batch in (True, False):
        with pytest.raises(ValueError, match="labels 0 and 1, but holds 4"):
            make(dssm(), in_batch_neg=in_batch).fit(loader(y=4))
    with pytest.raises(ValueError, match="mode=0 needs labels"):
        make(dssm()).fit([table()[0]])
