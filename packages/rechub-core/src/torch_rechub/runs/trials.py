"""The trials of searches, as `torch_rechub.tune` records them in the runs of every tracker."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from .record import Run, flat

_FIELDS = ("number", "study", "params", "state")
_STATES = ("finished", "pruned", "failed")


@dataclass(frozen=True)
class RecordedTrial:
    """The trial that a run belongs to.

    Attributes:
        study: The name of the study.
        number: The number of the trial.
        seed: The seed of the run; None if there is none.
        state: ``finished``, ``pruned`` or ``failed``; None if the run did not end.
        params: The parameters of the search by name.
    """

    study: str
    number: int
    seed: int | None
    state: str | None
    params: Mapping[str, Any]


def trial_of(run: Run) -> RecordedTrial | None:
    """Return the trial of a run; None if it belongs to no search.

    Trackers hold nested hyper-parameters as they are, or under names joined by ``/``; lists as they
    are, or as JSON.

    Example:
        >>> trial = {"number": 3, "study": "s", "params": ["lr"], "state": "pruned"}
        >>> trial_of(Run("a", "jsonl", "a", hyperparams={"trial": trial, "lr": 0.1, "seed": 1}))
        RecordedTrial(study='s', number=3, seed=1, state='pruned', params={'lr': 0.1})
    """
    given = run.hyperparams
    if "trial" not in given and "trial/number" not in given:
        return None
    about = given.get("trial")
    if not isinstance(about, Mapping):
        about = {name: given.get(f"trial/{name}") for name in _FIELDS}
    number, study = _whole(about.get("number")), about.get("study")
    names = _plain(about.get("params"))
    if number is None or not isinstance(study, str) or not isinstance(names, list):
        return None
    state = about.get("state")
    return RecordedTrial(
        study=study,
        number=number,
        seed=_whole(given.get("seed")),
        state=state if state in _STATES else None,
        params={name: _param(run, name) for name in names if isinstance(name, str)},
    )


def status_of(run: Run) -> str:
    """The status of a run as shown: that of its trial where it was pruned.

    Example:
        >>> trial = {"number": 3, "study": "s", "params": [], "state": "pruned"}
        >>> status_of(Run("a", "jsonl", "a", status="finished", hyperparams={"trial": trial}))
        'pruned'
    """
    trial = trial_of(run)
    return "pruned" if trial and trial.state == "pruned" else run.status


def _param(run: Run, name: str) -> Any:
    if name in run.hyperparams:
        return _plain(run.hyperparams[name])
    return _plain(dict(flat(run.hyperparams)).get(name))


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, str) and value[:1] in ("[", "{"):
        with suppress(ValueError, RecursionError):
            return json.loads(value)
    return value


def _whole(value: Any) -> int | None:
    plain = _plain(value)
    return plain if isinstance(plain, int) and not isinstance(plain, bool) else None
