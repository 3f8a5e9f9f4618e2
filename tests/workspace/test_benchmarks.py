"""The benchmarks' own machinery: turns, statistics, reports; and that what they name exists."""

import json
import os
import re
import subprocess
import sys

import pytest

from benchmarks.harness import environments
from benchmarks.harness.cli import arguments, competing
from benchmarks.harness.environments import EnvironmentUnavailable, python_of
from benchmarks.harness.jobs import JOBS, Environment, Job, Metric, Peer, Point, points
from benchmarks.harness.report import Session, table, text, write_json
from benchmarks.harness.runs import Run, Settings, alternate, interpreters
from benchmarks.harness.statistics import Spread, ratios, spread
from workspace.distributions import REPOSITORY, tomllib

BENCHMARKS = REPOSITORY / "tests" / "benchmarks"
ONCE = Settings(rounds=1, threads=1, batch=256, epochs=1, timeout=120)

# Statistics


def test_a_spread_is_the_median_and_the_range():
    assert spread([5.0, 1.0, 2.0]) == Spread(median=2.0, low=1.0, high=5.0, count=3)
    assert spread([1.0, 2.0]).median == 1.5
    with pytest.raises(ValueError, match="at least one value"):
        spread([])


def test_ratios_pair_the_runs_of_one_round():
    # the machine was twice as slow in the second round: the ratio of the medians would be 15 / 9
    assert ratios([20, 10], [10, 5]) == Spread(2.0, 2.0, 2.0, 2)
    assert ratios([20, 10, 6], [10, None, 2]) == Spread(2.5, 2.0, 3.0, 2)
    assert ratios([1.0], [None]) is None
    with pytest.raises(ValueError, match="same rounds, got 1 and 2"):
        ratios([1.0], [1.0, 2.0])


# Runs, with scripts that answer at once

WRITE = "import sys; open(sys.argv[1], 'w').write(sys.argv[2])"
ANSWER = """
import json, os, sys
told = dict(zip(sys.argv[1::2], sys.argv[2::2]))
print("what a library prints")
print(json.dumps({"speed": 10 + int(told["--seed"]), "data": open(told["--data"]).read(),
                  "path": os.environ["PYTHONPATH"], "threads": os.environ["OMP_NUM_THREADS"]}))
"""
FAIL = "raise MemoryError('no room for the table')"


@pytest.fixture
def job(tmp_path):
    scripts = {"write": WRITE, "answer": ANSWER, "fail": FAIL}
    for name, code in scripts.items():
        (tmp_path / f"{name}.py").write_text(code)
    peers = (
        Peer("ours", str(tmp_path / "answer.py")),
        Peer("broken", str(tmp_path / "fail.py")),
        Peer("other", str(tmp_path / "answer.py"), environment=Environment("other", ())),
    )
    speed = Metric("speed", "speed, rows/s")
    return Job("ctr", "A job", str(tmp_path / "write.py"), peers, (speed,), rows=1, batch=1)


def all_runs(job, rounds):
    pythons = {peer.name: python_of(None) for peer in job.peers}
    settings = Settings(rounds, threads=3, batch=8, epochs=1, timeout=60)
    sweep = [Point("small", ("1k",)), Point("large", ("1M",))]
    return list(alternate(job, sweep, job.peers, pythons, settings))


def test_peers_take_turns_and_one_that_failed_is_left_out(job):
    turns = [(run.point, run.round, run.peer) for run in all_runs(job, rounds=2)]
    assert turns == [
        (point, *turn)
        for point in ("small", "large")
        for turn in [(0, "ours"), (0, "broken"), (0, "other"), (1, "ours"), (1, "other")]
    ]


def test_a_run_receives_its_data_seed_and_threads(job):
    answers = {(r.point, r.round): r.answer for r in all_runs(job, 2) if r.peer == "ours"}
    assert {key: (a["data"], a["speed"], a["threads"]) for key, a in answers.items()} == {
        ("small", 0): ("1k", 10, "3"),
        ("small", 1): ("1k", 11, "3"),
        ("large", 0): ("1M", 10, "3"),
        ("large", 1): ("1M", 11, "3"),
    }


def test_the_end_of_an_error_is_kept(job):
    errors = [run.error for run in all_runs(job, 1) if run.peer == "broken"]
    assert all(error.endswith("MemoryError: no room for the table") for error in errors)


def test_a_peer_in_its_own_environment_does_not_see_the_packages_of_this_one(job, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/ours/src")
    seen = {run.peer: run.answer["path"] for run in all_runs(job, 1) if run.answer}
    assert "/ours/src" in seen["ours"]
    assert "/ours/src" not in seen["other"]


def test_a_run_that_takes_too_long_is_a_failure(job, tmp_path):
    (tmp_path / "answer.py").write_text("import time; time.sleep(60)")
    settings = Settings(rounds=1, threads=1, batch=8, epochs=1, timeout=0.5)
    pythons = {"ours": python_of(None)}
    (run,) = alternate(job, [Point("p", ("d",))], job.peers[:1], pythons, settings)
    assert "took longer than 0.5 s" in run.error


# Environments


@pytest.fixture
def no_index(monkeypatch, tmp_path):
    for name, value in {"NO_INDEX": "1", "FIND_LINKS": "", "CONFIG_FILE": os.devnull}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setenv(environments.FOLDER_VARIABLE, str(tmp_path / "environments"))
    return tmp_path / "environments"


@pytest.mark.slow
def test_a_peer_that_cannot_be_installed_is_absent_with_its_reason(no_index):
    peer = Peer("gone", "none.py", environment=Environment("gone-1.0", ("gone==1.0",)))
    found, absent = interpreters([peer])
    assert found == {}
    assert "No matching distribution found for torch==" in absent["gone"]
    assert list(no_index.iterdir()) == []  # no half-made environment is taken for one next time


@pytest.mark.slow
def test_an_environment_is_made_once_and_again_when_its_requirements_change(no_index, monkeypatch):
    monkeypatch.setattr(environments, "requirements", lambda environment: ["pip"])
    python = python_of(Environment("small", ()))
    kept = python.parents[1] / "kept"
    kept.touch()
    assert python_of(Environment("small", ())) == python
    assert kept.exists()
    monkeypatch.setattr(environments, "requirements", lambda environment: ["absent-package"])
    with pytest.raises(EnvironmentUnavailable, match="absent-package"):
        python_of(Environment("small", ()))
    assert not kept.exists()


# Reports


@pytest.fixture
def session(job):
    runs = [
        Run("small", "ours", 0, {"speed": 2000.0}),
        Run("small", "broken", 0, error="Traceback\nMemoryError: no room"),
        Run("small", "other", 0, {"speed": 1000.0}),
        Run("small", "ours", 1, {"speed": 1000.0}),
        Run("small", "other", 1, {"speed": 250.0}),
    ]
    names = ["ours", "broken", "other", "gone"]
    return Session(job, names, ["ours"], 2, {}, {}, {"gone": "ERROR: no such package"}, runs)


def test_a_table_has_a_row_for_every_peer(session):
    assert table(session, "small", "ours") == [
        "| peer | speed, rows/s | ours / peer |",
        "| --- | ---: | ---: |",
        "| ours | 1,500 [1,000–2,000] | 1 |",
        "| broken | failed | – |",
        "| other | 625 [250–1,000] | 3.00 [2.00–4.00] |",
        "| gone | absent | – |",
    ]


def test_a_report_says_why_peers_have_no_figures(session):
    report = text(session)
    assert "gone is absent: ERROR: no such package" in report
    assert "broken failed at small, round 1:\nTraceback\nMemoryError: no room" in report


def test_the_file_has_every_run_and_the_figures_of_the_table(session, tmp_path):
    write_json(session, tmp_path / "ctr.json")
    content = json.loads((tmp_path / "ctr.json").read_text(encoding="utf-8"))
    assert len(content["runs"]) == 5
    rows = {row["peer"]: row for row in content["summary"]}
    assert rows["other"]["ratios"]["ours"] == {"median": 3.0, "low": 2.0, "high": 4.0, "count": 2}
    assert [rows[name]["state"] for name in session.peers] == ["ran", "failed", "ran", "absent"]


# Named files exist


def scripts_of_the_workspace():
    with (REPOSITORY / "hatch.toml").open("rb") as file:
        return {n: e.get("scripts", {}) for n, e in tomllib.load(file)["envs"].items()}


def test_every_script_of_the_workspace_exists():
    commands = json.dumps(scripts_of_the_workspace())
    paths = re.findall(r"\b(?:tests|examples|packages)/[\w/.-]+", commands)
    assert "tests/benchmarks" in paths
    assert [path for path in paths if not (REPOSITORY / path).exists()] == []


def test_the_workspace_runs_every_job():
    jobs = {name: f"python tests/benchmarks {name} {{args}}" for name in JOBS}
    # one starts both servers itself, the other has no peers
    alone = {
        name: f"python tests/benchmarks/{name}.py {{args}}" for name in ("serving", "fingerprint")
    }
    assert scripts_of_the_workspace()["bench"] == jobs | alone


@pytest.mark.parametrize("name", JOBS)
def test_scripts_and_data_of_a_job_exist(name):
    assert (BENCHMARKS / "workloads" / JOBS[name].workload).exists()
    assert all((BENCHMARKS / "peers" / peer.script).exists() for peer in JOBS[name].peers)


def test_ours_runs_with_options_and_once_more_with_others():
    given = arguments(
        ["ctr", "--peers", "ours", "torch-sparse", "--ours-options", "n_epoch=2",
         "--ours", "sgd", "optimizer_fn=torch.optim.SGD", "optimizer_params.lr=1e-2"]
    )  # fmt: skip
    peers, references = competing(JOBS["ctr"], given)
    assert [peer.name for peer in peers] == ["ours", "ours-sgd", "torch-sparse"]
    assert references == ["ours", "ours-sgd"]
    assert [peer.options for peer in peers] == [
        {"n_epoch": 2},
        {"optimizer_fn": "torch.optim.SGD", "optimizer_params": {"lr": 0.01}},
        {},
    ]


def test_an_option_without_a_value_is_refused():
    with pytest.raises(SystemExit, match="KEY=VALUE, got 'lazy'"):
        competing(JOBS["ctr"], arguments(["ctr", "--ours-options", "lazy"]))


def test_a_comparison_needs_ours():
    with pytest.raises(SystemExit, match="add ours to --peers"):
        competing(JOBS["ctr"], arguments(["ctr", "--peers", "torch-sparse"]))


# Our own code in each job, on next to no data

SMALL = [
    (name, point)
    for name, rows in (("ctr", 600), ("match", 600), ("seq", 40), ("data", 600))
    for point in points(JOBS[name], rows, (40_000,), length=10)
]


def runs_here(name, point, peers):
    pythons = {peer.name: python_of(None) for peer in peers}
    return list(alternate(JOBS[name], [point], peers, pythons, ONCE))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "point"), SMALL, ids=lambda v: getattr(v, "title", v))
def test_our_code_runs_in_every_job(name, point):
    here = [peer for peer in JOBS[name].peers if peer.environment is None]
    runs = runs_here(name, point, here)
    assert {run.peer: run.error for run in runs} == {peer.name: None for peer in here}
    assert all(run.value(JOBS[name].metrics[0].key) > 0 for run in runs)


@pytest.mark.slow
def test_a_loop_by_hand_trains_the_model_that_we_train():
    here = [peer for peer in JOBS["ctr"].peers if peer.name in ("ours", "torch-paper")]
    ours, by_hand = runs_here("ctr", SMALL[0][1], here)
    assert ours.value("parameters") == by_hand.value("parameters") + 1  # one bias more


@pytest.mark.slow
def test_our_code_trains_and_ranks_a_click_log():
    (run,) = runs_here("ctr", SMALL[0][1], JOBS["ctr"].peers[:1])
    assert run.error is None
    assert 0 < run.value("auc") < 1
    assert run.value("peak_rss_mb") > run.value("start_rss_mb") > 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the clients use epoll")
def test_the_servers_answer_the_same_requests_alike(tmp_path):
    out = tmp_path / "serving.json"
    small = [
        "--ids",
        "2600",
        "--seconds",
        "0.3",
        "--rounds",
        "2",
        "--clients",
        "2",
        "--rows",
        "1",
        "3",
        "--no-checks",
    ]
    script = [sys.executable, BENCHMARKS / "serving.py", *small, "--out", out]
    done = subprocess.run(script, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    assert found["difference"] < 1e-6
    assert len(found["speed"]) == 3 * 2 * 2
    assert all(one["requests/s"] > 0 for one in found["speed"])
    assert len([line for line in done.stdout.splitlines() if line.startswith("| ")]) == 2 + 3 * 2
