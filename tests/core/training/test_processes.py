"""Under a launcher each process trains on its own: one warning says so, in the first process."""

import logging
import socket

import pytest
import torch
from torch import distributed

from torch_rechub import distributed as ranks
from torch_rechub.basic.features import SparseFeature
from torch_rechub.models.generative import HSTUModel, RQVAEModel
from torch_rechub.models.matching import DSSM
from torch_rechub.models.multi_task import SharedBottom
from torch_rechub.models.ranking import LR
from torch_rechub.trainers import CTRTrainer, MatchTrainer, MTLTrainer, SeqTrainer
from torch_rechub.trainers.rqvae_trainer import Trainer as RQVAETrainer

USER, PARAMS = SparseFeature("user", 4, 4), {"dims": [4]}
TYPES = ["classification", "regression"]
TRAINERS = {
    "clicks": lambda: CTRTrainer(LR([USER])),
    "retrieval": lambda: MatchTrainer(DSSM([USER], [USER], PARAMS, PARAMS)),
    "tasks": lambda: MTLTrainer(SharedBottom([USER], TYPES, PARAMS, [PARAMS, PARAMS]), TYPES),
    "next item": lambda: SeqTrainer(HSTUModel(9, 8, 2, 1, 4, 4, 4)),
    "codes": lambda: RQVAETrainer(RQVAEModel(4, [4], e_dim=2, layers=[4])),
}


@pytest.fixture(autouse=True)
def _new_process(monkeypatch, tmp_path):
    ranks._warn.cache_clear()
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "NODE_RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    yield
    ranks._warn.cache_clear()


def warnings_of(caplog):
    found = [r.getMessage() for r in caplog.records if "WORLD_SIZE" in r.getMessage()]
    assert all(r.levelno == logging.WARNING for r in caplog.records)
    return found


@pytest.mark.parametrize("make", TRAINERS.values(), ids=list(TRAINERS))
def test_the_first_trainer_of_any_kind_warns(make, monkeypatch, caplog):
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "0")
    make()
    (warning,) = warnings_of(caplog)
    assert "4 processes (WORLD_SIZE=4)" in warning
    assert "on all the data" in warning
    assert "without the launcher: python train.py" in warning  # the remedy


def test_later_trainers_say_nothing(monkeypatch, caplog):
    monkeypatch.setenv("WORLD_SIZE", "2")
    for make in [*TRAINERS.values(), *TRAINERS.values()]:
        make()
    assert len(warnings_of(caplog)) == 1


def test_training_repeats_nothing(monkeypatch, caplog):
    monkeypatch.setenv("WORLD_SIZE", "2")
    trainer = CTRTrainer(LR([USER]), n_epoch=2, progress=False)
    trainer.fit([({"user": torch.tensor([1, 2])}, torch.tensor([0.0, 1.0]))])
    assert len(warnings_of(caplog)) == 1


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"WORLD_SIZE": "1", "RANK": "0"},
        {"WORLD_SIZE": "", "RANK": "0"},
        {"WORLD_SIZE": "many"},
        {"WORLD_SIZE": "-2"},
        {"RANK": "1"},  # somebody's own variable, not a launcher's
        {"WORLD_SIZE": "2", "RANK": "1"},  # the first process says it for all
        {"WORLD_SIZE": "2", "LOCAL_RANK": "1"},
        {"WORLD_SIZE": "2", "LOCAL_RANK": "0", "NODE_RANK": "1"},
    ],
)
def test_one_process_and_all_but_the_first_say_nothing(variables, monkeypatch, caplog):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    CTRTrainer(LR([USER]))
    assert warnings_of(caplog) == []


def test_processes_that_torch_joined_count(monkeypatch, caplog):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        meeting = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("WORLD_SIZE", "2")  # says less than torch does
    distributed.init_process_group("gloo", init_method=meeting, rank=0, world_size=1)
    try:
        CTRTrainer(LR([USER]))
        assert warnings_of(caplog) == []
        monkeypatch.setattr(distributed, "get_world_size", lambda: 3)
        CTRTrainer(LR([USER]))
    finally:
        distributed.destroy_process_group()
    (warning,) = warnings_of(caplog)
    assert "3 processes" in warning
