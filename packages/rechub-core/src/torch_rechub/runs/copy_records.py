"""The records of a copy: rows of metrics, texts, tables, figures and files, and its end."""

import os
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..basic.tracking.copied import PNG, NoEnd, recorded_at
from ..basic.tracking.logger import RunLogger
from .details import Details
from .record import Run

_WEIGHTS = (".pth", ".pt", ".safetensors")


@dataclass(frozen=True)
class Row:
    """The values of metrics at one step and time.

    Attributes:
        time: Seconds since 1970; None if it is not known.
        step: The step.
        values: Metric to value.
    """

    time: float | None
    step: int
    values: dict[str, float]


def rows_of(run: Run, found: Details, by_step: bool) -> list[Row]:
    """Return the metrics of a run as rows, in the order of their times or of their steps.

    Args:
        run: The run.
        found: Its details.
        by_step: Whether the tracker takes no steps that go back.

    Example:
        >>> run = Run("a", "jsonl", "a", metrics={"x": [(0, 1.0), (1, 2.0)], "y": [(1, 3.0)]})
        >>> [(row.step, row.values) for row in rows_of(run, Details(), by_step=True)]
        [(0, {'x': 1.0}), (1, {'x': 2.0, 'y': 3.0})]
    """
    points = []
    for name, pairs in run.metrics.items():
        unknown: list[float | None] = [None] * len(pairs)
        times = found.times.get(name) or unknown
        seen: Counter[int] = Counter()
        for (step, value), time in zip(pairs, times, strict=True):
            turn = seen[step]
            seen[step] += 1
            points.append((time, step, turn, name, value))
    if by_step or any(time is None for time, *_ in points):
        points.sort(key=lambda point: (point[1], point[2]))
    else:
        points.sort(key=lambda point: point[0] or 0.0)
    rows: list[Row] = []
    for time, step, _, name, value in points:
        last = rows[-1] if rows else Row(None, -1, {})
        same = last.step == step and (by_step or last.time == time)
        if same and name not in last.values:
            last.values[name] = value
        else:
            rows.append(Row(time, step, {name: value}))
    return rows


class Media:
    """Writes the rows of a run, and its other records at their steps.

    Args:
        logger: The logger of the copy.
        found: The details of the run.
    """

    def __init__(self, logger: Any, found: Details) -> None:
        self._logger = logger
        self._files = found.files
        self._left_out: Counter[str] = Counter()
        calls: list[tuple[int, str, tuple[Any, ...]]] = [
            *((text.step, "text", (text.name, text.text)) for text in found.texts),
            *((h.step, "histogram", (h.name, h.counts, h.edges)) for h in found.histograms),
            *((t.step, "table", (t.name, t.columns, t.rows)) for t in found.tables),
            *((f.step, "figure", (f.name, f.png)) for f in found.figures),
        ]
        self._waiting = deque(sorted(calls, key=lambda call: call[0]))

    def write_with(self, rows: Iterable[Row], ended: float | None) -> Counter[str]:
        """Write rows, and after each the records up to its step; then the others, and the files.

        Returns:
            The number of records of each kind that the tracker does not store.
        """
        time = None
        for row in rows:
            time = row.time
            with recorded_at(time):
                self._logger.log_metrics(row.values, row.step)
                self._write_until(row.step)
        with recorded_at(time):
            self._logger.flush()  # wandb holds the last row back
        with recorded_at(ended):
            self._write_until(None)
            for name, path in self._files.items():
                self._write_file(name, path)
        return self._left_out

    def _write_until(self, step: int | None) -> None:
        while self._waiting and (step is None or self._waiting[0][0] <= step):
            at, kind, values = self._waiting.popleft()
            if self._is_stored(kind):
                values = (values[0], PNG(values[1])) if kind == "figure" else values
                getattr(self._logger, f"log_{kind}")(*values, at)

    def _write_file(self, name: str, path: str) -> None:
        if os.path.isdir(path):
            self._left_out["folder"] += 1
        elif self._is_stored("artifact"):
            kind = "model" if path.endswith(_WEIGHTS) else "file"
            self._logger.log_artifact(name, path, "test_values" if name == "test_values" else kind)

    def _is_stored(self, kind: str) -> bool:
        """Whether the tracker stores a kind of record; counts it otherwise."""
        method = f"write_{kind}"
        stored = getattr(type(self._logger), method) is not getattr(RunLogger, method)
        self._left_out[kind] += not stored
        return stored


def failure_of(run: Run) -> BaseException | None:
    """Return an exception whose text in a record is that of the run's error; None if it has none.

    Example:
        >>> failure_of(Run("a", "jsonl", "a", status="failed", error="ValueError: nan"))
        ValueError('nan')
    """
    if run.status == "finished":
        return None
    if run.status == "unfinished":
        return NoEnd("the copied run has no end")
    name, _, text = (run.error or "").partition(": ")
    if name == "SystemExit" and text.isdigit():
        return SystemExit(int(text))
    if not name.isidentifier():
        name, text = run.error or run.status, ""
    base = Exception if run.status == "failed" else BaseException
    kind: type[BaseException] = type(name.replace("\0", ""), (base,), {})
    return kind(text) if text else kind()
