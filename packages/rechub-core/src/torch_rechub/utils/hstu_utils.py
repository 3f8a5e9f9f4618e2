"""Parts of HSTU by the names that scripts use."""

from ..basic.layers.relative_bias import RelativeBucketedTimeAndPositionBias, RelPosBias
from ..basic.layers.vocabulary import VocabMask

__all__ = ["RelPosBias", "RelativeBucketedTimeAndPositionBias", "VocabMask"]
