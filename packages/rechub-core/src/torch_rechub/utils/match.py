"""Helpers of matching models under the names of scripts for 0.9."""

from importlib.util import find_spec

from ..data.match_sequence import gen_model_input, generate_seq_feature_match
from ..data.negative import negative_sample
from ..data.padding import pad_sequences
from ..data.table import df_to_dict
from ..losses.in_batch import gather_inbatch_logits, inbatch_negative_sampling
from ..serving.script_indexes import Annoy, Faiss, Milvus

__all__ = [
    "ANNOY_AVAILABLE",
    "FAISS_AVAILABLE",
    "MILVUS_AVAILABLE",
    "Annoy",
    "Faiss",
    "Milvus",
    "df_to_dict",
    "gather_inbatch_logits",
    "gen_model_input",
    "generate_seq_feature_match",
    "inbatch_negative_sampling",
    "negative_sample",
    "pad_sequences",
]

ANNOY_AVAILABLE = find_spec("annoy") is not None
FAISS_AVAILABLE = find_spec("faiss") is not None
MILVUS_AVAILABLE = find_spec("pymilvus") is not None
