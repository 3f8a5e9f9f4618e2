"""`MLflowLogger`: the contract, and what MLflow itself and other code read from its database."""

import json
import logging
import sqlite3
import threading
from datetime import timezone
from pathlib import Path

import mlflow_database
import pytest
from backends import open_logger, read_run

from rechub_mlflow import MLflowLogger
from torch_rechub.runs import details, read_runs
from torch_rechub.testing import LoggerContract


class TestMLflowLogger(LoggerContract):
    keeps_labels = keeps_tables = keeps_files = True

    def make_logger(self, directory, **kwargs):
        if not kwargs:  # with which a logger may have to leave no file
            mlflow_database.prepare(directory)
        return MLflowLogger("contract", dir=directory, **kwargs)

    def read_run(self, directory):
        (run,) = read_runs(directory)
        return run


def rows(folder, query):
    database = sqlite3.connect(Path(folder) / "mlflow.db")
    found = database.execute(query).fetchall()
    database.close()
    return found


def only(client, project="p"):
    """The one run of an experiment, as MLflow reads it."""
    experiment = client.get_experiment_by_name(project)
    (run,) = client.search_runs([experiment.experiment_id])
    return run


def test_mlflow_reads_the_metrics_with_their_steps_and_times(tmp_path):
    with open_logger("mlflow", tmp_path) as logger:
        for step in range(5):
            logger.log_metrics({"val/auc": 1 / (step + 3), "train/loss": step / 7}, step)
    run = read_run("mlflow", tmp_path)
    times = details(run).times
    for name in ("val/auc", "train/loss"):
        history = logger.client.get_metric_history(logger.run_id, name)
        assert run.metrics[name] == [(point.step, point.value) for point in history]
        assert times[name] == [point.timestamp / 1000 for point in history]
        assert times[name] == sorted(set(times[name]))
    info = only(logger.client).info
    assert (info.run_name, info.status, info.user_id) == ("n", "FINISHED", "unknown")
    assert run.started.replace(tzinfo=timezone.utc).timestamp() * 1000 == info.start_time
    assert run.ended.timestamp() * 1000 == info.end_time


def test_mlflow_shows_hyperparams_and_tags_that_can_be_searched(tmp_path):
    params = {"lr": 0.1, "mlp": {"dims": [64, 32], "act": {}}, "amp": True, "size": "64"}
    with open_logger("mlflow", tmp_path, tags=["base", "a: b"], notes="a note", config=params):
        pass
    logger = open_logger("mlflow", tmp_path)
    data = only_of_name(logger.client, "n", "tags.base = 'true' and params.`mlp/dims` = '[64, 32]'")
    logger.finish()
    assert data.params == {
        "lr": "0.1", "mlp/dims": "[64, 32]", "mlp/act": "{}", "amp": "true", "size": '"64"',
        "run_tags": '["base", "a: b"]',
    }  # fmt: skip
    assert data.tags["a_ b"] == "true"
    assert data.tags["mlflow.note.content"] == "a note"
    assert not {"mlflow.user", "mlflow.source.name", "mlflow.source.git.commit"} & set(data.tags)


def only_of_name(client, name, query):
    (experiment,) = [e for e in client.search_experiments() if e.name == "p"]
    (run,) = client.search_runs([experiment.experiment_id], query)
    assert run.info.run_name == name
    return run.data


VALUES = {
    "none": None, "true": True, "one": 1, "float": 1.0, "large": 2**80, "small": 1e-300,
    "text": "adam", "digits": "0.1", "json": '{"a": 1}', "null": "null", "empty": "", "nan": "NaN",
    "lines": "a\n b", "list": [1, "1", None, {"a": []}], "dict": {"a/b": {"c d!": 1}, "e": {}},
    "精排": "值", "x" * 300: 1, "..": 2, "a//b": 3, "long": "y" * 1999, "much": ["z" * 150] * 190,
    "hyperparams/lr": 5,
}  # fmt: skip


def test_hyperparams_of_any_type_name_and_size_are_read_back_exactly(tmp_path):
    with open_logger("mlflow", tmp_path) as logger:
        logger.log_hyperparams(VALUES)
    found = read_run("mlflow", tmp_path).hyperparams
    assert json.dumps(found, sort_keys=True) == json.dumps(VALUES, sort_keys=True)
    assert max(len(text) for (text,) in rows(tmp_path, "SELECT value FROM params")) <= 6000
    assert max(len(text) for (text,) in rows(tmp_path, "SELECT value FROM tags")) <= 8000


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({"lr": 0.1}, {"lr": 0.2}, {"lr": 0.2}),
        ({"lr": 0.1}, {"lr": "0.1"}, {"lr": "0.1"}),
        ({"mlp": {"a": 1, "b": 2}}, {"mlp": {"a": 3}}, {"mlp": {"a": 3}}),
        ({"mlp": {"a": 1}}, {"mlp": 2}, {"mlp": 2}),
        ({"mlp": 2}, {"mlp": {"a": 1}}, {"mlp": {"a": 1}}),
        ({"long": ["x" * 100] * 150}, {"long": 1}, {"long": 1}),
        ({"long": 1}, {"long": ["x" * 100] * 150}, {"long": ["x" * 100] * 150}),
    ],
)
def test_a_later_value_takes_the_place_of_an_earlier_one(first, second, expected, tmp_path):
    with open_logger("mlflow", tmp_path) as logger:
        for params in (first, second, first, second):
            logger.log_hyperparams(params)
    assert read_run("mlflow", tmp_path).hyperparams == expected


def test_names_that_mlflow_refuses_are_read_back_as_they_were(tmp_path, warnings_of_trackers):
    names = ["a:b", "a_b", "", "..", "/x/", "x" * 300, "精排/损失", "a\nb", "%"]
    with open_logger("mlflow", tmp_path) as logger:
        for step in range(2):
            logger.log_metrics(dict.fromkeys(names, step + 0.5), step)
            logger.log_text("a:b/..", "text", step)
    run = read_run("mlflow", tmp_path)
    assert run.metrics == {name: [(0, 0.5), (1, 1.5)] for name in names}
    assert {text.name for text in details(run).texts} == {"a:b/.."}
    assert len(warnings_of_trackers()) == len(names) - 1  # of each once, but of 精排/损失
    assert logger.client.get_metric_history(logger.run_id, "精排/损失")


def test_details_are_read_back_and_are_files_that_mlflow_lists(tmp_path):
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().plot([1, 2])
    file = tmp_path / "values.npz"
    file.write_bytes(b"\0values")
    with open_logger("mlflow", tmp_path) as logger:
        logger.log_text("model", "LR(\n\udce9)", 0)
        logger.log_histogram("norms/user", [1, 2], [0.0, 0.5, 1.0], 1)
        logger.log_table("top", ["item", "score"], [["a", 0.5], [None, True]], 2)
        logger.log_figure("val/roc", figure, 3)
        logger.log_artifact("test_values", str(file), "test_values")
    found = details(read_run("mlflow", tmp_path))
    assert [(t.name, t.step, t.text) for t in found.texts] == [("model", 0, "LR(\n\\udce9)")]
    (histogram,) = found.histograms
    assert (histogram.name, histogram.step) == ("norms/user", 1)
    assert (histogram.counts, histogram.edges) == ([1, 2], [0.0, 0.5, 1.0])
    (table,) = found.tables
    assert (table.columns, table.rows) == (["item", "score"], [["a", 0.5], [None, True]])
    (drawn,) = found.figures
    assert (drawn.name, drawn.step, drawn.png[:4]) == ("val/roc", 3, b"\x89PNG")
    assert Path(found.files["test_values"]).read_bytes() == b"\0values"
    listed = [file.path for file in logger.client.list_artifacts(logger.run_id)]
    assert listed == ["figures", "files", "histograms", "tables", "texts"]


def test_a_parent_of_the_same_experiment_is_one_in_mlflow_too(tmp_path):
    parent = open_logger("mlflow", tmp_path, id="search", config={"run_id": "r-1"})
    for known_as in (parent.run_id, "search", "r-1", "elsewhere"):
        child = open_logger("mlflow", tmp_path, parent=known_as, group="g")
        tags = child.client.get_run(child.run_id).data.tags
        expected = None if known_as == "elsewhere" else parent.run_id
        assert tags.get("mlflow.parentRunId") == expected
        child.finish()
    parent.finish()
    children = [run for run in read_runs(tmp_path) if run.group == "g"]
    assert [run.parent for run in children] == [parent.run_id, "search", "r-1", "elsewhere"]


def test_nan_and_infinities_are_kept(tmp_path):
    values = [float("nan"), float("inf"), -float("inf"), 1.5]
    with open_logger("mlflow", tmp_path) as logger:
        for step, value in enumerate(values):
            logger.log_metrics({"a": value}, step)
    assert list(map(repr, dict(read_run("mlflow", tmp_path).metrics["a"]).values())) == [
        "nan", "inf", "-inf", "1.5"
    ]  # fmt: skip


def test_what_a_failed_call_has_lost_can_be_recorded_again(tmp_path, monkeypatch):
    with open_logger("mlflow", tmp_path) as logger:
        with monkeypatch.context() as patch:
            patch.setattr(logger.client, "log_batch", lambda *args, **kwargs: 1 / 0)
            for record in (logger.log_hyperparams, logger.log_metrics):
                with pytest.raises(ZeroDivisionError):
                    record({"a:b": 1})
        logger.log_hyperparams({"a:b": 1})
        logger.log_metrics({"a:b": 1}, 0)
    run = read_run("mlflow", tmp_path)
    assert (run.hyperparams, run.metrics) == ({"a:b": 1}, {"a:b": [(0, 1.0)]})


def test_equal_values_of_one_step_are_two_records(tmp_path):
    with open_logger("mlflow", tmp_path) as logger:
        for _ in range(3):
            logger.log_metrics({"a": 1.0}, 0)
    assert read_run("mlflow", tmp_path).metrics == {"a": [(0, 1.0)] * 3}


def test_a_folder_that_was_emptied_gets_a_new_database(tmp_path):
    for run in range(3):
        folder = tmp_path / "runs"
        with open_logger("mlflow", folder) as logger:
            logger.log_metrics({"a": run}, 0)
        assert read_run("mlflow", folder).metrics == {"a": [(0, run)]}
        (folder / "mlflow.db").unlink()


def test_neither_the_active_run_nor_the_address_of_mlflow_is_used_or_changed(tmp_path):
    import mlflow

    before = mlflow.get_tracking_uri()
    with open_logger("mlflow", tmp_path):
        assert mlflow.active_run() is None
        assert mlflow.get_tracking_uri() == before


def test_no_thread_message_or_request_of_mlflow_is_left(tmp_path, monkeypatch, caplog, capfd):
    import requests

    def refused(*args, **kwargs):
        raise AssertionError("a request")

    monkeypatch.setattr(requests.Session, "request", refused)
    before = {thread.name for thread in threading.enumerate()}
    with caplog.at_level(logging.INFO), open_logger("mlflow", tmp_path) as logger:
        logger.log_metrics({"a": 1.0}, 0)
    assert {thread.name for thread in threading.enumerate()} <= before
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


def test_the_address_may_come_from_the_environment_or_the_argument(tmp_path, monkeypatch):
    for folder in ("a", "b", "c"):
        mlflow_database.prepare(tmp_path / folder)
    MLflowLogger("p", tracking_uri=f"sqlite:///{tmp_path}/a/mlflow.db").finish()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/b/mlflow.db")
    MLflowLogger("p").finish()
    MLflowLogger("p", dir=tmp_path / "c").finish()
    for folder in ("a", "b", "c"):
        assert len(read_runs(tmp_path / folder)) == 1
    with pytest.raises(ValueError, match="dir or tracking_uri, not both"):
        MLflowLogger("p", dir=tmp_path, tracking_uri="sqlite:///a.db")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"id": "a/b"}, ValueError), ({"id": "'"}, ValueError), ({"resume": "maybe"}, ValueError),
        ({"resume": "must"}, ValueError), ({"tags": "text"}, TypeError), ({"config": 3}, TypeError),
        ({"id": "a", "resume": "must"}, FileNotFoundError),
    ],
)  # fmt: skip
def test_a_mistake_is_an_error_before_a_run_is_opened(options, error, tmp_path):
    with pytest.raises(error):
        open_logger("mlflow", tmp_path, **options)
    assert read_runs(tmp_path) == ()


def test_an_id_is_continued_only_if_that_is_asked_for(tmp_path):
    open_logger("mlflow", tmp_path, id="a").finish()
    for resume in (None, "never"):
        with pytest.raises(FileExistsError, match="resume='allow' continues it"):
            open_logger("mlflow", tmp_path, id="a", resume=resume)
    with open_logger("mlflow", tmp_path, id="a", resume="must") as logger:
        with pytest.raises(BlockingIOError, match="another logger is writing this run"):
            open_logger("mlflow", tmp_path, id="a", resume="allow")
        logger.log_hyperparams({"lr": 1})
    (run,) = read_runs(tmp_path)
    assert (run.status, run.hyperparams) == ("finished", {"lr": 1})


def test_a_failed_run_that_is_continued_has_no_error_any_more(tmp_path):
    logger = open_logger("mlflow", tmp_path, id="a")
    logger.log_failure(ValueError("nan"))
    logger.finish()
    assert read_run("mlflow", tmp_path).error == "ValueError: nan"
    open_logger("mlflow", tmp_path, id="a", resume="allow").finish()
    run = read_run("mlflow", tmp_path)
    assert (run.status, run.error) == ("finished", None)


def test_runs_of_one_folder_share_a_database_and_say_how_they_ended(tmp_path):
    for error in (None, ValueError("nan"), KeyboardInterrupt()):
        logger = open_logger("mlflow", tmp_path)
        if error is not None:
            logger.log_failure(error)
        logger.finish()
    found = [(run.status, run.error) for run in read_runs(tmp_path)]
    assert found == [
        ("finished", None), ("failed", "ValueError: nan"), ("interrupted", "KeyboardInterrupt")
    ]  # fmt: skip
    assert [status for (status,) in rows(tmp_path, "SELECT status FROM runs")][-3:] == [
        "FINISHED", "FAILED", "KILLED"
    ]  # fmt: skip
