"""Times fingerprints of tables, and what a run records of its data against the epoch it precedes.

python tests/benchmarks/fingerprint.py --rows 10000000

The table has 26 columns of ids, half of them int32 and half int64, 13 of float32 and a label.
`whole` hashes every row, `recorded` is what a run records of a table of this size: a sample and the
sums of all columns; `recorded, split` the same of training, validation and test drawn at random.
Times are CPU seconds of all threads, and seconds of the clock; an epoch of DeepFM is extrapolated
from `--steps` steps of 2048 rows, without its validation. The answer is one JSON line.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

import torch

from torch_rechub.basic.features import DenseFeature, SparseFeature
from torch_rechub.data.fingerprint import fingerprint
from torch_rechub.models.ranking import DeepFM
from torch_rechub.trainers import CTRTrainer
from torch_rechub.training.reporting.identity import SAMPLED_ABOVE, describe_splits
from torch_rechub.utils.data import DataGenerator

BATCH, VOCABULARY, N_IDS, N_DENSE = 2048, 10_000, 26, 13
SHARES = [0.8, 0.1]


def make_generator(rows: int, seed: int) -> DataGenerator:
    """A table of 39 columns with a label."""
    torch.manual_seed(seed)
    kinds = (torch.int32, torch.int64)
    x = {f"id_{i}": torch.randint(0, VOCABULARY, (rows,), dtype=kinds[i % 2]) for i in range(N_IDS)}
    x |= {f"dense_{i}": torch.rand(rows) for i in range(N_DENSE)}
    return DataGenerator(x, torch.randint(0, 2, (rows,)).float())


def make_trainer(seed: int) -> CTRTrainer:
    """A trainer of DeepFM."""
    torch.manual_seed(seed)
    ids = [SparseFeature(f"id_{i}", VOCABULARY, embed_dim=16) for i in range(N_IDS)]
    dense = [DenseFeature(f"dense_{i}") for i in range(N_DENSE)]
    model = DeepFM([*dense, *ids], ids, {"dims": [256, 128]})
    return CTRTrainer(model, n_epoch=1, model_path=tempfile.mkdtemp(), progress=False)


def seconds(run: Callable[[], object], rounds: int) -> dict[str, float]:
    """The CPU time of a call, of all threads, and that of the clock: medians of rounds."""
    cpu, clock = [], []
    for _ in range(rounds):
        started = time.process_time(), time.perf_counter()
        run()
        cpu.append(time.process_time() - started[0])
        clock.append(time.perf_counter() - started[1])
    return {"cpu_s": statistics.median(cpu), "clock_s": statistics.median(clock)}


def measure(rows: int, steps: int, rounds: int, seed: int) -> dict[str, Any]:
    """The times of fingerprints and of an epoch."""
    data, trainer = make_generator(rows, seed), make_trainer(seed)
    loader, _, _ = data.generate_dataloader(batch_size=BATCH)
    names = ("train", "val", "test")
    parts = dict(zip(names, data.generate_dataloader(split_ratio=SHARES), strict=True))
    order = torch.randperm(rows)[: steps * BATCH]
    batches = [data.dataset[part] for part in order.split(BATCH)]
    trainer.train_one_epoch(batches[:5])
    of_steps = seconds(lambda: trainer.train_one_epoch(batches), rounds)["cpu_s"]
    epoch = of_steps * rows / len(order)
    calls: dict[str, Callable[[], object]] = {
        "whole": lambda: fingerprint(loader),
        "recorded": lambda: describe_splits({"train": loader}, SAMPLED_ABOVE),
        "recorded, split": lambda: describe_splits(parts, SAMPLED_ABOVE),
    }
    found = {name: seconds(call, rounds) for name, call in calls.items()}
    shares = {
        f"{name} / epoch": times["cpu_s"] / epoch
        for name, times in found.items()
        if name != "whole"
    }
    cores = len(os.sched_getaffinity(0))
    return {"rows": rows, "columns": N_IDS + N_DENSE, "cores": cores, "epoch_cpu_s": epoch,
            **found, **shares}  # fmt: skip


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=10_000_000)
    arguments.add_argument("--steps", type=int, default=50)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--seed", type=int, default=7)
    torch.set_num_threads(1)
    print(json.dumps(measure(**vars(arguments.parse_args()))))
