"""Entire space counterfactual multi-task model."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..._bounds import check_number
from ...basic.features import Feature, flat_width
from ...basic.layers import MLP
from ...losses.reduction import mean_of_rows
from .esmm import ESMM


class ESCM2(ESMM):
    """ESMM with a counterfactual CVR loss over all impressions, by IPS or doubly robust estimation.

    loss = BCE(o, ô) + λ_g BCE(o r, ô r̂) + λ_c R,  with clicks o, ô = pCTR, conversions r, r̂ =
    pCVR, R = mean_D o δ / ô  by inverse propensity (IPS),  δ = BCE(r, r̂),
    R = mean_D [ δ̂ + o e / ô + o e² / ô ],  e = δ − δ̂,  doubly robust (DR)

    D are all impressions, as in the first two terms. δ̂, the imputed error, has a third tower. The
    first two terms of DR estimate the error over D without bias if either ô or δ̂ is correct; the
    last one trains δ̂. In R, ô is clipped to at least `min_propensity` and detached: an error in
    the conversion must not change the propensity. Gradients flow through all other terms.

    Choices that the paper leaves open: δ̂ = softplus(tower(v)), as δ is not negative; all towers
    read the embeddings directly, as in ESMM, whereas the experiments of the paper use an MMoE. The
    paper recommends a λ_c of 0.1 to 1, and clips ô at 0.1, with which all clicks would have the
    same weight if the click rate is lower than that.

    Complexity: O(|MLP|).

    Args:
        user_features: Inputs, of any kind and width.
        item_features: Additional inputs, of any kind and width.
        cvr_params: Arguments of the conversion tower's `MLP`: dims, dropout, activation.
        ctr_params: Arguments of the click tower's `MLP`.
        imputation_params: Arguments of the `MLP` of δ̂, for DR; None means IPS.
        counterfactual_weight: λ_c.
        global_weight: λ_g.
        min_propensity: Lower bound of ô in R, above 0: its inverse bounds the weight of a click.

    Shape:
        x[name]: (B,) or (B, L), as the feature; returns [pCVR, pCTR, pCTCVR] (B, 3). The labels are
        [conversion, click, click and conversion]; the conversion of rows without a click is
        ignored.

    Raises:
        ValueError: A weight is negative, or `min_propensity` is not in (0, 1]; in
            `check_labels`, before training, the last label is not the product of the others.

    Example:
        >>> from torch_rechub.basic.features import SparseFeature
        >>> user, item = SparseFeature("user", 10), SparseFeature("item", 20)
        >>> model = ESCM2([user], [item], {"dims": [8]}, {"dims": [8]}, {"dims": [8]})
        >>> model({"user": torch.tensor([1, 2]), "item": torch.tensor([3, 4])}).shape
        torch.Size([2, 3])

    Reference:
        Wang et al., ESCM²: Entire Space Counterfactual Multi-Task Model for Post-Click Conversion
        Rate Estimation, SIGIR 2022, arXiv 2204.05125.
    """

    def __init__(
        self,
        user_features: Sequence[Feature],
        item_features: Sequence[Feature],
        cvr_params: Mapping[str, Any],
        ctr_params: Mapping[str, Any],
        imputation_params: Mapping[str, Any] | None = None,
        *,
        counterfactual_weight: float = 0.1,
        global_weight: float = 1.0,
        min_propensity: float = 0.01,
    ) -> None:
        super().__init__(user_features, item_features, cvr_params, ctr_params)
        weights = {"counterfactual_weight": counterfactual_weight, "global_weight": global_weight}
        check_number("[0, inf)", **weights)
        check_number("(0, 1]", min_propensity=min_propensity)
        self.loss_weights = (0.0, 1.0, global_weight)
        self.counterfactual_weight, self.min_propensity = counterfactual_weight, min_propensity
        self.tower_imp = None
        if imputation_params is not None:
            dim = flat_width(user_features) + flat_width(item_features)
            self.tower_imp = MLP(dim, **{**imputation_params, "output_layer": True})

    def auxiliary_loss(
        self,
        x: Mapping[str, Tensor],
        predictions: Tensor,
        y: Tensor,
        weights: Tensor | None = None,
    ) -> Tensor:
        """Return λ_c R of predictions and labels (B, 3); x is used by DR only.

        Rows with a missing (NaN) o are left out, and rows with a missing r unless o is 0: R does
        not depend on r then.
        """
        r_hat, o_hat, _ = predictions.unbind(dim=1)
        r, o, _ = y.unbind(dim=1)
        known = ~(o.isnan() | (r.isnan() & (o != 0)))
        counts = known.to(r.dtype) if weights is None else known * weights
        r, o = r.nan_to_num(0.0), o.nan_to_num(0.0)
        happened = torch.where(r > 0.5, r_hat, 1 - r_hat)
        delta = -happened.clamp(min=torch.finfo(happened.dtype).tiny).log()
        weight = o / o_hat.detach().clamp(min=self.min_propensity)
        if self.tower_imp is None:
            return self.counterfactual_weight * mean_of_rows(weight * delta, counts)
        delta_hat = F.softplus(self.tower_imp(self.flat_inputs(x)).squeeze(1))
        e = delta - delta_hat
        terms = delta_hat + weight * (e + e.square())
        return self.counterfactual_weight * mean_of_rows(terms, counts)
