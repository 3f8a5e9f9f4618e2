"""Horizontal bars of medians with whiskers from the least to the greatest value."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from .jobs import Metric
from .machine import describe
from .report import Session

OURS, THEIRS, INK, FAINT = "#1f6f8b", "#b9c4c9", "#22313a", "#7d8a91"
ROOM = 1.42  # how far beyond the longest bar a panel reaches, for the figures next to the bars
WIDTH, BAR, FRAME = 4.6, 0.34, 0.95  # inches: of a panel, of a bar, of a panel's title and axis


def plot(session: Session, path: Path) -> None:
    """Draw a row of panels for each drawn metric and a column for each setting."""
    metrics = [metric for metric in session.job.metrics if metric.drawn]
    points = session.points()
    height = len(metrics) * (BAR * len(session.peers) + FRAME) + 0.9
    with plt.rc_context({"font.size": 9, "text.color": INK, "axes.labelcolor": INK}):
        figure, panels = plt.subplots(
            len(metrics),
            len(points),
            figsize=(WIDTH * len(points) + 1.2, height),
            sharey=True,
            squeeze=False,
            layout=ConstrainedLayoutEngine(h_pad=0.12, w_pad=0.08),
        )
        for row, metric in zip(panels, metrics):
            for panel, point in zip(row, points):
                _draw(panel, session, point, metric)
        figure.suptitle(session.job.title, fontsize=13, fontweight="bold", x=0.01, ha="left")
        figure.supxlabel(
            f"median and range of {session.rounds} alternating rounds; in brackets the median of "
            f"{session.references[0]} / peer over the rounds\n{describe(session.machine)}",
            fontsize=7.5,
            color=FAINT,
            x=0.01,
            ha="left",
        )
        figure.savefig(path, dpi=150)
        plt.close(figure)


def _draw(panel: Any, session: Session, point: str, metric: Metric) -> None:
    found = [session.spread(point, peer, metric.key) for peer in session.peers]
    longest = max([v.high for v in found if v], default=0.0) or 1.0
    for place, (peer, values) in enumerate(zip(session.peers, found)):
        if values is None:
            state = session.state(point, peer) or "–"
            panel.text(longest * 0.01, place, state, va="center", color=FAINT, style="italic")
            continue
        ours = peer in session.references
        panel.barh(place, values.median, height=0.62, color=OURS if ours else THEIRS, zorder=2)
        whisker = [[values.median - values.low], [values.high - values.median]]
        panel.errorbar(
            values.median, place, xerr=whisker, color=INK, capsize=2.5, lw=1, capthick=1, zorder=3
        )
        panel.text(
            values.high + longest * 0.02,
            place,
            _label(session, point, peer, metric, values.median),
            va="center",
            fontsize=8,
            fontweight="bold" if ours else "normal",
        )
    panel.set_yticks(range(len(session.peers)), session.peers)
    panel.set_ylim(len(session.peers) - 0.4, -0.6)
    panel.set_xlim(0, longest * ROOM)
    panel.set_title(f"{metric.title} · {point}", fontsize=9.5, loc="left")
    panel.xaxis.set_major_locator(MaxNLocator(5))
    panel.xaxis.set_major_formatter(lambda value, _: f"{value:,.6g}")
    panel.tick_params(length=0, labelcolor=INK)
    panel.tick_params(axis="x", labelsize=7.5, labelcolor=FAINT)
    panel.grid(axis="x", color="#e6eaec", lw=0.8, zorder=0)
    panel.spines[:].set_visible(False)


def _label(session: Session, point: str, peer: str, metric: Metric, median: float) -> str:
    reference = session.references[0]
    label = f"{median:,.{metric.digits}f}"
    ratio = session.ratio(point, reference, peer, metric.key)
    if ratio is None or peer == reference or not metric.compared:
        return label
    return f"{label}  ({ratio.median:.2f})"
