"""Layers, by kind: each class is its formula, its shapes and a short forward."""

from ..._installation import refuse_mixed_installation

# not layers, but importable from here in 0.9
from ..activation import activation_layer as activation_layer
from ..features import DenseFeature as DenseFeature
from ..features import SequenceFeature as SequenceFeature
from ..features import SparseFeature as SparseFeature
from .attention import InteractingLayer, MultiHeadSelfAttention, PointWiseFeedForward
from .cross import CrossLayer, CrossNetMix, CrossNetV2, CrossNetwork, GatedCrossNetwork
from .embedding import EmbeddingLayer
from .experts import CGC, AttentionLayer, Experts, Gate, TaskPredictions, Towers, mix
from .field_weights import CEN, SENETLayer
from .gates import GateNU, MaskBlock
from .graph import LightGraphConvolution
from .hstu import HSTUBlock, HSTULayer
from .interaction import CIN, FM
from .interest import CapsuleNetwork, MultiInterestSA
from .linear import LR, FirstOrder
from .mlp import MLP, PredictionLayer
from .pooling import AveragePooling, ConcatPooling, InputMask, SumPooling
from .products import (
    FFM,
    BilinearFusion,
    BiLinearInteractionLayer,
    OuterProduct,
    PairProducts,
)
from .recurrent import AUGRU, AUGRU_Cell
from .target_attention import ActivationUnit

refuse_mixed_installation()

__all__ = [
    "AUGRU",
    "CEN",
    "CGC",
    "CIN",
    "FFM",
    "FM",
    "LR",
    "MLP",
    "AUGRU_Cell",
    "ActivationUnit",
    "AttentionLayer",
    "AveragePooling",
    "BiLinearInteractionLayer",
    "BilinearFusion",
    "CapsuleNetwork",
    "ConcatPooling",
    "CrossLayer",
    "CrossNetMix",
    "CrossNetV2",
    "CrossNetwork",
    "EmbeddingLayer",
    "Experts",
    "FirstOrder",
    "Gate",
    "GateNU",
    "GatedCrossNetwork",
    "HSTUBlock",
    "HSTULayer",
    "InputMask",
    "InteractingLayer",
    "LightGraphConvolution",
    "MaskBlock",
    "MultiHeadSelfAttention",
    "MultiInterestSA",
    "OuterProduct",
    "PairProducts",
    "PointWiseFeedForward",
    "PredictionLayer",
    "SENETLayer",
    "SumPooling",
    "TaskPredictions",
    "Towers",
    "mix",
]
