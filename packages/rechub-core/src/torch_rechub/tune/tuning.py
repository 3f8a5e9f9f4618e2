"""`tune`: a search for the hyper-parameters of a model."""

import logging
import os
import secrets
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from .._bounds import check_number, check_whole, whole_number
from .._extras import require
from .._paths import local_path
from ..basic.tracking.labels import run_labels
from ..basic.tracking.plugin import failure_text
from ..distributed import world_size
from ..runs.record import Mode
from ..training.progress import messages_shown
from .goal import SearchError, goal_of
from .search import Search, quiet, search_of
from .space import as_space, encoded
from .study import Claimed, Plan, Study, seed_of_trial
from .trial import Trial
from .trial_loggers import TrialLoggers, is_pruned

log = logging.getLogger("torch_rechub")

_LARGEST_SEED = 2**64 - 1  # of torch.manual_seed

Errors = type[Exception] | tuple[type[Exception], ...]


def tune(
    objective: Callable[[Trial], Any],
    space: Mapping[str, Any],
    n_trials: int,
    *,
    monitor: str | None = None,
    mode: Mode | None = None,
    seeds: Sequence[int] = (0,),
    first: Sequence[Mapping[str, Any]] = (),
    loggers: Callable[[Trial], Any] | None = None,
    pruner: Any = None,
    sampler: Any = None,
    sampler_seed: int = 0,
    study: str | None = None,
    storage: str | os.PathLike[str] | None = None,
    timeout: float | None = None,
    catch: Errors = Exception,
) -> Search:
    """Search for the hyper-parameters with the best value of a metric.

    Each trial has its own parameters, drawn by a sampler of Optuna from what earlier trials
    found. The objective trains with them, once for each seed; the value of a trial is the mean
    over the seeds of the best value of the metric.

    With `storage` the search survives its process: call `tune` again with the same arguments, in
    one process or in several at once, until there are `n_trials` trials. Trials that have ended are
    not run again. One whose process died, or was interrupted by Ctrl-C, is run again with the same
    number and parameters, except the seeds that were trained. A trial of a living process is left
    to it. With the default sampler a search in one process draws the same parameters if it is
    repeated, also after an interruption.

    Args:
        objective: Makes a trainer with ``model_logger=trial.loggers``, trains a model with
            ``trial.params``, and returns the trainer; or returns a number.
        space: Name to `Float`, `Int`, `Choice`, or a distribution of Optuna.
        n_trials: Number of trials of the study, those of earlier calls and other processes
            included.
        monitor: The metric to optimize, such as ``val/auc``; None takes the one that the trainer
            monitors.
        mode: ``max`` or ``min``; None takes the direction of `monitor`.
        seeds: The seeds of each trial.
        first: Parameters of the first trials, such as the present settings.
        loggers: A function of the trial that opens the loggers of one run; each run has its own.
            Give them ``name=trial.name`` and ``group=trial.study``.
        pruner: A pruner of Optuna, which receives the values of each epoch of the first seed
            through ``callbacks=[trial.pruning]``; the seeds after it are trained to their end.
        sampler: A sampler of Optuna, or a function that returns one for ``seed=…``, called for
            each trial; None takes `TPESampler`.
        sampler_seed: The seed from which the seeds of the sampler are derived.
        study: The name of the study, which is the group of the runs; by default the name of the
            journal's file.
        storage: The file of the journal; None keeps the search in memory.
        timeout: Number of seconds after which no trial is begun.
        catch: Exceptions that fail their trial, while the search goes on; others end the search.

    Returns:
        The trials of the study.

    Raises:
        ImportError: Optuna is missing; the message gives the command that installs it.
        TypeError: An argument has another type.
        ValueError: An argument is out of range, or the direction of the goal is unknown; or the
            study was begun with another space, goal or seeds.
        SearchError: The objective returned neither a trainer with the metric nor a number.
        RuntimeError: A launcher such as ``torchrun`` started the process.
        OSError: The journal cannot be written, or its disk has no file locks.

    Example:
        >>> from torch_rechub.tune import Int
        >>> search = tune(lambda trial: trial.params["x"] ** 2, {"x": Int(-2, 2)}, 8, mode="min")
        >>> search.best.params, search.best.value, len(search.trials)
        ({'x': 0}, 0.0, 8)
    """
    optuna = require("optuna", "tune", "tune")
    _check_calls(objective, loggers, sampler)
    _check_others(study, catch)
    n = whole_number(1, n_trials=n_trials)
    check_number("(0, inf]", timeout=timeout)
    check_whole(0, sampler_seed=sampler_seed)
    _refuse_launchers()
    journal = None if storage is None else local_path("storage", storage)
    name = study or (f"search-{secrets.token_hex(4)}" if journal is None else journal.stem)
    plan = Plan(name, as_space(space), goal_of(monitor, mode), _checked_seeds(seeds))
    known = [encoded(plan.space, params) for params in first]

    def make_sampler(number: int) -> Any:
        return _sampler(optuna, sampler, seed_of_trial(sampler_seed, number))

    last = time.monotonic() + (float("inf") if timeout is None else timeout)
    with quiet(optuna), messages_shown(None):
        shared = Study(optuna, plan, journal, make_sampler, pruner, known)
        runs = _Runs(objective, plan, loggers, catch, expect_reports=pruner is not None)
        with shared.at_work():
            while time.monotonic() < last and (claimed := shared.next(n)) is not None:
                runs.run(claimed)
        return search_of(shared.optuna_study, journal)


@dataclass(frozen=True)
class _Runs:
    """Runs trials.

    Attributes:
        objective: The function of the user.
        plan: The arguments that all processes share.
        loggers: Opens the loggers of a run.
        catch: Exceptions that fail a trial only.
        expect_reports: Whether there is a pruner, which needs values.
    """

    objective: Callable[[Trial], Any]
    plan: Plan
    loggers: Callable[[Trial], Any] | None
    catch: Errors
    expect_reports: bool

    def run(self, claimed: Claimed) -> None:
        """Train with the parameters of a trial, once for each seed that was not trained yet."""
        for seed in self.plan.seeds:
            if seed in claimed.values:
                continue
            first = claimed if seed == self.plan.seeds[0] else None
            params = dict(claimed.params)
            log.info("trial %d, seed %d: %s", claimed.number, seed, params)
            trial = Trial(self.plan.study, claimed.number, params, seed, self.plan.goal, first)
            opened = None if self.loggers is None else self.loggers(trial)
            trial.loggers = TrialLoggers(opened, trial, self._about())
            try:
                value = self._value(trial)
            except SearchError:  # the trial is left to be resumed
                raise
            except Exception as error:
                if not is_pruned(error):
                    self._fail(claimed, error)
                    return
                trial.pruned = True
            if trial.pruned:
                claimed.prune()
                log.info("trial %d: pruned", claimed.number)
                return
            claimed.add(seed, value)
        log.info("trial %d: %s %.6g", claimed.number, self.plan.goal.name, claimed.finish())

    def _value(self, trial: Trial) -> float:
        """Train one model; return the value of the goal, NaN if the run was pruned."""
        torch.manual_seed(trial.seed)
        with trial.loggers as loggers:
            result = self.objective(trial)
            if trial.pruned:
                return float("nan")
            value = self.plan.goal.value_of(result)
            if self.plan.goal.name not in loggers.metrics and not loggers.ended:
                loggers.log_metrics({self.plan.goal.name: value}, step=0)
            if self.expect_reports and trial.seed == self.plan.seeds[0] and not trial.reported:
                raise SearchError(
                    "the pruner receives no values: give callbacks=[trial.pruning] to the trainer "
                    "of the objective, or call trial.report"
                )
        return value

    def _fail(self, claimed: Claimed, error: Exception) -> None:
        claimed.fail(failure_text(error))
        if not isinstance(error, self.catch):
            raise error
        log.warning("trial %d failed, the search goes on: %s", claimed.number, failure_text(error))

    def _about(self) -> dict[str, Any]:
        """The hyper-parameters of every run; a trainer may record another monitored metric."""
        goal = {"monitor": self.plan.goal.name, "monitor_direction": self.plan.goal.mode}
        return {**goal, **run_labels("tune", self.plan.study, None, None)}


def _sampler(optuna: Any, given: Any, seed: int) -> Any:
    if given is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            # running trials count as bad ones, so that processes do not try the same parameters
            return optuna.samplers.TPESampler(seed=seed, constant_liar=True)
    return given(seed=seed) if callable(given) else given


def _check_calls(objective: Any, loggers: Any, sampler: Any) -> None:
    if not callable(objective):
        raise TypeError(f"objective must be a function of a trial, got {objective!r}")
    if loggers is not None and not callable(loggers):
        raise TypeError(
            "loggers must be a function that opens the loggers of a trial, because each run needs "
            f"its own, got {loggers!r}: give lambda trial: [...]"
        )
    if sampler is not None and not (callable(sampler) or hasattr(sampler, "sample_independent")):
        raise TypeError(f"sampler must be a sampler of Optuna, or make one, got {sampler!r}")


def _check_others(study: Any, catch: Any) -> None:
    if not isinstance(study, str | None) or study == "":
        raise TypeError(f"study must be a name, got {study!r}")
    for kind in catch if isinstance(catch, tuple) else (catch,):
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            raise TypeError(f"catch must be exceptions, such as (RuntimeError,), got {catch!r}")


def _checked_seeds(seeds: Any) -> tuple[int, ...]:
    if isinstance(seeds, str) or not isinstance(seeds, Sequence):
        raise TypeError(f"seeds must be a list of whole numbers, got {seeds!r}")
    found = tuple(whole_number(0, seeds=seed) for seed in seeds)
    if not found or len(set(found)) < len(found):
        raise ValueError(f"seeds must be different numbers, at least one, got {list(found)}")
    if max(found) > _LARGEST_SEED:
        raise ValueError(f"seeds must be at most 2**64 - 1, got {max(found)}")
    return found


def _refuse_launchers() -> None:
    if world_size() > 1:
        raise RuntimeError(
            f"a launcher started {world_size()} processes, and rank 0 alone records runs: "
            "start the script several times, without the launcher, with the same storage"
        )
