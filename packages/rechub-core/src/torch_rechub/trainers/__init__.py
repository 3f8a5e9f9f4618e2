"""Trainers: the task-specific loss, prediction and metrics on top of the shared training loop."""

from .._files import CheckpointError
from ..metrics.monitor import Metric
from ..objectives.retrieval import RetrievalData
from ..training.callbacks import Callback
from ..training.examples import Examples
from ..training.recording import Recording
from .ctr_trainer import CTRTrainer
from .match_trainer import MatchTrainer
from .mtl_trainer import MTLTrainer
from .seq_trainer import SeqTrainer
from .tiger_trainer import TigerTrainer

__all__ = [
    "CTRTrainer",
    "Callback",
    "CheckpointError",
    "Examples",
    "MTLTrainer",
    "MatchTrainer",
    "Metric",
    "Recording",
    "RetrievalData",
    "SeqTrainer",
    "TigerTrainer",
]
