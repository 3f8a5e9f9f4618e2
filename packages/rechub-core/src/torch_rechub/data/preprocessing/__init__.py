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
    "Target",
    "Text",
    "Timestamp",
]
