"""Two towers trained with in-batch negatives, corrected for sampling bias."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..._bounds import check_whole
from ...basic.features import DenseFeature, Feature
from ...basic.layers.inputs import column
from ...basic.layers.precision import leave_out
from .two_tower import TwoNetworks


class YoutubeSBC(TwoNetworks):
    """Two-tower model trained with in-batch negatives and sampling-bias correction.

    s_ij = cos(y_u(x_i), y_v(x_j)) / τ − ln q_j,  P(i) = exp s_ii / Σ_j exp s_ij

    over row i's own item and those of the next `n_neg` rows, cyclically. q_j is the frequency of
    item j: popular items are negatives more often, which −ln q_j corrects. A negative that equals
    row i's own item is masked. Items are retrieved by the cosine alone, without ln q.

    Complexity: O(|MLP| + B D).

    Args:
        user_features: Inputs of the user network, of any kind and width.
        item_features: Inputs of the item network.
        sample_weight_feature: A list with one dense feature, q: the item's share of the training
            rows, or its count, as a common factor has no effect.
        user_params: Arguments of `MLP` for the user: dims, dropout, activation (an `output_layer`
            is ignored).
        item_params: The same for the item; both must end in the same width D.
        batch_size: The batch size of the loader. A smaller batch, such as the last, has
            min(n_neg, B − 1) negatives per row.
        n_neg: Number of negatives per row, 1 to `batch_size` − 1; the latter gives the paper's
            softmax over the batch.
        temperature: τ, above 0.

    Shape:
        x[name]: (B,) or (B, L), as the feature; returns logits (B, 1 + min(n_neg, B − 1)), the
        positive in column 0, or in mode "user" and "item" embeddings (B, D) of length 1.

    Raises:
        ValueError: The towers end in different widths, `sample_weight_feature` is not one feature,
            `n_neg` is out of range, or, in `forward`, a weight is not above 0.

    Example:
        >>> from torch_rechub.basic.features import SparseFeature
        >>> user, item = [SparseFeature("user", 10)], [SparseFeature("item", 20)]
        >>> q = [DenseFeature("q")]
        >>> model = YoutubeSBC(user, item, q, {"dims": [8]}, {"dims": [8]}, batch_size=4, n_neg=2)
        >>> ids = torch.tensor([1, 2, 3, 4])
        >>> model({"user": ids, "item": ids, "q": torch.tensor([0.4, 0.3, 0.2, 0.1])}).shape
        torch.Size([4, 3])

    Reference:
        Yi et al., Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations,
        RecSys 2019.
    """

    why_no_onnx = (
        "its scores compare each row with others of the batch it trains in; export the towers, "
        "with mode='user' and mode='item'"
    )

    def __init__(
        self,
        user_features: Sequence[Feature],
        item_features: Sequence[Feature],
        sample_weight_feature: Sequence[Feature],
        user_params: Mapping[str, Any],
        item_params: Mapping[str, Any],
        batch_size: int,
        n_neg: int = 3,
        temperature: float = 1.0,
    ) -> None:
        check_whole(1, batch_size=batch_size, n_neg=n_neg)
        weights = [f for f in sample_weight_feature if isinstance(f, DenseFeature)]
        if len(weights) != 1 or len(sample_weight_feature) != 1:
            raise ValueError(
                f"sample_weight_feature must be [DenseFeature(...)], got {sample_weight_feature}"
            )
        if not 1 <= n_neg < batch_size:
            raise ValueError(f"n_neg must be 1 to {batch_size - 1} (batch_size - 1), got {n_neg}")
        nets = (user_features, item_features, user_params, item_params)
        super().__init__(*nets, temperature, others=weights)
        self.sample_weight_feature, self.n_neg = weights, n_neg

    def score(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B, 1 + min(n_neg, B − 1))."""
        user, item = self.user_tower(x), self.item_tower(x)
        row = torch.arange(len(user), device=user.device).unsqueeze(1)
        ahead = torch.arange(min(self.n_neg, len(user) - 1) + 1, device=user.device)
        other = (row + ahead) % len(user)
        cosine = (user @ item.T).gather(1, other)
        scores = cosine / self.temperature - self._log_q(x, cosine.dtype)[other]
        groups = self.item_groups(x)
        same = (groups[other] == groups.unsqueeze(1)) & (ahead > 0)
        return leave_out(scores, same)

    def _log_q(self, x: Mapping[str, Tensor], dtype: torch.dtype) -> Tensor:
        q = column(x, self.sample_weight_feature[0]).squeeze(1)
        if q.device.type == "cpu" and bool((q <= 0).any()):
            raise ValueError(
                f"{self.sample_weight_feature[0].name!r} holds {q.min().item():g}, but how often "
                "an item occurs is above 0"
            )
        return q.to(torch.promote_types(dtype, torch.float32)).log().to(dtype)
