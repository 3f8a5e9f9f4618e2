"""A run as MLflow stores it, in a database or in files."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch_rechub.runs import Run
from torch_rechub.runs.checks import moment

from .names import original_names
from .params import params_of
from .resumed import Mark, is_superseded, marks_of
from .values import (
    ERROR,
    NAMES,
    REMOVED,
    RESUMED,
    VERSION,
    from_text,
    nested,
    text_of_tags,
)

_STATUS = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "interrupted"}

Point = tuple[int, float, int]
"""Step, value, and time in milliseconds since 1970."""


@dataclass(frozen=True)
class MLflowRun(Run):
    """A run with its id in MLflow."""

    key: str = ""


@dataclass
class Stored:
    """The records of one run, with the names and texts of MLflow."""

    path: str
    key: str
    name: str | None
    project: str | None
    status: str
    started: int | None
    ended: int | None
    points: dict[str, list[Point]] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def marks(self) -> list[Mark]:
        """Where the run was continued."""
        return marks_of(text_of_tags(RESUMED, self.tags))

    @property
    def names(self) -> dict[str, dict[str, Any]]:
        """The names that MLflow does not accept."""
        return original_names(text_of_tags(NAMES, self.tags))

    def as_run(self) -> MLflowRun:
        """Return the run as `MLflowLogger` was given it."""
        ended = _STATUS.get(self.status)
        return MLflowRun(
            name=self.name or self.key,
            backend="mlflow",
            path=self.path,
            project=self.project,
            status=ended or "unfinished",  # type: ignore[arg-type]
            error=text_of_tags(ERROR, self.tags) if ended else None,
            started=_moment(self.started),
            ended=_moment(self.ended) if ended else None,
            hyperparams=self._hyperparams(),
            metrics={
                name: [(step, value) for step, value, _ in points]
                for name, points in self.valid_points().items()
            },
            key=self.key,
        )

    def valid_points(self) -> dict[str, Sequence[Point]]:
        """The points of each metric that no continuation superseded, by its original name."""
        marks, names = self.marks, self.names.get("metric", {})
        found = {names.get(key, key): points for key, points in self.points.items()}
        if not marks:
            return dict(found)
        valid = {
            name: [p for p in points if not is_superseded(marks, name, p[0], p[2])]
            for name, points in found.items()
        }
        return {name: points for name, points in valid.items() if points}

    def _hyperparams(self) -> Mapping[str, Any]:
        if VERSION not in self.tags:
            return {key: from_text(text) for key, text in self.params.items()}
        values = {
            path: from_text(text)
            for path, text in params_of(self.params, self.tags, self.names).items()
        }
        return nested({path: value for path, value in values.items() if value != REMOVED})


def _moment(milliseconds: Any) -> Any:
    if not isinstance(milliseconds, int | float):
        return None
    return moment(milliseconds / 1000) if math.isfinite(milliseconds) else None
