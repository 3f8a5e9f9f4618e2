"""Searches: trials, seeds, states and values, read back from the journal and from the runs."""

import json
import math
import os
import sys
import time
from threading import Thread

import optuna
import pytest
import torch

from torch_rechub.basic.features import SparseFeature
from torch_rechub.basic.tracking import BaseLogger, JSONLLogger, LoggerGroup
from torch_rechub.basic.tracking.claim import Claim
from torch_rechub.models.ranking import LR
from torch_rechub.runs import read_runs
from torch_rechub.trainers import CTRTrainer
from torch_rechub.tune import Choice, Float, Int, SearchError, load_search, tune
from torch_rechub.tune.locks import _claimed
from torch_rechub.utils.data import DataGenerator

SPACE = {"x": Float(-3.0, 3.0), "side": Choice(["left", "right"]), "dims": Choice([[4], [8, 4]])}


def bowl(trial):
    """A number that is best at x = 1 on the right; seeds differ by a hundredth."""
    far = (trial.params["x"] - 1) ** 2 + (trial.params["side"] == "left")
    return far + 0.01 * trial.seed


class Stop(KeyboardInterrupt):
    """Ctrl-C."""


def stop(*arguments):
    raise Stop


@pytest.fixture
def jsonl(tmp_path):
    """Opens the logger of a run."""
    return lambda t: [JSONLLogger("p", t.name, group=t.study, dir=tmp_path / "runs")]


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "bowl.journal"


def runs_in(tmp_path):
    return {(run.hyperparams["trial"]["number"], run.hyperparams["seed"]): run
            for run in read_runs(tmp_path / "runs")}  # fmt: skip


def fitted(trial, folder, n_epoch=2, **options):
    """A trainer of sixty rows."""
    ids = torch.arange(60)
    data = DataGenerator({"user": ids % 9}, (ids % 3 == 0).int())
    train, val, _ = data.generate_dataloader(split_ratio=[0.5, 0.5], batch_size=10)
    options = {"callbacks": [trial.pruning], "progress": False, **options}
    trainer = CTRTrainer(
        LR_of_users(), optimizer_params={"lr": trial.params["lr"]}, n_epoch=n_epoch,
        model_path=folder, model_logger=trial.loggers, **options,
    )  # fmt: skip
    trainer.fit(train, val)
    return trainer


def LR_of_users():
    return LR([SparseFeature("user", 9, embed_dim=4)])


LEARNING = {"lr": Float(1e-3, 1e-1, log=True)}


# Trials and seeds


def test_the_value_of_a_trial_is_the_mean_over_its_seeds():
    calls = []

    def objective(trial):
        calls.append((trial.number, trial.seed))
        return bowl(trial)

    search = tune(objective, SPACE, 5, mode="min", seeds=(3, 1, 2))
    assert calls == [(number, seed) for number in range(5) for seed in (3, 1, 2)]
    for trial in search.trials:
        far = (trial.params["x"] - 1) ** 2 + (trial.params["side"] == "left")
        assert trial.seeds == pytest.approx({3: far + 0.03, 1: far + 0.01, 2: far + 0.02})
        assert trial.value == pytest.approx(far + 0.02)
        assert trial.state == "finished"
        assert trial.started <= trial.ended
    assert search.best is min(search.trials, key=lambda trial: trial.value)
    assert search.seeds == (3, 1, 2)


def test_the_best_trial_is_that_of_the_direction():
    up = tune(lambda trial: trial.params["x"], {"x": Int(0, 50)}, 9, mode="max")
    down = tune(lambda trial: trial.params["x"], {"x": Int(0, 50)}, 9, mode="min")
    assert up.best.value == max(t.value for t in up.trials) == up.best.params["x"]
    assert down.best.value == min(t.value for t in down.trials)


def test_a_search_finds_the_best_parameters_of_a_bowl():
    search = tune(bowl, SPACE, 60, mode="min")
    assert search.best.params["side"] == "right"
    assert search.best.params["x"] == pytest.approx(1, abs=0.3)


def test_a_search_is_repeated_by_its_seed_and_only_by_it():
    first, again = (tune(bowl, SPACE, 15, mode="min", sampler_seed=7) for _ in range(2))
    other = tune(bowl, SPACE, 15, mode="min", sampler_seed=8)
    assert [t.params for t in first.trials] == [t.params for t in again.trials]
    assert [t.params for t in first.trials] != [t.params for t in other.trials]


def test_a_sampler_or_a_function_that_makes_one_draws_the_parameters():
    grid = optuna.samplers.GridSampler({"x": [1, 2, 3]}, seed=0)
    search = tune(lambda trial: trial.params["x"], {"x": Int(1, 3)}, 3, mode="min", sampler=grid)
    assert sorted(t.params["x"] for t in search.trials) == [1, 2, 3]
    made = tune(bowl, SPACE, 3, mode="min", sampler=optuna.samplers.RandomSampler)
    assert len({t.params["x"] for t in made.trials}) == 3


def test_the_first_trials_have_the_parameters_that_were_given(journal):
    first = [{"x": 1, "side": "left", "dims": [8, 4]}, {"x": -3.0, "side": "right", "dims": [4]}]
    options = {"mode": "min", "storage": journal, "first": first}
    one = tune(bowl, SPACE, 1, **options)
    search = tune(bowl, SPACE, 4, **options)
    assert search.trials[0] == one.trials[0]
    assert [t.params for t in search.trials[:2]] == first
    assert [t.value for t in search.trials[:2]] == [1.0, 16.0]
    assert search.trials[2].params not in first


@pytest.mark.parametrize("step", ["study.Study.ask", "trial.Trial.suggest_categorical"])
def test_a_process_that_dies_while_it_begins_a_first_trial_leaves_it_to_the_next(journal, step):
    first = [{"x": 1.0, "side": "left", "dims": [4]}, {"x": 2.0, "side": "left", "dims": [4]}]
    options = {"mode": "min", "storage": journal, "first": first}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"optuna.{step}", stop)
        with pytest.raises(Stop):
            tune(bowl, SPACE, 3, **options)
    search = tune(bowl, SPACE, 3, **options)
    assert [t.number for t in search.trials] == [0, 1, 2]
    assert [t.params for t in search.trials[:2]] == first


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"x": 1}, ValueError, r"first must have the parameters \['x', 'side', 'dims'\]"),
        ({"x": 4, "side": "left", "dims": [4]}, ValueError, "'x' must be one of Float.*got 4"),
        ({"x": True, "side": "left", "dims": [4]}, ValueError, "'x' must be one of Float"),
        ({"x": 1, "side": "up", "dims": [4]}, ValueError, "'side' must be one of Choice"),
        ({"x": 1, "side": "left", "dims": [5]}, ValueError, "'dims' must be one of Choice"),
        ("x", TypeError, "first must be a list of dicts"),
    ],
)
def test_first_parameters_that_are_not_of_the_space_are_refused(params, error, message):
    with pytest.raises(error, match=message):
        tune(bowl, SPACE, 2, mode="min", first=[params])


def test_the_generator_of_torch_is_seeded_for_each_run():
    numbers = []
    tune(
        lambda trial: numbers.append(torch.rand(1)) or 0,
        {"x": Int(0, 1)},
        2,
        mode="min",
        seeds=(5, 6),
    )
    assert numbers[0] == numbers[2] != numbers[1] == numbers[3]


def test_the_frame_has_a_row_per_trial():
    search = tune(bowl, SPACE, 3, mode="min", seeds=(0, 1))
    frame = search.to_frame()
    assert frame["number"].tolist() == [0, 1, 2]
    assert frame["params/x"].tolist() == [t.params["x"] for t in search.trials]
    assert frame["seeds/1"].tolist() == [t.seeds[1] for t in search.trials]


# Runs


def test_each_trial_and_seed_is_a_run_of_its_own_in_one_group(tmp_path, jsonl, journal):
    search = tune(
        lambda trial: fitted(trial, tmp_path), {**LEARNING, "dims": SPACE["dims"]}, 3,
        monitor="val/auc", seeds=(0, 1), loggers=jsonl, storage=journal,
    )  # fmt: skip
    runs = runs_in(tmp_path)
    assert sorted(runs) == [(number, seed) for number in range(3) for seed in (0, 1)]
    for (number, seed), run in runs.items():
        trial = search.trials[number]
        assert (run.status, run.group) == ("finished", "bowl")
        assert run.hyperparams["trial"] == {
            "number": number, "study": "bowl", "params": ["lr", "dims"], "state": "finished"
        }  # fmt: skip
        assert {name: run.hyperparams[name] for name in trial.params} == trial.params
        assert run.best("val/auc", "max")[1] == trial.seeds[seed]


def test_the_metric_is_by_default_that_of_the_trainer(tmp_path):
    search = tune(
        lambda trial: fitted(trial, tmp_path, metrics=["log_loss"]), LEARNING, 2, mode="min"
    )
    assert search.best.value == min(t.value for t in search.trials) > 0


def test_a_number_without_a_trainer_is_recorded_as_a_metric(tmp_path, jsonl):
    search = tune(bowl, SPACE, 2, mode="min", loggers=jsonl)
    for (number, _), run in runs_in(tmp_path).items():
        assert run.last("value") == (0, search.trials[number].value)
        assert run.hyperparams["monitor_direction"] == "min"
        assert run.status == "finished"


def test_loggers_are_used_by_hand_where_there_is_no_trainer(tmp_path, jsonl):
    def objective(trial):
        for step in range(2):
            trial.loggers.log_metrics({"far": 0.5 - step}, step)
        return -0.5

    tune(objective, SPACE, 1, monitor="far", mode="min", loggers=jsonl)
    assert runs_in(tmp_path)[0, 0].metrics == {"far": [(0, 0.5), (1, -0.5)]}


def test_a_group_with_settings_of_its_own_is_kept(tmp_path, jsonl):
    class Broken(BaseLogger):
        def log_metrics(self, metrics, step=None):
            raise OSError("no disk")

    grouped = lambda trial: LoggerGroup([*jsonl(trial), Broken()], on_error="raise")  # noqa: E731
    search = tune(bowl, SPACE, 1, mode="min", loggers=grouped)
    assert search.trials[0].error == "OSError: no disk"
    assert runs_in(tmp_path)[0, 0].status == "failed"


def test_a_parameter_that_a_trainer_records_otherwise_reads_back_as_drawn(tmp_path, jsonl):
    space = {**LEARNING, "optimizer": Choice(["adam"])}
    tune(lambda t: fitted(t, tmp_path), space, 1, monitor="val/auc", loggers=jsonl)
    assert runs_in(tmp_path)[0, 0].hyperparams["optimizer"] == "adam"


# Failures and pruning


def test_a_failed_trial_is_recorded_with_its_error_and_the_search_goes_on(tmp_path, jsonl, caplog):
    def objective(trial):
        if trial.number == 1 and trial.seed == 1:
            raise RuntimeError("out of memory, token=abc123def")
        return bowl(trial)

    search = tune(objective, SPACE, 3, mode="min", seeds=(0, 1, 2), loggers=jsonl)
    assert [t.state for t in search.trials] == ["finished", "failed", "finished"]
    failed = search.trials[1]
    assert failed.error == "RuntimeError: out of memory, token=<redacted>"
    assert failed.value is None
    assert set(failed.seeds) == {0}
    assert "trial 1 failed, the search goes on" in caplog.text
    runs = runs_in(tmp_path)
    assert sorted(runs) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2)]
    run = runs[1, 1]
    assert (run.status, run.error) == ("failed", failed.error)
    assert run.hyperparams["trial"]["state"] == "failed"
    assert run.hyperparams["trial"]["error"] == failed.error
    assert runs[1, 0].hyperparams["trial"]["state"] == "finished"


def test_an_error_that_is_not_to_be_caught_ends_the_search(journal):
    def objective(trial):
        if trial.number == 2:
            raise KeyError("lr")
        return bowl(trial)

    with pytest.raises(KeyError, match="lr"):
        tune(objective, SPACE, 5, mode="min", storage=journal, catch=(RuntimeError, OSError))
    found = load_search(journal)
    assert [t.state for t in found.trials] == ["finished", "finished", "failed"]
    assert found.trials[2].error == "KeyError: 'lr'"


def test_a_search_without_a_finished_trial_has_no_best_one():
    search = tune(lambda trial: 1 / 0, SPACE, 3, mode="min")
    with pytest.raises(ValueError, match="3 failed; the last error: ZeroDivisionError"):
        _ = search.best


def test_a_value_that_is_nan_fails_its_trial():
    search = tune(lambda trial: math.nan, SPACE, 1, mode="min")
    assert search.trials[0].error == "ValueError: the value that the objective returned is NaN"


def test_a_pruned_run_ends_after_the_epoch_and_its_trial_has_no_other_seed(tmp_path, jsonl):
    pruner = optuna.pruners.ThresholdPruner(lower=2.0, n_warmup_steps=1)  # no AUC is as large
    search = tune(
        lambda trial: fitted(trial, tmp_path, n_epoch=5), LEARNING, 2,
        monitor="val/auc", seeds=(0, 1), loggers=jsonl, pruner=pruner,
    )  # fmt: skip
    assert [t.state for t in search.trials] == ["pruned", "pruned"]
    runs = runs_in(tmp_path)
    assert sorted(runs) == [(0, 0), (1, 0)]
    for (number, _), run in runs.items():
        assert run.status == "finished"
        assert run.hyperparams["trial"]["state"] == "pruned"
        assert dict(run.metrics["val/auc"]) == search.trials[number].reported
        assert set(search.trials[number].reported) == {0, 1}


def test_later_seeds_of_a_trial_are_not_pruned(tmp_path):
    pruner = optuna.pruners.PercentilePruner(1e-9, n_startup_trials=1)
    epochs = {}

    def objective(trial):
        trainer = fitted(trial, tmp_path, n_epoch=3)
        epochs[trial.number, trial.seed] = len(trainer.history)
        return trainer

    search = tune(objective, LEARNING, 4, monitor="val/auc", seeds=(0, 1), pruner=pruner)
    survivors = [t.number for t in search.trials if t.state == "finished"]
    assert {pair for pair, n in epochs.items() if pair[1] == 1} == {(n, 1) for n in survivors}
    assert all(n == 3 for (_, seed), n in epochs.items() if seed == 1)


def test_an_objective_without_a_trainer_reports_its_values():
    def objective(trial):
        for step in range(5):
            if trial.report(trial.number, step):
                return None
        return trial.number

    pruner = optuna.pruners.MedianPruner(n_startup_trials=2)
    search = tune(objective, SPACE, 4, mode="min", pruner=pruner)
    assert [t.state for t in search.trials] == ["finished", "finished", "pruned", "pruned"]
    assert search.trials[3].reported == {0: 3.0}


def test_an_objective_written_for_optuna_prunes_by_its_exception(tmp_path, jsonl):
    def objective(trial):
        raise optuna.TrialPruned

    search = tune(objective, SPACE, 1, mode="min", loggers=jsonl)
    assert search.trials[0].state == "pruned"
    run = runs_in(tmp_path)[0, 0]
    assert (run.status, run.hyperparams["trial"]["state"]) == ("finished", "pruned")


def test_a_run_that_was_closed_by_its_trainer_may_be_pruned_after_it(tmp_path, jsonl):
    def objective(trial):
        fitted(trial, tmp_path)
        raise optuna.TrialPruned

    search = tune(objective, LEARNING, 1, mode="max", loggers=jsonl)
    assert search.trials[0].state == "pruned"
    assert runs_in(tmp_path)[0, 0].status == "finished"


@pytest.mark.parametrize(
    ("objective", "options", "message"),
    [
        (
            lambda t, f: fitted(t, f),
            {"monitor": "val/ndcg@5", "mode": "max"},
            "monitor must be one",
        ),
        (lambda t, f: fitted(t, f), {"mode": "min"}, "the largest value of 'val/auc' is best"),
        (lambda t, f: fitted(t, f, n_epoch=0), {"mode": "max"}, "no values of 'val/auc'"),
        (
            lambda t, f: "0.5",
            {"mode": "max"},
            "must return the fitted trainer, or a number, got '0",
        ),
        (lambda t, f: None, {"mode": "max"}, "must return the fitted trainer, or a number, got No"),
        (
            lambda t, f: fitted(t, f, callbacks=[]),
            {"mode": "max", "pruner": optuna.pruners.MedianPruner()},
            r"give callbacks=\[trial.pruning\]",
        ),
    ],
)
def test_an_objective_that_does_not_suit_the_search_ends_it(tmp_path, objective, options, message):
    with pytest.raises(SearchError, match=message):
        tune(lambda trial: objective(trial, tmp_path), LEARNING, 3, **options)


# Arguments


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, ValueError, "tune needs the direction of its goal"),
        ({"mode": "best"}, ValueError, "mode must be one of 'max', 'min', got 'best'"),
        ({"monitor": "test/auc"}, ValueError, "metric of validation data, got 'test/auc'"),
        ({"monitor": "val/whatever"}, ValueError, "is unknown: give mode"),
        ({"monitor": 3}, TypeError, "monitor must be the name of a metric"),
        ({"mode": "min", "n_trials": 0}, ValueError, "n_trials must be at least 1"),
        ({"mode": "min", "seeds": ()}, ValueError, "seeds must be different numbers"),
        ({"mode": "min", "seeds": (1, 1)}, ValueError, "seeds must be different numbers"),
        ({"mode": "min", "seeds": 3}, TypeError, "seeds must be a list"),
        ({"mode": "min", "timeout": 0}, ValueError, "timeout must be above 0"),
        ({"mode": "min", "loggers": [BaseLogger()]}, TypeError, "give lambda trial"),
        ({"mode": "min", "sampler": "tpe"}, TypeError, "sampler must be a sampler of Optuna"),
        ({"mode": "min", "storage": "s3://b/j"}, ValueError, "storage must be a local path"),
        ({"mode": "min", "study": 3}, TypeError, "study must be a name, got 3"),
        ({"mode": "min", "study": ""}, TypeError, "study must be a name, got ''"),
        ({"mode": "min", "catch": "all"}, TypeError, "catch must be exceptions"),
        ({"mode": "min", "catch": (KeyboardInterrupt,)}, TypeError, "catch must be exceptions"),
        ({"mode": "min", "objective": 3}, TypeError, "objective must be a function"),
    ],
)
def test_an_argument_that_cannot_be_is_refused_before_the_first_trial(options, error, message):
    given = {
        "objective": lambda trial: pytest.fail("a trial was begun"),
        "space": SPACE,
        "n_trials": 2,
    }
    with pytest.raises(error, match=message):
        tune(**{**given, **options})


def test_no_trial_begins_after_the_time(monkeypatch):
    clock = iter([0.0, 1.0, 9.0, 11.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock, 12.0))
    search = tune(bowl, SPACE, 50, mode="min", timeout=10)
    assert len(search.trials) == 2


def test_processes_of_a_launcher_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RuntimeError, match="without the launcher, with the same storage"):
        tune(bowl, SPACE, 2, mode="min")


def test_a_missing_library_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    for call in (lambda: tune(bowl, SPACE, 2, mode="min"), lambda: load_search("a.journal")):
        with pytest.raises(ImportError, match=r'needs optuna: pip install "rechub-core\[tune\]"'):
            call()


# Journals


def interrupted(number, seed):
    """An objective that Ctrl-C interrupts in one run."""

    def objective(trial):
        if (trial.number, trial.seed) == (number, seed):
            raise Stop
        return bowl(trial)

    return objective


def test_an_interrupted_search_goes_on_where_it_was(tmp_path, jsonl, journal):
    options = {"mode": "min", "seeds": (0, 1, 2), "storage": journal, "loggers": jsonl}
    with pytest.raises(Stop):
        tune(interrupted(3, 1), SPACE, 12, **options)
    before = load_search(journal)
    assert [t.state for t in before.trials] == ["finished"] * 3 + ["interrupted"]
    assert set(before.trials[3].seeds) == {0}
    assert runs_in(tmp_path)[3, 1].status == "interrupted"

    calls = []
    search = tune(lambda t: calls.append((t.number, t.seed)) or bowl(t), SPACE, 12, **options)
    assert calls == [(3, 1), (3, 2)] + [(n, seed) for n in range(4, 12) for seed in range(3)]
    assert search.trials[:3] == before.trials[:3]
    assert search.trials[3].params == before.trials[3].params
    unbroken = tune(bowl, SPACE, 12, mode="min", seeds=(0, 1, 2))
    assert [t.params for t in search.trials] == [t.params for t in unbroken.trials]
    assert [t.value for t in search.trials] == [t.value for t in unbroken.trials]


def test_the_number_of_trials_is_that_of_the_study(journal):
    options = {"mode": "min", "storage": journal}
    assert len(tune(bowl, SPACE, 3, **options).trials) == 3
    assert len(tune(bowl, SPACE, 5, **options).trials) == 5
    nothing = tune(lambda trial: pytest.fail("all trials are there"), SPACE, 4, **options)
    assert len(nothing.trials) == 5


def test_a_trial_whose_seeds_are_all_trained_ends_without_training(journal, monkeypatch):
    from torch_rechub.tune.study import Claimed

    with monkeypatch.context() as patch:
        patch.setattr(Claimed, "finish", stop)
        with pytest.raises(Stop):
            tune(bowl, SPACE, 1, mode="min", storage=journal)
    assert load_search(journal).trials[0].state == "interrupted"
    search = tune(
        lambda trial: pytest.fail("it was trained"), SPACE, 1, mode="min", storage=journal
    )
    assert search.trials[0].state == "finished"


def test_an_interrupted_first_seed_reports_only_steps_that_are_new(journal):
    steps = []

    def objective(trial):
        for step in range(4):
            assert not trial.report(1.0 if step not in steps else 99.0, step)
            steps.append(step)
            if len(steps) == 2:
                raise Stop
        return 1.0

    options = {
        "mode": "min",
        "storage": journal,
        "pruner": optuna.pruners.ThresholdPruner(upper=50),
    }
    with pytest.raises(Stop):
        tune(objective, SPACE, 1, **options)
    search = tune(objective, SPACE, 1, **options)
    assert search.trials[0].reported == dict.fromkeys(range(4), 1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"space": {"x": Float(-3, 2)}}, "space="),
        ({"seeds": (0, 1)}, r"seeds=\[0\], got \[0, 1\]"),
        ({"mode": "max"}, "mode='min', got 'max'"),
        ({"monitor": "val/log_loss"}, "monitor=None, got 'val/log_loss'"),
    ],
)
def test_a_study_with_another_plan_is_refused(journal, change, message):
    plan = {"space": SPACE, "n_trials": 1, "mode": "min", "storage": journal}
    tune(bowl, **plan)
    with pytest.raises(ValueError, match=f"'bowl' in .* was begun with {message}"):
        tune(bowl, **{**plan, **change})
    assert len(load_search(journal).trials) == 1


def test_a_journal_holds_several_studies(journal):
    for name in ("a", "b"):
        tune(bowl, SPACE, 2, mode="min", storage=journal, study=name)
    assert load_search(journal, "b").study == "b"
    with pytest.raises(ValueError, match="'a', 'b'; got None"):
        load_search(journal)
    with pytest.raises(ValueError, match="'a', 'b'; got 'c'"):
        load_search(journal, "c")


def test_a_study_of_another_program_is_refused(journal):
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(journal))
    )
    study = optuna.create_study(storage=storage, study_name="bowl")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), 1)
    for call in (
        lambda: tune(bowl, SPACE, 2, mode="min", storage=journal),
        lambda: load_search(journal),
    ):
        with pytest.raises(ValueError, match="was not begun by tune"):
            call()


def test_reading_a_search_writes_nothing(tmp_path, journal):
    tune(bowl, SPACE, 2, mode="min", storage=journal)
    files = lambda: {  # noqa: E731
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.rglob("*")
    }
    before = files()
    load_search(journal)
    assert files() == before
    with pytest.raises(FileNotFoundError, match="no journal of a search"):
        load_search(tmp_path / "other.journal")
    assert files() == before


@pytest.mark.parametrize(
    "content", [b"not json\nat all\n", b'{"op_code": 0}\n', b'[1]\n{"a": 1}\n']
)
def test_a_file_that_is_no_journal_is_named(journal, content):
    journal.write_bytes(content)
    for call in (
        lambda: tune(bowl, SPACE, 2, mode="min", storage=journal),
        lambda: load_search(journal),
    ):
        with pytest.raises(ValueError, match=r"bowl.journal' (is not a journal|was not)"):
            call()


@pytest.mark.parametrize("half", [b'{"op_c', b"x" * 10_000, b"\x00"])
def test_half_a_line_of_a_killed_process_is_removed(journal, half):
    tune(bowl, SPACE, 2, mode="min", storage=journal)
    with journal.open("ab") as file:
        file.write(half)
    assert len(load_search(journal).trials) == 2
    assert len(tune(bowl, SPACE, 4, mode="min", storage=journal).trials) == 4
    assert half not in journal.read_bytes().split(b"\n")
    assert all(json.loads(line) for line in journal.read_bytes().splitlines())


def test_loggers_that_cannot_be_opened_end_the_search_and_leave_the_trial(journal):
    def no_key(trial):
        raise ConnectionError("no API key")

    with pytest.raises(ConnectionError):
        tune(bowl, SPACE, 2, mode="min", storage=journal, loggers=no_key)
    assert [t.state for t in load_search(journal).trials] == ["interrupted"]
    assert len(tune(bowl, SPACE, 2, mode="min", storage=journal).trials) == 2


def test_names_of_any_kind_are_kept(tmp_path, jsonl, journal):
    names = ["<b>x</b>", "精排", "a/b c", "\x1b[2J", "x" * 300, "$float"]
    space = {name: Choice([name, 1]) for name in names}
    search = tune(
        lambda trial: 0.0, space, 3, mode="min", loggers=jsonl, storage=journal, study="../<i>\n"
    )
    assert load_search(journal) == search
    for (number, _), run in runs_in(tmp_path).items():
        assert run.group == search.study
        params = search.trials[number].params
        assert {name: run.hyperparams[name] for name in names} == params
    assert set(os.listdir(tmp_path)) == {"runs", "bowl.journal", "bowl.journal.lock"}


def test_a_trial_that_is_being_handed_out_is_not_taken_for_an_interrupted_one(journal):
    seen = []

    class Slow(optuna.samplers.RandomSampler):
        def sample_independent(self, *arguments):
            if not seen:
                reading = Thread(target=lambda: seen.append(load_search(journal)))
                reading.start()
                time.sleep(0.05)
                seen.append(reading)
            return super().sample_independent(*arguments)

    def objective(trial):
        if trial.number == 0:
            seen[0].join()
        return bowl(trial)

    tune(objective, SPACE, 2, mode="min", storage=journal, sampler=Slow(seed=0))
    assert [t.state for t in seen[1].trials] == ["running"]


def test_a_damaged_plan_is_named(journal):
    tune(bowl, SPACE, 2, mode="min", storage=journal)
    whole = journal.read_text()
    for old, new in [("Float", "Complex"), ('"mode":', '"mood":'), ('"seeds":[0]', '"seeds":0')]:
        assert old in whole
        journal.write_text(whole.replace(old, new))
        with pytest.raises(ValueError, match="is not a journal of a search, or is damaged"):
            load_search(journal)


def test_a_disk_without_locks_is_named(journal, monkeypatch):
    monkeypatch.setattr("torch_rechub.tune.locks._is_locked", lambda file: False)
    with pytest.raises(OSError, match=r"file locks do not work here.*bowl\.journal\.lock"):
        tune(bowl, SPACE, 2, mode="min", storage=journal)


def test_a_lock_that_is_held_for_long_is_reported(tmp_path, monkeypatch, caplog):
    clock = iter(range(0, 1000, 6))
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    monkeypatch.setattr("time.sleep", lambda seconds: len(caplog.records) and held.release())
    file = tmp_path / "lock"
    file.touch()
    held = Claim(str(file))
    assert _claimed(file).held
    assert caplog.messages == [f"Another process has held {file} for 10 s; waiting for it."]


def test_a_line_of_rubbish_in_a_journal_is_named_with_the_file(tmp_path):
    journal = tmp_path / "s.journal"
    tune(lambda trial: 0.0, {"x": Int(0, 9)}, 2, mode="min", storage=journal)
    whole = journal.read_bytes()
    for rubbish in (b"xx\n", b"[" * 100_000 + b"\n"):
        journal.write_bytes(whole + rubbish)
        with pytest.raises(ValueError, match=r"s\.journal' is not a journal of a search, or is da"):
            tune(lambda trial: 0.0, {"x": Int(0, 9)}, 3, mode="min", storage=journal)


def test_a_pipe_is_no_journal(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="it is not a regular file"):
        tune(lambda trial: 0.0, {"x": Int(0, 9)}, 1, mode="min", storage=tmp_path / "pipe")


def test_seeds_that_torch_refuses_are_refused_before_the_search():
    with pytest.raises(ValueError, match=r"seeds must be at most 2\*\*64 - 1"):
        tune(lambda trial: 0.0, {"x": Int(0, 9)}, 1, mode="min", seeds=[2**64])


def test_the_log_names_the_trial_and_the_seed_in_training(caplog):
    with caplog.at_level("INFO", logger="torch_rechub"):
        tune(lambda trial: trial.params["x"] / 2, {"x": Int(1, 1)}, 1, mode="max", seeds=(0, 7))
    assert caplog.messages == [
        "trial 0, seed 0: {'x': 1}",
        "trial 0, seed 7: {'x': 1}",
        "trial 0: value 0.5",
    ]
