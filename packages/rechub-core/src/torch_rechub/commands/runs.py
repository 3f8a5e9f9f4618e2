"""``rechub runs``: list recorded runs."""

import argparse
from typing import Any

from ..runs.comparing import names_of_metrics
from ..runs.monitored import default_metric, direction
from ..runs.reading import without_collector
from ..runs.tables import csv_text, json_text
from ..runs.views import run_records, run_table
from .output import show, write
from .selection import add_format, add_metric, add_paths, selected_runs

_DESCRIPTION = "List runs, oldest first: how each ended, and the best and last value of a metric."


def add(commands: Any) -> None:
    """Add the command to the sub-parsers of `rechub`."""
    parser = commands.add_parser(
        "runs", help="list the runs below some paths", description=_DESCRIPTION
    )
    parser.set_defaults(run=_run)
    add_paths(parser)
    add_metric(parser)
    add_format(parser, "table", "json", "csv", "markdown")


@without_collector()  # a short process that makes millions of objects
def _run(options: argparse.Namespace) -> None:
    runs = selected_runs(options)
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
