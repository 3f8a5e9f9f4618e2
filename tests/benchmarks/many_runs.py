"""Writes thousands of runs as `JSONLLogger` does, and measures how they are listed and served.

python tests/benchmarks/many_runs.py --runs 10000

The runs are written to a temporary folder. The answer is one JSON line: seconds and MB of ``rechub
runs``; seconds from the start of ``rechub ui`` to its address, to the first rows and until all runs
are read; seconds of the answers that a first page then needs.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from random import Random
from typing import Any
from urllib.request import urlopen

from torch_rechub.basic.tracking.json_lines import SUFFIX, json_line

MODELS = ("DeepFM", "DCNv2", "AutoInt", "WideDeep")
START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def write_runs(folder: Path, n: int, epochs: int = 20, per_folder: int = 500) -> None:
    """Write runs of a sweep over four models, with 30 hyper-parameters and six metrics each."""
    for number in range(n):
        below = folder / f"sweep-{number // per_folder}"
        below.mkdir(parents=True, exist_ok=True)
        lines = [json_line({"v": 1, **record}) for record in _records(number, epochs)]
        (below / f"run-{number:05}{SUFFIX}").write_bytes(b"".join(lines))


def _records(number: int, epochs: int) -> list[dict[str, Any]]:
    random = Random(number)
    start, params = START + timedelta(minutes=number), _hyperparams(number)
    about = {"id": f"{number:08x}", "name": f"{params['model']}-{number}", "project": "sweep"}
    records = [
        {"event": "start", "time": start.isoformat(), **about, "tags": [], "notes": None},
        {"event": "hyperparams", "time": start.isoformat(), "hyperparams": params},
    ]
    for epoch in range(epochs):
        time, noise = start + timedelta(seconds=epoch, microseconds=7), random.gauss(0, 0.01)
        metrics = {
            "train/loss": 0.7 / (epoch + 1) + noise,
            "learning_rate": params["learning_rate"] * 0.9**epoch,
            "val/loss": 0.6 / (epoch + 1) - noise,
            "val/auc": 0.8 - 0.3 / (epoch + 1) + noise,
            "val/gauc": 0.75 - 0.3 / (epoch + 1) + noise,
            "val/log_loss": 0.5 + noise,
        }
        event = {"event": "metrics", "time": time.isoformat(), "step": epoch, "metrics": metrics}
        records.append(event)
    failed = number % 50 == 49
    error = "FloatingPointError: the loss is nan" if failed else None
    status = "failed" if failed else "finished"
    ended = (start + timedelta(seconds=epochs)).isoformat()
    return [*records, {"event": "finish", "time": ended, "status": status, "error": error}]


def _hyperparams(number: int) -> dict[str, Any]:
    optimizer = {"betas": [0.9, 0.999], "eps": 1e-08, "amsgrad": False, "maximize": False}
    return {
        "model": MODELS[number % len(MODELS)],
        "seed": number % 5,
        "learning_rate": 10.0 ** -(2 + number // 5 % 4),
        "batch_size": 256 * 2 ** (number // 20 % 4),
        "optimizer": "Adam",
        "optimizer_params": optimizer,
        "versions": {"python": "3.11.7", "rechub-core": "1.0.0", "torch": "2.13.0"},
        "metrics": ["auc", "gauc", "log_loss"],
        "monitor": "val/auc",
        "monitor_direction": "max",
        "mlp/dims": [64, 32],
        "mlp/dropout": number // 80 % 3 / 10,
        "torch_seed": 17777205724385211723 + number,
        "run_id": f"{number:012x}",
        **{f"setting_{n}": (None, True, 0.5, "relu", n)[n % 5] for n in range(14)},
    }


def measure_listing(folder: Path) -> dict[str, float]:
    """The seconds, also of the CPU, and the memory of ``rechub runs``."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "torch_rechub", "runs", str(folder)]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    assert status == 0
    return {
        "runs_s": time.perf_counter() - began,
        "runs_cpu_s": usage.ru_utime + usage.ru_stime,
        "runs_mb": usage.ru_maxrss / 1024,
    }


def measure_page(folder: Path) -> dict[str, float]:
    """The seconds until the page of ``rechub ui`` has its address, first rows and all runs."""
    command = [sys.executable, "-m", "torch_rechub", "ui", str(folder), "--port", "0"]
    began = time.perf_counter()
    found: dict[str, float] = {}
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        match = re.search(r"http://\S+/", child.stdout.readline())
        assert match
        found["address_s"] = time.perf_counter() - began
        while not _first_page(match[0])["rows"]:
            time.sleep(0.01)
        found["first_rows_s"] = time.perf_counter() - began
        while _answer(match[0] + "api/state")["reading"]:
            time.sleep(0.1)
        found["all_runs_s"] = time.perf_counter() - began
        for name in ("first_page_s", "next_page_s"):
            began = time.perf_counter()
            _first_page(match[0])
            found[name] = time.perf_counter() - began
    finally:
        child.send_signal(signal.SIGINT)
        _, _, usage = os.wait4(child.pid, 0)
    return {**found, "page_mb": usage.ru_maxrss / 1024}


def _first_page(url: str) -> Any:
    """Ask for what the page asks when it is opened, and return the rows."""
    for file in ("", "main.js", "table.js", "base.css", "api/state", "api/keys?limit=5"):
        with urlopen(url + file) as answer:
            answer.read()
    columns = _answer(url + "api/columns")["shown"]
    names = "%1f".join(columns).replace(" ", "%20")
    return _answer(f"{url}api/runs?sort=started&order=desc&limit=100&columns={names}")


def _answer(url: str) -> Any:
    with urlopen(url) as answer:
        return json.load(answer)


def main() -> None:
    """Write the runs, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        write_runs(Path(name), options.runs)
        found = {**measure_listing(Path(name)), **measure_page(Path(name))}
        print(json.dumps({"runs": options.runs, **{n: round(v, 2) for n, v in found.items()}}))


if __name__ == "__main__":
    main()
