"""``rechub ui``: a live page of runs in the browser."""

import argparse
import gc
import logging
import sys
import threading
import webbrowser
from typing import Any

from .._hosts import is_loopback
from .._shown import shown
from .output import write
from .selection import add_paths, add_token_file, token_of

_DESCRIPTION = (
    "Show runs on a page in the browser: a table to filter and sort, curves that grow while "
    "training goes on, and all that was recorded of a run. The page is served to this machine "
    "only, reads and never writes, and needs no other machine. With another --host, or with a "
    "token in the environment variable RECHUB_TOKEN or in a file, the page needs a token; the "
    "address that is printed has it."
)
_PORT = 8090
_SWITCH = 0.001  # seconds; so that the page is answered quickly while thousands of runs are read


def add(commands: Any) -> None:
    """Add the command to the sub-parsers of `rechub`."""
    parser = commands.add_parser(
        "ui", help="show runs on a live page in the browser", description=_DESCRIPTION
    )
    parser.set_defaults(run=_run)
    add_paths(parser)
    add_token_file(parser)
    add = parser.add_argument
    add("--host", default="127.0.0.1", metavar="ADDRESS", help="by default this machine only")
    add("--port", type=int, default=_PORT, metavar="N", help="8090 by default; 0 takes a free one")
    add("--open", action="store_true", help="open the page in the browser")


def _run(options: argparse.Namespace) -> None:
    from ..ui import Answers, LiveRuns, UIServer
    from ..ui.problems import Problems
    from ..ui.server import new_token

    if not 0 <= options.port <= 65535:
        raise ValueError(f"--port must be in [0, 65535], got {options.port}")
    token = _checked(token_of(options.token_file))
    if token is None and not is_loopback(options.host):
        token = new_token()
    with Problems() as problems:
        live = LiveRuns(options.paths, options.backend)
        answers = Answers(live, problems.texts)
        server = _bound(UIServer, answers, options, token)
        sys.setswitchinterval(_SWITCH)
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        try:
            live.start(lambda: _settle(answers))
            serving.start()
            _announce(server.url, token, is_loopback(options.host), options.open)
            while serving.is_alive():
                serving.join(0.5)
        except KeyboardInterrupt:
            write("stopped\n")
        finally:
            live.stop()
            if serving.is_alive():
                server.shutdown()
            server.server_close()


def _settle(answers: Any) -> None:
    answers.prepare()
    # the collector would look through all runs for cycles again and again, and find none
    gc.freeze()


def _bound(make: Any, answers: Any, options: argparse.Namespace, token: str | None) -> Any:
    try:
        return make(answers, options.host, options.port, token)
    except OSError as error:
        where = f"{options.host}:{options.port}"
        remedy = "choose another --port, or 0 for a free one"
        raise OSError(f"cannot listen at {where}: {error.strerror or error}; {remedy}") from error


def _checked(token: str | None) -> str | None:
    if token is not None and not (len(token) >= 8 and token.isascii() and token.isprintable()):
        raise ValueError("the token must have at least 8 characters, all of them ASCII")
    return token


def _announce(url: str, token: str | None, loopback: bool, browser: bool) -> None:
    from urllib.parse import quote

    address = url if token is None else f"{url}?token={quote(token)}"
    if not loopback:
        logging.getLogger("torch_rechub.ui").warning(
            "other machines can reach this page: whoever has its address with the token can read "
            "the runs, and the connection is not encrypted"
        )
    write(f"rechub ui: {shown(address)}   (Ctrl-C stops it)\n")
    sys.stdout.flush()
    if browser:
        webbrowser.open(address)
