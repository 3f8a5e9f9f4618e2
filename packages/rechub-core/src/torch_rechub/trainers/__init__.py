"""Trainers: one loop, and for each task what its loss, its prediction and its metrics are."""

from .ctr_trainer import CTRTrainer

__all__ = ["CTRTrainer"]
