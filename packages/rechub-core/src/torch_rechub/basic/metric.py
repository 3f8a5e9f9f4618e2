"""Metrics, where scripts for torch-rechub 0.9 import them from."""

from ..metrics.beyond_accuracy import (
    coverage_score,
    diversity_score,
    novelty_score,
)
from ..metrics.prediction import (
    auc_score,
    gauc_score,
    get_user_pred,
    log_loss,
    mse_score,
    rmse_score,
)
from ..metrics.ranking import (
    hit_score,
    mrr_score,
    ndcg_score,
    precision_score,
    ranking_metrics,
    ranking_metrics_from_hits,
    recall_score,
    topk_metrics,
)

__all__ = [
    "auc_score",
    "coverage_score",
    "diversity_score",
    "gauc_score",
    "get_user_pred",
    "hit_score",
    "log_loss",
    "mrr_score",
    "mse_score",
    "ndcg_score",
    "novelty_score",
    "precision_score",
    "ranking_metrics",
    "ranking_metrics_from_hits",
    "recall_score",
    "rmse_score",
    "topk_metrics",
]
