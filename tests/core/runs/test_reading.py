import json
import logging
import os
import re
import sys
from datetime import date, datetime, timezone
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from torch_rechub.basic.tracking import JSONLLogger
from torch_rechub.runs import Run, Runs, available_readers, compare, read_runs


@pytest.fixture
def tree(tmp_path):
    """Runs in several folders, one of them hidden."""
    for folder in ("b", "a/deep", ".hidden"):
        JSONLLogger(name=folder, dir=tmp_path / folder).finish()
    return tmp_path


def names(runs):
    return [run.name for run in runs]


def test_runs_are_found_at_any_depth_oldest_first_and_not_in_hidden_folders(tree):
    assert names(read_runs(tree)) == ["b", "a/deep"]


def test_a_hidden_folder_can_be_given(tree):
    assert names(read_runs(tree / ".hidden")) == [".hidden"]


def test_paths_may_overlap_be_files_and_be_of_any_kind(tree, monkeypatch):
    (file,) = (tree / "b").iterdir()
    assert names(read_runs([file, str(tree), tree / "a", file])) == ["b", "a/deep"]
    assert names(read_runs([tree / "b", file])) == ["b"]
    monkeypatch.chdir(tree / "b")
    assert names(read_runs(".")) == names(read_runs(file.name)) == ["b"]
    monkeypatch.setenv("HOME", str(tree))
    assert names(read_runs("~/b")) == ["b"]


@pytest.mark.skipif(os.name == "nt", reason="Windows asks for rights to make links")
def test_a_link_to_a_folder_above_is_not_followed_for_ever(tree):
    (tree / "a" / "up").symlink_to(tree)
    assert names(read_runs(tree)) == ["b", "a/deep"]


def test_a_path_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file or folder .*/nowhere'; give the folder"):
        read_runs([tmp_path, tmp_path / "nowhere"])


def test_the_frame_has_a_row_for_each_run(tmp_path):
    with JSONLLogger("p", "n", config={"a": {"b": 1}}, dir=tmp_path) as logger:
        logger.log_metrics({"x": 1.0}, 1)
        logger.log_metrics({"x": 2.0}, 0)
    frame = read_runs(tmp_path).to_frame()
    row = frame.iloc[0]
    assert (row["name"], row["project"], row["status"], row["epochs"]) == ("n", "p", "finished", 2)
    assert (row["hyperparams/a/b"], row["last/x"]) == (1, 1.0)
    steps = read_runs(tmp_path)[0].to_frame()
    assert steps["x"].to_dict() == {0: 2.0, 1: 1.0}


def test_frames_hold_texts_that_are_no_utf_8(tmp_path):
    odd = "caf\udce9"
    runs = [Run(odd, "jsonl", odd, hyperparams={odd: [odd, s]}, metrics={odd: [(0, 0.5)]})
            for s in range(2)]  # fmt: skip
    frame = Runs(runs).to_frame()
    assert frame["path"].tolist() == [r"caf\udce9"] * 2
    assert frame[r"hyperparams/caf\udce9"][0] == [r"caf\udce9", 0]
    assert compare(runs).to_frame()["name"].tolist() == [r"caf\udce9"] * 2
    assert list(runs[0].to_frame()) == [r"caf\udce9"]


# Readers of packages


class OneAFile:
    patterns = ("*.one",)
    whole_folders = False

    def read(self, files):
        for file in files:
            if file.read_text() == "bad":
                raise OSError("cannot be read")
            yield Run(file.stem, "one", str(file))


class OneAFolder(OneAFile):
    whole_folders = True

    def read(self, files):
        started = datetime(2020, 1, 1, tzinfo=timezone.utc)
        yield Run("+".join(file.stem for file in files), "many", "", started=started)


@pytest.fixture
def install(monkeypatch):
    """Makes these readers the installed ones."""

    def install(**readers):
        points = [
            SimpleNamespace(name=n, load=lambda r=r: r, dist=SimpleNamespace(name=f"rechub-{n}"))
            for n, r in readers.items()
        ]

        def entry_points(group):
            assert group == "torch_rechub.run_readers"
            return points

        monkeypatch.setattr(metadata, "entry_points", entry_points)

    return install


@pytest.fixture
def files(tmp_path):
    for name in ("b.one", "a.one", "c.two"):
        (tmp_path / name).write_text("")
    return tmp_path


def test_a_reader_of_any_package_gets_its_files_one_by_one(install, files):
    install(one=OneAFile)
    assert available_readers() == {"one": "rechub-one"}
    assert names(read_runs(files)) == ["a", "b"]


def test_or_those_of_a_folder_at_once(install, files):
    install(many=OneAFolder)
    assert names(read_runs(files)) == ["a+b"]


def test_backends_can_be_chosen(install, files):
    install(one=OneAFile, many=OneAFolder)
    assert names(read_runs(files, backends=["one"])) == ["a", "b"]
    with pytest.raises(ValueError, match=r"no reader is installed for two; .* here: many, one"):
        read_runs(files, backends=["one", "two"])


def test_runs_whose_start_is_unknown_come_last(install, files):
    install(one=OneAFile, many=OneAFolder)
    assert names(read_runs(files)) == ["a+b", "a", "b"]


def test_what_cannot_be_read_is_reported_and_the_rest_is_read(install, files, caplog):
    (files / "a.one").write_text("bad")
    install(one=OneAFile)
    assert names(read_runs(files)) == ["b"]
    assert "a.one cannot be read as a one run: OSError: cannot be read" in caplog.text


GOOD = {"name": "a", "backend": "one", "path": "a"}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("no run", "a reader gives runs, got str"),
        (None, "a reader gives runs, got NoneType"),
        (Run(**{**GOOD, "name": 5}), "name must be text, got 5"),
        (Run(**{**GOOD, "name": None}), "name must be text, got None"),
        (Run(**{**GOOD, "path": b"a"}), "path must be text"),
        (Run(**GOOD, project=5), "project must be text or None, got 5"),
        (Run(**GOOD, status="FINISHED"), "status must be one of .*, got 'FINISHED'"),
        (Run(**GOOD, status=["failed"]), "status must be one of"),
        (Run(**GOOD, started=datetime(1, 1, 1)), "a time in the year 1"),
        (Run(**GOOD, ended=datetime.max.replace(tzinfo=timezone.utc)), "a time in the year 9999"),
        (Run(**GOOD, started="2026"), "AttributeError"),
        (Run(**GOOD, metrics={"a": [("1", 0.5)]}), "TypeError: 'str' object"),
        (Run(**GOOD, metrics={"a": [(1, "high")]}), "ValueError: could not convert"),
        (Run(**GOOD, metrics={"a": [(1, None)]}), "TypeError"),
        (Run(**GOOD, metrics={"a": [(1, 10**400)]}), "OverflowError"),
        (Run(**GOOD, metrics={"a": [0.5]}), "TypeError"),
    ],
    ids=str,
)  # fmt: skip
def test_a_reader_that_gives_anything_but_a_run_is_reported_and_the_rest_is_read(
    given, reason, install, files, caplog
):
    class Odd(OneAFile):
        def read(self, files):
            yield Run("before", "one", "before")
            yield given

    install(odd=Odd, one=OneAFile)
    assert names(read_runs(files)) == ["a", "b", "before", "before"]
    assert len(caplog.records) == 2
    assert re.search(reason, caplog.text)


def test_what_a_reader_gives_becomes_plain(install, files):
    class Odd(OneAFile):
        def read(self, files):
            deep = {"when": date(2026, 1, 2), 7: (1, {2}), "path": Path("x"), "b": np.float64(0.5)}
            metrics = {"a": [(np.int64(3), np.float32(0.5)), (4, True)]}
            yield Run(**GOOD, hyperparams=deep, metrics=metrics, started=datetime(2026, 1, 2))

    install(odd=Odd)
    run = read_runs(files)[0]
    assert run.hyperparams == {"when": "2026-01-02", "7": [1, [2]], "path": "x", "b": 0.5}
    assert run.metrics == {"a": [(3, 0.5), (4, 1.0)]}
    assert [type(value) for pair in run.metrics["a"] for value in pair] == [int, float] * 2
    assert run.started == datetime(2026, 1, 2, tzinfo=timezone.utc)
    json.dumps(run.hyperparams)


@pytest.mark.parametrize("kind", ["itself", "a billion values", "no mapping"])
def test_hyper_parameters_without_an_end_are_left_out_of_their_run(kind, install, files, caplog):
    endless = []
    endless.append(endless)
    if kind != "itself":
        endless = [1] * 100
        for _ in range(5):
            endless = [endless] * 100

    class Odd(OneAFile):
        def read(self, files):
            params = {"a": endless} if kind != "no mapping" else [1]
            yield Run(**GOOD, hyperparams=params, metrics={"a": [(0, 0.5)]})

    install(odd=Odd)
    (run,) = read_runs(files / "a.one")
    assert (run.hyperparams, run.metrics) == ({}, {"a": [(0, 0.5)]})
    (message,) = [record.getMessage() for record in caplog.records]
    assert "the hyper-parameters are left out: hyper-parameters are " in message


def test_a_reader_that_ends_the_process_is_reported(install, files, caplog):
    class Odd(OneAFile):
        def read(self, files):
            sys.exit(3)

    install(odd=Odd, one=OneAFile)
    assert names(read_runs(files)) == ["a", "b"]
    assert "cannot be read as a odd run: SystemExit: 3" in caplog.text


def test_a_reader_that_cannot_be_loaded_is_reported_and_the_others_read(install, files, caplog):
    def broken():
        raise RuntimeError("built for another protobuf")

    install(broken=broken, one=OneAFile)
    assert names(read_runs(files)) == ["a", "b"]
    assert "reader of broken runs cannot be used" in caplog.text


def test_files_of_a_tracker_whose_package_is_missing_name_the_package(install, tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    install()
    for name in ("run-1.wandb", "run-2.wandb", "run-1.swanlab", "events.out.tfevents.1.host"):
        (tmp_path / name).touch()
    assert read_runs(tmp_path) == ()
    assert [record.getMessage() for record in caplog.records] == [
        "2 run files need a package to be read: pip install rechub-wandb",
        "1 run files need a package to be read: pip install rechub-swanlab",
        "1 run files need a package to be read: pip install rechub-tensorboardx",
    ]
