"""Retrieval models: a vector for the user, one for the item. Train them with `MatchTrainer`."""

from .dssm import DSSM
from .dssm_facebook import FaceBookDSSM
from .gru4rec import GRU4Rec
from .sasrec import SASRec
from .youtube_dnn import YoutubeDNN

__all__ = ["DSSM", "FaceBookDSSM", "GRU4Rec", "SASRec", "YoutubeDNN"]
