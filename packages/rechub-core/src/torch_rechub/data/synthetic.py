"""Synthetic click logs with known probabilities, to compare AUCs with the best one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

DEFAULT_VOCAB_SIZES = (20_000, 5_000, 1_000, 500, 100, 50, 20, 10)
_LARGE = 100  # larger vocabularies have a long tail, smaller ones are uniform
_BISECTIONS = 50

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ClickLog:
    """A click log with the probabilities of its labels.

    Attributes:
        x: Columns of N rows: ids "C1", "C2", … (int64, from 0) and numbers "I1", "I2", … (float32,
            in [0, 1)).
        y: Labels of shape (N,), float32, 1 for a click.
        click_probability: The probability of each label, shape (N,), float64.
        vocab_sizes: Number of ids of each "C…" column.
    """

    x: dict[str, npt.NDArray[Any]]
    y: npt.NDArray[np.float32]
    click_probability: Floats
    vocab_sizes: dict[str, int]

    def __len__(self) -> int:
        return len(self.y)

    @property
    def best_auc(self) -> float:
        """The AUC of `click_probability` as a score for the labels.

        In expectation no score computed from `x` has a higher AUC. On N given labels the bound has
        sampling noise of the order of 1 / √N: a model may exceed it by chance on new labels, and by
        overfitting on training labels.

        Raises:
            ValueError: All labels are equal, so that AUC is undefined.
        """
        clicks = float(self.y.sum(dtype=np.float64))
        others = len(self) - clicks
        if not clicks or not others:
            raise ValueError(
                f"best_auc needs rows of both classes, got {clicks:.0f} clicks in {len(self)} rows."
            )
        _, place, ties = np.unique(self.click_probability, return_inverse=True, return_counts=True)
        rank = (np.cumsum(ties) - (ties - 1) / 2)[place]
        return float((rank[self.y > 0].sum() - clicks * (clicks + 1) / 2) / (clicks * others))

    def rows(self, index: slice | npt.ArrayLike) -> "ClickLog":
        """Return a log of the given rows, in this order.

        Args:
            index: A slice, an array of row numbers, or a mask of N booleans.

        Returns:
            A log that shares no memory with this one.

        Raises:
            ValueError: The index is not one-dimensional.
            IndexError: A row number is out of range, or the mask has another length.

        Example:
            >>> log = synthetic_clicks(1000)
            >>> train, test = log.rows(slice(0, 800)), log.rows(slice(800, None))
            >>> len(train), len(test)
            (800, 200)
        """
        chosen = np.arange(len(self))[index if isinstance(index, slice) else np.asarray(index)]
        if chosen.ndim != 1:
            raise ValueError(f"rows takes a one-dimensional index, got {index!r}.")
        return replace(
            self,
            x={name: column[chosen] for name, column in self.x.items()},
            y=self.y[chosen],
            click_probability=self.click_probability[chosen],
            vocab_sizes=dict(self.vocab_sizes),
        )


def synthetic_clicks(
    n_rows: int = 100_000,
    vocab_sizes: Sequence[int] = DEFAULT_VOCAB_SIZES,
    n_dense: int = 4,
    seed: int = 0,
    *,
    click_rate: float = 0.27,
    linear_strength: float = 0.8,
    pairwise_strength: float = 0.8,
    dense_strength: float = 0.4,
    rank: int = 4,
    zipf_exponent: float = 1.05,
) -> ClickLog:
    """Draw a click log from a factorization machine with random weights.

        logit p = b + α·Σ_f w_f[c_f] + β·Σ_{f<g} ⟨v_f[c_f], v_g[c_g]⟩ + γ·Σ_d u_d·i_d

    with ids c of F fields, numbers i, and standard normal w, v, u. α, β and γ give each sum its
    `strength` as standard deviation over the rows, b gives the click rate. Every v_f is centered
    over the rows, so that single fields carry almost no information on the second sum, which a
    factorization machine can learn and a logistic regression cannot. In fields of up to 100 ids
    all ids are equally likely; in larger ones id k has a probability ∝ 1 / (k + 1)^s.

    Args:
        n_rows: Number of rows N.
        vocab_sizes: Number of ids of each field.
        n_dense: Number of numeric columns.
        seed: Random seed; equal arguments and seeds give equal rows.
        click_rate: Mean of the click probabilities, between 0 and 1.
        linear_strength: Standard deviation of the first sum, in logits.
        pairwise_strength: Standard deviation of the second sum (0 where there is one field).
        dense_strength: Standard deviation of the third sum.
        rank: Length of the vectors v.
        zipf_exponent: The exponent s; 0 makes large vocabularies uniform too.

    Returns:
        The log, with the true click probability of each row.

    Raises:
        ValueError: An argument is out of range, or there are no columns.

    Example:
        >>> log = synthetic_clicks(50_000, vocab_sizes=[1000, 10], n_dense=1)
        >>> sorted(log.x), log.vocab_sizes
        (['C1', 'C2', 'I1'], {'C1': 1000, 'C2': 10})
        >>> round(float(log.click_probability.mean()), 4)
        0.27

    Reference:
        Steffen Rendle. "Factorization Machines". ICDM 2010. (The form of the truth.)
    """
    _require("n_rows", n_rows, n_rows >= 1, "at least 1")
    _require("n_dense", n_dense, n_dense >= 0, "at least 0")
    _require("vocab_sizes", vocab_sizes, all(v >= 2 for v in vocab_sizes), "2 or more each")
    _require("vocab_sizes", vocab_sizes, len(vocab_sizes) + n_dense > 0, "not empty if n_dense=0")
    _require("click_rate", click_rate, 0 < click_rate < 1, "between 0 and 1, both excluded")
    _require("rank", rank, rank >= 1, "at least 1")
    _require("zipf_exponent", zipf_exponent, 0 <= zipf_exponent < np.inf, "0 or more")
    α, β, γ = linear_strength, pairwise_strength, dense_strength
    for name, strength in (("linear", α), ("pairwise", β), ("dense", γ)):
        _require(f"{name}_strength", strength, 0 <= strength < np.inf, "0 or more")

    rng = np.random.default_rng(seed)
    x, linear, pairwise = _draw_fields(rng, n_rows, vocab_sizes, rank, zipf_exponent)
    dense = np.zeros(n_rows)
    for d in range(1, n_dense + 1):
        x[f"I{d}"] = rng.random(n_rows, dtype=np.float32)
        dense += rng.standard_normal() * x[f"I{d}"]

    logit = _scaled(linear, α) + _scaled(pairwise, β) + _scaled(dense, γ)
    p = _with_mean(logit, click_rate)
    y = (rng.random(n_rows) < p).astype(np.float32)
    return ClickLog(x, y, p, {f"C{f}": int(v) for f, v in enumerate(vocab_sizes, start=1)})


def _draw_fields(
    rng: np.random.Generator, n_rows: int, vocab_sizes: Sequence[int], rank: int, exponent: float
) -> tuple[dict[str, npt.NDArray[Any]], Floats, Floats]:
    """Draw columns of ids; return them with the first-order and the pairwise sum of every row."""
    x: dict[str, npt.NDArray[Any]] = {}
    linear, squares, total = np.zeros(n_rows), np.zeros(n_rows), np.zeros((n_rows, rank))
    for f, size in enumerate(vocab_sizes, start=1):
        ids = x[f"C{f}"] = _draw_ids(rng, n_rows, size, exponent)
        linear += rng.standard_normal(size)[ids]
        v = rng.standard_normal((size, rank))
        v -= np.bincount(ids, minlength=size) @ v / n_rows
        total += v[ids]
        squares += (v * v).sum(axis=1)[ids]
    # Σ_{f<g} ⟨v_f, v_g⟩ = (|Σ_f v_f|² - Σ_f |v_f|²) / 2
    return x, linear, ((total * total).sum(axis=1) - squares) / 2


def _require(name: str, given: object, holds: bool, expected: str) -> None:
    if not holds:
        raise ValueError(f"{name} must be {expected}, got {given!r}.")


def _draw_ids(
    rng: np.random.Generator, n_rows: int, vocab_size: int, exponent: float
) -> npt.NDArray[np.int64]:
    if vocab_size <= _LARGE:
        return rng.integers(vocab_size, size=n_rows)
    share = np.arange(1, vocab_size + 1) ** -float(exponent)
    up_to = np.cumsum(share)
    up_to /= up_to[-1]  # the last is exactly 1, above all values of random()
    return np.searchsorted(up_to, rng.random(n_rows), side="right").astype(np.int64, copy=False)


def _scaled(part: Floats, strength: float) -> Floats:
    spread = float(part.std())
    # a constant part (one row, one field) has no spread except for rounding
    scaled: Floats = (part - part.mean()) * (strength / spread if spread > 1e-9 else 0.0)
    return scaled


def _with_mean(logit: Floats, rate: float) -> Floats:
    """Return σ(logit + b), with b such that the mean is `rate`."""
    center = float(np.log(rate / (1 - rate)))
    low, high = center - float(logit.max()), center - float(logit.min())
    for _ in range(_BISECTIONS):
        b = (low + high) / 2
        p: Floats = (1 + np.tanh((logit + b) / 2)) / 2
        low, high = (b, high) if p.mean() < rate else (low, b)
    return p
