"""Early stopping, where scripts for torch-rechub 0.9 import it from."""

from ..training.checkpoints.early_stopping import EarlyStopper

__all__ = ["EarlyStopper"]
