"""Writes thousands of runs as `JSONLLogger` does, and measures how they are listed and served.

``python tests/benchmarks/many_runs.py 10000`` writes them to a temporary folder, then prints the
seconds and the memory of ``rechub runs``, and of the first page of ``rechub ui``.
"""

import random
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

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
    random_number = random.Random(number)
    start, params = START + timedelta(minutes=number), _hyperparams(number)
    about = {"id": f"{number:08x}", "name": f"{params['model']}-{number}", "project": "sweep"}
    records = [
        {"event": "start", "time": start.isoformat(), **about, "tags": [], "notes": None},
        {"event": "hyperparams", "time": start.isoformat(), "hyperparams": params},
    ]
    for epoch in range(epochs):
        time, noise = start + timedelta(seconds=epoch, microseconds=7), random_number.gauss(0, 0.01)
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
