"""The command ``rechub``: lists and compares recorded runs of all backends; serves bundles."""

import argparse
import logging
import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from importlib import metadata
from typing import NoReturn

from ._shown import shown
from ._streams import usable_streams
from .runs import available_readers, compare, plot, read_runs
from .runs.comparing import names_of_metrics
from .runs.comparison import Comparison
from .runs.monitored import default_metric, direction
from .runs.plotting import refuse_other_formats
from .runs.reading import no_runs
from .runs.tables import Table, aligned, csv_text, json_text, markdown, shortened
from .runs.views import comparison_table, run_records, run_table

_EXAMPLES = """examples:
  rechub runs runs/                              what was recorded there
  rechub compare runs/ --metric val/auc          which settings did best, over seeds
  rechub compare runs/ wandb/ --plot curves.html the curves over each other
  rechub compare runs/ --format csv > runs.csv   for a spreadsheet
  rechub serve bundle/ --port 8000               predictions of a saved model over HTTP
"""
_RUNS = "List runs, oldest first: how each ended, and the best and last value of a metric."
_COMPARE = (
    "Rank runs by their best value of a metric, and show which hyper-parameters differ. Runs that "
    "differ by nothing but a hyper-parameter called seed or random_seed are one row: mean ± "
    "standard deviation over n runs."
)
_SERVE = (
    "Serve a bundle, which trainer.save wrote, over HTTP: POST /predict or /recommend, POST "
    "/reload, GET /health, /metrics, /schema and /docs. SIGHUP loads the bundle again; SIGTERM "
    "answers the requests in progress and stops. With a token, in the environment variable "
    "RECHUB_TOKEN or in a file, requests need the header 'Authorization: Bearer TOKEN'."
)
_COLORS = {"failed": "31", "interrupted": "33", "unfinished": "33"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: The command-line arguments; by default those of this process.

    Returns:
        0, or 1 if there is nothing to show, with the reason on the standard error stream.

    Raises:
        SystemExit: With status 2 for invalid arguments, with 0 after ``--help``.
    """
    with usable_streams(), open(os.devnull, "w", encoding="utf-8") as nowhere:
        out, err = redirect_stdout(sys.stdout or nowhere), redirect_stderr(sys.stderr or nowhere)
        with out, err:
            return _run(arguments)


def _run(arguments: Sequence[str] | None) -> int:
    options = _parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    messages = logging.StreamHandler()
    messages.setFormatter(logging.Formatter("rechub: %(message)s"))
    log = logging.getLogger("torch_rechub")
    log.addHandler(messages)
    try:
        options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of the pipe, such as `head`, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError, ImportError) as error:
        log.error("error: %s", error)
        return 1
    finally:
        log.removeHandler(messages)
    return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # escaped, because a shell's `*` may expand to file names with control characters
        super().error(shown(message))


def _parser() -> argparse.ArgumentParser:
    readers = ", ".join(available_readers())
    parser = _Parser(
        prog="rechub",
        description=f"List and compare recorded runs. Backends that can be read here: {readers}.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    version = metadata.version("rechub-core")
    parser.add_argument("--version", action="version", version=f"rechub {version}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    listing = commands.add_parser("runs", help="list the runs below some paths", description=_RUNS)
    listing.set_defaults(run=_runs)
    comparing = commands.add_parser("compare", help="rank runs by a metric", description=_COMPARE)
    comparing.set_defaults(run=_compare)
    for command in (listing, comparing):
        command.add_argument("paths", nargs="+", metavar="PATH", help="a folder, or a run's file")
        command.add_argument("--metric", help="such as val/auc; by default chosen from the runs")
        command.add_argument("--mode", choices=["max", "min"], help="by default that of the metric")
        backend = "only runs of this backend, such as jsonl; may be repeated"
        command.add_argument("--backend", action="append", metavar="NAME", help=backend)
        formats = ["table", "json", "csv", "markdown"]
        command.add_argument("--format", choices=formats, default="table")
    comparing.add_argument("--top", type=int, metavar="N", help="show the best N rows only")
    ignore = "a hyper-parameter that does not count as a difference; may be repeated"
    comparing.add_argument("--ignore", action="append", default=[], metavar="KEY", help=ignore)
    comparing.add_argument("--plot", metavar="FILE", help="draw the curves: FILE.png or FILE.html")
    _add_serve(commands.add_parser("serve", help="serve a bundle over HTTP", description=_SERVE))
    return parser


def _add_serve(serving: argparse.ArgumentParser) -> None:
    """Add the options of `rechub serve`; absent ones have the defaults of `Settings`."""
    serving.set_defaults(run=_serve)
    serving.argument_default = argparse.SUPPRESS
    add = serving.add_argument
    add("bundle", metavar="BUNDLE", help="the folder of a bundle")
    add("--host", metavar="ADDRESS", help="where to listen; by default this machine only")
    add("--port", type=int, metavar="N", help="8000 by default; 0 takes a free one")
    add("--token-file", metavar="FILE", help="a file that holds the token")
    add("--watch", action="store_true", help="load the bundle again when its folder is replaced")
    add("--device", help="the device of the model, such as cuda; cpu by default")
    add("--threads", type=int, metavar="N", help="threads of torch; 1 by default")
    add("--max-batch-rows", type=int, metavar="N", help="rows computed together at most; 1024")
    wait = "milliseconds in which an idle model waits for more requests; 0"
    add("--max-wait-ms", type=float, metavar="MS", help=wait)
    add("--max-body-bytes", type=int, metavar="N", help="size of a request; 8 MiB")
    add("--max-rows", type=int, metavar="N", help="rows or users of a request; 10,000")
    add("--max-k", type=int, metavar="N", help="recommendations per user; 1000")
    add("--max-queue", type=int, metavar="N", help="requests in progress, then 503; 1024")
    add("--timeout", dest="timeout_s", type=float, metavar="S", help="seconds per request; 30")
    grace = "seconds for requests in progress after SIGTERM; 30"
    add("--grace", dest="grace_s", type=float, metavar="S", help=grace)


def _runs(options: argparse.Namespace) -> None:
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
        _show(run_table(records, metric), options.format)
    else:
        _write(json_text(records) if options.format == "json" else csv_text(records))


def _compare(options: argparse.Namespace) -> None:
    if options.top is not None and options.top < 1:
        raise ValueError(f"--top must be at least 1, got {options.top}")
    if options.plot:
        refuse_other_formats(options.plot)  # check the format before reading runs
    runs = read_runs(options.paths, options.backend)
    if not runs:
        raise no_runs(options.paths)
    found = compare(runs, options.metric, options.mode, options.ignore)
    rows = found.rows[: options.top]
    if options.format == "json":
        _write(json_text({**found.to_dict(), "rows": found.to_records()[: options.top]}))
    elif options.format == "csv":
        _write(csv_text(found.to_records()[: options.top]))
    else:
        _show(comparison_table(found, rows), options.format)
        if options.format == "table":
            _write(_summary(found, len(rows)))
    if options.plot:
        plot(found, options.plot)
        sys.stderr.write(f"rechub: curves drawn in {shown(options.plot)}\n")


def _serve(options: argparse.Namespace) -> None:
    from .server import Settings, serve  # needs torch, and the extra serve

    given = dict(vars(options))
    del given["run"]
    bundle, file = given.pop("bundle"), given.pop("token_file", None)
    token = os.environ.get("RECHUB_TOKEN") or None
    if file is not None:
        with open(file, encoding="utf-8") as stream:
            token = stream.read().strip()
    log = logging.getLogger("torch_rechub")
    level = log.level
    log.setLevel(logging.INFO)  # the address, and reloads
    try:
        serve(bundle, Settings(token=token, **given))
    finally:
        log.setLevel(level)


def _summary(found: Comparison, rows: int) -> str:
    metric = shortened(shown(found.metric), 80)
    n = sum(row.n for row in found.rows)
    largest = "largest" if found.mode == "max" else "smallest"
    text = f"\n{metric}, {largest} is best; {n} runs in {len(found.rows)} rows"
    text += f", {rows} shown" if rows < len(found.rows) else ""
    if found.without_metric:
        text += f"; {len(found.without_metric)} runs without it"
    return text + "\n"


def _show(table: Table, form: str) -> None:
    if form == "markdown":
        _write(markdown(table))
        return
    terminal = sys.stdout.isatty()
    text, left_out = aligned(
        table,
        shutil.get_terminal_size().columns if terminal else None,
        _colored if terminal and not os.environ.get("NO_COLOR") else None,
    )
    _write(text)
    if left_out:
        names = ", ".join(shortened(name, 80) for name in left_out)
        _write(f"\nno room for: {names} (--format json or csv has all)\n")


def _colored(column: str, text: str) -> str:
    if text.strip() == column:
        return f"\x1b[1m{text}\x1b[0m"
    code = _COLORS.get(text.strip()) if column == "status" else None
    return f"\x1b[{code}m{text}\x1b[0m" if code else text


def _write(text: str) -> None:
    sys.stdout.write(text)
