"""Validation of retrieval trainers: by prediction metrics, by retrieval, or by both."""

from typing import Any

from torch import nn

from ..metrics.monitor import Metric
from .evaluation import Evaluation
from .task import Task


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
        of_scores = [m for m in self.metrics if m.needs == "predictions"]
        values: dict[str, float] = {}
        if self.retrieval is not None:
            ranking = [m for m in self.metrics if m.needs != "predictions"]
            predictions = self.evaluation.predictions
            values |= self.retrieval.measure(ranking, model, predictions, self.item_frequency)
        if data_loader is not None and len(of_scores) == 1:
            values[of_scores[0].name] = self.evaluate(model, data_loader)
        elif data_loader is not None and of_scores:
            values |= self._of_scores(model, data_loader, of_scores)
        return values
