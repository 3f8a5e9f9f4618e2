"""The progress of training: on a terminal, in a notebook, in a log file, and through logging."""

import io
import logging
import re
import sys
import threading
from types import SimpleNamespace

import pytest
from tqdm import notebook
from tqdm.std import tqdm

from torch_rechub.trainers import Callback
from torch_rechub.training.progress import messages_shown, progress_bar

LINE = r"epoch \d: train/loss [\d.e-]+, learning_rate 0\.05, val/auc [\d.]+ \([\d.]+ s\)"


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def log():
    """The library's logger, whose level is restored afterwards, as is that of the root."""
    root, own = logging.getLogger(), logging.getLogger("torch_rechub")
    level = root.level
    yield own
    root.setLevel(level)
    own.setLevel(logging.NOTSET)
    logging.disable(logging.NOTSET)


@pytest.fixture
def streams(monkeypatch, log):
    """Called in a test, makes a program without logging of its own, and with these streams.

    Pytest adds its own handlers and streams after the fixtures.
    """

    def replace(kind):
        monkeypatch.setattr(logging.getLogger(), "handlers", [])
        for name in ("stdout", "stderr"):
            monkeypatch.setattr(sys, name, kind())
        return sys.stdout, sys.stderr

    return replace


def screen(sent):
    """The lines that stay visible on a terminal: text after a carriage return replaces a line."""
    lines = []
    for line in sent.split("\n"):
        cells = []
        for part in line.split("\r"):
            cells[: len(part)] = part
        lines.append("".join(cells).rstrip())
    return [line for line in lines if line]


def are_lines(lines, prefix=""):
    return [bool(re.fullmatch(prefix + LINE, line)) for line in lines]


class Speaks(Callback):
    """Logs a warning after every second step."""

    def on_step(self, step, losses):
        if step % 2 == 0:
            logging.getLogger("torch_rechub").warning("step %d", step)


# Terminals and files


def test_a_log_file_has_one_line_an_epoch_and_no_carriage_return(streams, make_trainer, loaders):
    out, err = streams(io.StringIO)
    make_trainer(progress=None, n_epoch=2).fit(*loaders)
    assert out.getvalue() == ""
    assert "\r" not in err.getvalue()
    assert are_lines(err.getvalue().splitlines()) == [True, True]


def test_a_terminal_shows_a_bar_that_leaves_the_lines_intact(streams, make_trainer, loaders):
    out, err = streams(Terminal)
    make_trainer(progress=None, n_epoch=2).fit(*loaders)
    assert out.getvalue() == ""
    assert re.search(r"\repoch 1: +\d+%\|", err.getvalue()), "no bar was shown"
    assert are_lines(screen(err.getvalue())) == [True, True]


def test_a_message_during_an_epoch_leaves_the_bar_and_itself_intact(streams, make_trainer, loaders):
    _, err = streams(Terminal)
    make_trainer(progress=None, n_epoch=1, callbacks=[Speaks()]).fit(*loaders)
    *messages, line = screen(err.getvalue())
    assert messages == ["step 2", "step 4"]
    assert are_lines([line]) == [True]


@pytest.mark.parametrize("kind", [Terminal, io.StringIO])
def test_without_progress_only_warnings_are_shown(streams, make_trainer, loaders, kind):
    out, err = streams(kind)
    make_trainer(progress=False, n_epoch=1, callbacks=[Speaks()]).fit(*loaders)
    assert (out.getvalue(), err.getvalue()) == ("", "step 2\nstep 4\n")


def test_with_progress_a_file_has_the_bar_too(streams, make_trainer, loaders):
    _, err = streams(io.StringIO)
    make_trainer(progress=True, n_epoch=2).fit(*loaders)
    assert re.search(r"\repoch 1: +\d+%\|", err.getvalue())


def test_an_early_stop_is_shown(streams, make_trainer, loaders):
    class Stops(Callback):
        def on_epoch_end(self, row):
            return True

    _, err = streams(io.StringIO)
    make_trainer(progress=None, callbacks=[Stops()]).fit(*loaders)
    assert err.getvalue().splitlines()[1:] == ["Stopped early after epoch 0."]


# A program that has configured logging


def to_root(log, level):
    logging.basicConfig(level=level, format="> %(message)s")


def to_the_library(log, level):
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("> %(message)s"))
    log.addHandler(handler)
    log.setLevel(level)
    return handler


@pytest.mark.parametrize("progress", [None, True])
@pytest.mark.parametrize("configure", [to_root, to_the_library])
def test_configured_logging_receives_each_line_once(
    streams, log, make_trainer, loaders, configure, progress
):
    _, err = streams(io.StringIO)
    handler = configure(log, logging.INFO)
    make_trainer(progress=progress, n_epoch=2).fit(*loaders)
    log.removeHandler(handler)
    lines = [line for line in screen(err.getvalue()) if "train/loss" in line and "|" not in line]
    assert are_lines(lines, "> ") == [True, True]


@pytest.mark.parametrize(
    "configure",
    [
        lambda log: logging.basicConfig(),
        lambda log: log.setLevel(logging.WARNING),
        lambda log: logging.getLogger().setLevel(logging.ERROR),
        lambda log: logging.getLogger().addHandler(logging.NullHandler()),
        lambda log: logging.disable(logging.INFO),
    ],
    ids=["warnings", "level", "level of the root", "null handler", "disabled"],
)
def test_configured_logging_without_messages_of_this_level_stays_silent(
    streams, log, make_trainer, loaders, configure
):
    out, err = streams(io.StringIO)
    configure(log)
    make_trainer(progress=None).fit(*loaders)
    assert (out.getvalue(), err.getvalue()) == ("", "")


def test_logging_that_is_configured_during_training_takes_over(streams, log, make_trainer, loaders):
    class Configures(Callback):
        def on_epoch_end(self, row):
            to_root(log, logging.INFO)

    _, err = streams(io.StringIO)
    make_trainer(progress=None, n_epoch=3, callbacks=[Configures()]).fit(*loaders)
    assert [line[:9] for line in err.getvalue().splitlines()] == [
        "epoch 0: ",
        "> epoch 1",
        "> epoch 2",
    ]


@pytest.mark.parametrize("kind", [Terminal, io.StringIO])
def test_only_the_first_process_of_a_launcher_shows_anything(streams, monkeypatch, kind):
    out, err = streams(kind)
    for name, value in (("RANK", "1"), ("WORLD_SIZE", "2")):
        monkeypatch.setenv(name, value)
    with messages_shown(None):
        logging.getLogger("torch_rechub").info("epoch 0")
        assert list(progress_bar(None, range(3), "epoch 0")) == [0, 1, 2]
    assert (out.getvalue(), err.getvalue()) == ("", "")


def state(log):
    root = logging.getLogger()
    return list(log.handlers), log.level, log.propagate, list(root.handlers), root.level


def test_logging_is_restored_after_training(log, streams):
    streams(io.StringIO)
    before = state(log)
    with pytest.raises(KeyError), messages_shown(None):  # noqa: PT012
        assert state(log) != before
        raise KeyError
    assert state(log) == before


def test_training_runs_in_threads_share_the_handler(log, streams):
    _, err = streams(io.StringIO)
    before, inside, over = state(log), threading.Event(), threading.Event()

    def other():
        with messages_shown(None):
            inside.set()
            over.wait(10)

    thread = threading.Thread(target=other)
    with messages_shown(None):
        thread.start()
        inside.wait(10)
        log.info("once")
    log.info("still shown")
    over.set()
    thread.join()
    assert state(log) == before
    log.info("no longer shown")
    assert err.getvalue() == "once\nstill shown\n"


def test_a_level_that_is_set_during_training_is_kept(log, streams):
    streams(io.StringIO)
    with messages_shown(None):
        log.setLevel(logging.DEBUG)
    assert log.level == logging.DEBUG


def test_caplog_captures_each_line_once(make_trainer, loaders, caplog):
    with caplog.at_level(logging.INFO, logger="torch_rechub"):
        make_trainer(progress=None, n_epoch=2).fit(*loaders)
    assert [record.getMessage()[:8] for record in caplog.records] == ["epoch 0:", "epoch 1:"]


@pytest.mark.parametrize(("level", "lines"), [(logging.INFO, 0), (logging.DEBUG, 2)])
def test_without_progress_the_lines_are_debug_messages(make_trainer, loaders, caplog, level, lines):
    with caplog.at_level(level, logger="torch_rechub"):
        make_trainer(progress=False, n_epoch=2).fit(*loaders)
    assert len([r for r in caplog.records if "train/loss" in r.getMessage()]) == lines


# Notebooks


@pytest.fixture
def kernel(monkeypatch, streams):
    """The kernel of a notebook, whose streams are no terminals; call it to get them."""
    shell = SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    return lambda: streams(io.StringIO)


@pytest.mark.parametrize("progress", [None, True])
def test_a_notebook_shows_the_widget_of_tqdm(kernel, monkeypatch, make_trainer, loaders, progress):
    titles = []

    class Widget(list):
        disable = True

        def __init__(self, batches, desc, leave):
            super().__init__(batches)
            titles.append(desc)

    monkeypatch.setattr(notebook, "IProgress", object)
    monkeypatch.setattr(notebook, "tqdm_notebook", Widget)
    out, err = kernel()
    make_trainer(progress=progress, n_epoch=2).fit(*loaders)
    assert [title for title in titles if title.startswith("epoch")] == ["epoch 0", "epoch 1"]
    assert are_lines(out.getvalue().splitlines()) == [True, True]
    assert err.getvalue() == ""


def test_a_notebook_without_ipywidgets_shows_a_bar_of_text(kernel, monkeypatch):
    monkeypatch.setattr(notebook, "IProgress", None)
    out, err = kernel()
    assert list(progress_bar(None, range(3), "epoch 0")) == [0, 1, 2]
    assert "epoch 0:   0%|" in out.getvalue()
    assert err.getvalue() == ""


def test_a_warning_in_a_notebook_goes_to_stderr(kernel, log):
    out, err = kernel()
    with messages_shown(None):
        log.warning("careful")
    assert (out.getvalue(), err.getvalue()) == ("", "careful\n")


def test_without_progress_a_notebook_shows_nothing(kernel, make_trainer, loaders):
    out, err = kernel()
    make_trainer(progress=False).fit(*loaders)
    assert (out.getvalue(), err.getvalue()) == ("", "")


def test_ipython_on_a_terminal_is_no_notebook(monkeypatch):
    shell = SimpleNamespace(config={"TerminalIPythonApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert type(progress_bar(True, [], "epoch 0")) is tqdm
