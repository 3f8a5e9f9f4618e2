"""The logQ correction of in-batch negatives, whose distribution is the popularity."""

import math
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from ..basic.layers.embedding import input_columns
from ..basic.layers.inputs import as_ids
from ..basic.layers.values import check_column


class LogQ:
    """ln q_j of each row's item j, where q_j is its share of the rows: n_j / Σ_k n_k.

    Popular items are in-batch negatives more often, so that the softmax over in-batch negatives
    learns ln P(j | user) − ln q_j. Subtracting ln q_j from the scores in training makes the scores
    estimate ln P(j | user), the order for retrieval.

    Args:
        item_frequency: {column of item ids: n, the count of each id in training}, n of shape (V,).
            A count of 0 is replaced by 1.
        model: A model; V must cover the vocabulary of its feature of this column.
        device: Device of the batches.

    Raises:
        ValueError: There is not exactly one column, its frequencies are not finite numbers of at
            least 0, or they are fewer than the ids of the feature.

    Example:
        >>> log_q = LogQ({"item": [0, 3, 1]}, nn.Identity(), torch.device("cpu"))
        >>> log_q({"item": torch.tensor([1, 2, 1])}).exp()
        tensor([0.7500, 0.2500, 0.7500])

    Reference:
        Yi et al., Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations,
        RecSys 2019.
    """

    def __init__(
        self, item_frequency: Mapping[str, ArrayLike], model: nn.Module, device: torch.device
    ) -> None:
        if len(item_frequency) != 1:
            raise ValueError(
                "item_frequency must be {column of item ids: how often each id occurs}, one "
                f"column, got {list(item_frequency)}"
            )
        self.column, given = next(iter(item_frequency.items()))
        n = np.asarray(given, dtype=np.float64)
        if n.ndim != 1 or not np.isfinite(n).all() or (n < 0).any() or not n.any():
            raise ValueError(
                f"item_frequency[{self.column!r}] must hold how often each id occurs: finite "
                "numbers of at least 0 in one dimension, not all 0"
            )
        _, vocab_size = input_columns(model).get(self.column, (None, None))
        if vocab_size is not None and len(n) < vocab_size:
            raise ValueError(
                f"item_frequency[{self.column!r}] has {len(n)} numbers for the {vocab_size} ids of "
                f"that feature: np.bincount(ids, minlength={vocab_size})"
            )
        log_q = np.log(np.maximum(n, 1) / n.sum())
        self.table = torch.as_tensor(log_q, dtype=torch.float32, device=device)

    def __call__(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return ln q of each row's item, shape (B,).

        Raises:
            KeyError: The column is missing.
            ValueError: The column does not hold one id per row.
            IndexError: An id has no frequency.
        """
        ids = self._ids(x)
        if ids.dim() != 1:
            raise ValueError(
                f"item_frequency needs a column of one item a row, (B,), but {self.column!r} has "
                f"shape {tuple(ids.shape)}"
            )
        return self.table[ids]

    def of_draws(self, x: Mapping[str, Tensor], k: int) -> Tensor:
        """Return ln(K q) of each of a row's K negatives, shape (B, K).

        Raises:
            KeyError: The column is missing.
            ValueError: The column does not hold K ids per row.
            IndexError: An id has no frequency.
        """
        ids = self._ids(x)
        if ids.shape[1:] != (k,):
            raise ValueError(
                f"item_frequency in mode 2 needs the column of the {k} negatives of a row, (B, "
                f"{k}), but {self.column!r} has shape {tuple(ids.shape)}"
            )
        return self.table[ids] + math.log(k)

    def _ids(self, x: Mapping[str, Tensor]) -> Tensor:
        if self.column not in x:
            raise KeyError(
                f"the data have no column {self.column!r}, which item_frequency names; columns "
                f"there are: {', '.join(x)}"
            )
        ids = as_ids(x[self.column], self.column)
        if ids.device.type == "cpu":  # on a GPU the lookup fails with a device assertion
            check_column(ids, self.column, len(self.table))
        return ids
