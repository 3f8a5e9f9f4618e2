"""Optimizers for embedding tables that update only the rows of a batch; MetaBalance."""

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
