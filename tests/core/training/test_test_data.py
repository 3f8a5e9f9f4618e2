"""Test data of fit: the metrics of the best weights are part of the run."""

import logging

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss, roc_auc_score

from core.training.click_table import FakeLogger, table
from core.training.training_table import TRAINERS, TRAINING_RUNS, V
from torch_rechub.basic.tracking import JSONLLogger
from torch_rechub.data.loader import TableLoader, TorchDataset
from torch_rechub.objectives.retrieval import RetrievalData
from torch_rechub.runs import compare, read_runs
from torch_rechub.trainers import Callback
from torch_rechub.trainers.rqvae_trainer import Trainer as RQVAETrainer

TEST = table(80)


def loader_of(x, y):
    return TableLoader(TorchDataset(x, y), 16)


def fitted(name, folder, logger=None, **options):
    """A trainer that has been fitted with test data, and these."""
    torch.manual_seed(1)
    trainer, data = TRAINING_RUNS[name](
        model_path=folder, n_epoch=2, model_logger=logger, progress=False, **options
    )
    loader = TableLoader(data, 32) if isinstance(data, TorchDataset) else data
    test = list(loader)[1:]
    arguments = (loader,) if isinstance(trainer, RQVAETrainer) else (loader, loader)
    trainer.fit(*arguments, test_dataloader=test)
    return trainer, test


@pytest.mark.parametrize("name", TRAINERS)
def test_every_trainer_records_the_metrics_of_test_data_once_before_the_end(tmp_path, name):
    logger = FakeLogger()
    trainer, test = fitted(name, tmp_path, logger)
    names = [f"test/{metric}" for metric in trainer.named_metrics()]
    assert list(trainer.test_metrics) == names
    assert trainer.test(test) == pytest.approx(trainer.test_metrics)
    recorded = [call for call in logger.calls if call[0] == "log_metrics"]
    assert recorded[-1] == ("log_metrics", 2, trainer.test_metrics)
    assert [step for _, step, _ in recorded] == [0, 1, 2]
    assert logger.order[-2:] == ["log_metrics", "finish"]
    assert not any(name.startswith("test/") for row in trainer.history for name in row)


def test_the_metrics_are_those_of_the_best_weights(make_trainer, loaders, scores, saved):
    trainer = make_trainer(n_epoch=3, metrics=("auc", "log_loss"))
    watched = scores(trainer, [0.9, 0.5, 0.6, 0.25])
    trainer.fit(*loaders, test_dataloader=TEST)
    assert trainer.test_metrics["test/auc"] == 0.25
    best, of_the_test = watched.weights[0], watched.weights[3]
    assert all(torch.equal(best[name], of_the_test[name]) for name in best)
    with torch.no_grad():
        trainer.model.load_state_dict(saved())
        p = trainer.model.eval()(TEST[0]).double()
    assert trainer.test_metrics["test/log_loss"] == pytest.approx(log_loss(TEST[1], p), rel=1e-5)


def test_training_that_stops_early_is_followed_by_the_test(make_trainer, loaders, scores):
    logger = FakeLogger()
    trainer = make_trainer(n_epoch=9, earlystop_patience=1, model_logger=logger)
    scores(trainer, [0.9, 0.5, 0.75])
    trainer.fit(*loaders, test_dataloader=TEST)
    assert logger.steps == [0, 1, 2]
    assert logger.metrics[-1] == {"test/auc": 0.75}


def test_without_validation_the_last_weights_are_tested(make_trainer, loaders):
    trainer = make_trainer()
    trainer.fit(loaders[0], test_dataloader=TEST)
    with torch.no_grad():
        p = trainer.model.eval()(TEST[0])
    assert trainer.test_metrics == {"test/auc": pytest.approx(roc_auc_score(TEST[1], p))}


def test_training_is_the_same_with_test_data_and_without(make_trainer, loaders, same_weights):
    weights, rows = [], []
    for test in (None, TEST):
        trainer = make_trainer()
        trainer.fit(*loaders, test_dataloader=test)
        weights.append(trainer.model.state_dict())
        rows.append([{**row, "seconds": 0} for row in trainer.history])
    assert same_weights(*weights)
    assert rows[0] == rows[1]


def test_a_second_fit_without_test_data_has_no_test_metrics(make_trainer, loaders):
    trainer = make_trainer()
    trainer.fit(*loaders, test_dataloader=TEST)
    trainer.fit(*loaders)
    assert trainer.test_metrics == {}


class Seen(Callback):
    """Remembers the test metrics at the end of training; fails in an epoch of its choice."""

    def __init__(self, fails=None):
        self.fails, self.found = fails, None

    def on_fit_begin(self, trainer):
        self.trainer = trainer

    def on_epoch_end(self, row):
        if row["epoch"] == self.fails:
            raise RuntimeError("power cut")

    def on_fit_end(self, status):
        self.found = status, dict(self.trainer.test_metrics)


def test_callbacks_find_the_test_metrics_at_the_end(make_trainer, loaders):
    seen = Seen()
    trainer = make_trainer(callbacks=[seen])
    trainer.fit(*loaders, test_dataloader=TEST)
    assert seen.found == ("completed", trainer.test_metrics)
    assert trainer.test_metrics


def test_training_that_fails_has_no_test_metrics(make_trainer, loaders):
    seen, logger = Seen(fails=1), FakeLogger()
    trainer = make_trainer(callbacks=[seen], model_logger=logger)
    with pytest.raises(RuntimeError, match="power cut"):
        trainer.fit(*loaders, test_dataloader=TEST)
    assert seen.found == ("failed", {})
    assert logger.steps == [0, 1]
    assert logger.order[-1] == "finish"


def test_a_test_that_fails_ends_fit_with_the_best_weights_in_the_model(
    make_trainer, loaders, scores, same_weights
):
    seen, logger = Seen(), FakeLogger()
    trainer = make_trainer(callbacks=[seen], model_logger=logger)
    watched = scores(trainer, [0.9, 0.5, RuntimeError("out of memory")])
    with pytest.raises(RuntimeError, match="out of memory"):
        trainer.fit(*loaders, test_dataloader=TEST)
    assert seen.found == ("failed", {})
    assert logger.order[-1] == "finish"
    assert same_weights(trainer.model.state_dict(), watched.weights[0])


@pytest.mark.parametrize(
    ("test", "error", "message"),
    [
        (({"user": TEST[0]["user"]}, TEST[1]), KeyError, "price"),
        ((TEST[0] | {"user": TEST[0]["user"] + 7}, TEST[1]), IndexError, "user"),
        ((TEST[0], TEST[1] + 1), ValueError, "labels"),
        (({n: c[:0] for n, c in TEST[0].items()}, TEST[1][:0]), ValueError, "test_dataloader has"),
        ("clicks.parquet", TypeError, "got the path 'clicks.parquet'"),
        (RetrievalData(users=TEST[0], items=TEST[0], relevant=[[0]] * 80), TypeError, "Retrieval"),
    ],
)
def test_test_data_are_checked_before_the_first_step(make_trainer, loaders, test, error, message):
    trainer = make_trainer()
    with pytest.raises(error, match=message):
        trainer.fit(*loaders, test_dataloader=test)
    assert trainer.steps.count == 0


def test_validation_data_come_in_any_form_too(make_trainer, loaders):
    by_loader, by_table = make_trainer(), make_trainer()
    by_loader.fit(loaders[0], loader_of(*TEST))
    by_table.fit(loaders[0], TEST)
    auc = [row["val/auc"] for row in by_loader.history]
    assert [row["val/auc"] for row in by_table.history] == pytest.approx(auc)


@pytest.mark.parametrize(
    "data", [TEST[0], TEST, TorchDataset(*TEST), TEST[0]["price"], TEST[0]["price"].numpy()]
)
def test_training_data_without_batches_are_refused(make_trainer, data):
    with pytest.raises(TypeError, match="train_dataloader must be a loader, which says how large"):
        make_trainer().fit(data)


def test_the_log_has_a_line_of_the_test(make_trainer, loaders, caplog):
    with caplog.at_level(logging.INFO, "torch_rechub"):
        trainer = make_trainer(progress=None)
        trainer.fit(*loaders, test_dataloader=TEST)
    assert f"test: test/auc {trainer.test_metrics['test/auc']:.6g}" in caplog.messages


# In the runs


def recorded_by(make_trainer, loaders, folder, n_epoch, test=TEST):
    logger = JSONLLogger(dir=folder, id="a", resume="allow")
    trainer = make_trainer(n_epoch=n_epoch, model_logger=logger)
    trainer.fit(*loaders, resume=True, test_dataloader=test)
    (run,) = read_runs(folder)
    return trainer, run.metrics


def test_a_run_that_is_complete_and_is_resumed_has_its_test_metrics_once(
    make_trainer, loaders, tmp_path
):
    for _ in range(2):
        trainer, found = recorded_by(make_trainer, loaders, tmp_path / "runs", 2)
        assert found["test/auc"] == [(2, trainer.test_metrics["test/auc"])]
        assert [step for step, _ in found["val/auc"]] == [0, 1]


def test_a_run_that_died_after_its_last_epoch_gets_its_test_metrics_when_resumed(
    make_trainer, loaders, tmp_path
):
    _, found = recorded_by(make_trainer, loaders, tmp_path / "runs", 2, test=None)
    assert "test/auc" not in found
    trainer, found = recorded_by(make_trainer, loaders, tmp_path / "runs", 2)
    assert found["test/auc"] == [(2, trainer.test_metrics["test/auc"])]


def test_a_run_that_is_trained_further_has_the_test_metrics_of_its_end(
    make_trainer, loaders, tmp_path
):
    for n_epoch in (1, 3):
        trainer, found = recorded_by(make_trainer, loaders, tmp_path / "runs", n_epoch)
        assert found["test/auc"] == [(n_epoch, trainer.test_metrics["test/auc"])]
        assert [step for step, _ in found["val/auc"]] == list(range(n_epoch))


def test_runs_are_compared_by_a_metric_of_the_test(make_trainer, loaders, tmp_path):
    for name, lr in (("slow", 1e-6), ("fast", 0.05)):
        logger = JSONLLogger(name=name, dir=tmp_path / "runs")
        trainer = make_trainer(optimizer_params={"lr": lr}, n_epoch=9, model_logger=logger)
        trainer.fit(*loaders, test_dataloader=TEST)
    ranked = compare(tmp_path / "runs", "test/auc")
    assert (ranked.mode, [row.name for row in ranked.rows]) == ("max", ["fast", "slow"])
    assert ranked.rows[0].best.mean == pytest.approx(trainer.test_metrics["test/auc"])


# Of retrieval


RELEVANT = [[i, (i + 3) % V] for i in range(V)]


def catalog(**changes):
    columns = {"users": {"user": torch.arange(V)}, "items": {"item": torch.arange(V)}}
    return RetrievalData(**{**columns, "relevant": RELEVANT, "k": 4, **changes})


def recall(model):
    """The mean share of relevant items among the best four, by a plain loop."""
    with torch.no_grad():
        model.eval()
        users = model.user_tower({"user": torch.arange(V)})
        scores = (users @ model.item_tower({"item": torch.arange(V)}).T).numpy()
    best = np.argsort(-scores, axis=1, kind="stable")[:, :4]
    return np.mean([len(set(row) & set(its)) / 2 for row, its in zip(best, RELEVANT, strict=True)])


@pytest.mark.parametrize("validated", [False, True])
def test_a_retrieval_model_is_tested_on_the_catalog(tmp_path, validated):
    logger = FakeLogger()
    retrieval = catalog(relevant=[[0]] * V, k=2) if validated else None
    trainer, data = TRAINING_RUNS["in-batch"](model_path=tmp_path, n_epoch=2, model_logger=logger)
    trainer.retrieval = retrieval
    trainer.fit(TableLoader(data, 32), test_dataloader=catalog())
    assert list(trainer.test_metrics) == [f"test/{m}@4" for m in ("ndcg", "hit", "recall", "mrr")]
    assert trainer.test_metrics["test/recall@4"] == pytest.approx(recall(trainer.model))
    assert logger.metrics[-1] == trainer.test_metrics


def test_of_a_loader_a_retrieval_model_is_tested_by_its_scores_alone(tmp_path):
    trainer, data = TRAINING_RUNS["point-wise"](model_path=tmp_path, n_epoch=1)
    trainer.retrieval = catalog()
    loader = TableLoader(data, 32)
    trainer.fit(loader, test_dataloader=loader)
    assert trainer.test_metrics == {"test/auc": trainer.evaluate(trainer.model, loader)}


def test_metrics_that_are_asked_for_are_those_of_the_test(tmp_path):
    metrics = ("recall@4", "coverage@3")
    retrieval = catalog(relevant=[[0]] * V)
    trainer, data = TRAINING_RUNS["in-batch"](
        model_path=tmp_path, n_epoch=1, metrics=metrics, retrieval=retrieval
    )
    loader = TableLoader(data, 32)
    trainer.fit(loader, test_dataloader=catalog())
    assert list(trainer.test_metrics) == ["test/recall@4", "test/coverage@3"]
    with pytest.raises(ValueError, match=r"test_dataloader must be a RetrievalData, .*recall@4"):
        trainer.fit(loader, test_dataloader=loader)


@pytest.mark.parametrize("place", ["retrieval", "test_dataloader"])
@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"users": {"item": torch.arange(V)}}, KeyError, "user"),
        ({"items": {"item": torch.arange(V) + 5}}, IndexError, "item"),
        ({"users": {"user": []}, "relevant": []}, ValueError, r"users has no batches"),
    ],
)
def test_users_and_items_are_checked_before_the_first_step(
    tmp_path, place, changes, error, message
):
    trainer, data = TRAINING_RUNS["in-batch"](model_path=tmp_path, n_epoch=1)
    bad, test = catalog(**changes), None
    if place == "retrieval":
        trainer.retrieval = bad
    else:
        test = bad
    with pytest.raises(error, match=message):
        trainer.fit(TableLoader(data, 32), test_dataloader=test)
    assert trainer.steps.count == 0
