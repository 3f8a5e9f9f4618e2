"""Softmax cross-entropy over candidates, at a temperature."""

import torch.nn.functional as F
from torch import Tensor, nn

from .._bounds import check_number
from .reduction import known_reduction, reduce_losses


class NCELoss(nn.Module):
    """Softmax cross-entropy over all candidates: L = −ln(exp(z_t / τ) / Σ_v exp(z_v / τ)).

    z are the logits of the V candidates and t is the target. Despite the name, kept from 0.9,
    nothing is sampled: all candidates but the target are negatives.

    Args:
        temperature: τ.
        ignore_index: The target of rows to ignore, such as padding. Set it to -100 if 0 is a valid
            candidate.
        reduction: "mean" over rows that are not ignored, "sum", or "none", with 0 for ignored rows.
            Where no row counts, mean and sum are 0.

    Raises:
        ValueError: `temperature` is not above 0 or `reduction` has another value.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[0.0, 2.0, 1.0], [5.0, 1.0, 3.0]])
        >>> NCELoss(reduction="none")(logits, torch.tensor([1, 0]))
        tensor([0.4076, 0.0000])

    Reference:
        van den Oord et al., "Representation Learning with Contrastive Predictive Coding",
        arXiv:1807.03748.
    """

    def __init__(
        self, temperature: float = 1.0, ignore_index: int = 0, reduction: str = "mean"
    ) -> None:
        super().__init__()
        check_number("(0, inf)", temperature=temperature)
        self.temperature, self.ignore_index = temperature, ignore_index
        self.reduction = known_reduction(reduction)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of a batch.

        Args:
            logits: A score for each candidate, shape (B, V) or (B, L, V).
            targets: The right candidates, whole numbers, shape (B,) or (B, L).

        Returns:
            The loss: a scalar, or the shape of `targets` without reduction.

        Raises:
            ValueError: the shapes do not match, or targets are not whole numbers.
        """
        if logits.shape[:-1] != targets.shape or targets.is_floating_point():
            raise ValueError(
                f"logits of shape {tuple(logits.shape)} need whole-number targets of shape "
                f"{tuple(logits.shape[:-1])}, got {targets.dtype} of {tuple(targets.shape)}"
            )
        losses = F.cross_entropy(
            logits.reshape(-1, logits.shape[-1]) / self.temperature,
            targets.reshape(-1).long(),
            ignore_index=self.ignore_index,
            reduction="none",
        ).view(targets.shape)
        if self.reduction == "mean":
            return losses.sum() / (targets != self.ignore_index).sum().clamp(min=1)
        return reduce_losses(losses, self.reduction)


class InBatchNCELoss(NCELoss):
    """`NCELoss` on the inner products of embeddings and items: z_v = ⟨e, i_v⟩.

    Every row of the item embeddings is a candidate. For in-batch negatives give the batch's items,
    their row numbers as targets and `ignore_index=-100`, as row 0 is then one of them. Normalize
    both sides for cosines.

    Args:
        temperature: τ.
        ignore_index: The target of rows to ignore.
        reduction: "mean" over rows that are not ignored, "sum", or "none", with 0 for ignored rows.

    Raises:
        ValueError: `temperature` is not above 0 or `reduction` has another value.

    Example:
        >>> import torch
        >>> items = torch.eye(3)
        >>> InBatchNCELoss(temperature=0.5)(items[1:], items, torch.tensor([1, 2]))
        tensor(0.2395)
    """

    def __init__(
        self, temperature: float = 0.1, ignore_index: int = 0, reduction: str = "mean"
    ) -> None:
        super().__init__(temperature, ignore_index, reduction)

    def forward(  # type: ignore[override]
        self, embeddings: Tensor, item_embeddings: Tensor, targets: Tensor
    ) -> Tensor:
        """Return the loss of a batch.

        Args:
            embeddings: Users or queries, shape (B, D) or (B, L, D).
            item_embeddings: Candidates, shape (V, D).
            targets: Rows of `item_embeddings`, shape (B,) or (B, L).

        Returns:
            The loss: a scalar, or the shape of `targets` without reduction.

        Raises:
            ValueError: the shapes do not match, or targets are not whole numbers.
        """
        if item_embeddings.dim() != 2 or embeddings.shape[-1] != item_embeddings.shape[-1]:
            raise ValueError(
                f"embeddings of shape {tuple(embeddings.shape)} need items of shape "
                f"(V, {embeddings.shape[-1]}), got {tuple(item_embeddings.shape)}"
            )
        return super().forward(embeddings @ item_embeddings.T, targets)
