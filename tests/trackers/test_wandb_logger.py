import os
import re
import signal
import sys

import pytest
import wandb
from matplotlib.figure import Figure
from processes import run_in_a_process
from readers import only, wandb_records, wandb_run

from rechub_wandb import WandbLogger
from torch_rechub.runs import read_runs
from torch_rechub.testing import LoggerContract


class TestContract(LoggerContract):
    keeps_labels = keeps_tables = keeps_files = True

    def make_logger(self, directory, **kwargs):
        return WandbLogger("contract", dir=directory, **kwargs)

    def read_run(self, directory):
        return wandb_run(directory)


# Arguments that are passed on


def test_the_arguments_of_the_constructor_reach_the_run(tmp_path):
    logger = WandbLogger(
        "ctr", "exp1", {"seed": 2022}, ["deepfm", "criteo"], "a note", str(tmp_path), group="g"
    )
    logger.finish()
    (record,) = [r.run for r in wandb_records(tmp_path) if r.HasField("run")]
    assert (record.project, record.display_name, record.notes) == ("ctr", "exp1", "a note")
    assert (sorted(record.tags), record.run_group) == (["criteo", "deepfm"], "g")
    assert wandb_run(tmp_path).hyperparams == {"seed": 2022}


def test_labels_that_wandb_refuses_are_recorded_by_the_run(tmp_path):
    tags = ["night", "x" * 65, "\ud800"]
    WandbLogger("p", dir=tmp_path, tags=tags, group="\ud800").finish()
    (record,) = [r.run for r in wandb_records(tmp_path) if r.HasField("run")]
    assert sorted(record.tags) == ["\\ud800", "night"]
    (run,) = read_runs(tmp_path)
    assert (run.tags, run.group) == (("night", "x" * 65, "\\ud800"), "\\ud800")


def test_an_artifact_may_have_a_name_that_is_too_long_for_a_folder(tmp_path):
    file = tmp_path / "lists.csv"
    file.write_text("a,b")
    with WandbLogger("p", dir=tmp_path) as logger:
        logger.log_artifact("x" * 300, str(file), "file")
    assert wandb_run(tmp_path).status == "finished"


def test_a_second_value_of_a_hyperparam_is_no_error(tmp_path):
    with WandbLogger("p", config={"learning_rate": 1}, dir=tmp_path) as logger:
        logger.log_hyperparams({"learning_rate": 2})
    assert wandb_run(tmp_path).hyperparams["learning_rate"] == 2


def test_the_initial_config_is_stripped_of_secrets_and_not_changed(tmp_path):
    config = {"lr": 0.1, "api_key": "not-for-others"}
    WandbLogger("p", config=config, dir=tmp_path).finish()
    assert wandb_run(tmp_path).hyperparams == {"lr": 0.1, "api_key": "<redacted>"}
    assert config["api_key"] == "not-for-others"


def test_a_hyperparam_by_wandbs_own_name_and_odd_text_are_kept(tmp_path):
    with WandbLogger("p", config={"_wandb": 1}, dir=tmp_path) as logger:
        logger.log_hyperparams({"file": "caf\udce9"})
        logger.log_metrics({"\ud800": 0.5}, step=0)
    run = wandb_run(tmp_path)
    assert run.hyperparams == {"_wandb_": 1, "file": "caf\\udce9"}
    assert run.metrics == {"\\ud800": [(0, 0.5)]}


def test_a_mistyped_argument_is_met_with_the_right_one(tmp_path):
    with pytest.raises(TypeError, match=r"'mod'; did you mean 'mode'\?.* Allowed options: .*group"):
        WandbLogger("p", dir=tmp_path, mod="offline")
    with pytest.raises(TypeError, match="config must be a dict or None, got list"):
        WandbLogger("p", dir=tmp_path, config=["lr"])
    assert list(tmp_path.iterdir()) == []


def test_the_directory_is_made_and_a_home_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    WandbLogger("p", dir="~/deep/down").finish()
    assert only(tmp_path / "deep" / "down", "run-*.wandb")


def test_without_a_directory_files_go_to_the_working_directory_of_that_moment(
    tmp_path, monkeypatch
):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        WandbLogger("p").finish()
        assert only(tmp_path / name, "run-*.wandb")


def test_a_directory_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        WandbLogger("p", dir=tmp_path / "file" / "below")


def test_without_a_key_the_constructor_says_what_to_do(tmp_path):
    code = "import sys; from rechub_wandb import WandbLogger; WandbLogger('p', dir=sys.argv[1])"
    done = run_in_a_process(code, tmp_path, WANDB_MODE="online")
    assert done.returncode == 1
    assert re.search(r"Error: .*`wandb login`.*WANDB_API_KEY.*mode='offline'", done.stderr)


# Steps


def test_values_for_a_step_that_wandb_has_passed_keep_their_step_in_a_column(
    tmp_path, warnings_of_trackers
):
    with WandbLogger("p", dir=tmp_path) as logger:
        logger.log_metrics({"auc": 0.5}, step=5)
        logger.log_metrics({"auc": 0.3}, step=3)
        logger.log_metrics({"auc": 0.2}, step=2)
        logger.log_metrics({"auc": 0.9}, step=9)
    rows = [r.history.item for r in wandb_records(tmp_path) if r.HasField("history")]
    values = [{i.nested_key[0]: i.value_json for i in row} for row in rows]
    assert [(v["_step"], v.get("step"), v["auc"]) for v in values] == [
        ("5", None, "0.5"),
        ("6", "3", "0.3"),
        ("8", "2", "0.2"),
        ("9", None, "0.9"),
    ]
    assert len([w for w in warnings_of_trackers() if "column 'step'" in w]) == 1
    run = wandb_run(tmp_path)
    assert run.metrics == {"auc": [(5, 0.5), (3, 0.3), (2, 0.2), (9, 0.9)]}


def test_large_steps_are_exact(tmp_path):
    with WandbLogger("p", dir=tmp_path) as logger:
        logger.log_metrics({"auc": 0.5}, step=2**53 + 1)
    assert wandb_run(tmp_path).metrics == {"auc": [(2**53 + 1, 0.5)]}


def test_a_users_own_log_calls_do_not_cost_an_epoch(tmp_path):
    logger = WandbLogger("p", dir=tmp_path)
    for _ in range(3):
        wandb.log({"mine": 1.0})
    logger.log_metrics({"auc": 0.5}, step=0)
    logger.finish()
    assert wandb_run(tmp_path).metrics["auc"] == [(0, 0.5)]


# Several runs in one process


def test_the_first_run_is_the_one_of_the_process_and_the_next_opens_next_to_it(tmp_path):
    (tmp_path / "a").mkdir()
    first = WandbLogger("p", dir=tmp_path / "a")
    second = WandbLogger("p", dir=tmp_path / "b")
    assert wandb.run is first.run
    assert second.run.id != first.run.id
    first.finish()
    # Only a run that wandb does not call its current one is left: it must not be handed out again.
    third = WandbLogger("p", dir=tmp_path / "c")
    assert third.run.id != second.run.id
    third.finish()
    second.log_metrics({"auc": 0.5}, step=0)
    second.finish()
    assert wandb_run(tmp_path / "b").metrics == {"auc": [(0, 0.5)]}


def test_a_reinit_given_by_the_user_is_heeded(tmp_path):
    first = WandbLogger("p", dir=tmp_path)
    again = WandbLogger("p", dir=tmp_path, reinit="return_previous")
    assert again.run is first.run
    again.finish()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["first first", "last first"])
def test_hooks_are_taken_out_in_whatever_order_runs_finish(tmp_path, order):
    before = (sys.excepthook, sys.exit)
    loggers = [WandbLogger("p", dir=tmp_path) for _ in range(2)]
    assert sys.excepthook is not before[0]
    for index in order:
        loggers[index].finish()
    assert (sys.excepthook, sys.exit) == before


def test_a_logger_that_is_refused_leaves_no_hook(tmp_path):
    WandbLogger("p", dir=tmp_path).finish()  # wandb replaces them at the first run
    before = (sys.excepthook, sys.exit, sys.stdout.write, sys.stderr.write)
    with pytest.raises(TypeError, match="colour"):
        WandbLogger("p", dir=tmp_path, colour="red")
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        WandbLogger("p", dir=tmp_path / "file")
    assert (sys.excepthook, sys.exit, sys.stdout.write, sys.stderr.write) == before


# Privacy


def settings_of(**kwargs):
    logger = WandbLogger("p", **kwargs)
    settings = logger.run.settings
    logger.finish()
    return settings


def test_nothing_about_code_and_machine_is_collected(tmp_path):
    settings = settings_of(dir=tmp_path)
    assert (settings.console, settings.save_code) == ("off", False)
    for name in ("disable_code", "disable_git", "x_disable_meta", "x_disable_stats"):
        assert getattr(settings, name) is True, name
    files = {path.name for path in tmp_path.rglob("files/*")}
    assert files <= {"config.yaml", "wandb-summary.json"}


@pytest.mark.parametrize(
    "given",
    [{"disable_git": False, "silent": True}, wandb.Settings(disable_git=False, silent=True)],
    ids=["dict", "wandb.Settings"],
)
def test_settings_of_the_user_win_and_the_others_stay(tmp_path, given):
    settings = settings_of(dir=tmp_path, settings=given)
    assert settings.disable_git is False
    assert settings.x_disable_stats is True


def test_code_is_saved_on_request(tmp_path):
    settings = settings_of(dir=tmp_path, save_code=True)
    assert settings.save_code is True
    assert settings.disable_code is False


def test_environment_variables_of_the_user_win(tmp_path):
    code = (
        "import sys; from rechub_wandb import WandbLogger\n"
        "logger = WandbLogger('p', dir=sys.argv[1]); s = logger.run.settings; logger.finish()\n"
        "print(s.disable_git, s.save_code, s.disable_code, s.x_disable_stats, s.console)"
    )
    done = run_in_a_process(code, tmp_path, WANDB_DISABLE_GIT="false", WANDB_SAVE_CODE="true")
    assert done.stdout.split() == ["False", "True", "False", "True", "off"]


# A service that hangs


@pytest.mark.skipif(sys.platform != "linux", reason="finds the service's process in /proc")
@pytest.mark.parametrize("when", ["log_metrics", "finish"])
@pytest.mark.slow
def test_a_service_that_hangs_holds_up_neither_training_nor_the_end_of_the_process(tmp_path, when):
    done = run_in_a_process(
        "import glob, os, signal, sys\n"
        "from rechub_wandb import WandbLogger\n"
        "from torch_rechub.basic.tracking import JSONLLogger, LoggerGroup\n"
        "folder, when = sys.argv[1:]\n"
        "logger = WandbLogger('p', dir=folder)\n"
        "tasks = glob.glob('/proc/self/task/*/children')\n"
        "children = ' '.join(open(task).read() for task in tasks).split()\n"
        "stop = lambda: [os.kill(int(child), signal.SIGSTOP) for child in children]\n"
        "print(*children)\n"
        "with LoggerGroup([logger, JSONLLogger(dir=folder)], timeout=3) as group:\n"
        "    if when == 'log_metrics': stop()\n"
        "    for epoch in range(3): group.log_metrics({'a': epoch}, epoch)\n"
        "    if when == 'finish': stop()\n"
        "print('trained')\n",
        tmp_path,
        when,
    )
    children, trained = done.stdout.splitlines()
    for child in children.split():
        os.kill(int(child), signal.SIGKILL)
    assert (trained, done.returncode) == ("trained", 0)
    assert f"WandbLogger hangs in {when} (no answer for 3 s): off." in done.stderr
    assert f"wandb sync {tmp_path}" in done.stderr
    (run,) = read_runs(only(tmp_path, "*.run.jsonl"))
    assert run.metrics == {"a": [(0, 0), (1, 1), (2, 2)]}
    assert run.status == "finished"


# A run that is continued


class Continued:
    """A run as wandb opens it online with `resume`: it knows what its server has."""

    resumed = True

    def __init__(self, run, step):
        self._run, self._at_first = run, step
        self.summary = {"step": 2, "global_step": 8}

    @property
    def step(self):
        return max(self._at_first, self._run.step)

    def __getattr__(self, name):
        return getattr(self._run, name)


def test_what_the_server_has_is_not_sent_again(tmp_path):
    with WandbLogger("p", dir=tmp_path) as logger:
        logger.run = Continued(logger.run, step=3)
        logger.resume_at(2, {})
        for epoch in (2, 3):
            logger.log_metrics({"a": epoch}, epoch)
    assert wandb_run(tmp_path).metrics == {"a": [(3, 3)]}


@pytest.mark.parametrize("axes", [False, True])
def test_an_epoch_at_the_step_of_an_earlier_test_is_sent(tmp_path, axes):
    with WandbLogger("p", dir=tmp_path) as logger:
        logger.run = Continued(logger.run, step=3)  # of epochs 0 and 1, and the test at step 2
        logger.run.summary["test/auc"] = 0.5
        if axes:
            logger.define_axis("global_step", ["loss_step"])
        logger.resume_at(2, {})
        for epoch in (2, 3):
            logger.log_metrics({"a": epoch}, epoch)
    assert wandb_run(tmp_path).metrics == {"a": [(2, 2), (3, 3)]}


def test_nor_is_it_where_steps_have_axes(tmp_path):
    with WandbLogger("p", dir=tmp_path) as logger:
        logger.run = Continued(logger.run, step=11)
        logger.define_axis("global_step", ["loss_step"])
        logger.resume_at(2, {"global_step": 7})
        for step in (7, 8, 9):
            logger.log_metrics({"loss_step": step}, step)
        for epoch in (2, 3):
            logger.log_metrics({"a": epoch}, epoch)
    assert wandb_run(tmp_path).metrics == {"loss_step": [(9, 9)], "a": [(3, 3)]}


def test_offline_a_run_of_the_same_id_gets_all_that_is_trained_again(tmp_path):
    with WandbLogger("p", dir=tmp_path, id="exp", resume="allow") as logger:
        logger.resume_at(2, {})
        logger.log_metrics({"a": 2.0}, 2)
    assert wandb_run(tmp_path).metrics == {"a": [(2, 2.0)]}


# Rows that have ended


def test_what_comes_after_a_row_has_ended_spoils_no_metric(tmp_path, warnings_of_trackers):
    figure = Figure()
    with WandbLogger("p", dir=tmp_path) as logger:
        for epoch in range(2):
            logger.log_histogram("norms", [1, 2], [0.0, 0.5, 1.0], epoch)
            logger.log_metrics({"a": epoch}, epoch)
            logger.flush()
        logger.log_figure("roc", figure, 1)
    rows = [
        {item.nested_key[0] for item in r.history.item if not item.nested_key[0].startswith("_")}
        for r in wandb_records(tmp_path)
        if r.HasField("history")
    ]
    assert rows == [{"norms", "a"}, {"norms", "a"}, {"roc"}]
    assert wandb_run(tmp_path).metrics == {"a": [(0, 0), (1, 1)]}
    assert warnings_of_trackers() == []
