"""Losses and penalties."""

from .nce import InBatchNCELoss, NCELoss
from .pairwise import BPRLoss, HingeLoss
from .regularization import RegularizationLoss

__all__ = ["BPRLoss", "HingeLoss", "InBatchNCELoss", "NCELoss", "RegularizationLoss"]
