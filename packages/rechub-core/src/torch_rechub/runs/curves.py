"""The curves of a comparison: what is drawn, whatever draws it."""

import math
import statistics
from dataclasses import dataclass

from .comparison import Comparison, Row
from .tables import cell, shortened

# Ten colours that people with colour blindness can tell apart next to each other, after
# Okabe and Ito, "Color Universal Design", 2008, with their yellow left out.
COLOURS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00",
    "#56b4e9", "#7a5195", "#8c564b", "#4d4d4d", "#9aa500",
)  # fmt: skip

_LONGEST_LABEL = 60


@dataclass(frozen=True)
class Curve:
    """One row's values of one metric at each step where they are finite.

    A mean over the runs that are left, when others stopped early, would jump from one group of runs
    to another. So the mean ends where the first run does, and the others go on one by one.

    Attributes:
        steps: Those that all runs have, in order.
        mean: Over the runs.
        sd: Their standard deviation; empty for a single run.
        tails: What single runs have beyond, as points (step, value), the last of `steps` included.
    """

    steps: list[int]
    mean: list[float]
    sd: list[float]
    tails: list[list[tuple[int, float]]]


def curve(row: Row, metric: str) -> Curve:
    """The curve of a row; later values of a step win."""
    runs = [
        {step: value for step, value in run.metrics.get(metric, []) if math.isfinite(value)}
        for run in row.runs
    ]
    steps = sorted(set.intersection(*(set(points) for points in runs)))
    values = [[points[step] for points in runs] for step in steps]
    end = steps[-1] if steps else -1
    tails = [sorted(point for point in points.items() if point[0] >= end) for points in runs]
    return Curve(
        steps=steps,
        mean=[statistics.fmean(v) for v in values],
        sd=[statistics.stdev(v) for v in values] if len(runs) > 1 else [],
        tails=[tail for tail in tails if tail and tail[-1][0] > end],
    )


def labels(comparison: Comparison) -> list[str]:
    """What tells each row from the others: the hyper-parameters that differ, else its name."""
    short = {name: name.rsplit("/", 1)[-1] for name in comparison.differing}
    if len(set(short.values())) < len(short):
        short = {name: name for name in comparison.differing}
    texts = [
        ", ".join(f"{short[name]}={cell(value)}" for name, value in row.hyperparams.items())
        for row in comparison.rows
    ]
    return [
        shortened(text if text and texts.count(text) == 1 else cell(row.name), _LONGEST_LABEL)
        for text, row in zip(texts, comparison.rows, strict=True)
    ]
