"""Labels and weights: declared, so that they never become inputs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .cells import MISSING, Cells, distinct
from .numeric_cells import numbers

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Target:
    """A column of labels.

    Args:
        column: Name of the raw column.
        positive: The value whose rows have label 1, others 0; None means that the cells are
            numbers, the labels themselves.
        threshold: Numbers of at least this have label 1, others 0; None leaves numbers as they are.

    Raises:
        ValueError: `positive` and `threshold` are given.

    Example:
        >>> import pyarrow as pa
        >>> Target("income", positive="50000+.").labels(Cells(pa.array(["50000+.", "-"]), "income"))
        array([1., 0.], dtype=float32)
    """

    column: str
    positive: str | int | None = None
    threshold: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.column, str) or not self.column:
            raise ValueError(f"Target: column must be a name, got {self.column!r}")
        if self.positive is not None and self.threshold is not None:
            raise ValueError(f"Target({self.column!r}): give positive or threshold, not both")

    def labels(self, cells: Cells) -> Floats:
        """Return the labels of N cells, shape (N,); missing numbers are NaN."""
        if self.positive is None:
            values = numbers(cells)
            if self.threshold is not None:
                return np.where(np.isnan(values), np.nan, values >= self.threshold).astype("f4")
            return values.astype(np.float32)
        found = distinct(cells)
        if found.n_missing:
            row = int((found.codes == MISSING).argmax())
            cells.refuse("is missing, but is a label", row, "drop such rows")
        same = np.array(
            [
                str(value).strip() == str(self.positive).strip()
                for value in found.values.to_pylist()
            ],
            dtype=np.float32,
        )
        return same[found.codes] if len(same) else np.zeros(len(found.codes), np.float32)

    def settings(self) -> dict[str, Any]:
        """Return the arguments as JSON-like data."""
        return {"column": self.column, "positive": self.positive, "threshold": self.threshold}

    @classmethod
    def of(cls, given: "str | Target | Mapping[str, Any]") -> "Target":
        """Return a target of a name, a target, or saved settings."""
        if isinstance(given, Target):
            return given
        return cls(**given) if isinstance(given, Mapping) else cls(given)
