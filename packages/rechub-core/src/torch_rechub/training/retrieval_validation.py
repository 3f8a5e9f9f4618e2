"""Validation and test of retrieval trainers: by prediction metrics, by retrieval, or by both."""

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

from torch import nn

from ..metrics.computing import check_weighted
from ..metrics.monitor import Metric, as_metrics
from ..models.protocols import HasTowers
from ..models.towers import one_tower
from .checks import check_inputs, check_not_empty, check_table
from .evaluation import Evaluation
from .examples import Examples, ExampleTable
from .list_examples import RanksItems, check_columns, of_retrieval
from .task import Task
from .tower_inference import MeasuresRetrieval


class ValidatesRetrieval(Task):
    """The metrics of a trainer whose validation may include retrieval.

    Attributes:
        retrieval: The `RetrievalData`; None means validation data only.
        item_frequency: The count of each item, for novelty; or None.
    """

    retrieval: Any
    item_frequency: Any
    evaluation: Evaluation

    def evaluate(self, model: nn.Module, data_loader: Any) -> float:
        """Return the first prediction metric on data."""
        raise NotImplementedError

    def _of_scores(self, model: nn.Module, data_loader: Any, metrics: Any) -> dict[str, float]:
        """Return the prediction metrics on data."""
        raise NotImplementedError

    def choose_metrics(self) -> tuple[Metric, ...]:
        """Return the given metrics; by default those of retrieval, if any, and AUC."""
        if self.retrieval is not None:
            self.measured = ("predictions", "hits", "lists")
            self.default_metrics = (*self.retrieval.default_metrics(), "auc")
        return super().choose_metrics()

    def check_weights(self, validation: bool = False) -> None:
        """Refuse metrics of scores that take no weights; those of retrieval are not of rows."""
        if validation:
            check_weighted(metric for metric in self.metrics if metric.needs == "predictions")

    def validates(self, val_dataloader: Any) -> bool:
        """Whether there are data for validation.

        Raises:
            ValueError: A metric needs validation data and there are none.
        """
        of_scores = [metric.name for metric in self.metrics if metric.needs == "predictions"]
        if self.retrieval is None or val_dataloader is not None:
            return val_dataloader is not None
        if of_scores and self.settings.metrics is not None:
            raise ValueError(f"metric {of_scores[0]!r} needs val_dataloader: give it to fit")
        return True

    def measure(self, model: nn.Module, data_loader: Any) -> dict[str, float]:
        """Return the metrics of a model by name: those of retrieval and those of predictions."""
        values: dict[str, float] = {}
        if self.retrieval is not None:
            ranking = [m for m in self.metrics if m.needs != "predictions"]
            values |= self._ranked(model, self.retrieval, ranking)
        return values if data_loader is None else values | self._scored(model, data_loader)

    def measure_test(self, model: nn.Module, data: Any) -> dict[str, float]:
        """The metrics of a model on test data: of a `RetrievalData`, or of scores."""
        if not isinstance(data, MeasuresRetrieval):
            return self._scored(model, data)
        given = self.metrics if self.settings.metrics is not None else ()
        ranking = [metric for metric in given if metric.needs != "predictions"]
        return self._ranked(model, data, ranking or as_metrics(data.default_metrics()))

    def check_retrieval(self, test_data: Any) -> bool:
        """Check the users and items of validation and test; return whether test data have such.

        Raises:
            ValueError: The test data have none, and no metric is one of scores.
        """
        in_test = isinstance(test_data, MeasuresRetrieval)
        of_scores = any(metric.needs == "predictions" for metric in self.metrics)
        if test_data is not None and not in_test and not of_scores:
            names = ", ".join(metric.name for metric in self.metrics)
            raise ValueError(
                f"test_dataloader must be a RetrievalData, as the metrics ({names}) are all of "
                "retrieval, or add 'auc' to metrics"
            )
        for name, data in (("retrieval", self.retrieval), ("test_dataloader", test_data)):
            if isinstance(data, MeasuresRetrieval):
                self._check(f"{name}.users", "user", data.users)
                self._check(f"{name}.items", "item", data.items)
                if self.settings.record is not None and self.settings.record.examples is not None:
                    check_columns(self.settings.record.examples, data)
        return in_test

    def examples(self, wanted: Examples, data: Any) -> list[ExampleTable]:
        """Return recommendations for users of the test data, or else of the validation data."""
        chosen = data if isinstance(data, RanksItems) else self.retrieval
        if not isinstance(chosen, RanksItems) or not wanted.users:
            return []
        return of_retrieval(wanted, chosen, self.model, self.evaluation)

    def _check(self, name: str, tower: str, data: Any) -> None:
        """Refuse data that lack a column of a tower, or hold ids that no table has a row for."""
        has_towers = isinstance(self.model, HasTowers)
        check = self.check_inputs if has_towers else partial(check_inputs, needed=())
        with one_tower(self.model, tower) if has_towers else nullcontext():
            loader = self.evaluation.batches.loader_of(data, in_order=True)
            check_not_empty(loader, name)
            check_table(self.model, loader, None, check)

    def _ranked(
        self, model: nn.Module, data: MeasuresRetrieval, metrics: Sequence[Metric]
    ) -> dict[str, float]:
        return data.measure(metrics, model, self.evaluation.predictions, self.item_frequency)

    def _scored(self, model: nn.Module, data: Any) -> dict[str, float]:
        """The metrics of scores; a single one is that of `evaluate`."""
        of_scores = [metric for metric in self.metrics if metric.needs == "predictions"]
        if len(of_scores) == 1:
            return {of_scores[0].name: self.evaluate(model, data)}
        return self._of_scores(model, data, of_scores) if of_scores else {}
