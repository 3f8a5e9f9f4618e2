"""The settings of in-batch negatives."""

from dataclasses import dataclass
from typing import Any

from .._bounds import check_whole, refuse_none


@dataclass(frozen=True)
class InBatchSettings:
    """The settings of in-batch negatives.

    Attributes:
        in_batch_neg_ratio: Number of in-batch negatives per row; None means all other rows.
        hard_negative: Whether to take the negatives with the highest scores instead of drawing.
        sampler_seed: Seed of the draws; None means torch's global random state.
        cross_batch_negatives: Number of items of earlier batches used as negatives; see
            `CrossBatchMemory`.
        cross_batch_warmup: Number of batches before they are used.

    Raises:
        TypeError: A number is not a whole number.
        ValueError: A number is out of range.
    """

    in_batch_neg_ratio: int | None = None
    hard_negative: bool = False
    sampler_seed: int | None = None
    cross_batch_negatives: int = 0
    cross_batch_warmup: int = 0

    def __post_init__(self) -> None:
        numbers = {"cross_batch_warmup": self.cross_batch_warmup}
        numbers |= {"cross_batch_negatives": self.cross_batch_negatives}
        refuse_none(**numbers)
        check_whole(0, in_batch_neg_ratio=self.in_batch_neg_ratio, **numbers)
        check_whole(-(2**63), sampler_seed=self.sampler_seed)


def in_batch_settings(in_batch: bool, *settings: Any) -> InBatchSettings | None:
    """The settings of in-batch negatives; None without them.

    Args:
        in_batch: Whether there are in-batch negatives.
        settings: Those of `InBatchSettings`, in their order.

    Raises:
        ValueError: Negatives of earlier batches are asked for without in-batch negatives.
    """
    given = InBatchSettings(*settings)
    if given.cross_batch_negatives and not in_batch:
        raise ValueError("cross_batch_negatives are in-batch negatives: set in_batch_neg=True")
    return given if in_batch else None
