"""Layers, by kind: each class is its formula, its shapes and a short forward."""

from ..._installation import refuse_mixed_installation
from .embedding import EmbeddingLayer
from .interaction import FM, CrossLayer, CrossNetwork
from .linear import LR, FirstOrder
from .mlp import MLP, PredictionLayer
from .pooling import AveragePooling, ConcatPooling, InputMask, SumPooling

refuse_mixed_installation()

__all__ = [
    "FM",
    "LR",
    "MLP",
    "AveragePooling",
    "ConcatPooling",
    "CrossLayer",
    "CrossNetwork",
    "EmbeddingLayer",
    "FirstOrder",
    "InputMask",
    "PredictionLayer",
    "SumPooling",
]
