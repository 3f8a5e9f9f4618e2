"""Optimizers for embedding tables that update only the rows of a batch; schedules; MetaBalance."""

from .joint import JointOptimizer
from .lazy import LazyOptimizer, TouchedRows
from .rules import LazyAdagrad, LazyAdam, LazyAdamW, LazySGD
from .schedules import WarmupConstant, WarmupCosine, WarmupLinear, WarmupSchedule

__all__ = [
    "JointOptimizer",
    "LazyAdagrad",
    "LazyAdam",
    "LazyAdamW",
    "LazyOptimizer",
    "LazySGD",
    "TouchedRows",
    "WarmupConstant",
    "WarmupCosine",
    "WarmupLinear",
    "WarmupSchedule",
]
