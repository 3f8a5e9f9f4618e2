"""Ranking models: the probability of a click. Train them with `CTRTrainer`."""

from .afm import AFM
from .autoint import AutoInt
from .bst import BST
from .dcn import DCN
from .dcn_v2 import DCNv2
from .deepffm import DeepFFM, FatDeepFFM
from .deepfm import DeepFM
from .dien import DIEN
from .din import DIN
from .dlrm import DLRM
from .edcn import EDCN
from .fibinet import FiBiNet
from .final_mlp import FinalMLP
from .fm import FM
from .fwfm import FwFM
from .gdcn import GDCN
from .lr import LR
from .masknet import MaskNet
from .nfm import NFM
from .pnn import PNN
from .widedeep import WideDeep
from .xdeepfm import XDeepFM

__all__ = [
    "AFM",
    "BST",
    "DCN",
    "DIEN",
    "DIN",
    "DLRM",
    "EDCN",
    "FM",
    "GDCN",
    "LR",
    "NFM",
    "PNN",
    "AutoInt",
    "DCNv2",
    "DeepFFM",
    "DeepFM",
    "FatDeepFFM",
    "FiBiNet",
    "FinalMLP",
    "FwFM",
    "MaskNet",
    "WideDeep",
    "XDeepFM",
]
