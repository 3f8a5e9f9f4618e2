"""Weights on disk: whole or not at all, and read without running anything."""

import os

import pytest
import torch

from torch_rechub.trainers.checkpoint import (
    CheckpointError,
    load_weights,
    prepare_folder,
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
    assert raised.value is error
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
    with pytest.raises(CheckpointError, match=r"w\.pth .* plain data, which is never executed"):
        load_weights(tmp_path / "w.pth")
    assert not sentinel.exists()


def test_a_truncated_file_is_an_error(tmp_path):
    save_weights({"a": torch.randn(1000)}, tmp_path / "w.pth")
    content = (tmp_path / "w.pth").read_bytes()
    (tmp_path / "w.pth").write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match=r"w\.pth cannot be read: it is damaged"):
        load_weights(tmp_path / "w.pth")


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
