"""The values of a test that a trainer records: of rows, of groups of rows, of lists."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...basic.tracking import LoggerGroup
from ...distributed import process_rank
from ...metrics.computing import hits_within_groups, k_of_hits
from ...metrics.metric import Metric
from ...metrics.monitor import metric_named
from ...metrics.names import entry_of
from ...metrics.observed import Observed, ObservedLists, ObservedRows, observed
from ...metrics.prediction import auc_by_user
from ...metrics.ranking import hits_by_user
from ...significance import TestedMetric, TestValues, row_values
from ...significance.data_facts import facts_of
from ...significance.keys import digest_of, keys_of
from ...significance.row_values import is_of_rows
from ...significance.tables import RowTable, UnitTable, row_table, unit_table

log = logging.getLogger("torch_rechub")

FILE = "test_values.npz"
ARTIFACT = "test_values"


class ValuesOfTest:
    """Collects the values behind the metrics of a test, and records them as an artifact.

    Args:
        loggers: The loggers.
    """

    def __init__(self, loggers: LoggerGroup) -> None:
        self.loggers = loggers
        self._params: Mapping[str, Any] = {}
        self._values: TestValues | None = None
        self._lost = ""

    def begin(self, params: Mapping[str, Any]) -> None:
        """Begin a training run with these hyper-parameters."""
        self._params, self._values = params, None
        self._lost = "fit was given no test_dataloader"

    def collect(self, test: Callable[[Any], dict[str, float]], data: Any) -> dict[str, float]:
        """Call a function that tests a model on data; return its metrics.

        An error of the record does not end training: the values are left out, with a warning.
        """
        try:
            with observed() as found:
                metrics = test(data)
        except Exception as error:  # such as test data without the column of groups
            self._lost = repr(error)
            return test(data)  # raises again what is no error of the record
        try:
            self._values = values_of_test(found, metrics, self._params)
        except Exception as error:
            self._lost = repr(error)
        return metrics

    def record(self, folder: Path) -> None:
        """Write the values to a file in the folder of the weights, and offer it to the loggers."""
        if process_rank() != 0:
            return
        if self._values is None:
            log.warning("test_values: none are recorded: %s", self._lost)
            return
        try:
            path = self._values.write(folder / FILE)
        except (OSError, ValueError) as error:  # such as a full disk: the run itself is recorded
            log.warning("test_values: they cannot be written, so that they are lost: %s", error)
            return
        self.loggers.offer("log_artifact", ARTIFACT, str(path), ARTIFACT)


def values_of_test(
    found: Sequence[Observed], test_metrics: Iterable[str], params: Mapping[str, Any]
) -> TestValues:
    """The values behind the metrics of a test.

    Args:
        found: The inputs of the metrics, as `metrics.observed` collects them.
        test_metrics: The recorded names of the metrics, such as "test/auc".
        params: The hyper-parameters: of `data`, the digest of the test data is part of the values.
    """
    values = _Values(tuple(test_metrics), params)
    for part in found:
        if isinstance(part, ObservedLists):
            values.add_lists(part)
        else:
            values.add_rows(part)
    return values.finished()


class _Values:
    """Tables and metrics, collected."""

    def __init__(self, names: tuple[str, ...], params: Mapping[str, Any]) -> None:
        self.names, self.params = names, params
        self.metrics: list[TestedMetric] = []
        self.tables: list[RowTable | UnitTable] = []

    def finished(self) -> TestValues:
        """The values; metrics without any are reported."""
        names = {metric.name for metric in self.metrics}
        untested = tuple(name for name in self.names if name not in names)
        if untested:
            log.info(
                "test_values: %s cannot be tested, as they are no means over rows or users.",
                ", ".join(untested),
            )
        data = self.params.get("data")
        known = facts_of(data.get("test")) if isinstance(data, Mapping) else {}
        return TestValues(tuple(self.metrics), tuple(self.tables), known, untested)

    def add_rows(self, part: ObservedRows) -> None:
        """Add metrics of rows, and those of groups of rows."""
        given = [m for m in part.metrics if _is_ours(m) and np.ndim(part.scores) == 1]
        of_rows = [metric for metric in given if metric.needs == "predictions"]
        self._add_of_rows([m for m in of_rows if _is_defined(m, part)], part)
        if part.groups is not None and np.isfinite(np.asarray(part.scores)).all():
            self._add_auc_of_groups([m for m in given if m.needs == "groups"], part)
            self._add_hits_of_groups([m for m in given if k_of_hits(m)], part)

    def add_lists(self, part: ObservedLists) -> None:
        """Add metrics of lists."""
        lists = part.lists
        n = np.asarray(lists.n_relevant)
        counts = n > 0
        ks = {m: k for m in part.metrics if (k := _k_of(m))}
        if not ks or not counts.any():
            return
        values = hits_by_user(np.asarray(lists.hits)[counts], n[counts], sorted(set(ks.values())))
        columns = {m: values[m.name if k_of_hits(m) else f"hit@{k}"] for m, k in ks.items()}
        weights = None if lists.weights is None else np.asarray(lists.weights)[counts]
        protocol: dict[str, Any] = {"ranked": "catalog", "seen_excluded": lists.seen_excluded}
        if lists.n_items is not None:
            protocol["n_items"] = lists.n_items
        truth = lists.truth() if lists.truth is not None else digest_of("relevant", n)
        self._add_units(columns, None, weights, truth, protocol)

    def _add_of_rows(self, metrics: Sequence[Metric], part: ObservedRows) -> None:
        if not metrics:
            return
        keys = None if part.groups is None else keys_of(part.groups)
        table = row_table(part.labels, part.scores, part.weights, keys)
        number = self._number(table)
        negatives = "of the batch" if self.params.get("in_batch_neg") else "of the data"
        for metric in metrics:
            about = {"formula": metric.name, "protocol": {"negatives": negatives}}
            self._add(metric, part.task, number, **about)

    def _add_auc_of_groups(self, metrics: Sequence[Metric], part: ObservedRows) -> None:
        if not metrics:
            return
        names, auc, n, n_pos = auc_by_user(part.labels, part.scores, part.groups)
        if len(names):
            truth = _truth(names, n, n_pos)
            columns = dict.fromkeys(metrics, auc)
            self._add_units(columns, keys_of(names), n, truth, _WITHIN_GROUPS, part.task)

    def _add_hits_of_groups(self, metrics: Sequence[Metric], part: ObservedRows) -> None:
        if not metrics:
            return
        ks = sorted({k for m in metrics if (k := k_of_hits(m))})
        hits, n = hits_within_groups(part.labels, part.scores, part.groups, ks[-1])
        names, sizes = np.unique(np.asarray(part.groups).reshape(-1), return_counts=True)
        counts = n > 0
        if counts.any():
            values = hits_by_user(hits[counts], n[counts], ks)
            columns = {metric: values[metric.name] for metric in metrics}
            truth = _truth(names[counts], sizes[counts], n[counts])
            keys = keys_of(names[counts])
            self._add_units(columns, keys, None, truth, _WITHIN_GROUPS, part.task)

    def _add_units(
        self,
        columns: Mapping[Metric, NDArray[Any]],
        keys: Any,
        weights: Any,
        truth: str,
        protocol: Mapping[str, Any],
        task: int | None = None,
    ) -> None:
        number = self._number(unit_table(list(columns.values()), keys, weights, truth))
        for column, metric in enumerate(columns):
            self._add(metric, task, number, column=column, protocol=protocol)

    def _number(self, table: RowTable | UnitTable) -> int:
        """The number of a table, of an equal one that is there already."""
        for number, other in enumerate(self.tables):
            if isinstance(table, RowTable) and isinstance(other, RowTable):
                same = table.digest == other.digest
                if same and np.array_equal(table.scores, other.scores, equal_nan=True):
                    return number
        self.tables.append(table)
        return len(self.tables) - 1

    def _add(self, metric: Metric, task: int | None, table: int, **about: Any) -> None:
        name = f"test/{metric.name}" if task is None else f"test/task_{task}_{metric.name}"
        if task is not None and name not in self.names:
            name = f"test/task_{task}_score"
        if metric.direction is not None and name in self.names:
            self.metrics.append(TestedMetric(name, metric.direction, table, **about))


_WITHIN_GROUPS = {"ranked": "rows of groups"}


def _truth(names: NDArray[Any], sizes: NDArray[Any], positives: NDArray[Any]) -> str:
    """The digest of groups: how many rows and positives each has, in the order of their keys."""
    order = np.argsort(keys_of(names), kind="stable")
    return digest_of("groups", sizes[order].astype("<i8"), positives[order].astype("<i8"))


def _is_ours(metric: Metric) -> bool:
    """Whether a metric is that of the library of its name, not a user's function."""
    if entry_of(metric.name) is None:
        return False
    return k_of_hits(metric) is not None or metric_named(metric.name).function is metric.function


def _is_defined(metric: Metric, part: ObservedRows) -> bool:
    if not is_of_rows(metric.name):
        return False
    try:
        row_values(metric.name, part.labels, part.scores, part.weights)
    except ValueError:  # as the AUC of one class, which the test has warned of
        return False
    return True


def _k_of(metric: Metric) -> int | None:
    """The k of a metric of lists; the accuracy of next items is the hit rate at 1."""
    if metric.name == "accuracy" and metric.needs == "hits":
        return 1
    return k_of_hits(metric)
