"""Every trainer keeps the epoch that its monitored metric says is the best, in both directions."""

import copy
import logging
import math

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss as sklearn_log_loss
from torch.optim.lr_scheduler import ReduceLROnPlateau

from core.training.training_table import TRAINING_RUNS
from torch_rechub.data.loader import TableLoader
from torch_rechub.metrics import gauc_score, log_loss
from torch_rechub.trainers import CTRTrainer, Metric, RetrievalData

SCRIPT = (0.5, 0.9, 0.1, 0.6, 0.7, 0.8)
BEST = {"max": 1, "min": 2}
BY_HITS = {"needs": "hits", "k": 1}
WITH_METRICS = {
    "clicks": {},
    "point-wise": {},
    "pair-wise": {},
    "list-wise": {},
    "in-batch": {},
    "tasks": {},
    "next items": BY_HITS,
    "next codes": BY_HITS,
}


def scripted(name, direction, **kwargs):
    """A trainer whose metric gives the scripted values; the weights of each epoch; its data."""
    weights, values = [], iter(SCRIPT)

    def value(*data):
        weights.append(copy.deepcopy(trainer.model.state_dict()))
        return next(values)

    metric = Metric("scripted", value, direction, **WITH_METRICS[name])
    metrics = [[metric], ["mse"]] if name == "tasks" else [metric]
    trainer, data = TRAINING_RUNS[name](metrics=metrics, n_epoch=6, progress=False, **kwargs)
    loader = TableLoader(data, 32) if hasattr(data, "x") else data
    return trainer, loader, weights


def same(first, second):
    assert first.keys() == second.keys()
    return all(torch.equal(value, second[name]) for name, value in first.items())


@pytest.mark.parametrize("direction", ["max", "min"])
@pytest.mark.parametrize("name", WITH_METRICS)
def test_the_best_epoch_is_restored_saved_and_known(name, direction, tmp_path):
    trainer, data, weights = scripted(name, direction, model_path=tmp_path)
    trainer.fit(data, data)
    best = BEST[direction]
    assert same(trainer.model.state_dict(), weights[best])
    assert same(torch.load(trainer.best.path, weights_only=True), weights[best])
    assert trainer.early_stopper.best_auc == SCRIPT[best]
    assert [row[trainer.monitor] for row in trainer.history] == list(SCRIPT)
    assert trainer.hyperparams()["monitor_direction"] == direction


def test_an_rq_vae_may_monitor_its_collision_rate(tmp_path):
    trainer, data = TRAINING_RUNS["codes"](
        monitor="val/collision_rate", n_epoch=3, model_path=tmp_path, progress=False
    )
    assert trainer.early_stopper.mode == "min"
    trainer.fit(data)
    with pytest.raises(ValueError, match="an RQ-VAE has one metric, 'collision_rate', got"):
        TRAINING_RUNS["codes"](metrics=["auc"], model_path=tmp_path)


@pytest.mark.parametrize(("direction", "epochs"), [("max", 1 + 1 + 3), ("min", 2 + 1 + 3)])
def test_early_stopping_counts_in_the_direction(direction, epochs, tmp_path):
    trainer, data, _ = scripted("clicks", direction, model_path=tmp_path, earlystop_patience=3)
    trainer.fit(data, data)
    assert len(trainer.history) == epochs


def test_an_improvement_is_more_than_min_delta(tmp_path):
    trainer, data, weights = scripted("clicks", "max", model_path=tmp_path, min_delta=0.5)
    trainer.fit(data, data)
    assert same(trainer.model.state_dict(), weights[0])  # 0.9 is only 0.4 more than 0.5


@pytest.mark.parametrize("direction", ["max", "min"])
def test_a_plateau_is_one_of_the_monitored_metric(direction, tmp_path):
    schedule = {"scheduler_fn": ReduceLROnPlateau, "scheduler_params": {"patience": 0}}
    trainer, data, _ = scripted("clicks", direction, model_path=tmp_path, **schedule)
    trainer.fit(data, data)
    rates, best, rate = [], math.inf, 1e-3
    for score in SCRIPT:
        rates.append(rate)
        value = -score if direction == "max" else score
        worse = value >= best * (1 - 1e-4 * np.sign(best)) if best != math.inf else False
        best, rate = (best, rate * 0.1) if worse else (value, rate)
    assert [row["learning_rate"] for row in trainer.history] == pytest.approx(rates)


# Metrics by name


def test_metrics_of_clicks_are_those_of_their_formulas(make_trainer, loaders):
    names = ("auc", "log_loss", "gauc", "ndcg@2")
    trainer = make_trainer(metrics=names, group_column="user", monitor="val/log_loss")
    trainer.fit(*loaders)
    data = loaders[1].dataset
    p = np.array(trainer.predict(trainer.model, loaders[1]))
    y, users = data.y.numpy(), data.x["user"].numpy()
    found = trainer.measure(trainer.model, loaders[1])
    assert list(found) == list(names)
    assert found["log_loss"] == pytest.approx(sklearn_log_loss(y, p), rel=1e-6)
    assert found["gauc"] == pytest.approx(gauc_score(y, p, users))
    assert trainer.early_stopper.mode == "min"
    losses = [row["val/log_loss"] for row in trainer.history]
    assert found["log_loss"] == pytest.approx(min(losses), rel=1e-6)
    assert {n for n in trainer.history[0] if n.startswith("val/")} == {f"val/{n}" for n in names}


def test_only_the_default_is_recorded_unless_more_is_asked_for(make_trainer, loaders):
    trainer = make_trainer()
    trainer.fit(*loaders)
    assert [n for n in trainer.history[0] if n.startswith("val/")] == ["val/auc"]


def test_tasks_take_the_metrics_that_their_labels_allow(tmp_path):
    metrics = ("auc", "log_loss", "mse")
    trainer, data = TRAINING_RUNS["tasks"](
        metrics=metrics, monitor="val/task_1_mse", n_epoch=2, model_path=tmp_path, progress=False
    )
    loader = TableLoader(data, 32)
    trainer.fit(loader, loader)
    names = {name for name in trainer.history[0] if name.startswith("val/")}
    assert names == {f"val/task_{t}" for t in ("0_auc", "0_log_loss", "0_mse", "1_mse")}
    assert trainer.early_stopper.mode == "min"
    with pytest.raises(ValueError, match="task 1 is a regression, and its labels do not allow auc"):
        TRAINING_RUNS["tasks"](metrics=["auc"], model_path=tmp_path)
    with pytest.raises(ValueError, match="metrics has 1 lists for 2 tasks"):
        TRAINING_RUNS["tasks"](metrics=[["auc"]], model_path=tmp_path)


@pytest.mark.parametrize("name", ["next items", "next codes"])
def test_sequence_trainers_monitor_ranking_metrics(name, tmp_path):
    trainer, data = TRAINING_RUNS[name](
        metrics=("loss", "ndcg@3", "mrr@2"), monitor="val/ndcg@3", n_epoch=2, model_path=tmp_path,
        progress=False,
    )  # fmt: skip
    trainer.fit(data, data)
    assert trainer.early_stopper.mode == "max"
    found = trainer.evaluate_topk(data, topKs=(2, 3))
    measured = trainer.measure(trainer.model, data)
    assert measured["ndcg@3"] == pytest.approx(found["ndcg@3"])
    if name == "next items":  # a search of more beams finds more
        assert measured["mrr@2"] == pytest.approx(found["mrr@2"])
    assert measured["ndcg@3"] == pytest.approx(max(r["val/ndcg@3"] for r in trainer.history))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"monitor": "auc"}, r"monitor must be one of .*'val/auc', 'train/loss', got 'auc'"),
        ({"monitor": "val/log_loss"}, "add it to metrics, or monitor another"),
        ({"metrics": ["calibration"]}, "'val/calibration' can be recorded, not monitored"),
        ({"metrics": ["gauc"]}, "CTRTrainer cannot compute gauc.*group_column"),
        ({"metrics": ["coverage@5"]}, "cannot compute coverage@5"),
        ({"metrics": ["aux"]}, "unknown metric 'aux'"),
        ({"metrics": []}, "metrics is empty"),
        ({"min_delta": -1.0}, "min_delta must be"),
    ],
)
def test_what_cannot_be_monitored_is_refused_when_the_trainer_is_made(
    make_trainer, arguments, message
):
    with pytest.raises(ValueError, match=message):
        make_trainer(**arguments)


def test_a_column_of_groups_is_one_of_the_data(make_trainer, loaders):
    trainer = make_trainer(metrics=["gauc"], group_column="item")
    with pytest.raises(KeyError, match="group_column='item' is not in the data; columns there are"):
        trainer.fit(*loaders)
    for name, owner in (("next items", "SeqTrainer"), ("point-wise", "MatchTrainer")):
        with pytest.raises(ValueError, match=f"group_column='user' has no effect in {owner}"):
            TRAINING_RUNS[name](group_column="user")


# evaluate_fn of 0.9


def test_a_loss_as_evaluate_fn_keeps_the_epoch_of_the_smallest(make_trainer, loaders, caplog):
    trainer = make_trainer(n_epoch=4)
    trainer.evaluate_fn = log_loss
    trainer.fit(*loaders)
    assert trainer.monitor == "val/log_loss"
    assert "val/auc" not in trainer.history[0]
    losses = [row["val/log_loss"] for row in trainer.history]
    assert trainer.evaluate(trainer.model, loaders[1]) == pytest.approx(min(losses), rel=1e-6)
    assert caplog.text == ""


def test_an_unknown_evaluate_fn_says_which_direction_it_takes(make_trainer, caplog):
    trainer = make_trainer()
    trainer.evaluate_fn = lambda y, p: 0.0
    assert "larger values of 'score' are taken as better" in caplog.text
    assert trainer.direction() == "max"
    caplog.clear()
    trainer.evaluate_fn = Metric("regret", lambda y, p: 0.0, "min")
    assert (caplog.text, trainer.direction(), trainer.monitor) == ("", "min", "val/regret")


# Retrieval

RELEVANT = [[4, 2], [1], [], [0, 3, 5]]
SEEN = [[0], [], [1, 2], [5]]


def by_hand(scores, k):
    """hit@k and ndcg@k of a matrix of scores, from its rows."""
    hits, gains = [], []
    for row, relevant, seen in zip(scores.tolist(), RELEVANT, SEEN, strict=True):
        if not relevant:
            continue
        ranked = sorted((i for i in range(len(row)) if i not in seen), key=lambda i: (-row[i], i))
        found = [item in relevant for item in ranked[:k]]
        hits.append(any(found))
        ideal = sum(1 / math.log2(r + 2) for r in range(min(k, len(relevant))))
        gains.append(sum(1 / math.log2(r + 2) for r, hit in enumerate(found) if hit) / ideal)
    return {f"hit@{k}": np.mean(hits), f"ndcg@{k}": np.mean(gains)}


def retrieval(**kwargs):
    users, items = {"user": torch.arange(1, 5)}, {"item": torch.arange(6) + 2}
    given = {"users": users, "items": items, "relevant": RELEVANT, "seen": SEEN, "k": 2, **kwargs}
    return RetrievalData(**given)


@pytest.mark.parametrize("name", ["point-wise", "in-batch"])
def test_matching_monitors_retrieval(name, tmp_path):
    options = {"model_path": tmp_path, "n_epoch": 3, "progress": False}
    trainer, data = TRAINING_RUNS[name](retrieval=retrieval(), monitor="val/ndcg@2", **options)
    trainer.fit(TableLoader(data, 32))
    names = {"val/ndcg@2", "val/hit@2", "val/recall@2", "val/mrr@2"}
    assert {name for name in trainer.history[0] if name.startswith("val/")} == names
    with torch.no_grad():
        model = trainer.model.eval()
        scores = model.user_tower(retrieval().users) @ model.item_tower(retrieval().items).T
    expected = by_hand(scores, 2)
    found = trainer.measure(trainer.model, None)
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    other = trainer.evaluate_retrieval(trainer.model, retrieval(k=1), metrics=["hit@1"])
    assert other == pytest.approx({"hit@1": by_hand(scores, 1)["hit@1"]})
    with pytest.raises(ValueError, match="evaluate_retrieval cannot compute auc"):
        trainer.evaluate_retrieval(trainer.model, retrieval(), metrics=["auc"])
    assert found["ndcg@2"] == pytest.approx(max(row["val/ndcg@2"] for row in trainer.history))


def test_validation_data_add_the_auc(tmp_path):
    options = {"model_path": tmp_path, "n_epoch": 1, "progress": False}
    trainer, data = TRAINING_RUNS["point-wise"](retrieval=retrieval(), **options)
    loader = TableLoader(data, 32)
    trainer.fit(loader, loader)
    assert "val/auc" in trainer.history[0]
    assert trainer.monitor == "val/ndcg@2"
    asked, data = TRAINING_RUNS["point-wise"](retrieval=retrieval(), metrics=["auc"], **options)
    with pytest.raises(ValueError, match="metric 'auc' needs val_dataloader: give it to fit"):
        asked.fit(loader)
    with pytest.raises(ValueError, match=r"ndcg@2.*retrieval=RetrievalData"):
        TRAINING_RUNS["point-wise"](metrics=["ndcg@2"], **options)


def test_a_model_without_towers_is_scored_pair_by_pair(tmp_path):
    from torch_rechub.basic.features import SparseFeature
    from torch_rechub.models.matching import NeuMF
    from torch_rechub.trainers import MatchTrainer

    user, item = (SparseFeature(name, 12, 4) for name in ("user", "item"))
    model = NeuMF(user, item, {"dims": [4]})
    trainer = MatchTrainer(model, retrieval=retrieval(), model_path=tmp_path, progress=False)
    users, items = retrieval().users["user"], retrieval().items["item"]
    pairs = {"user": users.repeat_interleave(6), "item": items.repeat(4)}
    with torch.no_grad():
        scores = model.eval()(pairs).reshape(4, 6)
    found = trainer.measure(model, None)
    expected = by_hand(scores, 2)
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_lists_of_retrieval_are_checked_when_they_are_given():
    with pytest.raises(ValueError, match="relevant holds 1 lists for 4 users"):
        retrieval(relevant=[[1]])
    with pytest.raises(IndexError, match="relevant holds item 6, but there are 6, counted from 0"):
        retrieval(relevant=[[6], [], [], []])
    with pytest.raises(ValueError, match="seen holds 2 lists for 4 users"):
        retrieval(seen=[[1], []])
    for k in (0, [], [3, 0]):
        with pytest.raises(ValueError, match="k must be"):
            retrieval(k=k)


def test_the_log_says_each_epoch(make_trainer, loaders, caplog):
    caplog.set_level(logging.INFO)
    trainer = make_trainer(metrics=("auc", "log_loss"), progress=None)
    assert isinstance(trainer, CTRTrainer)
    trainer.fit(*loaders)
    assert "epoch 1: train/loss" in caplog.text
    assert "val/log_loss" in caplog.text
