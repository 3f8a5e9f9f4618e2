"""The curves of a comparison, for all output formats."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from .comparison import Comparison, Row
from .tables import cell, shortened
from .values import is_empty, mean_and_deviation

# Ten colors that people with color blindness can distinguish, after
# Okabe and Ito, "Color Universal Design", 2008, with their yellow left out.
COLORS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00",
    "#56b4e9", "#7a5195", "#8c564b", "#4d4d4d", "#9aa500",
)  # fmt: skip

_LONGEST_LABEL = 60


@dataclass(frozen=True)
class Curve:
    """The finite values of a metric in one row, by step.

    When runs stop early, a mean over the remaining runs would jump. So the mean ends with the
    shortest run, and the longer runs continue as single curves.

    Attributes:
        steps: The steps that all runs have, in order.
        mean: The mean over the runs.
        sd: The standard deviation over the runs; empty for a single run.
        tails: Later points (step, value) of single runs, starting at the last of `steps`.
    """

    steps: list[int]
    mean: list[float]
    sd: list[float]
    tails: list[list[tuple[int, float]]]


def curve(row: Row, metric: str) -> Curve:
    """Return the curve of a row; a later value of a step replaces an earlier one."""
    runs = [
        {step: value for step, value in run.metrics.get(metric, []) if math.isfinite(value)}
        for run in row.runs
    ]
    steps = sorted(set.intersection(*(set(points) for points in runs)))
    values = [[points[step] for points in runs] for step in steps]
    end = steps[-1] if steps else -1
    tails = [sorted(point for point in points.items() if point[0] >= end) for points in runs]
    pairs = [mean_and_deviation(v) for v in values]
    return Curve(
        steps=steps,
        mean=[mean for mean, _ in pairs],
        sd=[sd for _, sd in pairs if sd is not None],
        tails=[tail for tail in tails if tail and tail[-1][0] > end],
    )


def labels(comparison: Comparison) -> list[str]:
    """Return the label of each row: the hyper-parameters that differ, else its name.

    If labels are not unique, for instance for a training run that several trackers recorded, the
    backend is added, or else project and status.
    """
    short = {name: name.rsplit("/", 1)[-1] for name in comparison.differing}
    if len(set(short.values())) < len(short):
        short = {name: name for name in comparison.differing}
    found = [_candidates(row, short) for row in comparison.rows]
    counts = Counter(label for candidates in found for label in set(candidates))
    return [
        next((label for label in candidates if counts[label] == 1), candidates[-1])
        for candidates in found
    ]


def _candidates(row: Row, short: Mapping[str, str]) -> list[str]:
    given = {short[name]: value for name, value in row.hyperparams.items() if not is_empty(value)}
    text = ", ".join(f"{cell(name)}={cell(value)}" for name, value in given.items())
    whole = ", ".join(cell(part) for part in (row.backend, row.project, row.status) if part)
    endings = [(text, ""), (text, row.backend), (row.name, ""), (row.name, row.backend)]
    return [_label(start, end) for start, end in [*endings, (row.name, whole)] if start]


def _label(start: str, end: str) -> str:
    ending = f" ({shortened(cell(end), 30)})" if end else ""
    return shortened(cell(start), _LONGEST_LABEL - len(ending)) + ending
