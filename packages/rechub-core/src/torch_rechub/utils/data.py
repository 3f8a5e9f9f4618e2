"""Data helpers by the names that scripts use."""

from collections.abc import Callable
from typing import Any

from sklearn.metrics import mean_squared_error
from torch import nn

from ..basic.features import auto_embed_dim as get_auto_embedding_dim
from ..basic.metric import auc_score
from ..data.loader import DataGenerator
from ..data.table import PredictDataset, TorchDataset

__all__ = [
    "DataGenerator",
    "PredictDataset",
    "TorchDataset",
    "df_to_dict",
    "get_auto_embedding_dim",
    "get_loss_func",
    "get_metric_func",
]


def df_to_dict(data: Any) -> dict[str, Any]:
    """The columns of a pandas frame as a dict of arrays.

    Example:
        >>> import pandas as pd
        >>> df_to_dict(pd.DataFrame({"user": [1, 2]}))
        {'user': array([1, 2])}
    """
    return {name: data[name].to_numpy() for name in data.columns}


def get_loss_func(task_type: str = "classification") -> nn.Module:
    """The loss of a task: binary cross-entropy on probabilities, or mean squared error.

    Raises:
        ValueError: The task is neither "classification" nor "regression".
    """
    losses: dict[str, type[nn.Module]] = {
        "classification": nn.BCELoss,
        "regression": nn.MSELoss,
    }
    return losses[_known(task_type)]()


def get_metric_func(task_type: str = "classification") -> Callable[[Any, Any], float]:
    """The metric of a task, taking (y_true, y_pred): AUC, or mean squared error.

    Raises:
        ValueError: The task is neither "classification" nor "regression".
    """
    metrics: dict[str, Callable[[Any, Any], float]] = {
        "classification": auc_score,
        "regression": mean_squared_error,
    }
    return metrics[_known(task_type)]


def _known(task_type: str) -> str:
    if task_type not in ("classification", "regression"):
        raise ValueError(f"task_type must be 'classification' or 'regression', got {task_type!r}")
    return task_type
