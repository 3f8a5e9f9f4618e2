"""Weights on disk: whole or not at all, and read without running anything."""

import copy
import io
import os
import pickle
import stat
import threading
from contextlib import nullcontext
from functools import partial

import pytest
import torch
from torch import nn

from torch_rechub.trainers import CheckpointError, CTRTrainer
from torch_rechub.training.checkpoints.weights import (
    load_weights,
    prepare_folder,
    put_weights,
    save_weights,
)


def test_what_was_saved_is_read_back(tmp_path):
    weights = {"a": torch.randn(3, 2), "n": torch.tensor(7)}
    save_weights(weights, tmp_path / "w.pth")
    found = load_weights(tmp_path / "w.pth")
    assert list(found) == ["a", "n"]
    assert all(torch.equal(found[name], weights[name]) for name in weights)
    assert [file.name for file in tmp_path.iterdir()] == ["w.pth"]


class Crash(BaseException):
    pass


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), Crash()])
def test_a_crash_while_writing_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, error):
    save_weights({"a": torch.tensor(1)}, tmp_path / "w.pth")

    def half(weights, stream):
        stream.write(b"half of it")
        stream.flush()
        assert (tmp_path / "w.pth").stat().st_size > 100
        raise error

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(type(error)) as raised:
        save_weights({"a": torch.tensor(2)}, tmp_path / "w.pth")
    assert error in (raised.value, raised.value.__cause__)
    if isinstance(error, OSError):
        assert str(raised.value) == f"[Errno 28] No space left on device: '{tmp_path / 'w.pth'}'"
    assert load_weights(tmp_path / "w.pth") == {"a": torch.tensor(1)}
    assert [file.name for file in tmp_path.iterdir()] == ["w.pth"]


def test_of_several_processes_only_the_first_writes(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    save_weights({"a": torch.tensor(1)}, tmp_path / "w.pth")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("RANK", "0")
    save_weights({"a": torch.tensor(1)}, tmp_path / "w.pth")
    assert [file.name for file in tmp_path.iterdir()] == ["w.pth"]


def test_the_file_is_synced_before_it_takes_the_place_of_the_old_one(tmp_path, monkeypatch):
    events = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: events.append("sync") or sync(fd))
    monkeypatch.setattr(os, "replace", lambda *a: events.append("replace") or replace(*a))
    save_weights({"a": torch.tensor(1)}, tmp_path / "w.pth")
    assert events == ["sync", "replace"]


class Bomb:
    def __init__(self, sentinel):
        self.sentinel = sentinel

    def __reduce__(self):
        return open, (str(self.sentinel), "w")


def test_code_in_a_file_is_not_run(tmp_path):
    sentinel = tmp_path / "sentinel"
    torch.save({"a": Bomb(sentinel)}, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"w\.pth holds more .* which is never executed"):
        load_weights(tmp_path / "w.pth")
    assert not sentinel.exists()


def zipped(content):
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


SOUND = zipped({"a": torch.randn(1000)})
CAUSES = {
    "empty": (b"", "is empty"),
    "cut in the middle": (SOUND[: len(SOUND) // 2], "is damaged or cut short"),
    "cut at the end": (SOUND[:-30], "is damaged or cut short"),
    "a bit flipped": (SOUND[:100] + bytes([SOUND[100] ^ 255]) + SOUND[101:], "is damaged or cut"),
    "text": (b"hello", "was not written by torch.save"),
    "JSON": (b'{"a": 1}', "was not written by torch.save"),
    "another pickle": (pickle.dumps({"a": object()}), "was not written by torch.save"),
    "a module": (zipped(nn.Linear(1, 1)), "save the state dict alone"),
    "a list": (zipped([torch.ones(1)]), "holds a list, not a state dict"),
    "a tensor": (zipped(torch.ones(1)), "holds a Tensor, not a state dict"),
    "nothing": (zipped(None), "holds a NoneType, not a state dict"),
}


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("cause", CAUSES)
def test_a_file_that_cannot_be_used_is_named_with_the_cause(tmp_path, cause):
    content, message = CAUSES[cause]
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match=f"{tmp_path}/w.pth .*{message}"):
        load_weights(tmp_path / "w.pth")


def repeated(value, *shape):
    return torch.tensor(value).expand(shape)


NAN = float("nan")
MISFITS = {
    "an entry is missing": ({"weight": torch.ones(2, 3)}, "another model.*bias"),
    "an entry too many": (
        {"weight": torch.ones(2, 3), "bias": torch.ones(2), "x": torch.ones(1)},
        "another model.*x",
    ),
    "another shape": ({"weight": torch.ones(2, 3), "bias": torch.ones(3)}, "another model.*bias"),
    "a shape beyond memory": (
        {"weight": torch.ones(2, 3), "bias": repeated(1.0, 10**13)},
        "another model.*bias",
    ),
    "NaN": ({"weight": torch.ones(2, 3), "bias": torch.tensor([0.0, NAN])}, "NaN in 'bias'"),
    "NaN beyond memory": ({"weight": repeated(NAN, 10**13)}, "NaN in 'weight'"),
    "whole numbers": (
        {"weight": torch.ones(2, 3).long(), "bias": torch.ones(2)},
        "'weight' as torch.int64",
    ),
    "complex numbers": (
        {"weight": torch.ones(2, 3), "bias": torch.ones(2) + 1j},
        "'bias' as torch.complex64",
    ),
    "no device": ({"weight": torch.ones(2, 3), "bias": torch.ones(2).to("meta")}, "plain.*'bias'"),
    "sparse": ({"weight": torch.ones(2, 3).to_sparse(), "bias": torch.ones(2)}, "plain.*'weight'"),
    "no tensor": ({"weight": "x", "bias": torch.ones(2)}, "another model.*weight"),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_weights_that_do_not_fit_leave_the_model_as_it_was(tmp_path, misfit):
    weights, message = MISFITS[misfit]
    torch.save(weights, tmp_path / "w.pth")
    model = nn.Linear(3, 2)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(CheckpointError, match=f"{tmp_path}/w.pth .*(?s:{message})"):
        put_weights(model, tmp_path / "w.pth")
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_weights_of_another_precision_load(tmp_path):
    model = nn.Linear(3, 2)
    torch.save({"weight": torch.ones(2, 3).half(), "bias": torch.ones(2).double()}, tmp_path / "w")
    put_weights(model, tmp_path / "w")
    assert model(torch.ones(1, 3)).tolist() == [[4.0, 4.0]]


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"w\.pth"):
        load_weights(tmp_path / "w.pth")


def test_preparing_a_folder_leaves_it_empty(tmp_path):
    assert prepare_folder(str(tmp_path / "a" / "b")) == tmp_path / "a" / "b"
    assert list((tmp_path / "a" / "b").iterdir()) == []
    prepare_folder(tmp_path / "a" / "b")


def test_saving_leaves_torchs_own_setting_as_it_was(tmp_path):
    before = torch.serialization.get_crc32_options()
    save_weights({"w": torch.ones(3)}, tmp_path / "model.pth")
    assert torch.serialization.get_crc32_options() is before
    assert load_weights(tmp_path / "model.pth")["w"].tolist() == [1, 1, 1]


# Several writers


def at_once(*calls):
    """Call each in a thread of its own; return what they raised."""
    raised = []

    def guarded(call):
        try:
            call()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=guarded, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return raised


def test_threads_that_write_one_file_leave_it_whole_and_nothing_else(tmp_path):
    before = torch.serialization.get_crc32_options()
    contents = [{"a": torch.full((2000,), float(n))} for n in range(8)]

    def write(weights):
        for _ in range(20):
            save_weights(weights, tmp_path / "w.pth")

    assert at_once(*[partial(write, weights) for weights in contents]) == []
    found = load_weights(tmp_path / "w.pth")["a"]
    assert found.unique().numel() == 1
    assert [file.name for file in tmp_path.iterdir()] == ["w.pth"]
    assert torch.serialization.get_crc32_options() is before


def test_a_failure_of_one_writer_does_not_remove_the_file_of_another(tmp_path, monkeypatch):
    # the first waits in the middle of its file until the second has failed
    save, failed, begun = torch.save, threading.Event(), threading.Event()

    def in_turns(weights, stream):
        if "second" in weights:
            begun.wait(30)
            stream.write(b"half")
            raise OSError(28, "No space left on device")
        begun.set()
        failed.wait(30)
        save(weights, stream)

    monkeypatch.setattr(torch, "save", in_turns)
    monkeypatch.setattr("torch_rechub.training.checkpoints.weights._CHECKSUMS", nullcontext())

    def second():
        with pytest.raises(OSError, match="No space left"):
            save_weights({"second": torch.tensor(2)}, tmp_path / "w.pth")
        failed.set()

    first = partial(save_weights, {"first": torch.tensor(1)}, tmp_path / "w.pth")
    assert at_once(first, second) == []
    assert load_weights(tmp_path / "w.pth") == {"first": torch.tensor(1)}
    assert [file.name for file in tmp_path.iterdir()] == ["w.pth"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such links")
def test_a_link_at_the_temporary_name_is_not_followed(tmp_path, monkeypatch):
    precious = tmp_path / "precious"
    precious.write_text("mine")
    monkeypatch.setattr(os, "urandom", lambda n: b"\0" * n)
    for pid in (os.getpid(), "00" * 8):
        (tmp_path / f".w.pth.{pid}.tmp").symlink_to(precious)
    with pytest.raises(FileExistsError):
        save_weights({"a": torch.tensor(1)}, tmp_path / "w.pth")
    assert precious.read_text() == "mine"
    monkeypatch.undo()
    save_weights({"a": torch.tensor(1)}, tmp_path / "w.pth")
    assert precious.read_text() == "mine"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_who_may_read_a_file_is_as_the_user_says(tmp_path, mask):
    before = os.umask(mask)
    try:
        save_weights({"a": torch.tensor(1)}, tmp_path / "w.pth")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "w.pth").stat().st_mode) == 0o666 & ~mask


def test_runs_in_threads_share_the_default_folder(tmp_path, monkeypatch, make_model, loaders):
    monkeypatch.chdir(tmp_path)
    trainers = [CTRTrainer(make_model(), n_epoch=5, progress=False) for _ in range(2)]
    assert at_once(*[partial(trainer.fit, *loaders) for trainer in trainers]) == []
    assert [file.name for file in tmp_path.iterdir()] == ["model.pth"]
    load_weights(tmp_path / "model.pth")
    assert [len(trainer.history) for trainer in trainers] == [5, 5]


def test_reading_with_a_torch_of_known_holes_is_warned_of_once(tmp_path, monkeypatch, caplog):
    torch.save({"a": torch.tensor(1)}, tmp_path / "w.pth")
    monkeypatch.setattr(torch, "__version__", "2.10.0+cpu")
    load_weights(tmp_path / "w.pth")
    assert caplog.messages == []
    monkeypatch.setattr(torch, "__version__", "2.9.1+cu128")
    for _ in range(2):
        assert load_weights(tmp_path / "w.pth") == {"a": torch.tensor(1)}
    (message,) = caplog.messages
    assert message.startswith("torch 2.9.1+cu128 has known vulnerabilities")
    assert message.endswith("install torch>=2.10.")
