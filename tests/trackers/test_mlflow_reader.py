"""The reader of MLflow's databases and folders, also damaged, hostile and foreign ones."""

import json
import math
import os
import shutil
import sqlite3
from contextlib import closing

import pytest
from backends import open_logger, read_run

from torch_rechub.runs import details, read_runs


@pytest.fixture
def recorded(tmp_path):
    """The folder of a finished run."""
    with open_logger("mlflow", tmp_path) as logger:
        logger.log_hyperparams({"lr": 0.1})
        for step in range(3):
            logger.log_metrics({"a": step / 2}, step)
        logger.log_text("model", "LR()", 0)
        logger.log_histogram("norms", [1], [0.0, 1.0], 0)
    return tmp_path


def change(folder, *statements):
    with closing(sqlite3.connect(folder / "mlflow.db")) as database, database:
        for statement in statements:
            database.execute(statement)


def states(folder):
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
        for path in folder.rglob("*")
    }


def test_reading_changes_no_file_and_creates_none(recorded):
    before = states(recorded)
    details(read_run("mlflow", recorded))
    assert states(recorded) == before


def test_a_database_that_cannot_be_written_is_read(recorded):
    for path in (recorded / "mlflow.db", recorded):
        path.chmod(0o500 if path.is_dir() else 0o400)
    try:
        assert read_run("mlflow", recorded).metrics == {"a": [(0, 0.0), (1, 0.5), (2, 1.0)]}
    finally:
        recorded.chmod(0o700)


def test_a_transaction_of_a_killed_process_is_left_out(recorded):
    whole = read_run("mlflow", recorded)
    killed = recorded / "killed"
    killed.mkdir()
    with closing(sqlite3.connect(recorded / "mlflow.db", isolation_level=None)) as writer:
        writer.execute("PRAGMA cache_size = 1")  # so that the file changes before the end
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE metrics SET value = 9")
        for number in range(300):
            query = "INSERT INTO tags SELECT ?, ?, run_uuid FROM runs WHERE name = 'n'"
            writer.execute(query, (f"t{number}", "x" * 4000))
        for ending in ("", "-journal"):
            shutil.copyfile(f"{recorded}/mlflow.db{ending}", f"{killed}/mlflow.db{ending}")
        writer.execute("ROLLBACK")
    before = states(killed)
    (run,) = read_runs(killed)
    assert (run.metrics, run.hyperparams) == (whole.metrics, whole.hyperparams)
    assert states(killed) == before


def test_values_of_other_types_cost_themselves(recorded, caplog):
    change(
        recorded,
        "UPDATE metrics SET value = 'text' WHERE step = 1",
        "UPDATE params SET value = x'ff00' WHERE key = 'lr'",
        "UPDATE runs SET name = x'ff'",
        "UPDATE runs SET start_time = 'soon', end_time = 9e300",
    )
    (run,) = read_runs(recorded)
    assert run.metrics == {"a": [(0, 0.0), (2, 1.0)]}
    assert (run.started, run.ended, run.hyperparams) == (None, None, {})
    assert "1 damaged value is left out" in caplog.text


@pytest.mark.parametrize(
    "tag",
    [
        "[" * 100_000, '{"metric": 5}', '{"metric": {"a": ["b"]}}', '{"$parts": 5}',
        '{"hyper-parameter": {"lr": []}}', '[{"time": "x", "step": 1, "steps": {}}]', "null",
        '{"$parts": 1000000000000}', '{"metric": {"a": "a", "b": "a"}}',
    ],
)  # fmt: skip
def test_a_hostile_tag_costs_itself(recorded, tag):
    for key in ("rechub.names", "rechub.resumed", "rechub.error", "hyperparams/lr"):
        with closing(sqlite3.connect(recorded / "mlflow.db")) as database, database:
            query = "INSERT OR REPLACE INTO tags SELECT ?, ?, run_uuid FROM runs"
            database.execute(query, (key, tag))
    (run,) = read_runs(recorded)
    assert run.metrics == {"a": [(0, 0.0), (1, 0.5), (2, 1.0)]}
    details(run)


def test_a_view_in_place_of_a_table_is_not_computed(recorded):
    change(
        recorded,
        "ALTER TABLE metrics RENAME TO moved",
        """CREATE VIEW metrics AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)
        SELECT x AS key, x AS step, x AS value, x AS timestamp, 0 AS is_nan, 'r' AS run_uuid
        FROM n""",
    )
    assert read_runs(recorded) == ()


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0", b"SQLite format 3\0" + b"x" * 5000])
def test_a_file_that_is_no_database_takes_no_other_run_down(recorded, content, caplog):
    (recorded / "broken.db").write_bytes(content)
    assert len(read_runs(recorded)) == 1


def test_the_database_of_another_program_has_no_runs(tmp_path):
    with closing(sqlite3.connect(tmp_path / "study.db")) as database, database:
        database.execute("CREATE TABLE studies (name TEXT)")
    assert read_runs(tmp_path) == ()


def test_artifacts_elsewhere_are_not_read(recorded, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for kind, name in (("texts", "step-0.txt"), ("files", "secret")):
        (elsewhere / kind / "model").mkdir(parents=True)
        (elsewhere / kind / "model" / name).write_text("of someone else")
    (folder,) = (recorded / "mlartifacts").glob("*/artifacts")
    (folder / "texts" / "link").symlink_to(elsewhere / "texts" / "model")
    (folder / "files").symlink_to(elsewhere / "files")
    found = details(read_run("mlflow", recorded))
    assert ([text.text for text in found.texts], dict(found.files)) == (["LR()"], {})
    for address in (
        elsewhere.as_uri(),
        str(elsewhere),
        f"file:{elsewhere}",
        "s3://bucket/x",
        ".",
        f"mlflow-artifacts:/../../{elsewhere.name}",
    ):
        change(recorded, f"UPDATE runs SET artifact_uri = '{address}'")
        found = details(read_run("mlflow", recorded))
        assert [text.text for text in found.texts] == ["LR()"]  # those next to the database
        assert dict(found.files) == {}


def test_artifacts_that_are_damaged_cost_themselves(recorded, caplog):
    (folder,) = (recorded / "mlartifacts").glob("*/artifacts")
    for content in ('{"counts": [1]}', "[", '{"counts": [1], "edges": [0, "x"]}'):
        (folder / "histograms" / "norms" / "step-0.json").write_text(content)
        found = details(read_run("mlflow", recorded))
        assert (found.histograms, len(found.texts)) == ((), 1)
    assert caplog.text.count("cannot be read and is left out") == 3


def test_a_folder_that_was_moved_has_its_artifacts(recorded, tmp_path_factory):
    moved = tmp_path_factory.mktemp("moved") / "runs"
    shutil.move(recorded, moved)
    assert [text.text for text in details(read_run("mlflow", moved)).texts] == ["LR()"]


def test_runs_of_other_programs_are_read_as_mlflow_keeps_them(tmp_path):
    logger = open_logger("mlflow", tmp_path)  # for a database
    client, experiment = logger.client, logger._run.experiment
    logger.finish()
    client.delete_run(logger.run_id)
    run_id = client.create_run(experiment, run_name="theirs").info.run_id
    client.log_param(run_id, "model/depth", "3")
    client.log_param(run_id, "solver", "True")
    client.log_metric(run_id, "loss", 0.5, step=2)
    (run,) = read_runs(tmp_path)
    assert (run.name, run.status, run.project) == ("theirs", "unfinished", "p")
    assert run.hyperparams == {"model/depth": 3, "solver": "True"}
    assert run.metrics == {"loss": [(2, 0.5)]}


def test_a_thousand_runs_of_one_database_are_read(tmp_path):
    open_logger("mlflow", tmp_path).finish()
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database, database:
        for run in range(1000):
            database.execute(
                "INSERT INTO runs (run_uuid, name, status, start_time, experiment_id, "
                "lifecycle_stage) SELECT ?, 'n', 'FINISHED', ?, experiment_id, 'active' "
                "FROM experiments WHERE name = 'p'",
                (f"{run}", run),
            )
            rows = [("a", step / 7, step, f"{run}", step, 0) for step in range(10)]
            query = "INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) "
            database.executemany(query + "VALUES (?, ?, ?, ?, ?, ?)", rows)
    runs = read_runs(tmp_path)
    assert len(runs) == 1001
    assert runs[500].metrics == {"a": [(step, step / 7) for step in range(10)]}


# Folders of files, which MLflow 3 writes only if it is asked to


@pytest.fixture
def file_store(tmp_path, monkeypatch):
    """The runs of MLflow's folders ``mlruns``."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    address = (tmp_path / "mlruns").as_uri()
    with open_logger("mlflow", tmp_path, dir=None, tracking_uri=address) as logger:
        logger.log_hyperparams({"lr": 0.1, "mlp": {"dims": [1]}, "a": "b\nc"})
        logger.log_hyperparams({"lr": 0.2})
        for step, value in enumerate((0.5, math.inf, math.nan, 1e-300)):
            logger.log_metrics({"val/auc": value, "x y": step}, step)
        logger.log_text("model", "LR()", 0)
        logger.log_failure(ValueError("nan"))
    return tmp_path / "mlruns"


def test_a_folder_of_files_is_read(file_store):
    (run,) = read_runs(file_store)
    assert (run.name, run.project, run.status, run.error) == ("n", "p", "failed", "ValueError: nan")
    assert run.hyperparams == {"lr": 0.2, "mlp": {"dims": [1]}, "a": "b\nc"}
    assert [repr(value) for _, value in run.metrics["val/auc"]] == ["0.5", "inf", "nan", "1e-300"]
    assert [step for step, _ in run.metrics["x y"]] == [0, 1, 2, 3]
    assert run.started <= run.ended
    found = details(run)
    assert [text.text for text in found.texts] == ["LR()"]
    assert found.times["val/auc"] == sorted(found.times["val/auc"])


def test_damage_to_a_folder_of_files_costs_itself(file_store, caplog):
    (metric,) = file_store.rglob("metrics/val/auc")
    metric.write_text(metric.read_text() + "damaged line\n17000")
    (param,) = file_store.rglob("params/lr")
    param.write_bytes(b"\xff")
    (run,) = read_runs(file_store)
    assert len(run.metrics["val/auc"]) == 4
    assert "2 damaged lines are left out" in caplog.text
    for meta in file_store.rglob("meta.yaml"):
        meta.write_text("a: &a [x]\nb: [*a, *a, {")
    assert read_runs(file_store) == ()


def test_a_description_of_something_else_is_no_run(tmp_path):
    (tmp_path / "meta.yaml").write_text(json.dumps({"name": "a package"}))
    os.makedirs(tmp_path / "b")
    (tmp_path / "b" / "meta.yaml").write_text("run_id: [1]\nstatus: {}\n")
    assert read_runs(tmp_path) == ()
