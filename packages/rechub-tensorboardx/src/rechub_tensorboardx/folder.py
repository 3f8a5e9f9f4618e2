"""The folder of a run: one writer at a time, and what earlier writers left in it."""

import itertools
import os
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from torch_rechub.basic.tracking.claim import Claim


class RunFolder:
    """Holds a folder for one logger.

    Args:
        path: The folder, made if it does not exist.

    Attributes:
        path: The folder that is held: the one given or, if another logger holds that, in this
            process or another, a new one below it.
        taken: Whether another logger holds the one given.
    """

    def __init__(self, path: str) -> None:
        os.makedirs(path, exist_ok=True)
        self.path, self._claim = path, Claim(path)
        self.taken = not self._claim.held
        if self.taken:
            self.move()

    def move(self) -> None:
        """Hold a new folder below this one instead: ``exp/exp-2`` instead of ``exp``."""
        top = self.path
        for number in itertools.count(2):
            path = os.path.join(top, f"{os.path.basename(top)}-{number}")
            os.makedirs(path, exist_ok=True)
            claim = Claim(path)
            if claim.held and not os.listdir(path):
                self.release()
                self.path, self._claim = path, claim
                return
            claim.release()

    def release(self) -> None:
        """Let others have the folder."""
        self._claim.release()

    def event_files(self) -> list[Path]:
        """The event files in the folder, in the order in which TensorBoard reads them."""
        return sorted(Path(self.path).glob("*tfevents*"))


class Series:
    """The scalars of event files, less those that a later restart took the place of.

    Args:
        files: Event files in the order in which they count.
    """

    def __init__(self, files: list[Path]) -> None:
        self._events: dict[str, list[Any]] = {}
        for path in files:
            for event in _events(path):
                if event.session_log.status == event.session_log.START:
                    self._restart(event.step)
                for value in event.summary.value:
                    if value.WhichOneof("value") == "simple_value":
                        found = type(event)(wall_time=event.wall_time, step=event.step)
                        found.summary.value.append(value)
                        self._events.setdefault(value.tag, []).append(found)

    def _restart(self, step: int) -> None:
        for tag, events in self._events.items():
            self._events[tag] = [event for event in events if event.step < step]

    def last_steps(self) -> dict[str, int]:
        """The largest step of each tag."""
        return {t: max(event.step for event in e) for t, e in self._events.items() if e}

    def between(self, first: int, ends: Mapping[str, int]) -> Iterator[Any]:
        """The events of some tags from a step on.

        Args:
            first: The step.
            ends: For each tag, the step before which its events are wanted.
        """
        for tag, end in ends.items():
            yield from (e for e in self._events.get(tag, []) if first <= e.step < end)


def _events(path: Path) -> Iterator[Any]:
    damage: Any = import_module("torch_rechub.runs.damage").Damage
    records = import_module("rechub_tensorboardx.records")
    with damage(path, "record", "byte") as found:
        for _, event in records.tensorboard_events(path, found):
            yield event
