import logging
import shutil
import time

import pytest

from core.ui.conftest import record
from torch_rechub.basic.tracking import JSONLLogger
from torch_rechub.runs import read_runs
from torch_rechub.runs.units import Unit
from torch_rechub.ui import LiveRuns
from torch_rechub.ui.problems import Problems


def runs(live):
    live.refresh()
    return [entry.run for entry in live.snapshot.entries]


def test_runs_appear_grow_and_vanish_as_a_new_reading_has_them(tmp_path):
    live = LiveRuns([tmp_path])
    assert runs(live) == []
    record(tmp_path / "a", "first")
    assert runs(live) == list(read_runs(tmp_path))
    logger = JSONLLogger("p", "second", dir=tmp_path / "b")
    for step in range(3):
        logger.log_metrics({"val/auc": step / 4}, step=step)
        assert runs(live) == list(read_runs(tmp_path))
    logger.finish()
    assert [run.status for run in runs(live)] == ["finished", "finished"]
    shutil.rmtree(tmp_path / "a")
    assert [run.name for run in runs(live)] == ["second"]


def test_only_files_that_changed_are_read_again(tmp_path, monkeypatch):
    for name in "abc":
        record(tmp_path, name)
    live = LiveRuns([tmp_path])
    live.refresh()
    read, real = [], Unit.checked
    monkeypatch.setattr(
        Unit, "checked", lambda unit, f: (read.append(unit.files), real(unit, f))[1]
    )
    before = live.snapshot
    live.refresh()
    assert (read, live.snapshot.version) == ([], before.version)
    with JSONLLogger(dir=tmp_path, id="new") as logger:
        logger.log_metrics({"val/auc": 0.5}, step=0)
        live.refresh()
    live.refresh()
    assert [files[0].name for files in read] == ["new.run.jsonl"] * 2
    assert live.snapshot.version == before.version + 2


def test_a_run_that_has_not_changed_keeps_its_key_and_revision(tmp_path):
    record(tmp_path, "old")
    live = LiveRuns([tmp_path])
    live.refresh()
    (old,) = live.snapshot.entries
    record(tmp_path, "new")
    live.refresh()
    again, new = live.snapshot.entries
    assert again is old
    assert new.revision == live.snapshot.version > old.revision
    assert live.snapshot.entry(old.key) is old
    assert live.snapshot.entry("no such key") is None


def test_several_runs_of_one_file_have_keys_of_their_own(tmp_path):
    record(tmp_path, "a")
    (file,) = tmp_path.glob("*.jsonl")
    file.write_bytes(file.read_bytes() * 3)
    live = LiveRuns([tmp_path])
    live.refresh()
    assert len({entry.key for entry in live.snapshot.entries}) == 3


def test_a_path_that_does_not_exist_is_an_error_at_once(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file or folder .*nothing"):
        LiveRuns([tmp_path, tmp_path / "nothing"])
    with pytest.raises(ValueError, match="no reader is installed for other"):
        LiveRuns([tmp_path], ["other"])


def test_a_folder_that_goes_away_is_a_problem_until_it_is_back(tmp_path):
    folder = tmp_path / "runs"
    record(folder, "a")
    live = LiveRuns([folder], every=0.01)
    live.start()
    try:
        wait(lambda: live.asked().entries)
        folder.rename(tmp_path / "away")
        wait(lambda: "no file or folder" in (live.asked().problem or ""))
        assert len(live.snapshot.entries) == 1  # the last known ones stay
        (tmp_path / "away").rename(folder)
        wait(lambda: live.asked().problem is None)
    finally:
        live.stop()


def wait(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_warning_is_passed_on_once_and_listed(tmp_path, caplog):
    (tmp_path / "a.run.jsonl").write_text("null\n")
    with Problems() as problems:
        live = LiveRuns([tmp_path])
        for _ in range(3):
            live.refresh()
            (tmp_path / "a.run.jsonl").write_text("null\n")
        logging.getLogger("torch_rechub.runs").warning("again")
        logging.getLogger("torch_rechub.runs").warning("again")
    assert [text.split(": ")[-1] for text in problems.texts] == [
        "line 1 (no JSON object but NoneType)", "again",
    ]  # fmt: skip
    assert len(caplog.records) == 2
