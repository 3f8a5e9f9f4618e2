"""Tables of medians and ratios, and the JSON file with every run."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .jobs import Job, Metric
from .runs import Run
from .statistics import Spread, ratios, spread

ABSENT, FAILED, NO_FIGURE = "absent", "failed", "–"


@dataclass
class Session:
    """Everything of one session: what was asked for, the machine, the runs and who is missing.

    Attributes:
        peers: Names in the order of the report.
        references: Those of them that the others are compared with.
        absent: Why a peer could not be installed.
    """

    job: Job
    peers: list[str]
    references: list[str]
    rounds: int
    settings: dict[str, Any]
    machine: dict[str, Any]
    absent: dict[str, str] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)

    def points(self) -> list[str]:
        """The settings of the sweep that have runs, in order."""
        return list(dict.fromkeys(run.point for run in self.runs))

    def values(self, point: str, peer: str, key: str) -> list[float | None]:
        """A figure of each round, None where there is none."""
        found = {r.round: r.value(key) for r in self.runs if (r.point, r.peer) == (point, peer)}
        return [found.get(number) for number in range(self.rounds)]

    def spread(self, point: str, peer: str, key: str) -> Spread | None:
        """A figure's median and range over the rounds, None where no round has it."""
        values = [v for v in self.values(point, peer, key) if v is not None]
        return spread(values) if values else None

    def ratio(self, point: str, reference: str, peer: str, key: str) -> Spread | None:
        """The spread of reference / peer, round by round."""
        return ratios(self.values(point, reference, key), self.values(point, peer, key))

    def state(self, point: str, peer: str) -> str | None:
        """`absent` or `failed`, None for a peer that ran."""
        if peer in self.absent:
            return ABSENT
        errors = [r for r in self.runs if (r.point, r.peer) == (point, peer) and r.error]
        return FAILED if errors else None


def text(session: Session) -> str:
    """The report: for each setting and each reference a Markdown table, then what went wrong."""
    parts = []
    for point in session.points():
        for reference in session.references:
            title = f"{session.job.title}: {point}"
            parts.append("\n".join([f"### {title}", "", *table(session, point, reference)]))
    return "\n\n".join([*parts, *problems(session)])


def table(session: Session, point: str, reference: str) -> list[str]:
    """One row a peer: median [range] of every metric, and the ratio of the reference to it."""
    metrics = session.job.metrics
    head = ["peer"]
    for metric in metrics:
        head += [metric.title, f"{reference} / peer"] if metric.compared else [metric.title]
    rows = [head, ["---", *["---:"] * (len(head) - 1)]]
    for peer in session.peers:
        rows.append([peer, *_cells(session, point, reference, peer, metrics)])
    return ["| " + " | ".join(row) + " |" for row in rows]


def _cells(
    session: Session, point: str, reference: str, peer: str, metrics: Iterable[Metric]
) -> list[str]:
    state = session.state(point, peer)
    cells = []
    for metric in metrics:
        found = session.spread(point, peer, metric.key)
        cells.append(shown(found, metric.digits) if found else state or NO_FIGURE)
        if metric.compared:
            ratio = session.ratio(point, reference, peer, metric.key)
            itself = peer == reference
            cells.append(shown(ratio, 2) if ratio and not itself else "1" if ratio else NO_FIGURE)
    return cells


def shown(values: Spread, digits: int) -> str:
    """`median [low–high]`, the median alone where there is one value."""
    median = f"{values.median:,.{digits}f}"
    if values.count == 1:
        return median
    return f"{median} [{values.low:,.{digits}f}–{values.high:,.{digits}f}]"


def problems(session: Session) -> list[str]:
    """Why peers are absent, and the errors of runs that failed."""
    absent = [f"{peer} is absent: {reason}" for peer, reason in session.absent.items()]
    failed = [
        f"{run.peer} failed at {run.point}, round {run.round + 1}:\n{run.error}"
        for run in session.runs
        if run.error
    ]
    return absent + failed


def summary(session: Session) -> list[dict[str, Any]]:
    """The figures of the tables as data: one row for each setting, peer and metric."""
    rows = []
    for point in session.points():
        for peer in session.peers:
            for metric in session.job.metrics:
                found = session.spread(point, peer, metric.key)
                rows.append(
                    {
                        "point": point,
                        "peer": peer,
                        "metric": metric.key,
                        "state": session.state(point, peer) or "ran",
                        "values": _data(found),
                        "ratios": {
                            reference: _data(session.ratio(point, reference, peer, metric.key))
                            for reference in session.references
                        },
                    }
                )
    return rows


def _data(values: Spread | None) -> Mapping[str, Any] | None:
    return None if values is None else asdict(values)


def write_json(session: Session, path: Path) -> None:
    """Write every run, the machine, the settings and the summary; no file is left half written."""
    content = {
        "job": session.job.name,
        "title": session.job.title,
        "machine": session.machine,
        "settings": session.settings,
        "rounds": session.rounds,
        "peers": session.peers,
        "absent": session.absent,
        "summary": summary(session),
        "runs": [asdict(run) for run in session.runs],
    }
    half = path.with_suffix(".part")
    half.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(half, path)


def progress(run: Run, metrics: Sequence[Metric]) -> str:
    """One line about a run that has ended."""
    if run.error:
        said = f"failed: {run.error.splitlines()[-1]}"
    else:
        figures = [(m, run.value(m.key)) for m in metrics]
        said = ", ".join(f"{m.title} {v:,.{m.digits}f}" for m, v in figures if v is not None)
    return f"[{run.point}, round {run.round + 1}] {run.peer}: {said}"
