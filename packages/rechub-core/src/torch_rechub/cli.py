"""The command ``rechub``: lists and compares recorded runs of all backends; serves bundles."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from importlib import metadata
from typing import NoReturn

from ._shown import shown
from ._streams import usable_streams
from .commands import compare, copy, diff, runs, serve, ui
from .runs.readers import available_readers

_EXAMPLES = """examples:
  rechub runs runs/                              what was recorded there
  rechub compare runs/ --metric val/auc          which settings did best, over seeds
  rechub compare runs/ wandb/ --plot curves.html the curves over each other
  rechub compare runs/ --format csv > runs.csv   for a spreadsheet
  rechub compare runs/ --test                    is the best really better than the others
  rechub diff A B --in runs/                     why two runs differ
  rechub ui runs/                                a page in the browser that grows with them
  rechub copy runs/ --to mlflow --out mlruns/    the same runs in another tracker
  rechub serve bundle/ --port 8000               predictions of a saved model over HTTP
"""
_COMMANDS = (runs, compare, diff, ui, copy, serve)


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
    for command in _COMMANDS:
        command.add(commands)
    return parser
