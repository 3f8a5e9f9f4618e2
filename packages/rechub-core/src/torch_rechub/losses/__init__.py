"""Losses and penalties."""

from .batch_loss import BatchLoss
from .binary_cross_entropy import BinaryCrossEntropy
from .focal import FocalLoss
from .nce import InBatchNCELoss, NCELoss
from .one_positive import BPRMaxLoss, GBCELoss, NegativesBCELoss, SampledSoftmaxLoss
from .pairwise import BPRLoss, HingeLoss
from .regression import LogCoshLoss, PoissonLoss, QuantileLoss
from .regularization import RegularizationLoss
from .within_groups import GroupBPR, LambdaRank, ListNet, RankNet

__all__ = [
    "BPRLoss",
    "BPRMaxLoss",
    "BatchLoss",
    "BinaryCrossEntropy",
    "FocalLoss",
    "GBCELoss",
    "GroupBPR",
    "HingeLoss",
    "InBatchNCELoss",
    "LambdaRank",
    "ListNet",
    "LogCoshLoss",
    "NCELoss",
    "NegativesBCELoss",
    "PoissonLoss",
    "QuantileLoss",
    "RankNet",
    "RegularizationLoss",
    "SampledSoftmaxLoss",
]
