"""Ranking models: the probability of a click. Train them with `CTRTrainer`."""

from .dcn import DCN
from .deepfm import DeepFM
from .widedeep import WideDeep

__all__ = ["DCN", "DeepFM", "WideDeep"]
