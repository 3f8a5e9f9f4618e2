"""Weights & Biases for Torch-RecHub: `WandbLogger`. Importing this does not import wandb."""

from .logger import WandbLogger

__all__ = ["WandbLogger"]
