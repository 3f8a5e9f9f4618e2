"""From raw columns to inputs of a model: a `Preprocessor` of columns, fitted once."""

from .columns import (
    Bucketized,
    Categorical,
    Column,
    Crossed,
    Embedding,
    Hashed,
    MultiCategorical,
    Numeric,
    Text,
    Timestamp,
)
from .encoded_table import EncodedTable
from .preprocessor import Preprocessor
from .row_encoder import RowEncoder
from .targets import Target

__all__ = [
    "Bucketized",
    "Categorical",
    "Column",
    "Crossed",
    "Embedding",
    "EncodedTable",
    "Hashed",
    "MultiCategorical",
    "Numeric",
    "Preprocessor",
    "RowEncoder",
    "Target",
    "Text",
    "Timestamp",
]
