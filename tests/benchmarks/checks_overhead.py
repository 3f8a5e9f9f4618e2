"""Times the checks of a table before training against the first epoch of DeepFM on it.

python tests/benchmarks/checks_overhead.py --rows 10000000

Checks and steps are measured in turns, in CPU time of one thread. The epoch is extrapolated from
`--steps` steps of 2048 rows, which leaves out its validation. The answer is one JSON line.
"""

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable

import torch

from torch_rechub.basic.features import DenseFeature, SparseFeature
from torch_rechub.models.ranking import DeepFM
from torch_rechub.trainers import CTRTrainer
from torch_rechub.utils.data import DataGenerator

BATCH, VOCABULARY, N_IDS, N_DENSE = 2048, 10_000, 26, 13


def make_trainer(rows: int, seed: int) -> tuple[CTRTrainer, torch.utils.data.DataLoader]:
    """A trainer of DeepFM, and the loader of a table of 26 columns of ids and 13 of floats."""
    torch.manual_seed(seed)
    x = {f"id_{i}": torch.randint(0, VOCABULARY, (rows,)) for i in range(N_IDS)}
    x |= {f"dense_{i}": torch.rand(rows) for i in range(N_DENSE)}
    y = torch.randint(0, 2, (rows,)).float()
    ids = [SparseFeature(f"id_{i}", VOCABULARY, embed_dim=16) for i in range(N_IDS)]
    dense = [DenseFeature(f"dense_{i}") for i in range(N_DENSE)]
    model = DeepFM([*dense, *ids], ids, {"dims": [256, 128]})
    loader, _, _ = DataGenerator(x, y).generate_dataloader(batch_size=BATCH)
    trainer = CTRTrainer(model, n_epoch=1, model_path=tempfile.mkdtemp(), progress=False)
    return trainer, loader


def cpu_seconds(run: Callable[[], object]) -> float:
    """The CPU time of a call."""
    started = time.process_time()
    run()
    return time.process_time() - started


def measure(rows: int, steps: int, rounds: int, seed: int) -> dict[str, float]:
    """The times of checks and of an epoch, each the median of rounds, in CPU seconds."""
    trainer, loader = make_trainer(rows, seed)
    order = torch.randperm(rows)[: steps * BATCH]
    batches = [loader.dataset[part] for part in order.split(BATCH)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    trainer.batches.verify("train_dataloader", loader, trainer.check_labels)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
    trainer.train_one_epoch(batches[:5])
    checks, epochs = [], []
    for _ in range(rounds):
        checks.append(
            cpu_seconds(
                lambda: trainer.batches.verify("train_dataloader", loader, trainer.check_labels)
            )
        )
        epochs.append(cpu_seconds(lambda: trainer.train_one_epoch(batches)) * rows / len(order))
    found = {"checks": statistics.median(checks), "epoch": statistics.median(epochs)}
    return {
        "rows": rows,
        "columns": N_IDS + N_DENSE,
        **found,
        "share": found["checks"] / found["epoch"],
        "peak memory of checks, MiB": grown / 1024,
    }


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=10_000_000)
    arguments.add_argument("--steps", type=int, default=100)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--seed", type=int, default=7)
    torch.set_num_threads(1)
    print(json.dumps(measure(**vars(arguments.parse_args()))))
