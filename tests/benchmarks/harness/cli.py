"""The command line: which job, which peers, how often, and where the report goes."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from .jobs import JOBS, Job, Peer, points
from .machine import cores, describe, machine
from .report import Session, progress, text, write_json
from .runs import Settings, alternate, interpreters

VOCABULARIES = {"ctr": [50_000, 1_000_000, 10_000_000], "tracking": [50_000]}


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    p = argparse.ArgumentParser(
        prog="bench", description="Compares this repository with its peers."
    )
    jobs = p.add_subparsers(dest="job", required=True)
    for job in JOBS.values():
        names = [peer.name for peer in job.peers]
        add = jobs.add_parser(job.name, help=job.title).add_argument
        add("--rounds", type=_positive, default=5, help="runs of each peer (default 5)")
        add("--peers", nargs="+", choices=names, default=names, metavar="PEER", help=_list(names))
        add("--rows", type=_positive, default=job.rows, help=f"rows of data (default {job.rows:,})")
        add("--batch", type=_positive, default=job.batch, help=f"default {job.batch}")
        add("--epochs", type=_positive, default=job.epochs, help=f"default {job.epochs}")
        add("--threads", type=_positive, default=cores(), help="default: all cores")
        add("--timeout", type=float, default=3600, help="seconds that a run may take")
        add("--out", type=Path, default=Path("runs/bench"), help="folder of the report")
        add("--ours-options", nargs="+", default=[], metavar="KEY=VALUE",
            help="arguments of our trainer, such as optimizer_params.lr=0.01")  # fmt: skip
        add("--ours", nargs="+", action="append", default=[], metavar="NAME KEY=VALUE",
            help="ours once more, as ours-NAME, with other arguments of the trainer")  # fmt: skip
        if job.name in VOCABULARIES:
            add("--vocab", type=_positive, nargs="+", default=VOCABULARIES[job.name])
        if job.name == "seq":
            add("--length", type=_positive, default=100, help="of the sequences")
    return p.parse_args(given)


def competing(job: Job, args: argparse.Namespace) -> tuple[list[Peer], list[str]]:
    """The peers asked for, and the names of those of ours that the others are compared with."""
    first = job.peers[0]
    peers = [
        replace(peer, options=options(args.ours_options)) if is_ours(peer, first) else peer
        for peer in job.peers
        if peer.name in args.peers
    ]
    more = [replace(first, name=f"ours-{n}", options=options(o)) for n, *o in args.ours]
    references = [peer for peer in peers if peer.name == first.name] + more
    if not references:
        raise SystemExit(
            f"nothing to compare with: add {first.name} to --peers, or --ours NAME KEY=VALUE"
        )
    others = [peer for peer in peers if peer.name != first.name]
    return [*references, *others], [peer.name for peer in references]


def is_ours(peer: Peer, first: Peer) -> bool:
    """Whether a peer runs this repository's code."""
    return peer.environment is None and peer.script == first.script


def main() -> None:
    """Make environments, run in turns, report."""
    args = arguments()
    job = JOBS[args.job]
    peers, references = competing(job, args)
    settings = Settings(args.rounds, args.threads, args.batch, args.epochs, args.timeout)
    pythons, absent = interpreters(peers)
    session = Session(
        job,
        [peer.name for peer in peers],
        references,
        args.rounds,
        {**asdict(settings), "rows": args.rows, "command": sys.argv[1:]},
        machine(),
        absent,
    )
    args.out.mkdir(parents=True, exist_ok=True)
    print(describe(session.machine), flush=True)
    runnable = [peer for peer in peers if peer.name in pythons]
    sweep = points(job, args.rows, tuple(getattr(args, "vocab", ())), getattr(args, "length", 0))
    for run in alternate(job, sweep, runnable, pythons, settings):
        session.runs.append(run)
        print(progress(run, job.metrics), flush=True)
        write_json(session, args.out / f"{job.name}.json")
    report = text(session)
    print(f"\n{report}")
    (args.out / f"{job.name}.md").write_text(report + "\n", encoding="utf-8")
    from .plot import plot  # matplotlib is wanted here alone

    plot(session, args.out / f"{job.name}.png")
    print(f"\nwritten: {args.out / job.name}.json, .md, .png")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {value}")
    return value


def options(pairs: Sequence[str]) -> dict[str, Any]:
    """Arguments written as KEY=VALUE: dots in a key open a dict, a value is JSON or a word."""
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise SystemExit(f"an argument of our trainer is KEY=VALUE, got {pair!r}")
        *outer, last = key.split(".")
        place = found
        for name in outer:
            place = place.setdefault(name, {})
        try:
            place[last] = json.loads(value)
        except json.JSONDecodeError:
            place[last] = value
    return found


def _list(names: Sequence[str]) -> str:
    return "any of " + ", ".join(names) + " (default: all)"
