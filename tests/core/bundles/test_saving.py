"""Saving a bundle: whole or not at all, over an earlier bundle and over nothing else."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from torch import nn

from torch_rechub.basic.features import SparseFeature
from torch_rechub.bundles import BundleError, load_bundle
from torch_rechub.models.ranking import LR
from torch_rechub.trainers import CTRTrainer

X = {"user": torch.arange(4)}


def trainer(folder, start=0.0):
    model = LR([SparseFeature("user", 4)])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(start)
    return CTRTrainer(model, model_path=folder)


def test_an_earlier_bundle_is_replaced(tmp_path):
    trainer(tmp_path, 0.0).save(tmp_path / "b")
    trainer(tmp_path, 1.0).save(tmp_path / "b")
    assert load_bundle(tmp_path / "b").predict(X).tolist() == pytest.approx(
        torch.sigmoid(torch.full((4,), 2.0)).tolist()
    )
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


@pytest.mark.parametrize("failing", ["weights.safetensors", "bundle.json"])
def test_a_failure_leaves_the_earlier_bundle(tmp_path, monkeypatch, failing):
    trainer(tmp_path, 0.0).save(tmp_path / "b")
    before = load_bundle(tmp_path / "b").predict(X)
    other = trainer(tmp_path, 1.0)

    def full(source):
        raise OSError(28, "No space left on device", str(source))

    monkeypatch.setattr(os, "fsync", lambda descriptor: full(failing))
    with pytest.raises(OSError, match="No space left"):
        other.save(tmp_path / "b")
    monkeypatch.undo()
    assert load_bundle(tmp_path / "b").predict(X).tolist() == before.tolist()
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "thesis.tex").write_text("years of work")
    with pytest.raises(FileExistsError, match=r"thesis\.tex"):
        trainer(tmp_path).save(tmp_path / "b")
    trainer(tmp_path).save(tmp_path / "c")
    (tmp_path / "c" / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"notes\.txt"):
        trainer(tmp_path).save(tmp_path / "c")
    (tmp_path / "d").write_text("a file")
    with pytest.raises(FileExistsError, match="is a file or a link"):
        trainer(tmp_path).save(tmp_path / "d")
    assert (tmp_path / "b" / "thesis.tex").read_text() == "years of work"


def test_an_empty_folder_and_missing_parents_are_used(tmp_path):
    (tmp_path / "empty").mkdir()
    load_bundle(trainer(tmp_path).save(tmp_path / "empty"))
    load_bundle(trainer(tmp_path).save(tmp_path / "new" / "deep" / "b"))


def test_weights_that_are_not_numbers_are_not_saved(tmp_path):
    with pytest.raises(BundleError, match=r"the model holds NaN in 'linear\.|holds NaN"):
        trainer(tmp_path, float("nan")).save(tmp_path / "b")
    assert not (tmp_path / "b").exists()


class Own(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layer = nn.Linear(width, 1)

    def forward(self, x):
        return self.layer(x["user"].float().unsqueeze(1)).squeeze(1).sigmoid()


def test_a_model_of_the_user_is_saved_with_the_arguments_that_the_user_gives(tmp_path):
    own = CTRTrainer(Own(1), model_path=tmp_path)
    with pytest.raises(BundleError, match="Own has no record of its arguments: give save"):
        own.save(tmp_path / "b")
    own.save(tmp_path / "b", arguments={"width": 1})
    with pytest.raises(BundleError, match=r"load_bundle\(path, models=\(Own,\)\)"):
        load_bundle(tmp_path / "b")
    found = load_bundle(tmp_path / "b", models=[Own]).predict(X)
    assert found.tolist() == own.predict(own.model, X)


def test_weights_that_share_a_storage_are_stored_once(tmp_path):
    features = [SparseFeature("user", 1000, 4), SparseFeature("friend", 1000, 4, "user")]
    from torch_rechub.models.ranking import FM

    FM_trainer = CTRTrainer(FM(features), model_path=tmp_path)
    FM_trainer.save(tmp_path / "b")
    x = {"user": torch.arange(9), "friend": torch.arange(9)}
    expected = FM_trainer.predict(FM_trainer.model, x)
    assert load_bundle(tmp_path / "b").predict(x).tolist() == expected


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_bundle_of_a_gpu_loads_on_a_cpu_and_back(tmp_path):
    model = LR([SparseFeature("user", 4)])
    on_gpu = CTRTrainer(model, model_path=tmp_path, device="cuda")
    on_gpu.save(tmp_path / "b")
    on_cpu = load_bundle(tmp_path / "b")
    again = load_bundle(tmp_path / "b", device="cuda")
    assert on_cpu.predict(X).tolist() == pytest.approx(again.predict(X).tolist(), abs=1e-6)


KILLED = """
import sys, torch
from torch_rechub.basic.features import SparseFeature
from torch_rechub.models.ranking import LR
from torch_rechub.trainers import CTRTrainer

folder = sys.argv[1]
trainers = []
for start in (0.0, 1.0):
    model = LR([SparseFeature("user", 4), SparseFeature("item", 200_000)])
    with torch.no_grad():
        [p.fill_(start) for p in model.parameters()]
    trainers.append(CTRTrainer(model, model_path=folder))
trainers[0].save(folder + "/b")
print("ready", flush=True)
while True:
    for trainer in trainers:
        trainer.save(folder + "/b")
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no SIGKILL")
@pytest.mark.parametrize("delay", [0.02, 0.11, 0.35, 0.5])
def test_a_killed_process_leaves_a_whole_bundle(tmp_path, delay):
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(delay)
    process.kill()
    process.wait()
    try:
        bundle = load_bundle(tmp_path / "b")
    except FileNotFoundError:
        assert not sys.platform.startswith("linux")  # it exchanges the folders in one step
        return
    x = {"user": torch.arange(4), "item": torch.arange(4)}
    assert bundle.predict(x)[0] in (0.5, torch.sigmoid(torch.tensor(3.0)).item())
