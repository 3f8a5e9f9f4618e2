"""Retrieval models, trained by `MatchTrainer`: embeddings of users and items.

The exception is NeuMF, which has no embeddings to retrieve by and scores pairs of user and item.
"""

from .bert4rec import BERT4Rec
from .bpr_mf import BPRMF
from .comirec import ComirecDR, ComirecSA
from .dssm import DSSM
from .dssm_facebook import FaceBookDSSM
from .gru4rec import GRU4Rec
from .light_gcn import LightGCN
from .mind import MIND
from .narm import NARM
from .neumf import NeuMF
from .sasrec import SASRec
from .sine import SINE
from .stamp import STAMP
from .youtube_dnn import YoutubeDNN
from .youtube_sbc import YoutubeSBC

__all__ = [
    "BPRMF",
    "DSSM",
    "MIND",
    "NARM",
    "SINE",
    "STAMP",
    "BERT4Rec",
    "ComirecDR",
    "ComirecSA",
    "FaceBookDSSM",
    "GRU4Rec",
    "LightGCN",
    "NeuMF",
    "SASRec",
    "YoutubeDNN",
    "YoutubeSBC",
]
