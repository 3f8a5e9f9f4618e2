"""Layers, by kind: each class is its formula, its shapes and a short forward."""

from ..._installation import refuse_mixed_installation
from .attention import MultiHeadSelfAttention, PointWiseFeedForward
from .embedding import EmbeddingLayer
from .experts import CGC, AttentionLayer, Experts, Gate, TaskPredictions, Towers, mix
from .field_weights import SENETLayer
from .hstu import HSTUBlock, HSTULayer
from .interaction import CIN, FM, CrossLayer, CrossNetwork
from .interest import CapsuleNetwork, MultiInterestSA
from .linear import LR, FirstOrder
from .mlp import MLP, PredictionLayer
from .pooling import AveragePooling, ConcatPooling, InputMask, SumPooling

refuse_mixed_installation()

__all__ = [
    "CGC",
    "CIN",
    "FM",
    "LR",
    "MLP",
    "AttentionLayer",
    "AveragePooling",
    "CapsuleNetwork",
    "ConcatPooling",
    "CrossLayer",
    "CrossNetwork",
    "EmbeddingLayer",
    "Experts",
    "FirstOrder",
    "Gate",
    "HSTUBlock",
    "HSTULayer",
    "InputMask",
    "MultiHeadSelfAttention",
    "MultiInterestSA",
    "PointWiseFeedForward",
    "PredictionLayer",
    "SENETLayer",
    "SumPooling",
    "TaskPredictions",
    "Towers",
    "mix",
]
