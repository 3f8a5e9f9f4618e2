"""A click log of the shape of Criteo's: 26 categories, 13 numbers, and a known best AUC.

python workloads/ctr.py FILE --rows N --vocab V --seed S   writes it.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

# Vocabulary sizes of the 26 fields. Those from LARGE on are scaled so that all sum to the size
# asked for; the others stay as they are.
FIELDS = (
    1_460, 583, 1_000_000, 300_000, 305, 24, 12_517, 633, 3, 93_145, 5_683, 800_000, 3_194,
    27, 14_992, 500_000, 10, 5_652, 2_173, 4, 700_000, 18, 15, 200_000, 105, 100_000,
)  # fmt: skip
LARGE = 90_000
LONG_TAILED = 1_000  # fields with more ids than this follow Zipf's law, the others are uniform
CROSSED = 8  # fields whose latent vectors multiply in the truth, as in a factorization machine
NUMBERS = 13
TRAIN_SHARE = 0.8

CATEGORIES = [f"C{j}" for j in range(1, len(FIELDS) + 1)]
DENSE = [f"I{j}" for j in range(1, NUMBERS + 1)]

DIM = 16
HIDDEN = [256, 128]
LEARNING_RATE = 1e-3


@dataclass(frozen=True, eq=False)
class ClickLog:
    """Rows of a click log.

    Attributes:
        ids: (N, 26), int64, each field from 0; in memory column by column, as in a frame.
        numbers: (N, 13), float32 in [0, 1); likewise.
        labels: (N,), float32, 0 or 1.
        truth: (N,), the probability each label was drawn with.
        sizes: Number of ids of each field.
    """

    ids: npt.NDArray[np.int64]
    numbers: npt.NDArray[np.float32]
    labels: npt.NDArray[np.float32]
    truth: npt.NDArray[np.float64]
    sizes: list[int]

    def __len__(self) -> int:
        return len(self.labels)

    def split(self) -> tuple["ClickLog", "ClickLog"]:
        """The first rows to train on, the last to evaluate on."""
        cut = int(len(self) * TRAIN_SHARE)
        return self._rows(slice(0, cut)), self._rows(slice(cut, None))

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """Columns by name."""
        return {
            **{n: np.ascontiguousarray(self.ids[:, j]) for j, n in enumerate(CATEGORIES)},
            **{n: np.ascontiguousarray(self.numbers[:, j]) for j, n in enumerate(DENSE)},
        }

    def best_auc(self) -> float:
        """The AUC of the truth: what no model can pass but by luck."""
        from sklearn.metrics import roc_auc_score

        return float(roc_auc_score(self.labels, self.truth))

    def _rows(self, rows: slice) -> "ClickLog":
        return ClickLog(
            self.ids[rows], self.numbers[rows], self.labels[rows], self.truth[rows], self.sizes
        )


def field_sizes(total: int) -> list[int]:
    """Vocabulary sizes of the 26 fields for about `total` ids in all."""
    large = sum(size for size in FIELDS if size >= LARGE)
    scale = max((total - (sum(FIELDS) - large)) / large, 0.001)
    return [max(3, int(size * scale)) if size >= LARGE else size for size in FIELDS]


def make(rows: int, vocab: int, seed: int = 7) -> ClickLog:
    """Draw a log: logit = bias + Σ weight of each id + Σ slope · number + Σ ⟨v_i, v_j⟩ of pairs."""
    rng = np.random.default_rng(seed)
    sizes = field_sizes(vocab)
    ids = np.empty((rows, len(sizes)), dtype=np.int64, order="F")
    logit = np.full(rows, -1.2)
    vectors, squares = np.zeros((rows, 4)), np.zeros(rows)
    for j, size in enumerate(sizes):
        ids[:, j] = _draw_ids(rng, rows, size)
        logit += rng.normal(0, 0.25, size)[ids[:, j]]
        if j < CROSSED:
            v = rng.normal(0, 0.35, (size, 4))[ids[:, j]]
            vectors += v
            squares += (v**2).sum(axis=1)
    logit += 0.5 * ((vectors**2).sum(axis=1) - squares)
    numbers = rng.random((rows, NUMBERS))
    logit += (numbers - 0.5) @ rng.normal(0, 0.6, NUMBERS)
    truth = 1 / (1 + np.exp(-logit))
    labels = (rng.random(rows) < truth).astype(np.float32)
    return ClickLog(ids, np.asfortranarray(numbers, dtype=np.float32), labels, truth, sizes)


def _draw_ids(rng: np.random.Generator, rows: int, size: int) -> npt.NDArray[np.int64]:
    if size <= LONG_TAILED:
        return rng.integers(0, size, rows)
    return np.minimum(rng.zipf(1.15, rows) - 1, size - 1)


def save(log: ClickLog, path: Path) -> None:
    """Write a log."""
    np.savez(
        path, ids=log.ids, numbers=log.numbers, labels=log.labels, truth=log.truth, sizes=log.sizes
    )


def load(path: Path) -> ClickLog:
    """Read what `save` wrote."""
    with np.load(path) as file:
        sizes = [int(size) for size in file["sizes"]]
        return ClickLog(file["ids"], file["numbers"], file["labels"], file["truth"], sizes)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("file", type=Path)
    arguments.add_argument("--rows", type=int, required=True)
    arguments.add_argument("--vocab", type=int, required=True)
    arguments.add_argument("--seed", type=int, default=7)
    given = arguments.parse_args()
    save(make(given.rows, given.vocab, given.seed), given.file)
