"""The identity of a training run: when it is recorded, by which trainers, at which cost."""

import logging

import pytest
import torch

from core.training.training_table import TRAINERS, N, V, fit
from torch_rechub.basic.features import SparseFeature
from torch_rechub.basic.tracking import BaseLogger
from torch_rechub.basic.tracking.listed import listed, unlisted
from torch_rechub.data.fingerprint import fingerprint
from torch_rechub.data.loader import TableLoader, TorchDataset
from torch_rechub.models.ranking import LR
from torch_rechub.objectives.retrieval import RetrievalData
from torch_rechub.trainers import CTRTrainer, Recording
from torch_rechub.training.reporting import identity


class Kept(BaseLogger):
    def log_hyperparams(self, params):
        self.params = params

    def log_metrics(self, metrics, step=None):
        pass

    def finish(self):
        pass


def loader(last=1.0):
    return TableLoader(TorchDataset({"user": [0, 1, 2, 1]}, [0.0, 1.0, 0.0, last]), 2)


def recorded(tmp_path, *data, test=None, **options):
    logger = Kept()
    trainer = CTRTrainer(
        LR([SparseFeature("user", 3)]), n_epoch=1, model_path=tmp_path, progress=False,
        model_logger=logger, record=Recording(**options) if options else None,
    )  # fmt: skip
    trainer.fit(*(data or (loader(),)), test_dataloader=test)
    return logger.params


def refuse(*_):
    raise AssertionError("no fingerprint is wanted")


def test_the_fingerprint_of_each_data_set_is_recorded(tmp_path):
    x = {"user": [2, 1]}
    found = recorded(tmp_path, loader(), (x, [0.0, 1.0]), test=loader(0.0))["data"]
    assert found["train"] == fingerprint(loader()).record()
    assert found["val"]["digest"] == fingerprint((x, [0.0, 1.0])).table.ordered
    assert found["test"]["label_rate"] == 0.25
    assert unlisted(found["sizes"]) == ["3 user"]


def test_nothing_is_computed_without_a_logger_or_if_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(identity, "fingerprint", refuse)
    CTRTrainer(LR([SparseFeature("user", 3)]), n_epoch=1, model_path=tmp_path).fit(loader())
    assert "data" not in recorded(tmp_path, data=False)


def test_code_and_environment_are_recorded_on_request_alone(tmp_path):
    params = recorded(tmp_path)
    assert not {"code", "environment"} & params.keys()
    params = recorded(tmp_path, code=True, environment=True)
    assert {"code", "environment"} < params.keys()
    versions = dict(
        line.split(" ", 1)[::-1] for line in unlisted(params["environment"]["packages"])
    )
    assert versions["torch"] == torch.__version__


def test_data_that_cannot_be_read_cost_a_warning_and_no_training(tmp_path, monkeypatch, caplog):
    def broken(*_):
        raise RuntimeError("a device is gone")

    monkeypatch.setattr(identity, "fingerprint", broken)
    with caplog.at_level(logging.WARNING):
        found = recorded(tmp_path)["data"]["train"]
    assert found == {"unread": "RuntimeError"}
    assert "The fingerprint of the train data was not recorded: RuntimeError" in caplog.text


def test_processes_other_than_the_first_compute_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(identity, "process_rank", lambda: 1)
    monkeypatch.setattr(identity, "fingerprint", refuse)
    assert "data" not in recorded(tmp_path)


def test_a_loader_that_is_given_twice_is_read_once(tmp_path, monkeypatch):
    calls = []

    def counted(*arguments):
        calls.append(arguments)
        return fingerprint(*arguments)

    monkeypatch.setattr(identity, "fingerprint", counted)
    both = identity.describe_splits(dict.fromkeys(["train", "val"], loader()), None)
    assert len(calls) == 1
    assert both["train"] == both["val"]


def test_all_rows_are_hashed_on_request(tmp_path, monkeypatch):
    monkeypatch.setattr(identity, "SAMPLED_ABOVE", 2)
    rows = torch.arange(400)
    train = TableLoader(TorchDataset({"user": rows % 3}, (rows % 2).float()), 100)
    assert recorded(tmp_path, train)["data"]["train"]["hashed_rows"] == 32
    assert "hashed_rows" not in recorded(tmp_path, train, data="all")["data"]["train"]


@pytest.mark.parametrize("value", ["some", 2, None])
def test_another_value_is_refused(value):
    with pytest.raises(ValueError, match="data must be True, False or"):
        Recording(data=value)


@pytest.mark.parametrize("name", TRAINERS)
def test_every_trainer_knows_its_data(tmp_path, name):
    logger = Kept()
    fit(name, str(tmp_path), n_epoch=1, model_logger=logger)
    found = logger.params["data"]["train"]
    assert (found["rows"], len(found["digest"])) == (N, 16)


def test_data_of_retrieval_are_known(tmp_path):
    from torch_rechub.models.matching import DSSM
    from torch_rechub.trainers import MatchTrainer

    user, item = (SparseFeature(name, V, 4) for name in ("user", "item"))
    retrieval = RetrievalData(
        users={"user": [1, 2]}, items={"item": [1, 2, 3]}, relevant=[[0], [1, 2]]
    )
    logger = Kept()
    trainer = MatchTrainer(
        DSSM([user], [item], {"dims": [4]}, {"dims": [4]}), mode=0, n_epoch=1,
        model_path=tmp_path, model_logger=logger, retrieval=retrieval,
    )  # fmt: skip
    x = {"user": [1, 2, 1, 2], "item": [1, 2, 3, 1]}
    trainer.fit(TableLoader(TorchDataset(x, [0.0, 1.0, 1.0, 0.0]), 2))
    names = [line.split()[-1] for line in unlisted(logger.params["data"]["retrieval"]["columns"])]
    assert names == ["user", "items.item", "relevant"]


def test_lines_of_names_survive_being_listed():
    lines = [f"{'x' * 300} a\\n b\n{i}\\" for i in range(30)]
    packed = listed("legend", lines)
    assert unlisted(packed) == lines
    assert len(packed) < 12
    assert max(map(len, packed)) <= 2_000
