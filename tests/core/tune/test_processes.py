"""Searches whose processes are killed, and searches of several processes at once."""

import os
import random
import re
import signal
import time
from collections import Counter
from itertools import product
from pathlib import Path

import pytest

from torch_rechub.runs import read_runs
from torch_rechub.runs.trials import trial_of
from torch_rechub.tune import load_search
from warm_python import Script

SCRIPT = Path(__file__).with_name("counted_search.py")


class Searching:
    """Processes that run one study.

    Args:
        folder: Where the journal, the notes and the runs lie.
        n_trials: The trials of the study.
        n_seeds: The seeds of each.
        kind: "wait" or "train".
    """

    def __init__(self, folder, n_trials, n_seeds, kind="wait"):
        self.files = [folder / name for name in ("search.journal", "notes", "runs")]
        self.journal, self.notes, self.runs = self.files
        self.gate = folder / "gate"
        self.n_trials, self.n_seeds, self.kind = n_trials, n_seeds, kind

    def start(self):
        return Script([SCRIPT, self.kind, *self.files, self.n_trials, self.n_seeds])

    def lines(self, kind):
        """The notes of a kind: (trial, seed, parameters or nothing, process)."""
        text = self.notes.read_text() if self.notes.exists() else ""
        return re.findall(rf"^{kind} (\d+) (\d+) ?(.*) (\d+)$", text, re.MULTILINE)

    def finished(self):
        return {t.number for t in load_search(self.journal).trials if t.state == "finished"}

    def allow(self, n):
        """Let n runs pass; the next one waits, so that a slow test is not late to kill it."""
        new = self.gate.with_suffix(".new")
        new.write_text(str(n))
        new.replace(self.gate)

    def wait_for(self, n):
        """Wait until n runs have begun."""
        end = time.monotonic() + 60
        while len(self.lines("begin")) < n:
            assert time.monotonic() < end, "no run began within a minute"
            time.sleep(0.002)

    def check_whole(self):
        """All trials are finished with the mean over their seeds, each with its own parameters."""
        search = load_search(self.journal)
        assert [t.number for t in search.trials] == list(range(self.n_trials))
        runs = {}
        for run in read_runs(self.runs):
            trial = trial_of(run)  # None if the process was killed while it opened the run
            if trial and trial.state == "finished":
                runs[trial.number, trial.seed] = run
        assert set(runs) == set(product(range(self.n_trials), range(self.n_seeds)))
        for t in search.trials:
            assert t.state == "finished"
            assert t.seeds == {s: self.best(runs[t.number, s]) for s in range(self.n_seeds)}
            assert t.value == pytest.approx(sum(t.seeds.values()) / self.n_seeds)
            if self.kind == "wait":
                least = t.params["lr"] + t.params["width"] - 2
                assert t.seeds == pytest.approx({s: least + s for s in range(self.n_seeds)})
        for number, _, params, _ in self.lines("begin"):
            assert params == str(sorted(search.trials[int(number)].params.items()))
        names = {path.name for path in self.journal.parent.iterdir()}
        assert names == {"search.journal", "search.journal.lock", "notes", "runs"}

    @staticmethod
    def best(run):
        return run.best("val/log_loss", "min")[1]


def kill_and_resume(searching, kills, rng):
    """Kill the search at random instants, resume it, and check what was run."""
    for _ in range(kills):
        n = len(searching.lines("begin")) + 1 + rng.randrange(4)
        searching.allow(n)
        process = searching.start()
        searching.wait_for(n)
        time.sleep(rng.uniform(0, 0.03))
        before = searching.finished()
        os.kill(process.process.pid, signal.SIGKILL)
        assert process.end(60).returncode != 0
        finished = searching.finished()
        assert before <= finished
        at_death = len(searching.lines("begin"))
        states = Counter(t.state for t in load_search(searching.journal).trials)
        assert states["running"] == 0
        assert states["interrupted"] <= 1
        yield finished, at_death
    searching.gate.unlink()
    done = searching.start().end(120)
    assert done.returncode == 0, done.stderr
    searching.check_whole()


def check_kills(searching, kills, rng):
    at_death = list(kill_and_resume(searching, kills, rng))
    begun = searching.lines("begin")
    for finished, n in at_death:
        again = {int(number) for number, *_ in begun[n:]}
        assert not again & finished, "a finished trial was run again"
    repeated = Counter((number, seed) for number, seed, *_ in begun)
    assert sum(n - 1 for n in repeated.values()) <= kills, repeated


def test_a_killed_search_goes_on_without_a_trial_lost_or_repeated(tmp_path):
    check_kills(Searching(tmp_path, 8, 2), 2, random.Random(0))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_search_that_is_killed_ten_times_loses_and_repeats_no_trial(tmp_path, seed):
    check_kills(Searching(tmp_path, 40, 3, "train"), 10, random.Random(seed))


def check_processes(searching, n):
    processes = [searching.start() for _ in range(n)]
    searching.wait_for(3)
    states = {t.state for t in load_search(searching.journal).trials}
    assert states <= {"running", "finished"}  # a trial of a living process is not interrupted
    for process in processes:
        done = process.end(240)
        assert done.returncode == 0, done.stderr
    searching.check_whole()
    begun = searching.lines("begin")
    once = Counter((number, seed) for number, seed, *_ in begun)
    assert set(once.values()) == {1}, once
    assert len(once) == searching.n_trials * searching.n_seeds
    assert len({process for *_, process in begun}) == n, "one process ran all trials"


def test_two_processes_share_the_trials_of_one_study(tmp_path):
    check_processes(Searching(tmp_path, 8, 2), 2)


@pytest.mark.slow
@pytest.mark.parametrize("n", [2, 5])
def test_processes_share_the_trials_of_a_large_study(tmp_path, n):
    check_processes(Searching(tmp_path, 40, 3), n)


@pytest.mark.slow
def test_a_process_that_is_killed_leaves_its_trial_to_one_that_is_alive(tmp_path):
    searching = Searching(tmp_path, 30, 2)
    killed, alive = searching.start(), searching.start()
    searching.wait_for(12)
    os.kill(killed.process.pid, signal.SIGKILL)
    killed.end(60)
    done = alive.end(240)
    assert done.returncode == 0, done.stderr
    searching.check_whole()
