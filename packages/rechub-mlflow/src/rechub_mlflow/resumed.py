"""Records that a continued run superseded: MLflow deletes no values, so the run says which."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .values import from_text


@dataclass(frozen=True)
class Mark:
    """From a time on, a run was continued at a step.

    Attributes:
        time: Milliseconds since 1970.
        step: The step.
        steps: The step of each metric with an axis of its own.
    """

    time: int
    step: int
    steps: Mapping[str, int] = field(default_factory=dict)

    def supersedes(self, metric: str, step: int, time: int) -> bool:
        """Whether the run was continued before the step of a record that is older.

        Example:
            >>> mark = Mark(time=100, step=3)
            >>> [mark.supersedes("a", *record) for record in ((2, 99), (3, 99), (3, 101))]
            [False, True, False]
        """
        return time < self.time and step >= self.steps.get(metric, self.step)


def marks_of(text: str | None) -> list[Mark]:
    """Read the marks of a run; invalid ones are left out.

    Example:
        >>> marks_of('[{"time": 5, "step": 1, "steps": {}}, {"step": "x"}]')
        [Mark(time=5, step=1, steps={})]
    """
    found = from_text(text or "")
    return [
        Mark(mark["time"], mark["step"], mark["steps"])
        for mark in (found if isinstance(found, list) else ())
        if _is_mark(mark)
    ]


def _is_mark(mark: Any) -> bool:
    if not isinstance(mark, Mapping) or not isinstance(mark.get("steps"), Mapping):
        return False
    numbers = [mark.get("time"), mark.get("step"), *mark["steps"].values()]
    return all(type(number) is int for number in numbers)


def is_superseded(marks: Sequence[Mark], metric: str, step: int, time: int) -> bool:
    """Whether any mark supersedes a record."""
    return any(mark.supersedes(metric, step, time) for mark in marks)
