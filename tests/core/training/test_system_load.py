"""The load of the system, recorded on request."""

import mmap
import os
import subprocess
import sys
import time

import pytest
import torch

from torch_rechub.alerts import Alerts, Slow
from torch_rechub.data.batch import Batch
from torch_rechub.trainers import Recording
from torch_rechub.training.reporting import process_usage, system_load
from torch_rechub.training.reporting.system_load import SystemLoad

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_each_epoch_has_its_load_and_the_rest_is_unchanged(
    make_trainer,
    fake_logger,
    loaders,
    same_weights,
):
    plain = make_trainer()
    plain.fit(*loaders)
    alerts = Alerts([Slow()])
    record = Recording(system=True)
    trainer = make_trainer(model_logger=[fake_logger, alerts], record=record)
    trainer.fit(*loaders)
    names = {"rows_per_second", "cpu_percent", "memory_mb", "memory_peak_mb"}
    for row in fake_logger.metrics:
        found = {n.removeprefix("system/"): v for n, v in row.items() if n.startswith("system/")}
        assert found.keys() == names
        assert found["rows_per_second"] > 0
        assert 0 <= found["cpu_percent"] < 100 * (os.cpu_count() or 1) + 100
        assert 0 < found["memory_mb"] <= found["memory_peak_mb"]
    assert trainer.recorder._load.rows == 35
    assert same_weights(trainer.model.state_dict(), plain.model.state_dict())
    assert trainer.history[0].keys() == plain.history[0].keys()
    assert alerts.reported == []


def test_without_the_option_nothing_is_computed(
    make_trainer,
    fake_logger,
    loaders,
    monkeypatch,
):
    def refuse(*args):
        raise AssertionError("computed")

    monkeypatch.setattr(system_load, "processor_seconds", refuse)
    monkeypatch.setattr(system_load, "memory", refuse)
    trainer = make_trainer(model_logger=fake_logger, record=Recording(best=True))
    trainer.fit(*loaders)
    assert trainer.batches.meter is None
    assert not [name for row in fake_logger.metrics for name in row if name.startswith("system")]


def test_the_throughput_is_that_of_training_and_the_load_that_of_the_epoch(monkeypatch):
    clock, processor = [100.0], [7.0]
    monkeypatch.setattr(system_load.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(system_load, "processor_seconds", lambda: processor[0])
    load = SystemLoad(torch.device("cpu"))
    load.begin()
    for rows, validation in ((40, 3.0), (20, 1.0)):
        batches = [Batch.unpacked({"user": torch.arange(rows // 2)}) for _ in range(2)]
        for _ in load.measured(iter(batches)):
            clock[0] += 2.5
        clock[0] += validation
        processor[0] += 12.0
        found = load.of_epoch()
        assert found["system/rows_per_second"] == rows / 5
        assert found["system/cpu_percent"] == pytest.approx(100 * 12 / (5 + validation))


def test_an_epoch_without_a_batch_has_no_throughput(monkeypatch):
    monkeypatch.setattr(system_load.time, "perf_counter", lambda: 1.0)
    load = SystemLoad(torch.device("cpu"))
    load.begin()
    assert list(load.measured(iter([]))) == []
    assert load.of_epoch()["system/rows_per_second"] != load.of_epoch()["system/rows_per_second"]


@linux
def test_the_time_of_living_and_ended_children_counts():
    code = (
        "import time\n"
        "while time.process_time() < 0.3: pass\n"
        "print(time.process_time(), flush=True); input()"
    )
    before, own = process_usage.processor_seconds(), time.process_time()
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        spent = float(child.stdout.readline())
        living = process_usage.processor_seconds() - before - (time.process_time() - own)
        child.stdin.write(b"\n")
        child.stdin.close()
        child.wait()
    ended = process_usage.processor_seconds() - before - (time.process_time() - own)
    # the system counts in ticks of 10 ms
    assert living == pytest.approx(spent, abs=0.05)
    assert ended == pytest.approx(spent, abs=0.1)


@linux
def test_memory_is_that_of_the_process():
    size, part = 64 << 20, os.urandom(1 << 20)
    before = process_usage.memory()
    held = mmap.mmap(-1, size)  # new pages, where a list might get memory that was freed before
    for _ in range(64):
        held.write(part)
    during = process_usage.memory()
    held.close()
    after = process_usage.memory()
    assert during.now - before.now == pytest.approx(size, rel=0.1)
    assert after.peak >= during.now
    shown = subprocess.run(
        ["ps", "-o", "rss=", "-p", str(os.getpid())], capture_output=True, text=True, check=False
    )
    if shown.returncode == 0:
        assert 1024 * int(shown.stdout) == pytest.approx(after.now, rel=0.1)


def test_a_system_that_offers_nothing_gives_no_memory(monkeypatch):
    def missing(*args, **kwargs):
        raise FileNotFoundError

    monkeypatch.setattr("builtins.open", missing)
    monkeypatch.setattr(os, "listdir", missing)
    assert process_usage.memory() is None
    assert process_usage.processor_seconds() > 0


def test_the_load_of_a_gpu_is_recorded_where_torch_offers_it(monkeypatch):
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 3 * 2**20)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda device: 5 * 2**20)

    def missing(device):
        raise ModuleNotFoundError("pynvml")

    for busy, expected in ((lambda device: 83, 83), (missing, None)):
        monkeypatch.setattr(torch.cuda, "utilization", busy)
        load = SystemLoad(torch.device("cuda:0"))
        load.begin()
        list(load.measured(iter([Batch.unpacked(torch.arange(4))])))
        found = load.of_epoch()
        assert (found["system/gpu_memory_mb"], found["system/gpu_memory_peak_mb"]) == (3, 5)
        assert found.get("system/gpu_percent") == expected


def test_the_option_is_a_bool():
    with pytest.raises(ValueError, match="system must be True or False, got 'yes'"):
        Recording(system="yes")
