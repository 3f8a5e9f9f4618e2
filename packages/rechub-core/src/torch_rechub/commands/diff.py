"""``rechub diff``: what differs between two recorded runs."""

import argparse
from pathlib import Path
from typing import Any

from ..runs import Run, difference, read_runs
from ..runs.difference_views import change_table, heading, metric_table, unknown_lines
from ..runs.reading import no_runs
from ..runs.tables import json_text
from .output import show, write
from .selection import add_backend, add_format

_DESCRIPTION = (
    "Say what differs between two runs: data (columns, types, rows, values, their order, labels), "
    "vocabulary, split, code, environment, settings, seed; and show their metrics side by side. "
    "What a run has not recorded is unknown. A and B are paths of runs, or with --in names or ids "
    "of runs below a path."
)
_SHOWN = 10  # runs in a message


def add(commands: Any) -> None:
    """Add the command to the sub-parsers of `rechub`."""
    summary = "say what differs between two runs"
    parser = commands.add_parser("diff", help=summary, description=_DESCRIPTION)
    parser.set_defaults(run=_run)
    parser.add_argument("a", metavar="A", help="a run: its file or folder, or its name or id")
    parser.add_argument("b", metavar="B", help="the other run")
    below = "where to look for names and ids; may be repeated"
    parser.add_argument("--in", dest="paths", action="append", metavar="PATH", help=below)
    add_backend(parser)
    add_format(parser, "table", "json", "markdown")


def _run(options: argparse.Namespace) -> None:
    a, b = (_find(name, options.paths, options.backend) for name in (options.a, options.b))
    found = difference(a, b)
    if options.format == "json":
        write(json_text(found.to_dict()))
        return
    write(heading(found, options.format) + "\n")
    if found.changes:
        show(change_table(found), options.format)
    else:
        write("nothing differs\n")
    write(unknown_lines(found, options.format))
    if found.metrics:
        write("\n")
        show(metric_table(found), options.format)


def _find(name: str, paths: "list[str] | None", backends: "list[str] | None") -> Run:
    """Return the run of a path, or the one of a name or an id below paths.

    Raises:
        ValueError: There is none, or there are several.
    """
    if paths is None:
        if not Path(name).expanduser().exists():
            raise ValueError(
                f"there is no path {name!r}; for a run of this name or id say where to look for "
                "it, such as --in runs/"
            )
        runs = read_runs(name, backends)
        if not runs:
            raise no_runs(name)
        return _only(list(runs), f"below {name!r}")
    runs = read_runs(paths, backends)
    found = [run for run in runs if name == run.run_id] or [r for r in runs if name == r.name]
    found = found or [run for run in runs if name in (run.path, Path(run.path).name)]
    if not found:
        raise ValueError(f"no run is called {name!r}; there are: {_listed(list(runs))}")
    return _only(found, f"called {name!r}")


def _only(runs: list[Run], which: str) -> Run:
    if len(runs) > 1:
        ways = _ways(runs)
        raise ValueError(f"{len(runs)} runs are {which}; give {ways} of one of: {_listed(runs)}")
    return runs[0]


def _ways(runs: list[Run]) -> str:
    """Name what tells the runs apart; records of one run in several trackers share its id."""
    ways = ["the path"]
    if len({run.run_id or run.path for run in runs}) == len(runs):
        ways.insert(0, "the id")
    if len({run.backend for run in runs}) == len(runs):
        ways.append("--backend and the name")
    return " or ".join(ways)


def _listed(runs: list[Run]) -> str:
    ids = [f"id {run.run_id}, " if run.run_id else "" for run in runs[:_SHOWN]]
    texts = [f"{run.name} ({id}{run.path})" for run, id in zip(runs, ids, strict=False)]
    more = [f"and {len(runs) - _SHOWN} more"] if len(runs) > _SHOWN else []
    return ", ".join([*texts, *more]) or "none"
