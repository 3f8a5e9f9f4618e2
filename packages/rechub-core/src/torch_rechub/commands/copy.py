"""``rechub copy``: record runs in another tracker."""

import argparse
import sys
from contextlib import redirect_stdout
from typing import Any

from .._shown import shown
from .output import write
from .selection import add_paths, selected_runs

_DESCRIPTION = (
    "Copy runs into another tracker, on this machine: steps, values and times, how each ended, "
    "hyper-parameters, groups and tags, texts, tables, histograms, figures and files, as far as "
    "the tracker stores them. A run that was copied before is left out, so the command can be "
    "repeated. 'wandb sync' and 'swanlab sync' upload copies to an account."
)
_TARGETS = ("wandb", "swanlab", "tensorboardx", "jsonl", "mlflow")


def add(commands: Any) -> None:
    """Add the command to the sub-parsers of `rechub`."""
    parser = commands.add_parser(
        "copy", help="copy runs into another tracker", description=_DESCRIPTION
    )
    parser.set_defaults(run=_run)
    add_paths(parser)
    add = parser.add_argument
    add("--to", required=True, choices=_TARGETS, help="the tracker")
    add("--out", metavar="FOLDER", help="the folder of the copies; by default that of the tracker")
    add("--project", metavar="NAME", help="the project of the copies; by default that of each run")


def _run(options: argparse.Namespace) -> None:
    from ..runs.copying import copy_runs

    runs = selected_runs(options)
    with redirect_stdout(sys.stderr):  # what SwanLab prints
        found = copy_runs(runs, options.to, options.out, options.project)
    write(f"{found.copied} runs copied to {options.to} in {shown(found.folder)}")
    write(f", {found.there} were there already\n" if found.there else "\n")
    for kind, count in sorted((+found.left_out).items()):
        write(f"left out, because {options.to} does not store it: {count} x {kind}\n")
    if found.failed:
        for path, error in found.failed.items():
            sys.stderr.write(f"rechub: {shown(path)} cannot be copied: {shown(error)}\n")
        raise ValueError(f"{len(found.failed)} of {len(runs)} runs could not be copied")
