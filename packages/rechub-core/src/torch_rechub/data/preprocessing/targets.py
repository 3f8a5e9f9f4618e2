"""Labels and weights: declared, so that they never become inputs."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from ..._bounds import check_number
from .cells import Cells, distinct
from .columns.base import plain
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
        name: Name of the label, where several are made of one column; None means that of the raw
            column.

    Raises:
        ValueError: `positive` and `threshold` are given.

    Example:
        >>> import pyarrow as pa
        >>> Target("income", positive="50000+.").labels(Cells(pa.array(["50000+.", "-"]), "income"))
        array([1., 0.], dtype=float32)
    """

    column: str
    positive: str | int | bool | None = None
    threshold: float | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        for argument, value in (("column", self.column), ("name", self.label_name)):
            if not isinstance(value, str) or not value:
                raise ValueError(f"Target: {argument} must be a name, got {value!r}")
        check_number("(-inf, inf)", threshold=self.threshold)
        if self.positive is not None and self.threshold is not None:
            raise ValueError(f"Target({self.column!r}): give positive or threshold, not both")

    @property
    def label_name(self) -> str:
        """Name of the label."""
        return self.column if self.name is None else self.name

    def labels(self, cells: Cells) -> Floats:
        """Return the labels of N cells, shape (N,); NaN where the cell is missing."""
        if self.positive is None:
            values = numbers(cells)
            if self.threshold is not None:
                return np.where(np.isnan(values), np.nan, values >= self.threshold).astype("f4")
            return values.astype(np.float32)
        found = distinct(cells)
        wanted = str(self.positive).strip()
        if isinstance(self.positive, bool):
            wanted = wanted.lower()  # the text of bools is "true" and "false"
        values = found.values.to_pylist()
        same = np.array([str(value).strip() == wanted for value in values], dtype=np.float32)
        # missing cells have the code -1
        return np.append(same, np.float32(np.nan))[found.codes]

    def settings(self) -> dict[str, Any]:
        """Return the arguments as JSON-like data."""
        return {field.name: plain(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def of(cls, given: "str | Target | Mapping[str, Any]") -> "Target":
        """Return a target of a name, a target, or saved settings."""
        if isinstance(given, Target):
            return given
        return cls(**given) if isinstance(given, Mapping) else cls(given)
