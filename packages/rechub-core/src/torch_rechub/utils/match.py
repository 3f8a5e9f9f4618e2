"""Helpers of matching models by the names that scripts use."""

from ..basic.in_batch import gather_inbatch_logits, inbatch_negative_sampling
from ..data.match_sequence import gen_model_input, generate_seq_feature_match
from ..data.negative import negative_sample
from ..serving.script_indexes import Annoy, Faiss, Milvus

__all__ = [
    "Annoy",
    "Faiss",
    "Milvus",
    "gather_inbatch_logits",
    "gen_model_input",
    "generate_seq_feature_match",
    "inbatch_negative_sampling",
    "negative_sample",
]
