"""Metrics as plain floats: of predictions, of recommended lists, of retrieval.

`Metric` has a metric's name, function and direction; `metric_named` finds it by its name.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .beyond_accuracy import coverage_score, diversity_score, novelty_score
    from .calibration import calibration_error, calibration_score, normalized_entropy
    from .monitor import Metric, at_threshold, metric_named
    from .prediction import auc_score, gauc_score, log_loss, mae_score, mse_score, rmse_score
    from .ranking import ranking_metrics, ranking_metrics_from_hits
    from .retrieval import evaluate_retrieval, top_k
    from .threshold import accuracy_at, f1_at, precision_at, recall_at

__all__ = [
    "Metric",
    "accuracy_at",
    "at_threshold",
    "auc_score",
    "calibration_error",
    "calibration_score",
    "coverage_score",
    "diversity_score",
    "evaluate_retrieval",
    "f1_at",
    "gauc_score",
    "log_loss",
    "mae_score",
    "metric_named",
    "mse_score",
    "normalized_entropy",
    "novelty_score",
    "precision_at",
    "ranking_metrics",
    "ranking_metrics_from_hits",
    "recall_at",
    "rmse_score",
    "top_k",
]

_ROOMS = {
    "beyond_accuracy": ("coverage_score", "diversity_score", "novelty_score"),
    "calibration": ("calibration_error", "calibration_score", "normalized_entropy"),
    "monitor": ("Metric", "at_threshold", "metric_named"),
    "prediction": (
        "auc_score", "gauc_score", "log_loss", "mae_score", "mse_score", "rmse_score",
    ),
    "ranking": ("ranking_metrics", "ranking_metrics_from_hits"),
    "retrieval": ("evaluate_retrieval", "top_k"),
    "threshold": ("accuracy_at", "f1_at", "precision_at", "recall_at"),
}  # fmt: skip


def __getattr__(name: str) -> Any:
    # so that `rechub` can ask for a direction without importing torch
    for room, names in _ROOMS.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{room}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
