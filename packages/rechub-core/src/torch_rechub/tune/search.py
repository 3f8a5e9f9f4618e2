"""`Search`: the trials of a search as plain data."""

import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .._extras import require
from .._paths import local_path
from ..basic.tracking.plugin import in_utf8
from ..runs.record import Mode
from .locks import is_at_work, lock_is_held
from .space import Parameter, space_of
from .study import ABOUT, ERROR, SEEDS, WORKER, open_journal

if TYPE_CHECKING:
    import pandas as pd

_LOOKS, _PAUSE = 100, 0.01  # seconds

State = Literal["finished", "pruned", "failed", "running", "interrupted"]


@dataclass(frozen=True)
class TrialResult:
    """One trial of a search.

    Attributes:
        number: Its number, from 0.
        state: ``finished``; ``pruned``; ``failed`` by an error; ``running`` in a process that is
            alive; ``interrupted``, to be resumed by the next search of this study.
        params: Name to value.
        value: The mean of the goal over the seeds; None unless the trial is finished.
        seeds: Seed to value, of the seeds that were trained.
        reported: Step to value, as reported to the pruner by the first seed.
        error: The error of a failed trial, in one line.
        started: When it started, in local time.
        ended: When it ended; None while it has not.
    """

    number: int
    state: State
    params: Mapping[str, Any]
    value: float | None
    seeds: Mapping[int, float]
    reported: Mapping[int, float]
    error: str | None
    started: datetime | None
    ended: datetime | None


@dataclass(frozen=True)
class Search:
    """The result of a search.

    Attributes:
        study: The name of the study.
        monitor: The metric; None for the one that trainers monitor, or for numbers.
        mode: Whether the largest (``max``) or the smallest (``min``) value is best.
        seeds: The seeds of each trial.
        trials: The trials, by number.
    """

    study: str
    monitor: str | None
    mode: Mode
    seeds: tuple[int, ...]
    trials: tuple[TrialResult, ...]

    @property
    def best(self) -> TrialResult:
        """The finished trial with the best value, the first of ties.

        Raises:
            ValueError: No trial is finished; the message counts the others, with an error.
        """
        sign = -1 if self.mode == "max" else 1
        finished = [trial for trial in self.trials if trial.value is not None]
        if not finished:
            counts = Counter(trial.state for trial in self.trials)
            text = ", ".join(f"{n} {state}" for state, n in counts.items()) or "none"
            errors = [trial.error for trial in self.trials if trial.error]
            raise ValueError(
                f"no trial of {self.study!r} is finished; trials: {text}"
                + (f"; the last error: {errors[-1]}" if errors else "")
            )
        return min(finished, key=lambda trial: sign * (trial.value or 0.0))

    def to_frame(self) -> "pd.DataFrame":
        """Return a pandas DataFrame with a row per trial.

        Columns: ``number``, ``state``, ``value``, ``params/<name>``, ``seeds/<seed>``, ``error``,
        ``started``, ``ended``.
        """
        import pandas as pd

        frame: pd.DataFrame = pd.DataFrame(in_utf8([_row(trial) for trial in self.trials]))
        return frame


def load_search(path: str | os.PathLike[str], study: str | None = None) -> Search:
    """Read a search from its journal, also while it is running; nothing is written.

    Args:
        path: The file of the journal, the `storage` of `tune`.
        study: The name of the study; needed if the journal has several.

    Raises:
        ImportError: Optuna is missing; the message gives the command that installs it.
        FileNotFoundError: There is no such file.
        ValueError: It is not a journal, or has no such study, or several and none is named.
    """
    optuna = require("optuna", "load_search", "tune")
    journal = local_path("path", path)
    if not journal.is_file():
        raise FileNotFoundError(f"no journal of a search at '{journal}'")
    with quiet(optuna):
        storage = open_journal(optuna, journal, nullcontext())
        names = optuna.get_all_study_names(storage)
        if study not in names and not (study is None and len(names) == 1):
            listed = ", ".join(map(repr, names)) or "none"
            raise ValueError(f"study must be one of those in '{journal}', {listed}; got {study!r}")
        return search_of(optuna.load_study(study_name=study or names[0], storage=storage), journal)


def search_of(study: Any, journal: Path | None) -> Search:
    """The search of a study of Optuna.

    Raises:
        ValueError: The study was not begun by `tune`.
    """
    about = study.user_attrs.get(ABOUT)
    if about is None:
        raise ValueError(f"the study {study.study_name!r} in '{journal}' was not begun by tune")
    try:
        space = space_of(about["space"])
        trials = [_result(trial, space, journal) for trial in _handed_out(study, journal)]
        monitor, mode, seeds = about["monitor"], about["mode"], tuple(about["seeds"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"'{journal}' is not a journal of a search, or is damaged") from error
    return Search(study.study_name, monitor, mode, seeds, tuple(trials))


@contextmanager
def quiet(optuna: Any) -> Iterator[None]:
    """Silence the messages of Optuna below warnings, in a block."""
    logging = optuna.logging
    before = logging.get_verbosity()
    logging.set_verbosity(max(before, logging.WARNING))
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _handed_out(study: Any, journal: Path | None) -> Any:
    """The trials of a study, each running one with its worker.

    A trial is handed out under the lock of the journal: first it is running, then it has a worker.
    """
    for _ in range(_LOOKS):
        trials = study.get_trials(deepcopy=False)
        if journal is None or all(_worker(t) or t.state.name != "RUNNING" for t in trials):
            return trials
        if not lock_is_held(journal):
            break
        time.sleep(_PAUSE)
    return study.get_trials(deepcopy=False)  # whoever released the lock had named the worker


def _worker(trial: Any) -> str:
    worker: str = trial.user_attrs.get(WORKER, "")
    return worker


def _result(trial: Any, space: Mapping[str, Parameter], journal: Path | None) -> TrialResult:
    attributes = trial.user_attrs
    state = _state(trial, journal)
    seeds = attributes.get(SEEDS, {})
    return TrialResult(
        number=trial.number,
        state=state,
        params={name: space[name].decoded(value) for name, value in trial.params.items()},
        value=trial.value if state == "finished" else None,
        seeds={int(seed): value for seed, value in seeds.items()},
        reported=dict(trial.intermediate_values),
        error=attributes.get(ERROR),
        started=trial.datetime_start,
        ended=trial.datetime_complete,
    )


def _state(trial: Any, journal: Path | None) -> State:
    ended: dict[str, State] = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed"}
    if trial.state.name in ended:
        return ended[trial.state.name]
    alive = journal is not None and is_at_work(journal, _worker(trial))
    return "running" if alive else "interrupted"


def _row(trial: TrialResult) -> dict[str, Any]:
    return {
        "number": trial.number,
        "state": trial.state,
        "value": trial.value,
        **{f"params/{name}": value for name, value in trial.params.items()},
        **{f"seeds/{seed}": value for seed, value in trial.seeds.items()},
        "error": trial.error,
        "started": trial.started,
        "ended": trial.ended,
    }
