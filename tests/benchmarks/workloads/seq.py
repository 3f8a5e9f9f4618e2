"""Sequences of items with the time between them, for a model that predicts the next item.

python workloads/seq.py FILE --rows N --length L --seed S   writes them.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

VOCAB = 3_700  # ids of items; 0 is padding
DAY = 86_400
MODEL = {"d_model": 64, "n_heads": 2, "n_layers": 2, "dqk": 32, "dv": 32}


def make(rows: int, length: int, seed: int = 7) -> dict[str, Any]:
    """tokens, positions and seconds (N, L), targets (N,); full sequences, uniform."""
    rng = np.random.default_rng(seed)
    return {
        "tokens": rng.integers(1, VOCAB, (rows, length)),
        "positions": np.tile(np.arange(length), (rows, 1)),
        "seconds": rng.integers(0, DAY, (rows, length)),
        "targets": rng.integers(1, VOCAB, rows),
    }


def load(path: Path) -> dict[str, Any]:
    """Read what was written."""
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("file", type=Path)
    arguments.add_argument("--rows", type=int, required=True)
    arguments.add_argument("--length", type=int, default=100)
    arguments.add_argument("--seed", type=int, default=7)
    given = arguments.parse_args()
    np.savez(given.file, **make(given.rows, given.length, given.seed))
