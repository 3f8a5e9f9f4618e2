"""Arguments that several commands share: paths, backends, a metric, formats and a token."""

import argparse
import os

from ..runs import Runs, read_runs
from ..runs.reading import no_runs


def add_paths(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that select runs."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a folder, or a run's file")
    add_backend(parser)


def add_backend(parser: argparse.ArgumentParser) -> None:
    """Add the option that selects trackers."""
    text = "only runs of this backend, such as jsonl; may be repeated"
    parser.add_argument("--backend", action="append", metavar="NAME", help=text)


def add_metric(parser: argparse.ArgumentParser) -> None:
    """Add the options that select a metric and its direction."""
    parser.add_argument("--metric", help="such as val/auc; by default chosen from the runs")
    parser.add_argument("--mode", choices=["max", "min"], help="by default that of the metric")


def add_format(parser: argparse.ArgumentParser, *formats: str) -> None:
    """Add the option that selects the format of the output; the first one is the default."""
    parser.add_argument("--format", choices=formats, default=formats[0])


def add_token_file(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the file of a token."""
    parser.add_argument("--token-file", metavar="FILE", help="a file that holds the token")


def selected_runs(options: argparse.Namespace) -> Runs:
    """Read the runs that the arguments of `add_paths` select.

    Raises:
        FileNotFoundError: A path does not exist.
        ValueError: There are none, or no reader is installed for a backend.
    """
    runs = read_runs(options.paths, options.backend)
    if not runs:
        raise no_runs(options.paths)
    return runs


def token_of(file: str | None) -> str | None:
    """Return the token that a file holds, or else the environment variable RECHUB_TOKEN, if any.

    Raises:
        OSError: The file cannot be read.
    """
    if file is None:
        return os.environ.get("RECHUB_TOKEN") or None
    with open(file, encoding="utf-8") as stream:
        return stream.read().strip()
