"""Losses and penalties, where scripts for torch-rechub 0.9 import them from."""

from ..losses.nce import InBatchNCELoss, NCELoss
from ..losses.pairwise import BPRLoss, HingeLoss
from ..losses.regularization import RegularizationLoss

__all__ = ["BPRLoss", "HingeLoss", "InBatchNCELoss", "NCELoss", "RegularizationLoss"]
