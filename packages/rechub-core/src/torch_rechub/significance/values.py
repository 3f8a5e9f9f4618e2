"""`TestValues`: the values of a test from which its metrics are compared between runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..metrics.names import Direction, direction_of
from .file import Contents, read_contents, write_contents
from .keys import keys_of
from .row_values import is_of_rows
from .tables import RowTable, Units, UnitTable, row_table, unit_table

if TYPE_CHECKING:
    from ..types import FilePath


@dataclass(frozen=True)
class TestedMetric:
    """A metric of `TestValues`.

    Attributes:
        name: Its recorded name, such as "test/auc".
        direction: "max" or "min".
        table: The number of its table.
        column: The column of its values in a table of units; None for a metric of rows.
        formula: The metric of rows that it is, such as "auc"; None for a metric of units.
        protocol: How it was measured, such as whether seen items were excluded: names to texts,
            numbers and truth values.
    """

    name: str
    direction: Direction
    table: int
    column: int | None = None
    formula: str | None = None
    protocol: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class TestValues:
    """The values of a test: what metrics were means over, to compare runs by.

    Attributes:
        metrics: The metrics.
        tables: The tables that they are computed from.
        data: Facts about the test data, where they are recorded: see `data_facts`.
        untested: Metrics of the test without values of rows or units, such as a user's function.

    Example:
        >>> import tempfile
        >>> values = TestValues.of_units({"test/ndcg@10": [0.5, 0.25]}, units=["ann", "bob"])
        >>> values.write(tempfile.mkdtemp() + "/test_values.npz").read_bytes()[:2]
        b'PK'
        >>> float(values.units("test/ndcg@10").values.mean())
        0.375
    """

    __test__ = False  # no test of pytest

    metrics: tuple[TestedMetric, ...]
    tables: tuple[RowTable | UnitTable, ...]
    data: Mapping[str, str] = field(default_factory=dict)
    untested: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for metric in self.metrics:
            _check_metric(metric, self.tables)
        for name in [name for pair in self.data.items() for name in pair] + list(self.untested):
            if not isinstance(name, str):
                raise TypeError(f"data and untested must be texts, got {name!r}")

    @classmethod
    def of_units(
        cls,
        values: Mapping[str, ArrayLike],
        units: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        *,
        truth: str = "",
        directions: Mapping[str, Direction] | None = None,
        protocol: Mapping[str, Any] | None = None,
        data: Mapping[str, str] | None = None,
    ) -> "TestValues":
        """Create them from the values of metrics that are means over users or other units.

        Args:
            values: Recorded name of a metric → a value for each unit, shape (U,).
            units: The units, such as user ids, each once; None means that all runs have the same
                units in the same order.
            weights: Weights of units, at least 0, shape (U,); None means equal weights.
            truth: A digest of the relevant items, where runs may differ in them.
            directions: "max" or "min" of metrics whose name does not say it.
            protocol: See `TestedMetric`.
            data: Facts about the test data that runs must have in common, such as
                {"digest": "9f…"}; see `data_facts`.

        Raises:
            ValueError: Lengths differ, a value is not finite, a unit occurs twice, or the direction
                of a metric is unknown.
        """
        keys = None if units is None else keys_of(units)
        table = unit_table(list(values.values()), keys, weights, truth)
        named = [
            TestedMetric(name, _direction(name, directions), 0, i, protocol=dict(protocol or {}))
            for i, name in enumerate(values)
        ]
        return cls(tuple(named), (table,), dict(data or {}))

    @classmethod
    def of_rows(
        cls,
        metrics: Sequence[str],
        labels: ArrayLike,
        scores: ArrayLike,
        weights: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        *,
        protocol: Mapping[str, Any] | None = None,
        data: Mapping[str, str] | None = None,
    ) -> "TestValues":
        """Create them from labels and scores of rows, in the same order in all runs.

        Args:
            metrics: Recorded names, such as "test/auc" and "test/log_loss".
            labels: Shape (N,).
            scores: Shape (N,).
            weights: Weights of rows, at least 0, shape (N,); None means equal weights.
            groups: The group of each row, such as its user, shape (N,); then groups are compared.
            protocol: See `TestedMetric`.
            data: Facts about the test data that runs must have in common, such as
                {"digest": "9f…"}; see `data_facts`.

        Raises:
            ValueError: Lengths differ, a label is not finite, or a metric is not one of rows.
        """
        table = row_table(labels, scores, weights, None if groups is None else keys_of(groups))
        named = []
        for name in metrics:
            formula = name.rsplit("/", 1)[-1]
            if not is_of_rows(formula):
                raise ValueError(f"{name!r} is no metric of rows that can be tested: see of_units")
            direction, about = _direction(name, None), dict(protocol or {})
            named.append(TestedMetric(name, direction, 0, formula=formula, protocol=about))
        return cls(tuple(named), (table,), dict(data or {}))

    def metric(self, name: str) -> TestedMetric:
        """The metric of a recorded name.

        Raises:
            ValueError: There is no such metric; the message lists those that are.
        """
        for metric in self.metrics:
            if metric.name == name:
                return metric
        if name in self.untested:
            raise ValueError(
                f"{name!r} has no values of rows or units, so that runs cannot be tested by it"
            )
        known = ", ".join(metric.name[:80] for metric in self.metrics[:20]) or "none"
        raise ValueError(f"no values of {name!r} are recorded; there are: {known}")

    def units(self, name: str) -> Units:
        """The values of a metric, one for each unit.

        Raises:
            ValueError: There is no such metric, or it is not defined on the rows.
        """
        metric = self.metric(name)
        table = self.tables[metric.table]
        if isinstance(table, RowTable):
            return table.units(str(metric.formula))
        w = None if table.weights is None else table.weights.astype(np.float64)
        return Units(table.values[metric.column or 0].astype(np.float64), w, "units")

    def digest(self, name: str) -> str:
        """The digest of the units and labels of a metric, the same in runs that can be compared."""
        return self.tables[self.metric(name).table].digest

    def write(self, path: "FilePath") -> Path:
        """Write the file; return its path. It holds numbers and JSON, and no pickle.

        Raises:
            OSError: The file cannot be written.
            ValueError: The protocol is not plain data.
        """
        metrics = [vars(metric) for metric in self.metrics]
        about = {"metrics": metrics, "data": dict(self.data), "untested": list(self.untested)}
        return write_contents(Contents(about, self.tables), path)

    @classmethod
    def read(cls, path: "FilePath") -> "TestValues":
        """Read a file, without executing code in it.

        Raises:
            OSError: The file cannot be opened.
            ValueError: It is damaged, of another form, or too large; the message names it.
        """
        found = read_contents(path)
        try:
            return cls(
                tuple(_metric(metric) for metric in found.about["metrics"]),
                found.tables,
                found.about["data"],
                tuple(found.about["untested"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is no file of test values: {error}") from error


def save_test_values(path: "FilePath", values: Mapping[str, ArrayLike], **options: Any) -> Path:
    """Write the values of metrics of units to a file, for ``logger.log_artifact``.

    Args:
        path: The file, such as "test_values.npz".
        values: See `TestValues.of_units`.
        options: The other arguments of `TestValues.of_units`.

    Raises:
        OSError: The file cannot be written.
        ValueError: As `TestValues.of_units`.

    Example:
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/test_values.npz"
        >>> save_test_values(path, {"test/hit@10": [1, 0, 1]}, units=[4, 9, 7]).name
        'test_values.npz'
        >>> TestValues.read(path).metric("test/hit@10").direction
        'max'
    """
    return TestValues.of_units(values, **options).write(path)


def _check_metric(metric: TestedMetric, tables: Sequence[RowTable | UnitTable]) -> None:
    """Refuse a metric that its table does not have.

    Raises:
        ValueError: It is not there; the message names the metric.
    """
    if not isinstance(metric.name, str) or metric.direction not in ("max", "min"):
        raise ValueError(f"metric {metric.name!r} has direction {metric.direction!r}")
    if type(metric.table) is not int or not 0 <= metric.table < len(tables):
        raise ValueError(f"metric {metric.name!r} has no table {metric.table!r}")
    table = tables[metric.table]
    if isinstance(table, RowTable):
        known = isinstance(metric.formula, str) and is_of_rows(metric.formula)
    else:
        known = type(metric.column) is int and 0 <= metric.column < len(table.values)
    if not known:
        raise ValueError(f"metric {metric.name!r} is not in its table")
    if not isinstance(metric.protocol, Mapping):
        raise ValueError(f"metric {metric.name!r} has the protocol {metric.protocol!r}")
    for name, value in metric.protocol.items():
        if not isinstance(name, str) or not isinstance(value, str | bool | int | float | None):
            raise ValueError(f"protocol must map names to plain values, got {name!r}: {value!r}")


def _metric(given: Any) -> TestedMetric:
    """Create a metric from the JSON of a file."""
    return TestedMetric(**given)


def _direction(name: str, given: Mapping[str, Direction] | None) -> Direction:
    found = (given or {}).get(name) or direction_of(name)
    if found not in ("max", "min"):
        raise ValueError(
            f"whether larger or smaller values of {name!r} are better is unknown: give "
            f'directions={{{name!r}: "max"}} or "min"'
        )
    return found
