"""Times `StreamingLoader` against the loader of a table in memory: alone, and in training DeepFM.

python tests/benchmarks/streaming.py --rows 1000000

Data of the form of Criteo: 26 columns of int32 ids, Zipf-distributed, 1 M ids in all, 13 columns of
float32 and a label, in shards of 250,000 rows; batches of 2048 shuffled rows. Both loaders run in
turns, in CPU time of one thread and its reading thread. The answer is one JSON line: rows per
CPU second, and the ratio of each round, streamed to in memory.
"""

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from torch_rechub.basic.features import DenseFeature, SparseFeature
from torch_rechub.data.streaming import ShardedTable, ShardWriter
from torch_rechub.models.ranking import DeepFM
from torch_rechub.trainers import CTRTrainer
from torch_rechub.utils.data import DataGenerator

BATCH, N_IDS, N_DENSE, VOCABULARY = 2048, 26, 13, 1_000_000 // 26


def make_table(rows: int, seed: int) -> dict[str, np.ndarray]:
    """The columns and the label."""
    rng = np.random.default_rng(seed)
    zipf = 1 / np.arange(1, VOCABULARY + 1)
    shares = zipf / zipf.sum()
    table = {
        f"id_{i}": rng.choice(VOCABULARY, rows, p=shares).astype(np.int32) for i in range(N_IDS)
    }
    table |= {f"dense_{i}": rng.random(rows, dtype=np.float32) for i in range(N_DENSE)}
    return table | {"click": (rng.random(rows) < 0.25).astype(np.float32)}


def make_trainer(seed: int) -> CTRTrainer:
    """A trainer of DeepFM with its defaults, and 1 M ids of width 16."""
    torch.manual_seed(seed)
    ids = [SparseFeature(f"id_{i}", VOCABULARY, embed_dim=16) for i in range(N_IDS)]
    dense = [DenseFeature(f"dense_{i}") for i in range(N_DENSE)]
    model = DeepFM([*dense, *ids], ids, {"dims": [256, 128]})
    options = {"optimizer_params": {"lr": 1e-3}, "n_epoch": 1, "progress": False}
    return CTRTrainer(model, model_path=tempfile.mkdtemp(), **options)


def cpu_seconds(run: Callable[[], object]) -> float:
    """The CPU time of a call, of all threads."""
    started = time.process_time()
    run()
    return time.process_time() - started


def in_turns(
    runs: dict[str, Callable[[], object]], rows: int, rounds: int
) -> dict[str, float | list[float]]:
    """Rows per CPU second, the median of rounds, and the ratios of rounds."""
    speeds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            speeds[name].append(rows / cpu_seconds(run))
    ratios = [a / b for a, b in zip(speeds["streamed"], speeds["in memory"], strict=True)]
    medians = {name: round(statistics.median(found)) for name, found in speeds.items()}
    return {**medians, "ratios": [round(ratio, 3) for ratio in ratios]}


def measure(rows: int, rounds: int, seed: int) -> dict[str, Any]:
    """Speeds of loading a table, and of training an epoch on it."""
    table, folder = make_table(rows, seed), tempfile.mkdtemp()
    with ShardWriter(folder, labels=["click"], rows_per_part=250_000) as writer:
        writer.write(pa.table(table))
    streamed = ShardedTable(folder).loader(BATCH, shuffle=True)
    x = {name: column for name, column in table.items() if name != "click"}
    memory, _, _ = DataGenerator(x, table["click"]).generate_dataloader(batch_size=BATCH)
    loaders: dict[str, Iterable[Any]] = {"streamed": streamed, "in memory": memory}
    trainer = make_trainer(seed)
    trainer.train_one_epoch(list(islice(memory, 5)))

    trainer.batches.verify("train_dataloader", memory, trainer.check_labels)  # as `fit` does

    def loads(loader: Iterable[Any]) -> Callable[[], object]:
        return lambda: sum(1 for _ in loader)

    def trains(loader: Iterable[Any]) -> Callable[[], object]:
        return lambda: trainer.train_one_epoch(loader)

    loading = in_turns({name: loads(one) for name, one in loaders.items()}, rows, rounds)
    training = in_turns({name: trains(one) for name, one in loaders.items()}, rows, rounds)
    return {
        "rows": rows,
        "loading, rows/CPU s": loading,
        "training, rows/CPU s": training,
        "peak memory, MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--seed", type=int, default=7)
    torch.set_num_threads(1)
    print(json.dumps(measure(**vars(arguments.parse_args()))))
