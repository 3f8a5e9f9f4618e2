import json
import math
import os
import pickle
import stat
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torch_rechub.basic.tracking import JSONLLogger, LoggerClosedError, available_loggers
from torch_rechub.basic.tracking.json_lines import from_json_line, json_line
from torch_rechub.runs import read_runs
from torch_rechub.testing import LoggerContract, RecordedRun

SPECIAL = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def lines(directory):
    """The file's lines, by nothing but the json module and the format's description."""
    (path,) = directory.glob("*.run.jsonl")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def events(directory, event):
    return [line for line in lines(directory) if line["event"] == event]


class TestContract(LoggerContract):
    keeps_labels = keeps_tables = keeps_files = True

    def make_logger(self, directory, **kwargs):
        return JSONLLogger("contract", dir=directory, **kwargs)

    def read_run(self, directory):
        run = RecordedRun()
        for line in lines(directory):
            run.hyperparams.update(line.get("hyperparams", {}))
            for name, value in line.get("metrics", {}).items():
                number = SPECIAL[value["$float"]] if isinstance(value, dict) else value
                run.metrics.setdefault(name, []).append((line["step"], number))
            if line["event"] == "start":
                run.tags = line["tags"]
            elif line["event"] == "table":
                table = (line["name"], line["step"], line["columns"], line["rows"])
                run.tables = [*run.tables, table]
            elif line["event"] == "artifact":
                run.files[line["name"]] = str(directory / line["file"])
            elif line["event"] == "finish":
                run.status, run.failed = line["status"], line["status"] != "finished"
        run.group = run.hyperparams.get("run_group")
        run.parent = run.hyperparams.get("parent_run_id")
        return run


def test_it_is_found_like_the_logger_of_any_package():
    assert available_loggers()["JSONLLogger"] == "rechub-core"


def test_arguments_of_the_constructor_are_in_the_first_line(tmp_path):
    logger = JSONLLogger("ctr", "exp 1/é", {"seed": 7}, ["a", "b"], "a note", tmp_path / "deep")
    logger.finish()
    start, params, finish = lines(tmp_path / "deep")
    expected = {"project": "ctr", "name": "exp 1/é", "tags": ["a", "b"], "notes": "a note"}
    assert expected.items() <= start.items()
    assert (start["v"], start["event"], start["id"]) == (1, "start", logger.run_id)
    assert params["hyperparams"] == {"seed": 7}
    assert (finish["status"], finish["error"]) == ("finished", None)
    assert os.path.basename(logger.path).startswith("exp-1-é-")


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (ValueError("the loss is nan"), "failed", "ValueError: the loss is nan"),
        (KeyboardInterrupt(), "interrupted", "KeyboardInterrupt"),
        (SystemExit(143), "interrupted", "SystemExit: 143"),
    ],
)
def test_how_a_run_ended_is_recorded_with_the_kind_of_error(tmp_path, error, status, text):
    with pytest.raises(type(error)), JSONLLogger(dir=tmp_path):
        raise error
    (finish,) = events(tmp_path, "finish")
    assert (finish["status"], finish["error"]) == (status, text)


@given(st.floats(), st.integers(-(2**200), 2**200))
def test_numbers_are_kept_to_the_last_digit(number, integer):
    back = from_json_line(json_line({"f": number, "i": integer}))
    assert back["i"] == integer
    assert (back["f"] == number and math.copysign(1, back["f"]) == math.copysign(1, number)) or (
        math.isnan(back["f"]) and math.isnan(number)
    )


TEXT = st.text(max_size=12)  # as longer ones cost a second each to draw, and show no more
PLAIN = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | TEXT,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(TEXT | st.just("$float"), inner, max_size=4)
    ),
    max_leaves=16,
)


@given(st.dictionaries(TEXT, PLAIN, max_size=6))
def test_plain_data_of_any_shape_comes_back_equal_from_one_line_of_strict_json(data):
    line = json_line(data)
    assert line.count(b"\n") == 1
    json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert from_json_line(line) == data


def test_a_name_that_is_no_utf8_is_kept(tmp_path):
    name = b"\xff".decode("utf-8", "surrogateescape")
    JSONLLogger(notes=name, dir=tmp_path).finish()
    assert events(tmp_path, "start")[0]["notes"] == name


def test_secrets_are_removed_from_what_describes_the_run(tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_TOKEN", "do-not-tell")
    JSONLLogger(notes="with do-not-tell", config={"url": "https://a:b@c"}, dir=tmp_path).finish()
    assert events(tmp_path, "start")[0]["notes"] == "with <redacted>"
    assert events(tmp_path, "hyperparams")[0]["hyperparams"] == {"url": "https://<redacted>@c"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_only_the_user_may_read_the_file(tmp_path):
    logger = JSONLLogger(dir=tmp_path)
    assert stat.S_IMODE(os.stat(logger.path).st_mode) == 0o600


@pytest.mark.parametrize("folder", ["", "s3://bucket/runs"])
def test_what_is_no_local_folder_is_refused(folder):
    with pytest.raises(ValueError, match="director"):
        JSONLLogger(dir=folder)


def test_a_copy_in_another_process_does_not_write(tmp_path):
    with JSONLLogger(dir=tmp_path) as logger:
        copy = pickle.loads(pickle.dumps(logger))  # noqa: S301
        with pytest.raises(LoggerClosedError):
            copy.log_metrics({"a": 1.0})
        copy.finish()
    assert [line["event"] for line in lines(tmp_path)] == ["start", "finish"]


def in_a_process(code, *args):
    return subprocess.Popen(
        [sys.executable, "-c", f"import sys, os\n{code}", *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_killed_process_has_lost_nothing_that_was_logged(tmp_path):
    process = in_a_process(
        "from torch_rechub.basic.tracking import JSONLLogger\n"
        "logger = JSONLLogger(config={'lr': 0.1}, dir=sys.argv[1])\n"
        "for epoch in range(50): logger.log_metrics({'a': epoch / 3}, epoch)\n"
        "os.kill(os.getpid(), 9)",
        tmp_path,
    )
    process.communicate(timeout=120)
    assert process.returncode == -9
    rows = events(tmp_path, "metrics")
    assert [(row["step"], row["metrics"]) for row in rows] == [
        (epoch, {"a": epoch / 3}) for epoch in range(50)
    ]


def test_runs_started_at_once_under_one_name_keep_a_file_each(tmp_path):
    code = (
        "from torch_rechub.basic.tracking import JSONLLogger\n"
        "for _ in range(20):\n"
        "    with JSONLLogger(name='same', dir=sys.argv[1]) as logger:\n"
        "        for step in range(20): logger.log_metrics({'a': step}, step)"
    )
    processes = [in_a_process(code, tmp_path) for _ in range(4)]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    files = list(tmp_path.iterdir())
    assert len(files) == 80
    for file in files:
        assert len(file.read_text().splitlines()) == 22


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit of a file's size")
def test_after_a_full_disk_the_records_that_fit_are_whole(tmp_path):
    process = in_a_process(
        "import resource, signal; from torch_rechub.basic.tracking import JSONLLogger\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "logger = JSONLLogger(dir=sys.argv[1]); size = os.stat(logger.path).st_size + 230\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))\n"
        "refused = 0\n"
        "for step in range(5):\n"
        "    try: logger.log_metrics({'a': step}, step)\n"
        "    except OSError: refused += 1\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)\n"
        "logger.log_metrics({'a': 9}, 9); logger.finish(); print(refused)",
        tmp_path,
    )
    output, errors = process.communicate(timeout=120)
    assert (output, errors) == ("3\n", "")
    from torch_rechub.runs import read_runs

    (run,) = read_runs(tmp_path)
    assert (run.metrics, run.status) == ({"a": [(0, 0.0), (1, 1.0), (9, 9.0)]}, "finished")


# A run that is continued


def continued(folder, **kwargs):
    return JSONLLogger(dir=folder, **{"id": "exp", "resume": "allow", **kwargs})


def test_a_run_of_an_id_is_continued_in_its_file(tmp_path):
    with continued(tmp_path, name="first", config={"lr": 1}) as logger:
        logger.log_metrics({"a": 0.0})
        logger.log_metrics({"a": 1.0})
    with continued(tmp_path, config={"lr": 2}) as again:
        again.log_metrics({"a": 2.0})
    assert logger.path == again.path == str(tmp_path / "exp.run.jsonl")
    (run,) = read_runs(tmp_path)
    assert (run.name, run.status, run.hyperparams) == ("first", "finished", {"lr": 2})
    assert run.metrics == {"a": [(0, 0.0), (1, 1.0), (2, 2.0)]}


def test_what_is_recorded_again_takes_the_place_of_what_was(tmp_path):
    with continued(tmp_path) as logger:
        logger.define_axis("global_step", ["loss_step"])
        for step in range(4):
            logger.log_metrics({"auc": step, "only": step} if step > 1 else {"auc": step}, step)
            logger.log_metrics({"loss_step": step}, 10 * step)
    again = continued(tmp_path)
    again.define_axis("global_step", ["loss_step"])
    again.resume_at(2, {"global_step": 11})
    (run,) = read_runs(tmp_path)
    assert run.status == "unfinished"
    assert run.metrics == {"auc": [(0, 0), (1, 1)], "loss_step": [(0, 0), (10, 1)]}
    again.log_metrics({"auc": 0.5})
    again.finish()
    (run,) = read_runs(tmp_path)
    assert run.metrics["auc"] == [(0, 0), (1, 1), (2, 0.5)]


def test_a_line_that_was_cut_off_does_not_spoil_the_next_one(tmp_path, caplog):
    logger = continued(tmp_path)
    logger.log_metrics({"a": 1.0}, step=4)
    path = logger.path
    del logger  # as of a process that was killed
    with open(path, "ab") as file:
        file.write(b'{"v":1,"event":"metr')
    with continued(tmp_path) as again:
        again.log_metrics({"a": 2.0})
    (run,) = read_runs(tmp_path)
    assert run.metrics == {"a": [(4, 1.0), (5, 2.0)]}
    assert "1 damaged line is left out: line 3" in caplog.text


@pytest.mark.parametrize("resume", [None, "never"])
def test_a_run_is_never_written_over(tmp_path, resume):
    continued(tmp_path).finish()
    before = (tmp_path / "exp.run.jsonl").read_bytes()
    with pytest.raises(FileExistsError, match="resume='allow' continues it"):
        continued(tmp_path, resume=resume)
    assert (tmp_path / "exp.run.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"resume": "must"}, FileNotFoundError, "there is no run to continue"),
        ({"resume": True}, ValueError, "resume must be allow, must, never or None, got True"),
        ({"id": None}, ValueError, "needs the id of the run"),
        ({"id": "a/b"}, ValueError, "id may have letters, digits and _ . - only, got 'a/b'"),
        ({"id": ".."}, ValueError, "id may have letters"),
        ({"id": ""}, ValueError, "id may have letters"),
    ],
)
def test_what_cannot_be_continued_is_refused(tmp_path, wrong, error, message):
    with pytest.raises(error, match=message):
        continued(tmp_path, **wrong)
    assert list(tmp_path.iterdir()) == []


def test_texts_are_kept_to_the_last_character(tmp_path, caplog):
    text = "".join(f"({n}): Linear\n" for n in range(5_000))
    with JSONLLogger(notes=text, dir=tmp_path) as logger:
        logger.log_text("model", text, 0)
    assert events(tmp_path, "start")[0]["notes"] == text
    assert events(tmp_path, "text")[0]["text"] == text
    assert caplog.records == []
