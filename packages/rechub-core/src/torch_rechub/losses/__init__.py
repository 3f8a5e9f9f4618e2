"""Losses and penalties."""

from .batch_loss import BatchLoss
from .binary_cross_entropy import BinaryCrossEntropy
from .nce import InBatchNCELoss, NCELoss
from .pairwise import BPRLoss, HingeLoss
from .regularization import RegularizationLoss

__all__ = [
    "BPRLoss",
    "BatchLoss",
    "BinaryCrossEntropy",
    "HingeLoss",
    "InBatchNCELoss",
    "NCELoss",
    "RegularizationLoss",
]
