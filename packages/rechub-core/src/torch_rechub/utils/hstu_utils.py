"""Parts of HSTU under the names of scripts for 0.9."""

from ..basic.layers.relative_bias import RelativeBucketedTimeAndPositionBias, RelPosBias
from ..basic.layers.vocabulary import VocabMask

__all__ = ["RelPosBias", "RelativeBucketedTimeAndPositionBias", "VocabMask"]
