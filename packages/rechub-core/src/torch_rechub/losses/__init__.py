"""Losses and penalties."""

from .batch_loss import BatchLoss
from .binary_cross_entropy import BinaryCrossEntropy
from .focal import FocalLoss
from .nce import InBatchNCELoss, NCELoss
from .pairwise import BPRLoss, HingeLoss
from .regression import LogCoshLoss, PoissonLoss, QuantileLoss
from .regularization import RegularizationLoss
from .within_groups import GroupBPR, LambdaRank, ListNet, RankNet

__all__ = [
    "BPRLoss",
    "BatchLoss",
    "BinaryCrossEntropy",
    "FocalLoss",
    "GroupBPR",
    "HingeLoss",
    "InBatchNCELoss",
    "LambdaRank",
    "ListNet",
    "LogCoshLoss",
    "NCELoss",
    "PoissonLoss",
    "QuantileLoss",
    "RankNet",
    "RegularizationLoss",
]
