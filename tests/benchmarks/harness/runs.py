"""Runs in turns: A B C A B C …, each in a process of its own that answers with a JSON line."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .environments import EnvironmentUnavailable, python_of
from .jobs import Job, Peer, Point

BENCHMARKS = Path(__file__).parents[1]
_SAID = 8  # lines of a failed run's standard error that are kept


THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")


@dataclass(frozen=True)
class Settings:
    """The settings that all runs of a session share."""

    rounds: int
    threads: int
    batch: int
    epochs: int
    timeout: float


@dataclass(frozen=True)
class Run:
    """One run: its place in the sweep, and the answer or the error."""

    point: str
    peer: str
    round: int
    answer: dict[str, Any] | None = None
    error: str | None = None

    def value(self, key: str) -> float | None:
        """A figure of the answer, None where there is none."""
        found = (self.answer or {}).get(key)
        return None if found is None else float(found)


def interpreters(peers: Sequence[Peer]) -> tuple[dict[str, Path], dict[str, str]]:
    """The interpreter of each peer, and why a peer has none."""
    found: dict[str, Path] = {}
    absent: dict[str, str] = {}
    for peer in peers:
        try:
            found[peer.name] = python_of(peer.environment)
        except EnvironmentUnavailable as error:
            absent[peer.name] = str(error)
    return found, absent


def alternate(
    job: Job,
    points: Sequence[Point],
    peers: Sequence[Peer],
    pythons: Mapping[str, Path],
    settings: Settings,
) -> Iterator[Run]:
    """All runs, point by point, round by round, peer by peer.

    A peer that fails at a point is not run there again. Peers train from the seed of the round.
    """
    with tempfile.TemporaryDirectory(prefix="rechub-bench-") as scratch:
        for index, point in enumerate(points):
            data = Path(scratch, f"{index}.npz")
            _write_data(job, point, data)
            failed: set[str] = set()
            for number in range(settings.rounds):
                for peer in peers:
                    if peer.name in failed:
                        continue
                    command = _command(job, point, peer, pythons[peer.name], data, settings)
                    answer, error = _finish([*command, "--seed", str(number)], peer, settings)
                    if error:
                        failed.add(peer.name)
                    yield Run(point.title, peer.name, number, answer, error)
            data.unlink()


def _write_data(job: Job, point: Point, data: Path) -> None:
    script = str(BENCHMARKS / "workloads" / job.workload)
    subprocess.run([sys.executable, script, str(data), *point.data], check=True)


def _command(
    job: Job, point: Point, peer: Peer, python: Path, data: Path, settings: Settings
) -> list[str]:
    shared = {
        "--data": str(data),
        "--batch": str(settings.batch),
        "--epochs": str(settings.epochs),
        "--threads": str(settings.threads),
        "--options": json.dumps(peer.options),
    }
    script = str(BENCHMARKS / "peers" / peer.script)
    arguments = [word for pair in shared.items() for word in pair]
    return [str(python), script, *arguments, *peer.arguments, *point.arguments]


def _finish(
    command: list[str], peer: Peer, settings: Settings
) -> tuple[dict[str, Any] | None, str | None]:
    """The answer of a run, or its error."""
    with tempfile.TemporaryDirectory(prefix="rechub-bench-") as scratch:
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=settings.timeout,
                check=False,
                cwd=scratch,
                env=_variables(peer, settings.threads, scratch),
            )
        except subprocess.TimeoutExpired:
            return None, f"took longer than {settings.timeout:g} s; --timeout allows more"
    if done.returncode:
        return None, "\n".join(done.stderr.strip().splitlines()[-_SAID:]) or (
            f"ended with status {done.returncode} without a word"
        )
    return json.loads(done.stdout.strip().splitlines()[-1]), None


def _variables(peer: Peer, threads: int, scratch: str) -> dict[str, str]:
    """The environment variables of a run.

    A peer in an environment of its own must not see this one's packages through PYTHONPATH: ours
    would come before its own of the same name. Temporary files of a run are removed with it.
    """
    variables = dict(os.environ)
    inherited = variables.get("PYTHONPATH") if peer.environment is None else None
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, [str(BENCHMARKS), inherited]))
    variables.update(dict.fromkeys(THREADS, str(threads)))
    variables.update(dict.fromkeys(("TMPDIR", "TMP", "TEMP"), scratch))
    return variables
