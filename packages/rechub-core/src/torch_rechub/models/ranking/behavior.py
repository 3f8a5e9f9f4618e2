"""Checks of the features of user behavior models."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from ...basic.features import (
    Feature,
    IdFeature,
    SequenceFeature,
    check_sequences,
    fields_of,
    flat_width,
)
from ...basic.layers.inputs import column


def pair_features(
    histories: Sequence[Feature], targets: Sequence[Feature]
) -> tuple[list[SequenceFeature], list[IdFeature], list[Feature]]:
    """Match history features with target features; return histories, their targets, other targets.

    Raises:
        ValueError: A history is not a sequence with pooling "concat", or has no target of its
            width.
    """
    sequences = check_sequences("history_features", histories)
    first, others = list(targets[: len(sequences)]), list(targets[len(sequences) :])
    paired = [f for t in first for f in fields_of("target_features", [t])[0]]
    check_widths("target_features", paired, sequences)
    flat_width(others)
    return sequences, paired, others


def check_widths(
    argument: str, features: Sequence[IdFeature], histories: Sequence[SequenceFeature]
) -> None:
    """Refuse features that do not match the histories in pairs.

    Raises:
        ValueError: Features and histories differ in number or width, or there is no history.
    """
    widths = [[f.embed_dim for f in part] for part in (histories, features)]
    if widths[0] != widths[1] or not histories:
        raise ValueError(
            f"history_features and {argument} must pair off, in order and with the same "
            f"embed_dim; got widths {widths[0]} and {widths[1]}"
        )


def valid_steps(x: Mapping[str, Tensor], history: SequenceFeature) -> Tensor:
    """The mask of the valid steps of a history: (B, L)."""
    return column(x, history) != history.padding_id
