"""``rechub serve``: serve a bundle over HTTP."""

import argparse
import logging
from typing import Any

from .selection import add_token_file, token_of

_DESCRIPTION = (
    "Serve a bundle, which trainer.save wrote, over HTTP: POST /predict or /recommend, POST "
    "/reload, GET /health, /metrics, /schema and /docs. SIGHUP loads the bundle again; SIGTERM "
    "answers the requests in progress and stops. With a token, in the environment variable "
    "RECHUB_TOKEN or in a file, requests need the header 'Authorization: Bearer TOKEN'."
)


def add(commands: Any) -> None:
    """Add the command to the sub-parsers of `rechub`."""
    _add_options(
        commands.add_parser("serve", help="serve a bundle over HTTP", description=_DESCRIPTION)
    )


def _add_options(serving: argparse.ArgumentParser) -> None:
    """Add the options; absent ones have the defaults of `Settings`."""
    serving.set_defaults(run=_run)
    serving.argument_default = argparse.SUPPRESS
    add = serving.add_argument
    add("bundle", metavar="BUNDLE", help="the folder of a bundle")
    add("--host", metavar="ADDRESS", help="where to listen; by default this machine only")
    add("--port", type=int, metavar="N", help="8000 by default; 0 takes a free one")
    add_token_file(serving)
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


def _run(options: argparse.Namespace) -> None:
    from ..server import Settings, serve  # needs torch, and the extra serve

    given = dict(vars(options))
    del given["run"]
    bundle, token = given.pop("bundle"), token_of(given.pop("token_file", None))
    log = logging.getLogger("torch_rechub")
    level = log.level
    log.setLevel(logging.INFO)  # the address, and reloads
    try:
        serve(bundle, Settings(token=token, **given))
    finally:
        log.setLevel(level)
