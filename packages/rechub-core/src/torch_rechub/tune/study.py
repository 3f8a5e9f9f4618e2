"""`Study`: the trials of a search, which one process or several receive from Optuna."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .goal import Goal
from .locks import JournalLock, Worker, is_at_work, remove_dead_workers
from .space import Parameter, described, suggest

ABOUT = "rechub"
"""The attribute of a study with the arguments of its search."""
SEEDS, WORKER, ERROR = "seeds", "worker", "error"
"""Attributes of a trial: values by seed, the worker, the error."""


@dataclass(frozen=True)
class Plan:
    """The arguments that all processes of a search share.

    Attributes:
        study: The name of the study.
        space: The search space.
        goal: The goal.
        seeds: The seeds of each trial.
    """

    study: str
    space: Mapping[str, Parameter]
    goal: Goal
    seeds: Sequence[int]

    def described(self) -> dict[str, Any]:
        """The plan as plain data."""
        goal = {"monitor": self.goal.monitor, "mode": self.goal.mode}
        return {"space": described(self.space), "seeds": list(self.seeds), **goal}


class Study:
    """A study of Optuna whose trials several processes share.

    Args:
        optuna: The library.
        plan: The arguments of the search.
        journal: The file of the journal; None keeps the study in memory.
        make_sampler: Returns the sampler of a trial, by its number.
        pruner: A pruner of Optuna; None prunes nothing.
        first: The parameters of the first trials, as Optuna holds them.

    Raises:
        ValueError: The journal has a study of this name with another plan.
        OSError: The journal cannot be written.
    """

    def __init__(
        self,
        optuna: Any,
        plan: Plan,
        journal: Path | None,
        make_sampler: Callable[[int], Any],
        pruner: Any,
        first: Sequence[dict[str, Any]] = (),
    ) -> None:
        self._optuna, self.plan, self._journal, self._first = optuna, plan, journal, first
        self._make_sampler, self._worker, self._exhausted = make_sampler, "", False
        self._lock: AbstractContextManager[Any] = nullcontext()
        self._storage: Any = None
        if journal is not None:
            journal.parent.mkdir(parents=True, exist_ok=True)
            self._lock = JournalLock(journal)
            self._storage = open_journal(optuna, journal, self._lock)
        with self._lock:
            self.optuna_study = self._opened(pruner)
            # called by samplers that have drawn every value, such as that of a grid
            self.optuna_study.stop = self._stop
            self._agree()

    def _opened(self, pruner: Any) -> Any:
        """The study of Optuna, begun if the journal has none of its name."""
        optuna, plan = self._optuna, self.plan
        direction = "maximize" if plan.goal.mode == "max" else "minimize"
        try:
            return optuna.create_study(
                storage=self._storage, study_name=plan.study, direction=direction,
                load_if_exists=True, pruner=pruner or optuna.pruners.NopPruner(),
            )  # fmt: skip
        except (json.JSONDecodeError, RecursionError) as error:  # a line that was read as torn
            raise _damaged(self._journal) from error

    def _stop(self) -> None:
        self._exhausted = True

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Be known to other processes as one that runs trials, until the block ends."""
        if self._journal is None:
            yield
            return
        with self._lock:
            remove_dead_workers(self._journal)
            worker = Worker(self._journal)
        self._worker = worker.name
        try:
            yield
        finally:
            with self._lock:
                worker.end()
                remove_dead_workers(self._journal)

    def next(self, n_trials: int) -> "Claimed | None":
        """Return a trial to run; None if there are `n_trials` trials, ended or running elsewhere.

        None, too, if the sampler has no other parameters to draw.

        An interrupted trial comes before a new one, with its number, its parameters and the values
        of the seeds that were trained.
        """
        states = self._optuna.trial.TrialState
        with self._lock:
            trials = self.optuna_study.get_trials(deepcopy=False)
            waiting = [trial for trial in trials if trial.state == states.WAITING]
            left = [t for t in trials if t.state == states.RUNNING and not self._runs(t)]
            if not left and (self._exhausted or len(trials) - len(waiting) >= n_trials):
                return None
            number = (left or waiting)[0].number if left or waiting else len(trials)
            self.optuna_study.sampler = self._make_sampler(number)
            if number == len(trials) < len(self._first):
                self.optuna_study.enqueue_trial(self._first[number])
            trial = self._handle(number) if left else self.optuna_study.ask()
            params = {name: suggest(trial, name, p) for name, p in self.plan.space.items()}
            if self._worker:
                trial.set_user_attr(WORKER, self._worker)
        return Claimed(self.optuna_study, trial, params)

    def _runs(self, trial: Any) -> bool:
        worker = trial.user_attrs.get(WORKER, "")
        return self._journal is not None and is_at_work(self._journal, worker)

    def _handle(self, number: int) -> Any:
        """The handle of a trial that another process was asked for."""
        study = self._storage.get_study_id_from_name(self.plan.study)
        key = self._storage.get_trial_id_from_study_id_trial_number(study, number)
        return self._optuna.trial.Trial(self.optuna_study, key)

    def _agree(self) -> None:
        """Record the plan, or compare it with the one that the study was begun with."""
        found, mine = self.optuna_study.user_attrs.get(ABOUT), self.plan.described()
        if found is None:
            if self.optuna_study.get_trials(deepcopy=False):
                raise ValueError(
                    f"the study {self.plan.study!r} in '{self._journal}' was not begun by tune: "
                    "give another name as study"
                )
            self.optuna_study.set_user_attr(ABOUT, mine)
            return
        for name, value in mine.items():
            if found.get(name) != value:
                raise ValueError(
                    f"the study {self.plan.study!r} in '{self._journal}' was begun with "
                    f"{name}={found.get(name)!r}, got {value!r}: give the same, or another name as "
                    "study"
                )


class Claimed:
    """A trial that this process runs.

    Args:
        study: The study of Optuna.
        trial: Optuna's handle of the trial.
        params: The parameters.

    Attributes:
        number: The number of the trial.
        params: The parameters.
        values: The values of the seeds that were trained.
    """

    def __init__(self, study: Any, trial: Any, params: dict[str, Any]) -> None:
        self._study, self._trial = study, trial
        self.number: int = trial.number
        self.params = params
        seeds = trial.user_attrs.get(SEEDS, {})
        self.values = {int(seed): float(value) for seed, value in seeds.items()}
        # reported by a process that was killed; Optuna keeps the first value of a step
        self._reported = set(study.get_trials(deepcopy=False)[self.number].intermediate_values)

    def report(self, value: float, step: int) -> bool:
        """Record a value at a step; return whether to prune."""
        if step in self._reported:
            return False
        self._trial.report(value, step)
        return bool(self._trial.should_prune())

    def add(self, seed: int, value: float) -> None:
        """Record the value of a seed."""
        self.values[seed] = value
        self._trial.set_user_attr(SEEDS, {str(seed): v for seed, v in self.values.items()})

    def finish(self) -> float:
        """Record the mean over the seeds as the value of the trial, and return it."""
        mean = sum(self.values.values()) / len(self.values)
        self._study.tell(self._trial, mean)
        return mean

    def prune(self) -> None:
        """Record that the trial was pruned."""
        self._study.tell(self._trial, state=_states().PRUNED)

    def fail(self, error: str) -> None:
        """Record that the trial failed."""
        self._trial.set_user_attr(ERROR, error)
        self._study.tell(self._trial, state=_states().FAIL)


def open_journal(optuna: Any, journal: Path, lock: Any) -> Any:
    """Return Optuna's storage of a journal.

    Raises:
        ValueError: The file is not a journal.
    """
    journals = optuna.storages.journal
    if journal.exists() and not journal.is_file():  # opening a pipe would block
        raise ValueError(f"'{journal}' is not a journal of a search: it is not a regular file")
    try:
        return optuna.storages.JournalStorage(journals.JournalFileBackend(str(journal), lock))
    except (ValueError, KeyError, TypeError, AssertionError, RecursionError) as error:
        raise _damaged(journal) from error


def _damaged(journal: Path | None) -> ValueError:
    return ValueError(f"'{journal}' is not a journal of a search, or is damaged")


def seed_of_trial(seed: int, number: int) -> int:
    """The seed of the sampler for a trial: the same after an interruption, in whichever process."""
    digest = hashlib.sha256(f"{seed}/{number}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def _states() -> Any:
    from optuna.trial import TrialState

    return TrialState
