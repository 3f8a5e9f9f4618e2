"""In-batch negatives: the items of other rows of a batch as negatives."""

from collections.abc import Sequence

import torch
from torch import Tensor


def in_batch_scores(user: Tensor, item: Tensor, groups: Tensor | None = None) -> Tensor:
    """Return the scores of all users with all items of a batch: s_ij = ⟨u_i, v_j⟩.

    Args:
        user: Users, shape (B, D); or (B, K, D) with K interests each; the one nearest to
            the row's own item counts.
        item: Items, shape (B, D).
        groups: Numbers that are equal for rows with the same item, shape (B,); see `group_rows`.
            Other rows with the same item are not negatives: their score is −∞.

    Returns:
        The scores, shape (B, B), with the positives on the diagonal.

    Example:
        >>> in_batch_scores(torch.eye(2), torch.eye(2), torch.tensor([4, 4]))
        tensor([[1., -inf],
                [-inf, 1.]])
    """
    scores: Tensor = nearest_interest(user, item) @ item.T
    if groups is None:
        return scores
    row, other = repeated_items(groups)
    scores[row, other] = -torch.inf
    return scores


def nearest_interest(user: Tensor, item: Tensor) -> Tensor:
    """Return users (B, D); for users (B, K, D), the interest nearest to the row's own item."""
    if user.dim() == 2:
        return user
    nearest = torch.einsum("bkd,bd->bk", user, item).argmax(dim=1)
    return user[torch.arange(len(user), device=user.device), nearest]


def group_rows(columns: Sequence[Tensor]) -> Tensor:
    """Return numbers that are equal for rows that agree in all columns.

    Args:
        columns: Shape (B,) or (B, W) each.

    Returns:
        Shape (B,), whole numbers.

    Example:
        >>> group_rows([torch.tensor([7, 7, 7]), torch.tensor([[1, 2], [1, 3], [1, 2]])])
        tensor([0, 1, 0])
    """
    numbers = [
        column if column.dim() == 1 else torch.unique(column, dim=0, return_inverse=True)[1]
        for column in columns
    ]
    groups, size = _from_zero(numbers[0])
    for number in numbers[1:]:
        kind, n_kinds = _from_zero(number)
        if size * n_kinds >= 2**63:
            groups = torch.unique(groups, return_inverse=True)[1]
            kind, size, n_kinds = torch.unique(kind, return_inverse=True)[1], len(kind), len(kind)
        groups, size = groups * n_kinds + kind, size * n_kinds
    return groups


def _from_zero(numbers: Tensor) -> tuple[Tensor, int]:
    """Renumber values from 0; return the numbers and an upper bound of their count."""
    if numbers.is_floating_point() or not len(numbers):
        numbers = torch.unique(numbers, return_inverse=True)[1]
        return numbers, max(len(numbers), 1)
    low, high = (int(v) for v in torch.aminmax(numbers))
    return numbers.long() - low, high - low + 1


def repeated_items(groups: Tensor, rows: int | None = None) -> tuple[Tensor, Tensor]:
    """Return the pairs of different rows (i, j) with the same item, sorted by i.

    Only rows with repeated items are compared, which are few.

    Args:
        groups: Numbers that are equal for rows with the same item, shape (B,).
        rows: Only pairs whose i is one of the first so many rows; None means all.
    """
    _, number, size = torch.unique(groups, return_inverse=True, return_counts=True)
    repeated = (size[number[:rows]] > 1).nonzero().squeeze(1)
    first, other = (number[repeated].unsqueeze(1) == number).nonzero().unbind(1)
    row = repeated[first]
    return row[row != other], other[row != other]


def inbatch_negative_sampling(
    scores: Tensor,
    neg_ratio: int | None = None,
    hard_negative: bool = False,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Select the rows whose items are the negatives of each row, without repetition.

    Args:
        scores: The scores of all users with all items of the batch, shape (B, B). −∞
            marks items that are not negatives; they are taken only if there are too few others.
        neg_ratio: Number K of negatives per row; None, or a number below 1 or above B − 1, means
            all B − 1 others.
        hard_negative: Whether to take the K with the highest scores, highest first, instead of
            drawing them uniformly.
        generator: The random generator; None means torch's global random state.

    Returns:
        Row numbers, shape (B, K).

    Raises:
        ValueError: The scores are not square.

    Example:
        >>> scores = torch.tensor([[9.0, 1.0, 2.0], [5.0, 9.0, 3.0], [0.0, 7.0, 9.0]])
        >>> inbatch_negative_sampling(scores, neg_ratio=1, hard_negative=True)
        tensor([[2],
                [0],
                [1]])
    """
    if scores.dim() != 2 or scores.shape[0] != scores.shape[1]:
        raise ValueError(f"scores must have shape (B, B), got {tuple(scores.shape)}")
    others = len(scores) - 1
    k = others if neg_ratio is None or not 0 < neg_ratio < others else neg_ratio
    if hard_negative:
        keys = scores.detach().clone()
    else:
        device = scores.device if generator is None else generator.device
        keys = torch.rand(scores.shape, generator=generator, device=device).to(scores.device)
    keys.masked_fill_(scores.isneginf(), torch.finfo(keys.dtype).min)
    return keys.fill_diagonal_(-torch.inf).topk(k, dim=1).indices


def gather_inbatch_logits(scores: Tensor, neg_indices: Tensor) -> Tensor:
    """Return the score of each row's own item, followed by those of its negatives.

    Args:
        scores: The scores of all users with all items of the batch, shape (B, B).
        neg_indices: The rows whose items are negatives, shape (B, K).

    Returns:
        Shape (B, 1 + K), the row's own item in column 0.

    Example:
        >>> gather_inbatch_logits(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[1], [0]]))
        tensor([[1., 2.],
                [4., 3.]])
    """
    return torch.cat([scores.diagonal().unsqueeze(1), scores.gather(1, neg_indices)], dim=1)
