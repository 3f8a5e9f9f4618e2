"""`gpus` counts from two on, as in torch-rechub 0.9; fewer, or no CUDA, train on `device`."""

import logging

import numpy as np
import pytest
import torch
from torch import nn

from torch_rechub.basic.features import SparseFeature
from torch_rechub.models.generative import HSTUModel
from torch_rechub.models.matching import DSSM
from torch_rechub.models.multi_task import SharedBottom
from torch_rechub.models.ranking import DeepFM
from torch_rechub.trainers import CTRTrainer, MatchTrainer, MTLTrainer, SeqTrainer

USER, ITEM = SparseFeature("user", 9, 4), SparseFeature("item", 9, 4)
X = {"user": torch.arange(8), "item": torch.arange(8) % 3}
CLICKS = torch.tensor([0.0, 1.0] * 4)
TOKENS = torch.randint(1, 9, (8, 3))
TASKS = ["classification"] * 2
HSTU = {"d_model": 8, "n_heads": 2, "n_layers": 1, "dqk": 4, "dv": 4, "max_seq_len": 3}

TRAINERS = {
    "ctr": (
        lambda **k: CTRTrainer(DeepFM([USER, ITEM], [USER, ITEM], {"dims": [4]}), **k),
        (X, CLICKS),
    ),
    "match": (
        lambda **k: MatchTrainer(DSSM([USER], [ITEM], {"dims": [4]}, {"dims": [4]}), **k),
        (X, CLICKS),
    ),
    "mtl": (
        lambda **k: MTLTrainer(
            SharedBottom([USER, ITEM], TASKS, {"dims": [4]}, [{}, {}]), TASKS, **k
        ),
        (X, torch.stack([CLICKS, CLICKS], dim=1)),
    ),
    "seq": (
        lambda **k: SeqTrainer(HSTUModel(9, **HSTU), **k),
        (TOKENS, TOKENS, TOKENS, TOKENS[:, 0]),
    ),
}


@pytest.fixture
def machine(monkeypatch):
    """A machine of so many GPUs, as far as torch says."""

    def machine(gpus):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)

    return machine


@pytest.mark.parametrize("there", [0, 2])
@pytest.mark.parametrize("gpus", [None, [], [0], (1,), [7], [-1]], ids=str)
@pytest.mark.parametrize("name", TRAINERS)
def test_a_list_of_fewer_than_two_gpus_trains_on_the_device(name, gpus, there, tmp_path, machine):
    machine(there)
    make, batch = TRAINERS[name]
    trainer = make(gpus=gpus, device="cpu", n_epoch=1, model_path=tmp_path)
    assert trainer.device == torch.device("cpu")
    trainer.fit([batch])
    assert {p.device.type for p in trainer.model.parameters()} == {"cpu"}
    assert len(trainer.history) == 1


@pytest.mark.parametrize("gpus", [[0, 1], (1, 0), range(3), np.arange(2), [0, 5]], ids=str)
@pytest.mark.parametrize("name", TRAINERS)
def test_a_machine_without_cuda_trains_on_the_device(name, gpus, tmp_path, machine):
    machine(0)
    make, batch = TRAINERS[name]
    trainer = make(gpus=gpus, device="cpu", n_epoch=1, model_path=tmp_path)
    trainer.fit([batch])
    assert {p.device.type for p in trainer.model.parameters()} == {"cpu"}
    assert len(trainer.history) == 1


@pytest.mark.parametrize("name", TRAINERS)
def test_two_gpus_share_each_batch_whatever_the_device(name, tmp_path, machine, monkeypatch):
    machine(4)
    moved, spread = [], []

    def parallel(module, device_ids):
        spread.append(device_ids)
        return module

    monkeypatch.setattr(nn, "DataParallel", parallel)
    monkeypatch.setattr(nn.Module, "to", lambda self, device: moved.append(device) or self)
    TRAINERS[name][0](gpus=[3, 1], device="cpu", model_path=tmp_path)
    assert set(moved) == {torch.device("cuda:3")}
    assert spread
    assert all(ids == [3, 1] for ids in spread)


@pytest.mark.parametrize(
    ("gpus", "there", "device", "said"),
    [
        ([0], 0, "cpu", "gpus=[0] has no effect (it names one GPU): device='cpu'."),
        ([0], 1, "cpu", "gpus=[0] has no effect (it names one GPU): device='cpu'."),
        ([0, 1], 0, "cpu", "gpus=[0, 1] has no effect (this machine has no CUDA): device='cpu'."),
        ([], 0, "cpu", None),
        (None, 0, "cpu", None),
    ],
)
def test_what_has_no_effect_is_said(gpus, there, device, said, tmp_path, machine, caplog):
    machine(there)
    with caplog.at_level(logging.WARNING, "torch_rechub"):
        TRAINERS["ctr"][0](gpus=gpus, device=device, model_path=tmp_path)
    assert [record.getMessage() for record in caplog.records] == ([said] if said else [])


@pytest.mark.parametrize(
    ("gpus", "there", "error", "message"),
    [
        ([0, 5], 2, ValueError, r"gpus=\[0, 5\] names a GPU that is not there.* has 2, \[0, 1\]"),
        ([-1, 0], 2, ValueError, r"gpus=\[-1, 0\] names a GPU that is not there"),
        ([1, 1], 0, ValueError, r"each GPU once, got \[1, 1\]"),
        (0, 0, TypeError, "gpus must be a list of indices of GPUs.*got 0"),
        ("0,1", 0, TypeError, "gpus must be a list of indices of GPUs.*got '0,1'"),
        ([0.5, 1], 0, TypeError, "gpus must be a list of indices of GPUs"),
        (["cuda:0"], 0, TypeError, "gpus must be a list of indices of GPUs"),
    ],
    ids=str,
)
def test_gpus_that_are_not_there_are_named(gpus, there, error, message, tmp_path, machine):
    machine(there)
    with pytest.raises(error, match=message):
        TRAINERS["ctr"][0](gpus=gpus, model_path=tmp_path)
