"""A click log in the form of Criteo's: a label, 13 numbers with holes, 26 texts of 8 characters.

python workloads/criteo.py FILE --rows N --seed S   writes it, tab separated, without names.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

NUMBERS = [f"I{i}" for i in range(1, 14)]
CATEGORIES = [f"C{i}" for i in range(1, 27)]
NAMES = ["label", *NUMBERS, *CATEGORIES]

# distinct values of each category, and the share of missing cells of each number, about those of
# the Kaggle data
SIZES = (
    1_400, 550, 900_000, 300_000, 300, 20, 12_000, 600, 3, 80_000, 5_500, 700_000, 3_100, 26,
    11_000, 500_000, 10, 5_300, 2_100, 4, 600_000, 17, 15, 130_000, 100, 90_000,
)  # fmt: skip
HOLES = (0.45, 0.0, 0.2, 0.2, 0.03, 0.2, 0.05, 0.0, 0.05, 0.45, 0.05, 0.75, 0.2)
HOLES_OF_CATEGORIES = 0.05
BLOCK = 250_000


def make(rows: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return rows of the log; frequencies of values fall as 1 / rank."""
    columns: dict[str, object] = {"label": (rng.random(rows) < 0.26).astype(np.int8)}
    for i, name in enumerate(NUMBERS):
        number = pd.array(np.floor(rng.lognormal(1 + i % 4, 1.5, rows)).astype(np.int64), "Int64")
        number[rng.random(rows) < HOLES[i]] = pd.NA
        columns[name] = number
    for i, (name, size) in enumerate(zip(CATEGORIES, SIZES, strict=True)):
        rank = (size ** rng.random(rows)).astype(np.int64)
        code, place = np.unique(rank * 2654435761 * (i + 7) % 2**32, return_inverse=True)
        text = np.array([f"{value:08x}" for value in code.tolist()], dtype=object)[place]
        text[rng.random(rows) < HOLES_OF_CATEGORIES] = None
        columns[name] = text
    return pd.DataFrame(columns)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("file", type=Path)
    arguments.add_argument("--rows", type=int, required=True)
    arguments.add_argument("--seed", type=int, default=7)
    given = arguments.parse_args()
    generator = np.random.default_rng(given.seed)
    for start in range(0, given.rows, BLOCK):
        frame = make(min(BLOCK, given.rows - start), generator)
        frame.to_csv(given.file, sep="\t", header=False, index=False, mode="a" if start else "w")
