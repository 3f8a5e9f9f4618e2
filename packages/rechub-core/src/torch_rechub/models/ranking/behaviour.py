"""What models of a user's behaviour check of its features."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from ...basic.features import Feature, IdFeature, SequenceFeature, check_sequences, fields_of
from ...basic.layers.inputs import column


def pair_features(
    histories: Sequence[Feature], targets: Sequence[Feature]
) -> tuple[list[SequenceFeature], list[IdFeature]]:
    """The history features and, in their order, the feature of the target for each.

    Raises:
        ValueError: A history is no sequence with pooling "concat", or the two differ in number or
            width.
    """
    sequences = check_sequences("history_features", histories)
    ids = [f for t in targets for f in fields_of("target_features", [t])[0]]
    widths = [[f.embed_dim for f in part] for part in (sequences, ids)]
    if widths[0] != widths[1] or not sequences:
        raise ValueError(
            "history_features and target_features must pair off, in order and with the same "
            f"embed_dim; got widths {widths[0]} and {widths[1]}"
        )
    return sequences, ids


def valid_steps(x: Mapping[str, Tensor], history: SequenceFeature) -> Tensor:
    """Where a history is no padding: (B, L)."""
    return column(x, history) != history.padding_id
