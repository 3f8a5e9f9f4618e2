"""The features of fitted columns, for models."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ...basic.features import SparseFeature
from .columns import Column, ColumnWithVocabulary, Encoder, MultiCategorical
from .columns.base import Feature
from .vocabulary import PADDING


def features_of(
    columns: Sequence[Column], encoders: Iterable[Encoder], embed_dim: int | None
) -> list[Feature]:
    """Return the features of the inputs of columns.

    Columns that share a table have the width of its owner; a table that sequences use has a row of
    zeros for padding, also where one id a row owns it.

    Args:
        columns: All columns.
        encoders: The fitted columns whose features are wanted.
        embed_dim: Width of embeddings of columns without their own.
    """
    of_name = {column.input_name: column for column in columns}
    padded = {column.owner for column in columns if isinstance(column, MultiCategorical)}
    found: list[Feature] = []
    for encoder in encoders:
        column, width = encoder.column, embed_dim
        if isinstance(column, ColumnWithVocabulary) and column.shared_with is not None:
            owner = of_name[column.shared_with]
            assert isinstance(owner, ColumnWithVocabulary)
            width = owner.embed_dim or embed_dim
        for feature in encoder.features(width):
            if column.input_name in padded and isinstance(feature, SparseFeature):
                feature = replace(feature, padding_idx=PADDING)
            found.append(feature)
    return found
