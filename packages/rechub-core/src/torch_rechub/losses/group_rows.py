"""Vectorized operations within the groups of a batch: pairs, ranks, sums."""

import torch
from torch import Tensor


class GroupRows:
    """The groups of a batch, numbered from 0 to G − 1.

    Args:
        groups: Numbers that are equal for the rows of a group, (B,), in any order.

    Attributes:
        of_row: The number of each row's group, (B,).
        sizes: Number of rows of each group, (G,).

    Example:
        >>> rows = GroupRows(torch.tensor([7, 3, 7]))
        >>> rows.of_row, rows.sums(torch.tensor([1.0, 2.0, 3.0]))
        (tensor([1, 0, 1]), tensor([2., 4.]))
    """

    def __init__(self, groups: Tensor) -> None:
        _, self.of_row, self.sizes = groups.unique(return_inverse=True, return_counts=True)
        self._starts = self.sizes.cumsum(0) - self.sizes

    def pairs(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the rows i and j, (n,) each, of all pairs within a group with label i > label j.

        Memory is O(Σ_g n_g²).
        """
        order = self.of_row.argsort(stable=True)
        partners = self.sizes[self.of_row[order]]
        before = partners.cumsum(0) - partners
        first = (self._starts[self.of_row[order]] - before).repeat_interleave(partners)
        i = order.repeat_interleave(partners)
        j = order[first + torch.arange(len(first), device=first.device)]
        above = labels[i] > labels[j]
        return i[above], j[above]

    def ranks(self, scores: Tensor) -> Tensor:
        """Return the rank of each row in its group, from 1; ties are in the order of rows."""
        order = scores.argsort(descending=True, stable=True)
        order = order[self.of_row[order].argsort(stable=True)]
        ranks = torch.empty_like(order)
        place = torch.arange(1, len(order) + 1, device=order.device)
        ranks[order] = place - self._starts[self.of_row[order]]
        return ranks

    def sums(self, values: Tensor) -> Tensor:
        """Return the sum of values (B,) in each group, (G,)."""
        return values.new_zeros(len(self.sizes)).index_add(0, self.of_row, values)

    def differ(self, labels: Tensor) -> Tensor:
        """Return the mask of groups with different labels, (G,)."""
        low, high = (self._extreme(labels, which) for which in ("amin", "amax"))
        return low < high

    def log_softmax(self, scores: Tensor) -> Tensor:
        """Return ln( exp s_i / Σ_{j ∈ g(i)} exp s_j ) of each row, (B,)."""
        centered = scores - self._extreme(scores.detach(), "amax")[self.of_row]
        return centered - self.sums(centered.exp()).log()[self.of_row]

    def _extreme(self, values: Tensor, which: str) -> Tensor:
        empty = values.new_empty(len(self.sizes))
        return empty.scatter_reduce(0, self.of_row, values, which, include_self=False)
