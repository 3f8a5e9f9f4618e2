"""``rechub runs``: list recorded runs."""

import argparse
from typing import Any

from ..runs import read_runs
from ..runs.comparing import names_of_metrics
from ..runs.monitored import default_metric, direction
from ..runs.reading import no_runs
from ..runs.tables import csv_text, json_text
from ..runs.views import run_records, run_table
from .output import show, write

_DESCRIPTION = "List runs, oldest first: how each ended, and the best and last value of a metric."


def add(commands: Any) -> None:
    """Add the command to the sub-parsers of `rechub`."""
    parser = commands.add_parser(
        "runs", help="list the runs below some paths", description=_DESCRIPTION
    )
    parser.set_defaults(run=_run)
    add_selection(parser)


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that select runs and a metric, and the format of the output."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a folder, or a run's file")
    parser.add_argument("--metric", help="such as val/auc; by default chosen from the runs")
    parser.add_argument("--mode", choices=["max", "min"], help="by default that of the metric")
    backend = "only runs of this backend, such as jsonl; may be repeated"
    parser.add_argument("--backend", action="append", metavar="NAME", help=backend)
    formats = ["table", "json", "csv", "markdown"]
    parser.add_argument("--format", choices=formats, default="table")


def _run(options: argparse.Namespace) -> None:
    runs = read_runs(options.paths, options.backend)
    if not runs:
        raise no_runs(options.paths)
    metric = options.metric
    if metric is None and any(run.metrics for run in runs):
        metric = default_metric(runs)
    elif metric is not None and not any(metric in run.metrics for run in runs):
        raise ValueError(f"no run has the metric {metric!r}; they have: {names_of_metrics(runs)}")
    records = run_records(runs, metric, options.mode or direction(metric or "", runs))
    if options.format in ("table", "markdown"):
        show(run_table(records, metric), options.format)
    else:
        write(json_text(records) if options.format == "json" else csv_text(records))
