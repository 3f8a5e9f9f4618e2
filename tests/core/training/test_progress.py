"""The progress of training as seen on a terminal, in a notebook, in a file, and through logging."""

import io
import logging
import os
import pty
import re
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
from tqdm import notebook
from tqdm.std import tqdm

from torch_rechub.training.progress import messages_shown, progress_bar

SCRIPT = """
import logging, sys
import torch
from torch_rechub.basic.features import SparseFeature
from torch_rechub.models.ranking import LR
from torch_rechub.trainers import Callback, CTRTrainer
from torch_rechub.utils.data import DataGenerator

torch.manual_seed(0)
x = {"user": torch.arange(120) % 7}
train, val, _ = DataGenerator(x, x["user"] > 2).generate_dataloader(x, x["user"] > 2, batch_size=4)


def fit(n_epoch=2, **options):
    model = LR([SparseFeature("user", 7)])
    CTRTrainer(model, n_epoch=n_epoch, model_path=sys.argv[1], **options).fit(train, val)


"""
LINE = r"epoch \d: train/loss [\d.e-]+, learning_rate 0\.001, val/auc [\d.]+ \([\d.]+ s\)"


def run(tmp_path, code):
    """The two streams of a script, both files."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT + code, tmp_path],
        capture_output=True,
        timeout=120,
        check=True,
    )
    return done.stdout.decode(), done.stderr.decode()


def run_on_a_terminal(tmp_path, code):
    """All that a terminal is sent, as bytes in their order."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT + code, tmp_path],
        stdin=follower, stdout=follower, stderr=follower,
    )  # fmt: skip
    os.close(follower)
    sent = b""
    while True:
        try:
            part = os.read(leader, 4096)
        except OSError:  # the other end is closed
            part = b""
        if not part:
            break
        sent += part
    os.close(leader)
    assert process.wait(timeout=120) == 0
    return sent.decode()


def screen(sent):
    """The lines that remain on a terminal: text behind a carriage return is written over."""
    lines = []
    for line in sent.replace("\r\n", "\n").split("\n"):
        cells = []
        for part in re.split(r"\r", line):
            cells[: len(part)] = part
        lines.append("".join(cells).rstrip())
    return [line for line in lines if line]


def test_a_log_file_has_one_line_an_epoch_and_no_carriage_return(tmp_path):
    out, err = run(tmp_path, "fit()")
    assert out == ""
    assert "\r" not in err
    assert [bool(re.fullmatch(LINE, line)) for line in err.splitlines()] == [True, True]
    assert [line[:8] for line in err.splitlines()] == ["epoch 0:", "epoch 1:"]


def test_a_terminal_shows_a_bar_that_leaves_the_lines_whole(tmp_path):
    sent = run_on_a_terminal(tmp_path, "fit()")
    assert re.search(r"\repoch 0: +\d+%\|", sent), "no bar was shown"
    lines = screen(sent)
    assert [bool(re.fullmatch(LINE, line)) for line in lines] == [True, True], lines


def test_a_message_in_the_middle_of_an_epoch_leaves_the_bar_and_itself_whole(tmp_path):
    code = """
class Speaks(Callback):
    def on_step(self, step, losses):
        if step % 10 == 0:
            logging.getLogger("torch_rechub").warning("step %d", step)
fit(n_epoch=1, callbacks=[Speaks()])
"""
    lines = screen(run_on_a_terminal(tmp_path, code))
    assert lines[:-1] == ["step 10", "step 20", "step 30"]
    assert re.fullmatch(LINE, lines[-1])


@pytest.mark.parametrize("runner", [run_on_a_terminal, lambda *given: run(*given)[1]])
def test_without_progress_nothing_is_seen_but_warnings(tmp_path, runner):
    code = """
class Warns(Callback):
    def on_epoch_end(self, row):
        logging.getLogger("torch_rechub").warning("a warning")
fit(n_epoch=1, progress=False, callbacks=[Warns()])
"""
    assert runner(tmp_path, code).split() == ["a", "warning"]


def test_with_progress_a_file_has_the_bar_too(tmp_path):
    _, err = run(tmp_path, "fit(progress=True)")
    assert re.search(r"\repoch 1: +\d+%\|", err)


@pytest.mark.parametrize("progress", ["None", "True"])
@pytest.mark.parametrize(
    "configured",
    [
        "logging.basicConfig(level=logging.INFO, format='> %(message)s')",
        "h = logging.StreamHandler(); h.setFormatter(logging.Formatter('> %(message)s'));"
        "log = logging.getLogger('torch_rechub'); log.addHandler(h); log.setLevel(logging.INFO)",
    ],
    ids=["root", "the library's"],
)
def test_a_program_that_logs_sees_each_line_once_in_its_own_form(tmp_path, configured, progress):
    _, err = run(tmp_path, f"{configured}\nfit(progress={progress})")
    lines = [line for line in screen(err) if "train/loss" in line and "|" not in line]
    assert [bool(re.fullmatch("> " + LINE, line)) for line in lines] == [True, True]


@pytest.mark.parametrize(
    "configured",
    [
        "logging.basicConfig()",
        "logging.getLogger('torch_rechub').setLevel(logging.WARNING)",
        "logging.getLogger().setLevel(logging.ERROR)",
        "logging.getLogger('torch_rechub').addHandler(logging.NullHandler())",
        "logging.disable(logging.INFO)",
    ],
)
def test_a_program_that_wants_no_such_messages_gets_none(tmp_path, configured):
    assert run(tmp_path, f"{configured}\nfit()") == ("", "")


def test_logging_configured_during_training_takes_over(tmp_path):
    code = """
class Configures(Callback):
    def on_epoch_end(self, row):
        logging.basicConfig(level=logging.INFO, format="> %(message)s")
fit(n_epoch=3, callbacks=[Configures()])
"""
    _, err = run(tmp_path, code)
    assert [line[:9] for line in err.splitlines()] == ["epoch 0: ", "> epoch 1", "> epoch 2"]


def test_the_other_processes_of_a_launcher_say_nothing(tmp_path):
    code = "import os; os.environ.update(RANK='1', WORLD_SIZE='2')\nfit()"
    assert "epoch" not in "".join(run(tmp_path, code))


# Logging is left as it was


@pytest.fixture
def log(monkeypatch):
    """The library's logger in a program without handlers, such as pytest's."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    return logging.getLogger("torch_rechub")


def state(log):
    root = logging.getLogger()
    return list(log.handlers), log.level, log.propagate, list(root.handlers), root.level


def test_logging_is_as_it_was_after_training(log):
    before = state(log)
    with pytest.raises(KeyError), messages_shown(None):  # noqa: PT012
        assert state(log) != before
        raise KeyError
    assert state(log) == before


def test_trainings_in_threads_share_the_handler(log, capsys):
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
    log.info("still")
    over.set()
    thread.join()
    assert state(log) == before
    log.info("no more")
    assert capsys.readouterr().err == "once\nstill\n"


def test_a_level_that_was_set_meanwhile_stays(log):
    with messages_shown(None):
        log.setLevel(logging.DEBUG)
    assert log.level == logging.DEBUG
    log.setLevel(logging.NOTSET)


def test_each_line_is_captured_once(make_trainer, loaders, caplog):
    with caplog.at_level(logging.INFO, logger="torch_rechub"):
        make_trainer(progress=None, n_epoch=2).fit(*loaders)
    assert [record.getMessage()[:8] for record in caplog.records] == ["epoch 0:", "epoch 1:"]


def test_without_progress_the_lines_are_there_for_debugging(make_trainer, loaders, caplog):
    for level, lines in ((logging.INFO, 0), (logging.DEBUG, 2)):
        caplog.clear()
        with caplog.at_level(level, logger="torch_rechub"):
            make_trainer(progress=False, n_epoch=2).fit(*loaders)
        assert len([r for r in caplog.records if "train/loss" in r.getMessage()]) == lines


# Notebooks


@pytest.fixture
def kernel(monkeypatch):
    """As in the kernel of a notebook, whose streams are no terminals."""
    shell = SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, io.StringIO())


class Widget(list):
    """Stands for tqdm's bar of notebooks."""

    disable = False

    def __init__(self, batches, desc, leave):
        super().__init__(batches)
        made.append(desc)

    def set_postfix(self, **values):
        pass


made = []


@pytest.mark.parametrize("progress", [None, True])
def test_a_notebook_shows_the_widget_of_tqdm(
    kernel, monkeypatch, log, make_trainer, loaders, progress
):
    monkeypatch.setattr(notebook, "IProgress", object)
    monkeypatch.setattr(notebook, "tqdm_notebook", Widget)
    made.clear()
    make_trainer(progress=progress, n_epoch=2).fit(*loaders)
    assert [title for title in made if title.startswith("epoch")] == ["epoch 0", "epoch 1"]
    lines = sys.stdout.getvalue().splitlines()
    assert [line[:8] for line in lines] == ["epoch 0:", "epoch 1:"]
    assert sys.stderr.getvalue() == ""


def test_a_notebook_without_ipywidgets_shows_a_bar_of_text(kernel, monkeypatch):
    monkeypatch.setattr(notebook, "IProgress", None)
    assert list(progress_bar(None, range(3), "epoch 0")) == [0, 1, 2]
    assert "epoch 0:   0%|" in sys.stdout.getvalue()
    assert sys.stderr.getvalue() == ""


def test_a_warning_in_a_notebook_is_on_the_stream_of_errors(kernel, log):
    with messages_shown(None):
        log.warning("careful")
    assert (sys.stdout.getvalue(), sys.stderr.getvalue()) == ("", "careful\n")


def test_without_progress_a_notebook_shows_nothing(kernel, log, make_trainer, loaders):
    make_trainer(progress=False).fit(*loaders)
    assert (sys.stdout.getvalue(), sys.stderr.getvalue()) == ("", "")


def test_ipython_on_a_terminal_is_no_notebook(monkeypatch):
    shell = SimpleNamespace(config={"TerminalIPythonApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert type(progress_bar(True, [], "epoch 0")) is tqdm
