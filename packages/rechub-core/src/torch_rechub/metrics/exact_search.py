"""Exact search of the items with the highest inner products, for a block of users at a time.

Sorting all scores costs more than computing them. So only the first items are sorted; of the others
a user takes those that exceed the K-th best score so far, which are few, and which the maximum of a
group of items tells without a look at each.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

_FIRST = 4096  # items that are sorted
_WIDTH = 4096  # items per block after them, whose scores stay in the cache
_GROUP = 64  # items of one maximum


def best_items(
    users: Tensor, items: Tensor, k: int, seen: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Return the K items with the highest scores for each user, and their scores.

    s_ui = max_j ⟨u_j, v_i⟩, ties broken by the lower index.

    Args:
        users: Shape (B, D), or (B, J, D) with J interests.
        items: Shape (N, D), N at least 1.
        k: K, limited to N.
        seen: The pairs (user, item) to exclude.

    Returns:
        Scores and items, (B, min(K, N)) each, the best first; −∞ and any item where none is left.
    """
    # transposed, so that the maximum over a group of items runs along contiguous users
    columns = users.T if users.dim() == 2 else users.transpose(0, 1).flatten(0, 1).T
    columns, n_users = columns.contiguous(), len(users)
    user, item = seen
    item, order = item.sort()
    user = user[order]
    best = users.new_empty(n_users, 0)
    index = torch.empty(n_users, 0, dtype=torch.long, device=users.device)
    for start, stop, group in _blocks(len(items), k):
        scores = items[start:stop] @ columns
        if users.dim() == 3:
            scores = scores.view(stop - start, -1, n_users).amax(dim=1)
        first, last = torch.searchsorted(item, torch.tensor([start, stop], device=item.device))
        scores[item[first:last] - start, user[first:last]] = -torch.inf
        if start == 0:
            new = scores.T.contiguous()
            numbers = torch.arange(stop, device=users.device).expand(n_users, -1)
        else:
            new, numbers = _above(scores, best[:, -1], group)
            numbers = numbers + start
        if new.shape[1]:
            # earlier items come first, so that ties stay in the order of indices
            best, place = first_k(torch.cat([best, new], dim=1), k)
            index = torch.cat([index, numbers], dim=1).gather(1, place)
    return best, index


def first_k(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the K highest values of each row (B, M) and their columns; ties go to the left."""
    k = min(k, scores.shape[1])
    best, column = scores.topk(min(k + 1, scores.shape[1]), dim=1)
    if best.shape[1] > k:
        cut = (best[:, k - 1] == best[:, k]).nonzero().squeeze(1)  # ties at the threshold decide
        best, column = best[:, :k], column[:, :k].clone()
        if len(cut):
            column[cut] = _leftmost(scores[cut], best[cut, -1:], k)
    column = column.sort(dim=1).values
    best, order = scores.gather(1, column).sort(dim=1, descending=True, stable=True)
    return best, column.gather(1, order)


def _blocks(n: int, k: int) -> Iterator[tuple[int, int, int]]:
    """Iterate over (start, stop, group) of blocks of items; a group divides the block."""
    start = min(n, max(_FIRST, 8 * k))
    yield 0, start, 1
    while n - start >= _GROUP:
        stop = start + min(_WIDTH, (n - start) // _GROUP * _GROUP)
        yield start, stop, _GROUP
        start = stop
    if start < n:
        yield start, n, 1


def _above(scores: Tensor, least: Tensor, group: int) -> tuple[Tensor, Tensor]:
    """Return the scores above the least one of each user, and their items.

    Args:
        scores: Shape (I, B).
        least: Shape (B,).
        group: Number of items of a maximum; divides I.

    Returns:
        Scores and items, (B, M) each, items ascending; −∞ where a user has fewer than M.
    """
    n_items, n_users = scores.shape
    groups = scores.view(-1, group, n_users)
    place, user = (groups.amax(dim=1) > least).nonzero().unbind(dim=1)
    inside = groups[place, :, user]
    row, offset = (inside > least[user, None]).nonzero().unbind(dim=1)
    user, item, values = user[row], place[row] * group + offset, inside[row, offset]
    order = (user * n_items + item).argsort()
    user, item, values = user[order], item[order], values[order]
    count = torch.bincount(user, minlength=n_users)
    most = int(count.max()) if len(user) else 0
    rank = torch.arange(len(user), device=user.device) - (count.cumsum(0) - count)[user]
    found = scores.new_full((n_users, most), -torch.inf)
    items = user.new_zeros(n_users, most)
    found[user, rank], items[user, rank] = values, item
    return found, items


def _leftmost(scores: Tensor, threshold: Tensor, k: int) -> Tensor:
    """Return the columns of scores above a row's threshold, and the leftmost equal ones: (B, K)."""
    above, equal = scores > threshold, scores == threshold
    room = k - above.sum(dim=1, keepdim=True)
    chosen = above | (equal & (equal.cumsum(dim=1) <= room))
    return chosen.nonzero()[:, 1].reshape(-1, k)
