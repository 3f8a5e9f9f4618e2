"""Folders with pipes, sockets, devices, links and odd names next to runs."""

import errno
import logging
import os
import socket
import subprocess
import sys

import pytest

from torch_rechub.basic.tracking import JSONLLogger
from torch_rechub.runs import read_runs

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has other kinds of files")


def record(folder, name):
    with JSONLLogger(name=name, dir=folder, id=name) as logger:
        logger.log_metrics({"val/auc": 0.5}, step=0)
    return folder / f"{name}.run.jsonl"


def names(paths):
    return sorted(run.name for run in read_runs(paths))


@pytest.fixture
def folder(tmp_path):
    record(tmp_path / "runs", "good")
    return tmp_path / "runs"


def listed(*paths):
    """The output of `rechub runs`, run as a process with a time limit."""
    done = subprocess.run(
        [sys.executable, "-m", "torch_rechub", "runs", *map(str, paths), "--format", "csv"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    found = [line.split(",")[0] for line in done.stdout.splitlines()[1:]]
    return done.returncode, found, done.stderr


def test_a_pipe_that_nobody_writes_is_reported_and_not_waited_for(folder):
    os.mkfifo(folder / "a.run.jsonl")
    os.mkfifo(folder / "run-1.wandb")
    code, found, err = listed(folder)
    assert (code, found) == (0, ["good"])
    assert "a.run.jsonl is a pipe and no file, and is left out" in err
    code, found, err = listed(folder / "a.run.jsonl")
    assert (code, found) == (1, [])
    assert "a.run.jsonl' is a pipe; give the folder of your runs" in err


def test_a_pipe_is_not_continued_as_a_run(folder):
    os.mkfifo(folder / "a.run.jsonl")
    code = (
        "import sys; from torch_rechub.basic.tracking import JSONLLogger\n"
        "JSONLLogger(dir=sys.argv[1], id='a', resume='allow')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, timeout=60, check=False
    )
    assert b"FileExistsError" in done.stderr


def test_sockets_and_devices_are_reported(folder, caplog):
    with socket.socket(socket.AF_UNIX) as one:
        before = os.getcwd()
        os.chdir(folder)  # the address of a socket is short
        try:
            one.bind("a.run.jsonl")
        finally:
            os.chdir(before)
        (folder / "b.run.jsonl").symlink_to("/dev/zero")
        assert names(folder) == ["good"]
    assert [record.getMessage().removeprefix(str(folder)) for record in caplog.records] == [
        "/a.run.jsonl is a socket and no file, and is left out",
        "/b.run.jsonl is a device and no file, and is left out",
    ]


def test_a_folder_that_is_called_like_a_run_is_a_folder(folder, caplog):
    record(folder / "a.run.jsonl", "inside")
    assert names(folder) == ["good", "inside"]
    assert names(folder / "a.run.jsonl") == ["inside"]
    assert caplog.records == []


def test_links_to_nothing_and_to_themselves_are_reported(folder, caplog):
    (folder / "a.run.jsonl").symlink_to("nowhere")
    (folder / "b.run.jsonl").symlink_to("b.run.jsonl")
    (folder / "c").symlink_to("c")
    assert names(folder) == ["good"]
    messages = [record.getMessage() for record in caplog.records]
    assert [message.removeprefix(str(folder)) for message in messages] == [
        "/a.run.jsonl cannot be read: No such file or directory",
        f"/b.run.jsonl cannot be read: {os.strerror(errno.ELOOP)}",
    ]


def test_a_run_that_several_links_lead_to_is_there_once_by_its_own_path(folder, tmp_path):
    file = folder / "good.run.jsonl"
    (folder / "a.run.jsonl").symlink_to(file)
    os.link(file, folder / "z.run.jsonl")
    (folder / "a").mkdir()
    (folder / "a" / "b.run.jsonl").symlink_to(file)
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "link").symlink_to(folder)
    runs = read_runs([folder, file, folder / "a.run.jsonl", tmp_path / "all", f"{folder}/../runs"])
    assert [run.path for run in runs] == [str(file)]


def test_links_to_folders_are_followed_once(folder, tmp_path):
    record(tmp_path / "elsewhere", "far")
    (folder / "one").symlink_to(tmp_path / "elsewhere")
    (folder / "two").symlink_to(tmp_path / "elsewhere")
    assert names(folder) == ["far", "good"]


def test_links_to_folders_above_and_circles_of_links_end(folder, tmp_path):
    record(tmp_path / "beside", "beside")
    (folder / "up").symlink_to("..")
    (folder / "root").symlink_to("/")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "back").symlink_to(folder)
    (folder / "there").symlink_to(tmp_path / "other")
    code, found, err = listed(folder)
    assert (code, found, err) == (0, ["good"], "")


def test_a_folder_that_cannot_be_listed_is_reported(folder, monkeypatch, caplog):
    (folder / "closed").mkdir()
    real = os.scandir

    def scandir(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert names(folder) == ["good"]
    assert "closed cannot be read: Permission denied" in caplog.text


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_names_that_are_no_utf_8_are_read_and_shown_as_escapes(folder):
    odd = os.fsencode(folder) + b"/caf\xe9 \x1b[2J\xe2\x80\xae"
    os.mkdir(odd)
    os.rename(folder / "good.run.jsonl", odd + b"/\xff.run.jsonl")
    for form in ("table", "json", "csv", "markdown"):
        done = subprocess.run(
            [sys.executable, "-m", "torch_rechub", "compare", str(folder), "--format", form,
             "--plot", str(folder / "a.html")],
            capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        assert (done.returncode, b"good" in done.stdout) == (0, True), done.stderr
        assert b"\x1b" not in done.stdout
        assert "\u202e".encode() not in done.stdout
    done = subprocess.run(
        [sys.executable, "-m", "torch_rechub", "runs", str(folder), "--format", "json"],
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert rb"caf\udce9 \u001b[2J\u202e/\udcff.run.jsonl" in done.stdout


def test_a_damaged_file_of_any_name_is_reported_as_one_line(folder, caplog):
    caplog.set_level(logging.WARNING)
    name = "a\n\x1b[2J\u202e.run.jsonl"
    (folder / name).write_text("null\n")
    read_runs(folder)
    (message,) = [record.getMessage() for record in caplog.records]
    assert f"{folder}/a\\n\\x1b[2J\\u202e.run.jsonl: 1 damaged line" in message
