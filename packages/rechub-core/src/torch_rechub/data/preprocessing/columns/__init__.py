"""The kinds of columns, one a file."""

from .base import Column, Encoder, State
from .bucketized import Bucketized
from .categorical import Categorical
from .embedding import Embedding
from .hashed import Crossed, Hashed
from .multi_categorical import MultiCategorical
from .numeric import Numeric
from .text import Text
from .timestamp import Timestamp
from .with_vocabulary import ColumnWithVocabulary

__all__ = [
    "Bucketized",
    "Categorical",
    "Column",
    "ColumnWithVocabulary",
    "Crossed",
    "Embedding",
    "Encoder",
    "Hashed",
    "MultiCategorical",
    "Numeric",
    "State",
    "Text",
    "Timestamp",
]
