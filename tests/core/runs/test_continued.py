"""Runs that were continued offline, in another folder, are read as one run."""

from datetime import datetime, timedelta, timezone

import pytest

from torch_rechub.runs import Run
from torch_rechub.runs.continued import united

NOON = datetime(2026, 1, 2, 12, tzinfo=timezone.utc)


def run(path, begins, ends, status="finished", params=None, **metrics):
    """A run that began and ended so many minutes after noon."""
    moments = {
        name: None if minutes is None else NOON + timedelta(minutes=minutes)
        for name, minutes in (("started", begins), ("ended", ends))
    }
    pairs = {name: [(step, step / 2) for step in steps] for name, steps in metrics.items()}
    return Run(
        "a", "wandb", path, status=status, hyperparams=params or {}, metrics=pairs, **moments
    )


TRAINED = run("w/1-a/run-a.wandb", 0, 5, params={"lr": 1, "seed": 2}, auc=range(3), loss=range(3))


@pytest.mark.parametrize(
    "metrics", [{"test": [0]}, {"auc": [3, 4]}, {"auc": [3], "test": [0]}, {"loss": [7]}, {}]
)
def test_what_comes_after_or_is_new_belongs_to_the_run(metrics):
    after = run("w/2-a/run-a.wandb", 6, 9, "failed", {"lr": 3}, **metrics)
    (found,) = united([TRAINED, after], ["wandb"])
    assert (found.started, found.ended) == (TRAINED.started, after.ended)
    assert (found.status, found.path) == ("failed", TRAINED.path)
    assert found.hyperparams == {"lr": 3, "seed": 2}
    for name in {"auc", "loss", *metrics}:
        steps = [*({"auc", "loss"} & {name} and range(3)), *metrics.get(name, [])]
        assert found.metrics[name] == [(step, step / 2) for step in steps]


@pytest.mark.parametrize(
    "other",
    [
        run("w/2-a/run-a.wandb", 6, 9, auc=range(3)),
        run("w/2-a/run-a.wandb", 6, 9, auc=[2, 3]),
        run("w/2-a/run-a.wandb", 6, 9, auc=[3], loss=[0]),
        run("w/2-a/run-a.wandb", 3, 9, test=[0]),
        run("w/2-b/run-b.wandb", 6, 9, test=[0]),
        run("v/2-a/run-a.wandb", 6, 9, test=[0]),
    ],
    ids=["again", "a step", "a step of one", "both open", "another id", "another folder"],
)
def test_another_run_stays_another(other):
    assert united([TRAINED, other], ["wandb"]) == [TRAINED, other]


def test_a_backend_whose_files_have_no_ids_is_left_alone():
    after = run("w/2-a/run-a.wandb", 6, 9, test=[0])
    assert united([TRAINED, after], ["swanlab"]) == [TRAINED, after]


def test_a_run_that_was_killed_is_continued_several_times():
    parts = [
        run("w/1-a/run-a.wandb", 0, None, "unfinished", auc=[0, 1]),
        run("w/2-a/run-a.wandb", 6, None, "unfinished", auc=[2]),
        run("w/3-a/run-a.wandb", 9, 12, auc=[3], test=[4]),
    ]
    (found,) = united(parts, ["wandb"])
    assert [step for step, _ in found.metrics["auc"]] == [0, 1, 2, 3]
    assert (found.status, found.ended) == ("finished", parts[2].ended)


def test_what_continues_the_second_of_two_runs_belongs_to_it():
    again = run("w/2-a/run-a.wandb", 6, 9, auc=range(3))
    test = run("w/3-a/run-a.wandb", 10, 11, test=[3])
    first, second = united([TRAINED, again, test], ["wandb"])
    assert first == TRAINED
    assert list(second.metrics) == ["auc", "test"]
