"""Training from shards, for tests of continuing within an epoch; also run as a script.

python streamed_training.py SHARDS FOLDER   trains in folders there, in processes that it kills.
"""

import os
import random
import signal
import sys
import time

import numpy as np
import pyarrow as pa
import torch

from torch_rechub.basic.features import SequenceFeature, SparseFeature
from torch_rechub.data.streaming import ShardWriter, StreamingLoader
from torch_rechub.models.ranking import DeepFM
from torch_rechub.trainers import CTRTrainer
from torch_rechub.utils.data import DataGenerator

ROWS, EPOCHS, EVERY = 700, 3, 5
FIELDS = [
    SparseFeature("user", 40, embed_dim=4),
    SparseFeature("item", 30, embed_dim=4),
    SequenceFeature("history", 30, embed_dim=4, pooling="mean", shared_with="item", padding_idx=0),
]


def write_shards(folder, rows=ROWS):
    generator = np.random.default_rng(0)
    user, item = generator.integers(0, 40, rows), generator.integers(1, 30, rows)
    table = pa.table(
        {
            "user": user.astype(np.int32),
            "item": item.astype(np.int32),
            "history": [generator.integers(1, 30, n).tolist() for n in user % 4],
            "click": ((user + item) % 2).astype(np.float32),
            "weight": generator.random(rows, dtype=np.float32),
        }
    )
    with ShardWriter(folder, ["click"], "weight", rows_per_part=300, rows_per_group=50) as writer:
        writer.write(table)
    return folder


def make(shards, folder, *, batch_size=64, num_workers=0, **options):
    """A trainer with dropout, an embedding table that is updated lazily, and loaders."""
    for seed in (torch.manual_seed, np.random.seed, random.seed):
        seed(3)
    model = DeepFM(FIELDS, FIELDS[:2], {"dims": [8], "dropout": 0.3})
    options = {
        "optimizer_params": {"lr": 0.02, "weight_decay": 0.0},
        "scheduler_fn": "linear",
        "scheduler_params": {"warmup": 0.2},
        "checkpoint_steps": EVERY,
        "embedding_update": "lazy",
        "n_epoch": EPOCHS,
        "progress": False,
        **options,
    }
    trainer = CTRTrainer(model, model_path=folder, **options)
    if shards is None:
        return (trainer,)
    loader = StreamingLoader(shards, batch_size, shuffle=True, num_workers=num_workers)
    return trainer, loader, StreamingLoader(shards, 300)


def table_loaders(group_column=None):
    """Shuffled training data and validation data in memory."""
    generator = np.random.default_rng(0)
    x = {name: generator.integers(1, 30, ROWS) for name in ("user", "item")}
    x["history"] = generator.integers(0, 30, (ROWS, 3))
    y = ((x["user"] + x["item"]) % 2).astype(np.float32)
    few = {name: column[:100] for name, column in x.items()}
    loaders = DataGenerator(x, y).generate_dataloader(
        few, y[:100], batch_size=64, group_column=group_column
    )
    return loaders[:2]


class Reports:
    """A callback that writes a byte to a pipe after each step."""

    def __init__(self, pipe):
        self.pipe = pipe

    def on_step(self, number, losses):
        os.write(self.pipe, b".")


def killed(shards, folder, instants):
    """Train in a process of its own, and kill it some steps later; return whether it was killed."""
    steps, report = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            trainer, *loaders = make(shards, folder, callbacks=[Reports(report)])
            trainer.fit(*loaders, resume=True)
            os._exit(0)
        finally:
            os._exit(1)
    os.close(report)
    for _ in range(instants.randrange(1, 4 * EVERY)):
        if not os.read(steps, 1):
            break
    else:
        time.sleep(instants.uniform(0, 0.02))  # in a step, a checkpoint, or a row group
        os.kill(child, signal.SIGKILL)
    os.close(steps)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL), f"training ended with status {status}"
    return status != 0


def main(shards, folder):
    """Train until ten processes were killed and the last run is complete; print the runs."""
    trainer, *loaders = make(shards, f"{folder}/first", n_epoch=1)
    trainer.fit(*loaders, resume=True)  # so that no other process has to import what it imports
    instants, kills, runs = random.Random(7), 0, 0
    while kills < 10:
        runs += 1
        while killed(shards, f"{folder}/{runs}", instants):
            kills += 1
    print(runs)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*sys.argv[1:])
