"""A log of interactions, for loaders, sequence builders and samplers.

python workloads/data.py FILE --rows N --seed S   writes it.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

ITEMS = 3_700
INTERACTIONS_A_USER = 50


def make(rows: int, seed: int = 7) -> dict[str, Any]:
    """user_id, movie_id and timestamp, each (N,): about 50 interactions a user, in no order."""
    rng = np.random.default_rng(seed)
    return {
        "user_id": rng.integers(0, max(1, rows // INTERACTIONS_A_USER), rows),
        "movie_id": rng.integers(1, ITEMS, rows),
        "timestamp": rng.integers(0, 10**9, rows),
    }


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
