import builtins
import json
import signal
import sys
import threading
import time

import numpy
import pytest
import swanlab
from processes import run_in_a_process
from readers import only, swanlab_records, swanlab_run

from rechub_swanlab import SwanLabLogger
from torch_rechub.runs import read_runs
from torch_rechub.testing import LoggerContract


def offline(directory, *args, **kwargs):
    return SwanLabLogger(*args, logdir=directory, mode="offline", **kwargs)


@pytest.fixture(autouse=True)
def _no_run_is_left_open():
    yield
    assert not swanlab.has_run()


class TestContract(LoggerContract):
    keeps_labels = keeps_tables = keeps_files = True
    one_run_at_a_time = True

    def make_logger(self, directory, **kwargs):
        return offline(directory, "contract", **kwargs)

    def read_run(self, directory):
        return swanlab_run(directory)


def start_of(directory):
    (start,) = [record.start for record in swanlab_records(directory) if record.HasField("start")]
    return start


def end_of(directory):
    from swanlab.proto.swanlab.run.v1.run_pb2 import RunState

    (end,) = [record.finish for record in swanlab_records(directory) if record.HasField("finish")]
    return RunState.Name(end.state), end.error


# Arguments that are passed on


def test_the_arguments_of_the_constructor_reach_the_run(tmp_path):
    logger = SwanLabLogger(
        "ctr", "exp1", "a note", {"seed": 2022}, str(tmp_path), mode="offline", tags=["deepfm"]
    )
    logger.finish()
    start = start_of(tmp_path)
    assert (start.project, start.name, start.description) == ("ctr", "exp1", "a note")
    assert list(start.tags) == ["deepfm"]
    assert swanlab_run(tmp_path).hyperparams == {"seed": 2022}


def test_labels_that_swanlab_refuses_are_recorded_by_the_run(tmp_path):
    tags = ["x" * 513, *map(str, range(40))]
    offline(tmp_path, "p", tags=tags, group="g" * 600).finish()
    assert len(start_of(tmp_path).tags) == 30
    (run,) = read_runs(tmp_path)
    assert (list(run.tags), run.group) == (tags, "g" * 600)


def test_an_empty_group_is_none(tmp_path):
    offline(tmp_path, "p", group="").finish()
    (run,) = read_runs(tmp_path)
    assert run.group is None


def test_swanlabs_newer_names_are_accepted_too(tmp_path):
    newer = {"name": "exp1", "notes": "a note", "log_dir": tmp_path}
    SwanLabLogger("ctr", mode="offline", **newer).finish()
    start = start_of(tmp_path)
    assert (start.name, start.description) == ("exp1", "a note")


def test_one_argument_under_two_names_is_refused(tmp_path):
    with pytest.raises(TypeError, match="both 'experiment_name' and 'name'"):
        offline(tmp_path, "p", "exp1", name="exp2")


def test_a_mistyped_argument_is_met_with_the_right_one(tmp_path):
    with pytest.raises(TypeError, match=r"'tag'; did you mean 'tags'\?.* Allowed options: .*group"):
        offline(tmp_path, "p", tag=["x"])
    with pytest.raises(TypeError, match="config must be a dict or None, got str"):
        offline(tmp_path, "p", config="lr=1")
    assert list(tmp_path.iterdir()) == []


def test_a_second_value_of_a_hyperparam_replaces_the_first_and_nothing_is_added(tmp_path):
    with offline(tmp_path, "p", config={"learning_rate": 1, "token": "secret"}) as logger:
        logger.log_hyperparams({"learning_rate": 2})
    assert swanlab_run(tmp_path).hyperparams == {"learning_rate": 2, "token": "<redacted>"}


def test_what_no_utf8_can_hold_is_escaped(tmp_path):
    with offline(tmp_path, "p", config={"file": "caf\udce9"}) as logger:
        logger.log_hyperparams({"\ud800": {"none": None}})
        logger.log_metrics({"\ud800": 0.5}, step=0)
        logger.log_failure(OSError("caf\udce9"))
    run = swanlab_run(tmp_path)
    assert run.hyperparams == {"file": "caf\\udce9", "\\ud800": {"none": None}}
    assert run.metrics == {"\\ud800": [(0, 0.5)]}
    assert run.error == "OSError: caf\\udce9"


def test_a_home_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    offline("~/logs", "p").finish()
    assert only(tmp_path / "logs", "run-*.swanlab")


def test_a_file_in_place_of_the_directory_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match=r"logdir must be a directory, but .*file' is a"):
        offline(tmp_path / "file", "p")


# Steps


def test_a_name_logged_twice_at_one_step_is_reported_once(tmp_path, warnings_of_trackers):
    with offline(tmp_path, "p") as logger:
        logger.log_metrics({"auc": 0.5}, step=0)
        logger.log_metrics({"loss": 0.1}, step=0)
        assert warnings_of_trackers() == []
        logger.log_metrics({"auc": 0.6}, step=0)
        logger.log_metrics({"auc": 0.7}, step=0)
    assert swanlab_run(tmp_path).metrics == {"auc": [(0, 0.5)], "loss": [(0, 0.1)]}
    (warning,) = warnings_of_trackers()
    assert "'auc' was logged at step 0 already" in warning


def test_steps_of_numpy_are_recorded(tmp_path):
    with offline(tmp_path, "p") as logger:
        logger.log_metrics({"auc": 0.5}, step=numpy.int64(3))
    assert swanlab_run(tmp_path).metrics == {"auc": [(3, 0.5)]}


def test_a_step_that_swanlab_would_drop_is_refused(tmp_path):
    with offline(tmp_path, "p") as logger:
        logger.log_metrics({"auc": 0.5}, step=2**48)
        with pytest.raises(ValueError, match=r"at most 2\*\*48 in SwanLab"):
            logger.log_metrics({"auc": 0.6})
    assert swanlab_run(tmp_path).metrics == {"auc": [(2**48, 0.5)]}


def test_values_are_in_the_file_before_the_run_ends(tmp_path):
    logger = offline(tmp_path, "p")
    logger.log_metrics({"auc": 0.5}, step=0)
    deadline = time.monotonic() + 10  # swanlab writes in a thread
    while not swanlab_run(tmp_path).metrics and time.monotonic() < deadline:
        time.sleep(0.01)
    assert swanlab_run(tmp_path).metrics == {"auc": [(0, 0.5)]}
    logger.finish()


# One run per process


def test_no_thread_is_left_behind(tmp_path):
    before = threading.enumerate()
    offline(tmp_path, "p").finish()
    assert threading.enumerate() == before


def test_an_active_run_is_not_ended_unless_asked(tmp_path):
    first = offline(tmp_path / "a", "p")
    with pytest.raises(RuntimeError, match=r"one run per process.*finish\(\).*reinit=True"):
        offline(tmp_path / "b", "p")
    first.log_metrics({"auc": 0.5}, step=0)
    offline(tmp_path / "c", "p", reinit=True).finish()
    first.finish()
    assert swanlab_run(tmp_path / "a").metrics == {"auc": [(0, 0.5)]}


# How a run ends


def test_the_state_and_the_error_are_recorded(tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_TOKEN", "do-not-tell")
    for name, error in {
        "good": None,
        "crash": ValueError("cannot log in with do-not-tell"),
        "stop": KeyboardInterrupt(),
    }.items():
        logger = offline(tmp_path / name, "p")
        if error is not None:
            logger.log_failure(error)
        logger.finish()
    assert end_of(tmp_path / "good") == ("RUN_STATE_FINISHED", "")
    assert end_of(tmp_path / "crash") == (
        "RUN_STATE_CRASHED",
        "ValueError: cannot log in with <redacted>",
    )
    assert end_of(tmp_path / "stop") == ("RUN_STATE_ABORTED", "KeyboardInterrupt")


def test_ctrl_c_is_left_to_python_and_the_hook_for_exceptions_is_put_back(tmp_path, capsys):
    before = (sys.excepthook, signal.getsignal(signal.SIGINT))
    logger = offline(tmp_path, "p")
    assert sys.excepthook is not before[0]
    assert signal.getsignal(signal.SIGINT) is before[1]
    with pytest.raises(KeyboardInterrupt), logger:
        signal.raise_signal(signal.SIGINT)
    assert (sys.excepthook, signal.getsignal(signal.SIGINT)) == before
    assert end_of(tmp_path)[0] == "RUN_STATE_ABORTED"
    printed = capsys.readouterr()
    assert "already finished" not in printed.out + printed.err


def test_a_run_that_was_never_finished_is_aborted_by_ctrl_c(tmp_path):
    done = run_in_a_process(
        "import signal, sys; from rechub_swanlab import SwanLabLogger\n"
        "logger = SwanLabLogger('p', logdir=sys.argv[1], mode='offline')\n"
        "signal.raise_signal(signal.SIGINT)\n",
        tmp_path,
    )
    assert "KeyboardInterrupt" in done.stderr
    assert end_of(tmp_path)[0] == "RUN_STATE_ABORTED"


def test_a_run_may_be_finished_by_another_thread(tmp_path):
    logger = offline(tmp_path, "p")
    assert logger.any_thread
    thread = threading.Thread(target=logger.finish)
    thread.start()
    thread.join()
    assert end_of(tmp_path)[0] == "RUN_STATE_FINISHED"


# Never a prompt


@pytest.mark.parametrize("interactive", [None, True], ids=["default", "asked for"])
def test_without_a_key_the_constructor_says_what_to_do(tmp_path, monkeypatch, interactive):
    monkeypatch.setattr(builtins, "input", lambda *_: pytest.fail("asked for input"))
    monkeypatch.setattr("getpass.getpass", lambda *_: pytest.fail("asked for a key"))
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    settings = None if interactive is None else swanlab.Settings(interactive=interactive)
    with pytest.raises(RuntimeError, match=r"`swanlab login`.*SWANLAB_API_KEY.*mode='offline'"):
        SwanLabLogger("p", logdir=tmp_path, settings=settings)


# Privacy


def collected(directory):
    metadata = json.loads(only(directory, "swanlab-metadata.json").read_text(encoding="utf-8"))
    found = {name for name in ("hardware", "runtime", "git") if metadata.get(name)}
    return found | ({"requirements"} if list(directory.rglob("requirements.txt")) else set())


def test_nothing_about_code_and_machine_is_collected(tmp_path):
    stream = sys.stdout
    logger = offline(tmp_path, "p")
    assert sys.stdout is stream
    logger.finish()
    assert collected(tmp_path) == set()


@pytest.mark.parametrize(
    "given",
    [{"probe": {"requirements": True}}, {"probe": swanlab.Settings.Probe(requirements=True)}, None],
    ids=["dict", "swanlab.Settings", "environment"],
)
def test_what_the_user_turns_on_is_collected_and_nothing_else(tmp_path, monkeypatch, given):
    if given is None:
        monkeypatch.setenv("SWANLAB_PROBE_REQUIREMENTS", "true")
    elif not isinstance(given["probe"], dict):
        given = swanlab.Settings(**given)
    offline(tmp_path, "p", settings=given).finish()
    assert collected(tmp_path) == {"requirements"}
