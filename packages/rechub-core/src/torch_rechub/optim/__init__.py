"""Optimizers of embedding tables that read and write only the rows that a batch touched."""

from .joint import JointOptimizer
from .lazy import LazyOptimizer, TouchedRows
from .rules import LazyAdagrad, LazyAdam, LazyAdamW, LazySGD

__all__ = [
    "JointOptimizer",
    "LazyAdagrad",
    "LazyAdam",
    "LazyAdamW",
    "LazyOptimizer",
    "LazySGD",
    "TouchedRows",
]
