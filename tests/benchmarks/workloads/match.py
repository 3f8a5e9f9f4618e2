"""Pairs of users and items that met, for two towers trained with the other items of the batch.

python workloads/match.py FILE --rows N --seed S   writes them.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

USERS = {"user_id": 60_000, "age": 7}
ITEMS = {"item_id": 30_000, "category": 100}
DIM = 32
TOWER = [128, 64]
TEMPERATURE = 0.1


def make(rows: int, seed: int = 7) -> dict[str, Any]:
    """Columns of ids, uniform, each (N,): speed does not hang on what there is to learn."""
    rng = np.random.default_rng(seed)
    return {name: rng.integers(0, size, rows) for name, size in {**USERS, **ITEMS}.items()}


def load(path: Path) -> dict[str, Any]:
    """Read what was written."""
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("file", type=Path)
    arguments.add_argument("--rows", type=int, required=True)
    arguments.add_argument("--seed", type=int, default=7)
    given = arguments.parse_args()
    np.savez(given.file, **make(given.rows, given.seed))
