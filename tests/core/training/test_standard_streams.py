"""Training in a process that has no standard streams, or some that cannot be written to.

A service, `pythonw`, a pipe whose reader is gone (``python train.py | head``), a full disk.
"""

import errno
import io
import logging
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from core.training.training_table import TRAINERS, fit
from torch_rechub._streams import StandardStream, usable_streams
from torch_rechub.basic.tracking import JSONLLogger
from torch_rechub.cli import main
from torch_rechub.runs import read_runs

TESTS = Path(__file__).parents[2]


class Broken(io.StringIO):
    """A terminal whose every write raises."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def write(self, *text):
        raise self.error

    flush = isatty = write


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


STREAMS = {
    "none": lambda: None,
    "closed": closed,
    "broken pipe": lambda: Broken(BrokenPipeError(errno.EPIPE, "Broken pipe")),
    "full disk": lambda: Broken(OSError(errno.ENOSPC, "No space left on device")),
    "of another kind": lambda: Broken(RuntimeError("no window")),
    "an object": object,
}


class Failing(JSONLLogger):
    """Causes a warning in each epoch."""

    def write_histogram(self, *arguments):
        raise OSError("disk full")


@pytest.fixture
def warnings_to_stderr():
    """As in a script without any handler, or with one that keeps the stream it was made of."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers = [logging.StreamHandler()]
    root.setLevel(logging.INFO)
    yield
    root.handlers = before
    root.setLevel(level)


@pytest.mark.parametrize("progress", [True, None, False])
@pytest.mark.parametrize("kind", STREAMS)
def test_no_stream_is_no_end_of_training(kind, progress, tmp_path, monkeypatch, request):
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, STREAMS[kind]())
    request.getfixturevalue("warnings_to_stderr")
    before = sys.stdout, sys.stderr
    loggers = [Failing(dir=tmp_path / "runs"), JSONLLogger(dir=tmp_path / "runs")]
    trainer, loader = fit(
        "clicks", tmp_path, n_epoch=2, progress=progress, model_logger=loggers,
        earlystop_patience=9,
    )  # fmt: skip
    assert (sys.stdout, sys.stderr) == before
    assert len(trainer.history) == 2
    assert 0 <= trainer.evaluate(trainer.model, loader) <= 1
    assert len(trainer.predict(trainer.model, loader)) == 96
    for run in read_runs(tmp_path / "runs"):
        assert (run.status, len(run.metrics["val/auc"])) == ("finished", 2)


@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize("name", TRAINERS)
def test_so_it_is_in_every_trainer(name, kind, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stderr", STREAMS[kind]())
    trainer, _ = fit(name, tmp_path, n_epoch=1, progress=True)
    assert len(trainer.history) == 1


def test_a_stream_that_breaks_during_training_ends_the_bar_alone(tmp_path, monkeypatch):
    class Breaking(io.StringIO):
        def write(self, text):
            if self.tell() > 200:
                raise BrokenPipeError(errno.EPIPE, "Broken pipe")
            return super().write(text)

    stream = Breaking()
    monkeypatch.setattr(sys, "stderr", stream)
    trainer, _ = fit("clicks", tmp_path, n_epoch=2, progress=True, earlystop_patience=9)
    assert "epoch 0" in stream.getvalue()
    assert len(trainer.history) == 2


def test_a_bar_is_shown_where_there_is_a_stream(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    fit("clicks", tmp_path, n_epoch=1, progress=True)
    assert "epoch 0" in sys.stderr.getvalue()


SCRIPT = """
import sys
from core.training.training_table import fit
from torch_rechub.basic.tracking import JSONLLogger

try:
    print("x", flush=True)
except OSError:
    pass
for name in sys.argv[1:]:
    fit(name, name, n_epoch=1, progress=True, model_logger=JSONLLogger(name=name))
"""
WAYS = {
    "closed": "exec {run} <&- >&- 2>&-",
    "stderr closed": "exec {run} 2>&-",
    "a pipe without a reader": "{{ {run}; }} 2>&1 | head -c 1 > /dev/null",
    "full": "exec {run} > /dev/full 2>&1",
}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
@pytest.mark.parametrize("how", WAYS)
def test_a_process_without_streams_trains_to_the_end(how, tmp_path):
    names = TRAINERS if how == "closed" else TRAINERS[:1]
    (tmp_path / "script.py").write_text(SCRIPT)
    run = shlex.join([sys.executable, "script.py", *names])
    subprocess.run(
        ["bash", "-c", WAYS[how].format(run=run)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])},
        stdin=subprocess.DEVNULL,
        timeout=120,
        check=False,
    )
    ends = {run.name: run.status for run in read_runs(tmp_path / "runs")}
    assert ends == dict.fromkeys(names, "finished")


# Replacements of streams


@pytest.mark.parametrize("kind", STREAMS)
def test_what_cannot_be_written_is_dropped(kind, monkeypatch):
    monkeypatch.setattr(sys, "stderr", STREAMS[kind]())
    stream = StandardStream("stderr")
    stream.write("text")
    stream.flush()
    assert not stream.isatty()
    with pytest.raises(OSError, match=r"sys\.stderr has no descriptor"):
        stream.fileno()


def test_it_is_whatever_stream_there_is_at_the_time(monkeypatch):
    stream = StandardStream("stdout")
    for _ in range(2):
        monkeypatch.setattr(sys, "stdout", io.StringIO())
        stream.write("text")
        assert sys.stdout.getvalue() == "text"


def test_streams_that_work_are_left_alone_and_new_ones_stay(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    monkeypatch.setattr(sys, "stderr", closed())
    works, later = sys.stdout, io.StringIO()
    with usable_streams():
        assert (sys.stdout, sys.stderr) == (works, None)
        sys.stderr = later
    assert (sys.stdout, sys.stderr) == (works, later)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize("arguments", [["runs", "runs"], ["compare", "runs"], ["runs", "nowhere"]])
def test_rechub_without_streams_ends_as_with_them(arguments, stream, tmp_path, monkeypatch):
    JSONLLogger(dir=tmp_path / "runs").finish()
    monkeypatch.chdir(tmp_path)
    expected = main(arguments)
    monkeypatch.setattr(sys, stream, None)
    assert main(arguments) == expected
