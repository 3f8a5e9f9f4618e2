"""Metrics: of predictions, of recommended lists, of retrieval; by name, and as plain floats.

Names are imported lazily, because `torch_rechub.metrics.monitor` must not import NumPy or torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .calibration import calibration_error, calibration_score, normalized_entropy
    from .classification import accuracy_score, binary_f1, binary_precision, binary_recall
    from .computing import of_lists, of_predictions
    from .lists import RankedLists, catalogue_coverage, mean_diversity, mean_novelty
    from .metric import Metric
    from .monitor import at_threshold, metric_named
    from .prediction import auc_score, gauc_score, log_loss, mae_score, mse_score, rmse_score
    from .ranking import ranking_metrics, ranking_metrics_from_hits
    from .retrieval import evaluate_retrieval, top_k

_FILES = {
    "calibration": ("calibration_error", "calibration_score", "normalized_entropy"),
    "classification": ("accuracy_score", "binary_f1", "binary_precision", "binary_recall"),
    "computing": ("of_lists", "of_predictions"),
    "lists": ("RankedLists", "catalogue_coverage", "mean_diversity", "mean_novelty"),
    "metric": ("Metric",),
    "monitor": ("at_threshold", "metric_named"),
    "prediction": (
        "auc_score", "gauc_score", "log_loss", "mae_score", "mse_score", "rmse_score",
    ),
    "ranking": ("ranking_metrics", "ranking_metrics_from_hits"),
    "retrieval": ("evaluate_retrieval", "top_k"),
}  # fmt: skip
_HOME = {name: file for file, names in _FILES.items() for name in names}

__all__ = [
    "Metric",
    "RankedLists",
    "accuracy_score",
    "at_threshold",
    "auc_score",
    "binary_f1",
    "binary_precision",
    "binary_recall",
    "calibration_error",
    "calibration_score",
    "catalogue_coverage",
    "evaluate_retrieval",
    "gauc_score",
    "log_loss",
    "mae_score",
    "mean_diversity",
    "mean_novelty",
    "metric_named",
    "mse_score",
    "normalized_entropy",
    "of_lists",
    "of_predictions",
    "ranking_metrics",
    "ranking_metrics_from_hits",
    "rmse_score",
    "top_k",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
