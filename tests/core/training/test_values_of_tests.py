"""`Recording(test_values=True)`: values of rows, groups and lists whose means are the metrics."""

import logging
import shutil

import numpy as np
import pytest
import torch

from core.training.click_table import FakeLogger, table
from core.training.training_table import TRAINERS, TRAINING_RUNS, V, dssm, rows
from torch_rechub.basic.tracking import JSONLLogger
from torch_rechub.data.fingerprint import fingerprint
from torch_rechub.data.loader import TableLoader, TorchDataset
from torch_rechub.metrics import Metric
from torch_rechub.objectives.retrieval import RetrievalData
from torch_rechub.runs import details, read_runs
from torch_rechub.significance import TestValues
from torch_rechub.trainers import MatchTrainer, Recording
from torch_rechub.trainers.rqvae_trainer import Trainer as RQVAETrainer

RECORD = Recording(test_values=True)


class Files(FakeLogger):
    """Keeps a copy of each artifact."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def log_artifact(self, name, path, kind):
        self.calls.append(("log_artifact", name, kind))
        shutil.copy(path, self.folder / f"{name}.kept")


def fitted(name, folder, seed=1, change=None, **options):
    """The test metrics of a training run, and the values behind them; `change` edits test data."""
    torch.manual_seed(seed)
    trainer, data = TRAINING_RUNS[name](
        model_path=folder, n_epoch=1, model_logger=Files(folder), record=RECORD, progress=False,
        **options,
    )  # fmt: skip
    loader = TableLoader(data, 32) if isinstance(data, TorchDataset) else data
    test = list(loader)
    test = test if change is None else change(test)
    arguments = (loader,) if isinstance(trainer, RQVAETrainer) else (loader, loader)
    trainer.fit(*arguments, test_dataloader=test)
    return trainer.test_metrics, TestValues.read(folder / "test_values.kept")


def check_means(metrics, values, untested=()):
    """Check that the weighted means of units are the metrics of the test."""
    assert values.untested == untested
    assert {metric.name for metric in values.metrics} == metrics.keys() - set(untested)
    for metric in values.metrics:
        units = values.units(metric.name)
        mean = np.average(units.values, weights=units.weights)
        assert mean == pytest.approx(metrics[metric.name], rel=1e-4), metric.name


CASES = {
    "clicks": ("clicks", {"metrics": ("auc", "log_loss", "ne", "f1")}, ()),
    "clicks of users": (
        "clicks",
        {"metrics": ("auc", "gauc", "ndcg@2", "hit@1", "mse"), "group_column": "user"},
        (),
    ),
    "one metric of users": ("clicks", {"metrics": ("auc",), "group_column": "user"}, ()),
    "in-batch": ("in-batch", {}, ()),
    "point-wise": ("point-wise", {"metrics": ("auc", "log_loss")}, ()),
    "tasks": ("tasks", {}, ()),
    "metrics of tasks": (
        "tasks",
        {"metrics": [("auc", "log_loss", "gauc"), ("rmse", "mae")], "group_column": "user"},
        (),
    ),
    "next items": ("next items", {}, ("test/loss",)),
    "ranked next items": ("next items", {"metrics": ("ndcg@3", "mrr@5", "hit@1")}, ()),
}


@pytest.mark.parametrize("case", CASES)
def test_the_means_of_the_recorded_values_are_the_metrics(case, tmp_path):
    name, options, untested = CASES[case]
    check_means(*fitted(name, tmp_path, **options), untested)


@pytest.mark.parametrize("name", TRAINERS)
def test_every_trainer_records_values_or_says_which_metrics_have_none(name, tmp_path):
    metrics, values = fitted(name, tmp_path)
    assert {m.name for m in values.metrics} | set(values.untested) == metrics.keys()


@pytest.mark.parametrize("case", [c for c in CASES if c != "in-batch"])
def test_another_model_has_the_same_units_and_other_data_have_not(case, tmp_path):
    name, options, _ = CASES[case]
    folders = [tmp_path / part for part in "abc"]
    for folder in folders:
        folder.mkdir()
    _, first = fitted(name, folders[0], **options)
    _, second = fitted(name, folders[1], seed=2, **options)
    _, third = fitted(name, folders[2], change=lambda batches: batches[1:], **options)
    for metric in first.metrics:
        assert first.digest(metric.name) == second.digest(metric.name)
        assert first.digest(metric.name) != third.digest(metric.name)
        units = (first.units(metric.name).values, second.units(metric.name).values)
        assert case == "next items" or not np.array_equal(*units)


def test_groups_are_the_units_of_rows_where_they_are_recorded(tmp_path):
    _, values = fitted("clicks", tmp_path, metrics=("auc",), group_column="user")
    users = len(rows()[0]["user"].unique())
    assert (values.units("test/auc").kind, len(values.units("test/auc").values)) == (
        "groups",
        users,
    )


def retrieval(relevant=None, seen=None):
    given = [[u % V, (u + 3) % V] if u % 5 else [] for u in range(1, V)]
    return RetrievalData(
        users={"user": torch.arange(1, V)},
        items={"item": torch.arange(V)},
        relevant=given if relevant is None else relevant,
        seen=seen,
        k=(2, 4),
    )


def retrieved(folder, data, seed=1):
    torch.manual_seed(seed)
    folder.mkdir()
    trainer = MatchTrainer(
        dssm(), in_batch_neg=True, n_epoch=1, model_path=folder, model_logger=Files(folder),
        record=RECORD, progress=False,
    )  # fmt: skip
    x, y = rows()
    trainer.fit(TableLoader(TorchDataset(x, y), 32), test_dataloader=data)
    return trainer.test_metrics, TestValues.read(folder / "test_values.kept")


def test_retrieval_records_each_user_with_relevant_items(tmp_path):
    metrics, values = retrieved(tmp_path / "a", retrieval())
    check_means(metrics, values)
    assert len(values.units("test/ndcg@2").values) == sum(1 for u in range(1, V) if u % 5)
    assert values.metric("test/ndcg@2").protocol == {
        "ranked": "catalog", "seen_excluded": False, "n_items": V,
    }  # fmt: skip


def test_other_relevant_items_have_another_digest_and_their_order_does_not_matter(tmp_path):
    _, first = retrieved(tmp_path / "a", retrieval())
    turned = [row[::-1] for row in retrieval().relevant]
    _, same = retrieved(tmp_path / "b", retrieval(turned), seed=2)
    _, other = retrieved(tmp_path / "c", retrieval([[1]] * (V - 1)))
    _, excluded = retrieved(tmp_path / "d", retrieval(seen=[[0]] * (V - 1)))
    digests = [v.digest("test/hit@4") for v in (first, same, other)]
    assert digests[0] == digests[1] != digests[2]
    assert excluded.metric("test/hit@4").protocol["seen_excluded"] is True


def test_a_function_of_the_user_is_named_as_untested(tmp_path, caplog):
    caplog.set_level(logging.INFO, "torch_rechub")
    mine = Metric("mine", lambda y, p: float(np.mean(p)), "max")
    also = Metric("auc", lambda y, p: 0.5, "max")
    _, values = fitted("clicks", tmp_path, metrics=(mine, also, "mse"))
    assert values.untested == ("test/mine", "test/auc")
    assert "test_values: test/mine, test/auc cannot be tested" in caplog.text


def test_the_fingerprint_of_the_test_data_is_part_of_the_values(make_trainer, loaders, tmp_path):
    x, y = table(80)
    trainer = make_trainer(model_logger=Files(tmp_path), record=RECORD)
    trainer.fit(*loaders, test_dataloader=TableLoader(TorchDataset(x, y), 16))
    found = TestValues.read(tmp_path / "test_values.kept").data
    record = fingerprint(TorchDataset(x, y)).record()
    assert (found["rows"], found["digest"]) == ("80", record["digest"])
    columns = {name for name in found if name.startswith("column ")}
    assert columns == {f"column input {name}" for name in x} | {"column label y"}


def test_values_are_recorded_on_request_only_and_with_test_data_only(
    make_trainer, loaders, tmp_path, caplog
):
    for record, test in ((None, table(80)), (Recording(best=True), table(80)), (RECORD, None)):
        logger = Files(tmp_path)
        make_trainer(model_logger=logger, record=record).fit(*loaders, test_dataloader=test)
        assert not any(call[0] == "log_artifact" for call in logger.calls)
    assert "test_values: none are recorded: fit was given no test_dataloader" in caplog.text


def test_test_data_without_the_column_of_groups_do_not_end_training(
    make_trainer, loaders, tmp_path, caplog
):
    options = {"metrics": ("auc",), "group_column": "user"}
    trainer = make_trainer(model_logger=Files(tmp_path), record=RECORD, **options)
    x, y = table(80)
    trainer.test_metrics = {}
    trainer.evaluation.predictions = without_groups(trainer.evaluation.predictions)
    trainer.fit(*loaders, test_dataloader=[(x, y)])
    assert trainer.test_metrics
    assert "test_values: none are recorded: KeyError" in caplog.text


def without_groups(predictions):
    def wrapped(*args):
        if args[-1] == "user":
            raise KeyError("group_column='user' is not in the data")
        return predictions(*args)

    return wrapped


def test_the_file_is_found_by_the_details_of_the_run(make_trainer, loaders, tmp_path):
    trainer = make_trainer(model_logger=JSONLLogger(dir=tmp_path / "runs"), record=RECORD)
    trainer.fit(*loaders, test_dataloader=table(80))
    (run,) = read_runs(tmp_path / "runs")
    check_means(trainer.test_metrics, TestValues.read(details(run).files["test_values"]))


def test_a_full_disk_does_not_end_training(make_trainer, loaders, tmp_path, monkeypatch, caplog):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(TestValues, "write", full)
    trainer = make_trainer(model_logger=Files(tmp_path), record=RECORD)
    trainer.fit(*loaders, test_dataloader=table(80))
    assert "test_values: they cannot be written, so that they are lost" in caplog.text
    assert trainer.test_metrics


def test_it_is_a_switch():
    with pytest.raises(ValueError, match="test_values must be True or False, got 'yes'"):
        Recording(test_values="yes")
