"""``rechub compare``: rank recorded runs, and plot their curves."""

import argparse
import logging
import sys
from collections.abc import Sequence
from typing import Any

from .._shown import shown
from ..runs import Run, compare, plot, significance
from ..runs.comparison import Comparison
from ..runs.data_warning import different_data
from ..runs.plotting import refuse_other_formats
from ..runs.reading import without_collector
from ..runs.tables import csv_text, json_text, shortened
from ..runs.tested_views import significance_table, summary
from ..runs.views import comparison_table
from .output import show, write
from .selection import add_format, add_metric, add_paths, selected_runs

log = logging.getLogger("torch_rechub")

_DESCRIPTION = (
    "Rank runs by their best value of a metric, and show which hyper-parameters differ. Runs that "
    "differ by nothing but a hyper-parameter called seed, random_seed or torch_seed are one row: "
    "mean ± standard deviation over n runs."
)


def add(commands: Any) -> None:
    """Add the command to the sub-parsers of `rechub`."""
    parser = commands.add_parser("compare", help="rank runs by a metric", description=_DESCRIPTION)
    parser.set_defaults(run=_run)
    add_paths(parser)
    add_metric(parser)
    add_format(parser, "table", "json", "csv", "markdown")
    parser.add_argument("--top", type=int, metavar="N", help="show the best N rows only")
    ignore = "a hyper-parameter that does not count as a difference; may be repeated"
    parser.add_argument("--ignore", action="append", default=[], metavar="KEY", help=ignore)
    parser.add_argument("--plot", metavar="FILE", help="draw the curves: FILE.png or FILE.html")
    test = "test each row against the best one, by the values that Recording(test_values=True) kept"
    parser.add_argument("--test", action="store_true", help=test)
    baseline = "the row that --test tests against: its name, or that or the id of one of its runs"
    parser.add_argument("--baseline", metavar="NAME", help=baseline)


@without_collector()  # a short process that makes millions of objects
def _run(options: argparse.Namespace) -> None:
    if options.top is not None and options.top < 1:
        raise ValueError(f"--top must be at least 1, got {options.top}")
    if options.baseline is not None and not options.test:
        raise ValueError("--baseline is the row that --test tests against: give --test too")
    if options.plot:
        refuse_other_formats(options.plot)  # check the format before reading runs
    runs = selected_runs(options)
    found = _tested(options, runs) if options.test else _ranked(options, runs)
    _warn_of_data(found)
    if options.plot:
        plot(found, options.plot)
        sys.stderr.write(f"rechub: curves drawn in {shown(options.plot)}\n")


def _tested(options: argparse.Namespace, runs: Sequence[Run]) -> Comparison:
    """Write the ranking with the test of each row; return the ranking."""
    chosen = (options.metric, options.mode, options.ignore)
    found = significance(runs, *chosen, baseline=options.baseline, top=options.top)
    if options.format == "json":
        write(json_text(found.to_dict()))
    elif options.format == "csv":
        write(csv_text(found.to_records()))
    else:
        show(significance_table(found), options.format)
        if options.format == "table":
            rows = found.comparison.rows
            write(_summary(found.comparison, len(rows)) + summary(found))
    return found.comparison


def _ranked(options: argparse.Namespace, runs: Sequence[Run]) -> Comparison:
    """Write the ranking; return it."""
    found = compare(runs, options.metric, options.mode, options.ignore)
    rows = found.rows[: options.top]
    if options.format == "json":
        write(json_text({**found.to_dict(), "rows": found.to_records()[: options.top]}))
    elif options.format == "csv":
        write(csv_text(found.to_records()[: options.top]))
    else:
        show(comparison_table(found, rows), options.format)
        if options.format == "table":
            write(_summary(found, len(rows)))
    return found


def _warn_of_data(found: Comparison) -> None:
    """Warn if ranked runs were trained or evaluated on different data."""
    differing = different_data([row.runs for row in found.rows])
    if differing:
        log.warning("warning: %s; rechub diff A B says how they differ", differing)


def _summary(found: Comparison, rows: int) -> str:
    metric = shortened(shown(found.metric), 80)
    n = sum(row.n for row in found.rows)
    largest = "largest" if found.mode == "max" else "smallest"
    text = (
        f"\n{metric}, {largest} is best; {_counted(n, 'run')} in {_counted(len(found.rows), 'row')}"
    )
    text += f", {rows} shown" if rows < len(found.rows) else ""
    if found.without_metric:
        text += f"; {_counted(len(found.without_metric), 'run')} without it"
    if found.repeated:
        text += f"; {_counted(found.repeated, 'other record')} of these runs left out"
    return text + "\n"


def _counted(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
