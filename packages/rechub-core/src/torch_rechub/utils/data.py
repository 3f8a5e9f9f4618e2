"""Data helpers under the names of scripts for 0.9.

Helpers that use pandas are imported on first access.
"""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from torch import nn

from ..basic.features import get_auto_embedding_dim
from ..data.embeddings import EmbDataset
from ..data.generators import MatchDataGenerator, SequenceDataGenerator
from ..data.loader import DataGenerator
from ..data.padding import pad_sequences
from ..data.seq_dataset import SeqDataset
from ..data.table import PredictDataset, TorchDataset, df_to_dict
from ..data.trie import Trie
from ..metrics.prediction import auc_score, mse_score

if TYPE_CHECKING:
    from ..data.encoding import array_replace_with_dict
    from ..data.negative import neg_sample
    from ..data.semantic_ids import TigerSeqDataset
    from ..data.sequence import create_seq_features, generate_seq_feature

_OF_FRAMES = {
    "TigerSeqDataset": "semantic_ids",
    "array_replace_with_dict": "encoding",
    "create_seq_features": "sequence",
    "generate_seq_feature": "sequence",
    "neg_sample": "negative",
}

__all__ = [
    "DataGenerator",
    "EmbDataset",
    "MatchDataGenerator",
    "PredictDataset",
    "SeqDataset",
    "SequenceDataGenerator",
    "TigerSeqDataset",
    "TorchDataset",
    "Trie",
    "array_replace_with_dict",
    "create_seq_features",
    "df_to_dict",
    "generate_seq_feature",
    "get_auto_embedding_dim",
    "get_loss_func",
    "get_metric_func",
    "neg_sample",
    "pad_sequences",
]


def __getattr__(name: str) -> Any:
    if name not in _OF_FRAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = getattr(import_module(f"torch_rechub.data.{_OF_FRAMES[name]}"), name)
    return globals()[name]


def get_loss_func(task_type: str = "classification") -> nn.Module:
    """Return the loss of a task: binary cross-entropy on probabilities, or mean squared error.

    Raises:
        ValueError: The task is neither "classification" nor "regression".
    """
    losses: dict[str, type[nn.Module]] = {
        "classification": nn.BCELoss,
        "regression": nn.MSELoss,
    }
    return losses[_known(task_type)]()


def get_metric_func(task_type: str = "classification") -> Callable[[Any, Any], float]:
    """Return the metric of a task, a function of (y_true, y_pred): AUC, or mean squared error.

    Raises:
        ValueError: The task is neither "classification" nor "regression".
    """
    metrics: dict[str, Callable[[Any, Any], float]] = {
        "classification": auc_score,
        "regression": mse_score,
    }
    return metrics[_known(task_type)]


def _known(task_type: str) -> str:
    if task_type not in ("classification", "regression"):
        raise ValueError(f"task_type must be 'classification' or 'regression', got {task_type!r}")
    return task_type
