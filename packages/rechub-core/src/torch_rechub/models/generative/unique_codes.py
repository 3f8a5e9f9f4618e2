"""Resolution of collisions: items with the same codes."""

from collections.abc import Callable

import torch
from torch import Tensor


def unique_codes(codes: Tensor, distances_of: Callable[[Tensor], Tensor]) -> Tensor:
    """Make the codes of items unique.

    Of the items that share all codes but the last, the ones nearest to their code keep it; each of
    the others takes the nearest free code. If there are more such items than codes, the codes stay,
    and all rows get an additional code, which numbers the items with the same codes from 0.

    Args:
        codes: The codes of each item (N, M), on the CPU.
        distances_of: Distances (n, K) of items, given by their rows (n,), to the codes of the last
            level.

    Returns:
        Shape (N, M), or (N, M + 1).

    Example:
        >>> codes = torch.tensor([[0, 1], [0, 1], [2, 1]])
        >>> distances = torch.tensor([[0.5, 0.2], [0.3, 0.1], [0.0, 0.0]])
        >>> unique_codes(codes, lambda rows: distances[rows]).tolist()
        [[0, 0], [0, 1], [2, 1]]

    Reference:
        Rajput et al., Recommender Systems with Generative Retrieval, NeurIPS 2023,
        arXiv 2305.05065, section 3.1, for the additional code.
    """
    codes = codes.clone()
    for rows in _families(codes):
        if len(codes[rows, -1].unique()) < len(rows):
            codes[rows, -1] = _reassigned(codes[rows, -1], distances_of(rows))
    _, same, count = codes.unique(dim=0, return_inverse=True, return_counts=True)
    if len(count) == len(codes):
        return codes
    order = same.argsort(stable=True)
    first = count.cumsum(dim=0) - count
    number = torch.empty_like(same)
    number[order] = torch.arange(len(codes)) - first[same[order]]
    return torch.cat([codes, number.unsqueeze(1)], dim=1)


def _families(codes: Tensor) -> list[Tensor]:
    """Iterate over the groups of rows that share all codes but the last."""
    if codes.shape[1] == 1:
        return [torch.arange(len(codes))]
    _, family = codes[:, :-1].unique(dim=0, return_inverse=True)
    return list(family.argsort(stable=True).split(family.bincount().tolist()))


def _reassigned(last: Tensor, distances: Tensor) -> Tensor:
    """Unique last codes (n,) of items that share the other codes; unchanged if K < n."""
    if len(last) > distances.shape[1]:
        return last
    own = distances.gather(1, last.unsqueeze(1)).squeeze(1)
    taken = torch.zeros(distances.shape[1], dtype=torch.bool)
    found, waiting = last.clone(), []
    for i in own.argsort(stable=True).tolist():
        if taken[last[i]]:
            waiting.append(i)
        taken[last[i]] = True
    for i in waiting:
        found[i] = distances[i].masked_fill(taken, torch.inf).argmin()
        taken[found[i]] = True
    return found
