"""Entire space multi-task model."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...basic.features import Feature, flat_width
from ...basic.layers import MLP, EmbeddingLayer
from ..arguments import RecordsArguments

log = logging.getLogger("torch_rechub")


class ESMM(RecordsArguments, nn.Module):
    """Post-click conversion rate (CVR), trained on all impressions.

    pCTCVR = pCTR · pCVR,  loss = BCE(click, pCTR) + BCE(click and conversion, pCTCVR)

    pCVR has no loss of its own: the clicked rows are a biased sample of all impressions. The labels
    still have its column, so that its metrics can be recorded.

    Complexity: O(|MLP|).

    Args:
        user_features: Inputs, of any kind and width.
        item_features: Additional inputs, of any kind and width.
        cvr_params: Arguments of the conversion tower's `MLP`: dims, dropout, activation.
        ctr_params: Arguments of the click tower's `MLP`.

    Shape:
        x[name]: (B,) or (B, L), as the feature; returns [pCVR, pCTR, pCTCVR] (B, 3). The labels are
        [conversion, click, click and conversion], the last column the product of the others.

    Raises:
        ValueError: In `check_labels`, before training, the last column is not that product.

    Example:
        >>> from torch_rechub.basic.features import SparseFeature
        >>> user, item = SparseFeature("user", 10), SparseFeature("item", 20)
        >>> model = ESMM([user], [item], {"dims": [8]}, {"dims": [8]})
        >>> p = model({"user": torch.tensor([1, 2]), "item": torch.tensor([3, 4])})
        >>> torch.allclose(p[:, 0] * p[:, 1], p[:, 2])
        True

    Reference:
        Ma et al., Entire Space Multi-Task Model: An Effective Approach for Estimating
        Post-Click Conversion Rate, SIGIR 2018, arXiv 1804.07931.
    """

    loss_weights: tuple[float, ...] = (0.0, 1.0, 1.0)

    def __init__(
        self,
        user_features: Sequence[Feature],
        item_features: Sequence[Feature],
        cvr_params: Mapping[str, Any],
        ctr_params: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.user_features, self.item_features = list(user_features), list(item_features)
        self.task_types, self._warned = ["classification"] * 3, False
        dim = flat_width(user_features) + flat_width(item_features)
        self.embedding = EmbeddingLayer([*user_features, *item_features])
        self.tower_cvr = MLP(dim, **{**cvr_params, "output_layer": True})
        self.tower_ctr = MLP(dim, **{**ctr_params, "output_layer": True})

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return [pCVR, pCTR, pCTCVR] (B, 3)."""
        return self.logits(x).sigmoid()

    def logits(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return the logits of [pCVR, pCTR, pCTCVR] (B, 3)."""
        v = self.flat_inputs(x)
        cvr, ctr = self.tower_cvr(v), self.tower_ctr(v)
        return torch.cat([cvr, ctr, product_logit(cvr, ctr)], dim=1)

    def flat_inputs(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return the inputs of each tower (B, Σ widths)."""
        sides = [f for f in (self.user_features, self.item_features) if f]
        return torch.cat([self.embedding(x, side, squeeze_dim=True) for side in sides], dim=1)

    def check_labels(self, y: Tensor) -> None:
        """Refuse inconsistent labels (N, 3); warn of columns that are probably swapped.

        If conversions are recorded for clicked rows only, columns in the order [click, conversion,
        both] are consistent, but have more conversions than clicks.

        Raises:
            ValueError: The last column is not the product of the others.
        """
        conversion, click, both = y.unbind(dim=1)
        wrong = (both != conversion * click) & ~y.isnan().any(dim=1)
        if wrong.any():
            row = int(wrong.nonzero()[0])
            raise ValueError(
                "the columns of y must be [conversion, click, click and conversion], the last one "
                f"the product of the others, but row {row} is "
                f"[{', '.join(f'{label:g}' for label in y[row].tolist())}]"
            )
        if conversion.nansum() > click.nansum() and not self._warned:
            self._warned = True  # once, where batches are looked at one by one
            log.warning(
                "y has more conversions (column 0) than clicks (column 1): %s reads the columns as "
                "[conversion, click, click and conversion]. Reorder them if yours are others.",
                type(self).__name__,
            )

    def shared_layers(self) -> list[nn.Module]:
        """Return the layers shared by all tasks, in order."""
        return [self.embedding]


def product_logit(a: Tensor, b: Tensor) -> Tensor:
    """The logit of σ(a) σ(b), accurate even if the product rounds to 0 or 1.

    1 / (σ(a) σ(b)) = (1 + e^−a)(1 + e^−b) = 1 + e^−a + e^−b + e^−(a+b), and a probability p has
    the logit −log(1/p − 1).

    Example:
        >>> product_logit(torch.tensor([0.0, -200.0]), torch.tensor([0.0, -100.0]))
        tensor([  -1.0986, -300.0000])
    """
    return -torch.stack([-a, -b, -a - b]).logsumexp(dim=0)
