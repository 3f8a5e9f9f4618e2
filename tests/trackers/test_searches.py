"""A search in every tracker: each trial and seed is a run, whose record reads back as it was."""

import optuna
import pytest
from backends import BACKENDS, open_logger
from tiny_clicks import loaders_of_clicks, model_of_clicks

from torch_rechub.runs import read_runs
from torch_rechub.runs.record import flat
from torch_rechub.runs.trials import trial_of
from torch_rechub.trainers import CTRTrainer
from torch_rechub.tune import Choice, Float, Int, tune

SPACE = {
    "lr": Float(1e-3, 1e-1, log=True),
    "width": Int(4, 16, step=4),
    "dims": Choice([[4], [8, 4]]),
    "act": Choice(["relu", "dice", None]),
    "bias": Choice([True, False]),
}


def searched(backend, folder, n_trials, seeds):
    """A search with trials of each state, recorded below the folder."""

    def objective(trial):
        if trial.number % 4 == 1 and trial.seed == seeds[1]:
            raise ValueError("no width\nof 4")
        model = model_of_clicks()
        trainer = CTRTrainer(
            model, optimizer_params={"lr": trial.params["lr"]}, n_epoch=2,
            model_path=folder / "models", model_logger=trial.loggers, progress=False,
            callbacks=[trial.pruning],
        )  # fmt: skip
        trainer.fit(*loaders_of_clicks())
        return trainer

    return tune(
        objective, SPACE, n_trials, monitor="val/auc", seeds=seeds, study="clicks",
        loggers=lambda t: [open_logger(backend, folder / "runs" / t.name, group=t.study)],
        pruner=EveryFourth(),
    )  # fmt: skip


class EveryFourth(optuna.pruners.BasePruner):
    """Prunes each fourth trial after its first epoch."""

    def prune(self, study, trial):
        return trial.number % 4 == 3


def check(search, runs, seeds):
    found = {(trial.number, trial.seed): run for run in runs if (trial := trial_of(run))}
    expected = {
        (trial.number, seed)
        for trial in search.trials
        for seed in seeds[: {"finished": len(seeds), "failed": 2, "pruned": 1}[trial.state]]
    }
    assert len(runs) == len(found)
    assert set(found) == expected
    for (number, seed), run in found.items():
        trial, last = search.trials[number], seed == seeds[1]
        state = trial.state if trial.state != "failed" or last else "finished"
        about = trial_of(run)
        assert (about.state, about.study) == (state, "clicks")
        assert about.params == trial.params
        assert list(about.params) == list(SPACE)
        error = dict(flat(run.hyperparams)).get("trial/error")
        assert error == (trial.error if state == "failed" else None)
        assert run.status == ("failed" if state == "failed" else "finished")
        assert run.group == "clicks"
        if state == "finished":
            assert run.best("val/auc", "max")[1] == pytest.approx(trial.seeds[seed], rel=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_runs_of_a_search_read_back_with_their_trials(backend, tmp_path):
    search = searched(backend, tmp_path, 4, (0, 7))
    assert [t.state for t in search.trials] == ["finished", "failed", "finished", "pruned"]
    check(search, read_runs(tmp_path / "runs", [backend]), (0, 7))


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_forty_trials_of_three_seeds_read_back_with_their_trials(backend, tmp_path):
    search = searched(backend, tmp_path, 40, (0, 1, 2))
    states = [t.state for t in search.trials]
    assert [states.count(s) for s in ("finished", "failed", "pruned")] == [20, 10, 10]
    check(search, read_runs(tmp_path / "runs", [backend]), (0, 1, 2))
