"""Exact retrieval: the top items of users by inner product, and their metrics."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .._bounds import check_whole
from .._ids import as_ids, id_table, row_of_each
from .exact_search import best_items, first_k
from .pruned_search import PrunedSearch, in_threads, is_worthwhile
from .ranking import ranking_metrics_from_hits, top_ks


def top_k(
    user_embeddings: Any,
    item_embeddings: Any,
    k: int,
    seen: Any = None,
    block_size: int = 512,
    *,
    ids: Any = None,
) -> tuple[Tensor, Any]:
    """Return the K items with the highest scores for each user: s_ui = max_j ⟨u_j, v_i⟩.

    Ties are broken by the lower index. The result is exact; users and items are processed in
    blocks, so memory does not grow with their product.

    Args:
        user_embeddings: Shape (U, D), or (U, J, D) with J interests per user.
        item_embeddings: Shape (N, D).
        k: K, limited to N.
        seen: Items to exclude: a sequence of item indices for each user, or these sequences as a
            tuple (indptr, indices) or as a SciPy CSR matrix.
        block_size: Number of users per block.
        ids: The id of each item, unique: integers of at least 0, or strings; returned in place of
            indices. `seen` stays a list of indices.

    Returns:
        Scores and item indices, shape (U, min(K, N)) each. Rows with fewer unseen items are
        filled with score −∞ and index −1. With `ids`, an array of int64 ids, −1 where items are
        missing, or of strings, None where they are.

    Raises:
        ValueError: Shapes do not match, an embedding is not finite, k or block_size is below 1,
            there is not one id for each item, or an id occurs twice.
        TypeError: Ids are neither all integers nor all strings.
        IndexError: A seen item is not one of the N items.

    Example:
        >>> users, items = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 5.0], [3.0, 0], [2, 1]])
        >>> top_k(users, items, k=2, seen=[[1]])
        (tensor([[2., 1.]]), tensor([[2, 0]]))
    """
    users, items = _embeddings(user_embeddings, item_embeddings)
    check_whole(1, k=k, block_size=block_size)
    indptr, indices = _lists(seen, len(users), len(items), "seen", items.device)
    scores = users.new_empty(len(users), min(k, len(items)))
    best = torch.empty(scores.shape, dtype=torch.long, device=users.device)
    table = None if ids is None else _table(ids, len(items))
    pruned = is_worthwhile(users, items, k)
    search = PrunedSearch(items, k) if pruned else partial(best_items, items=items, k=k)
    size = min(block_size, -(-len(users) // torch.get_num_threads())) if pruned else block_size

    def fill(start: int) -> None:
        block = slice(start, start + size)
        pairs = _within(indptr, indices, start, len(users[block]))
        scores[block], best[block] = search(users[block], seen=pairs)

    starts = range(0, len(users) if len(items) else 0, size)
    if pruned:
        in_threads(fill, starts)
    else:
        for start in starts:
            fill(start)
    best.masked_fill_(scores.isneginf(), -1)
    return scores, best if table is None else table[best.cpu().numpy()]


def evaluate_retrieval(
    user_embeddings: Any,
    item_embeddings: Any,
    relevant: Any,
    seen: Any = None,
    topKs: Iterable[int] = (10,),
    block_size: int = 512,
) -> dict[str, float]:
    """Compute metrics of exact retrieval over the whole catalog, averaged over users.

    Args:
        user_embeddings: Shape (U, D), or (U, J, D) with J interests per user.
        item_embeddings: Shape (N, D).
        relevant: The relevant items, in a format of `seen` of `top_k`. Users without relevant items
            are skipped. A relevant item that is also seen counts as missed.
        seen: Items to exclude; see `top_k`.
        topKs: The Ks.
        block_size: See `top_k`.

    Returns:
        {"hit@10": …, "recall@10": …, "ndcg@10": …, "mrr@10": …, "precision@10": …, "map@10": …};
        see `ranking_metrics`. NaN, with a warning, if no user has a relevant item.

    Raises:
        ValueError: Shapes do not match, an embedding is not finite, or a K is below 1.
        IndexError: A seen or relevant item is not one of the N items.

    Example:
        >>> users, items = torch.eye(2), torch.eye(2)
        >>> evaluate_retrieval(users, items, relevant=[[0], [0]], topKs=[1])["hit@1"]
        0.5
    """
    users, items = _embeddings(user_embeddings, item_embeddings)
    ks = top_ks(topKs)
    best = top_k(users, items, max(ks), seen, block_size)[1]
    hits, n_relevant = hits_of(best, relevant, len(items), max(ks))
    return ranking_metrics_from_hits(hits, n_relevant, ks)


def hits_of(
    best: Tensor, relevant: Any, n_items: int, k: int
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return the hits (U, k), and the number of relevant items (U,).

    Args:
        best: Items, the best first, (U, K); −1 for missing items.
        relevant: The relevant items; see `evaluate_retrieval`.
        n_items: The size of the catalog.
        k: Number of ranks; ranks beyond K are misses.

    Raises:
        ValueError: There is not one list for each user.
        IndexError: A relevant item is not in the catalog.
    """
    n_users, device = len(best), best.device
    indptr, wanted = _lists(relevant, n_users, n_items, "relevant", device)
    owners = torch.repeat_interleave(torch.arange(n_users, device=device), indptr.diff())
    pairs = torch.unique(owners * n_items + wanted)
    n_relevant = torch.bincount(pairs // max(n_items, 1), minlength=n_users)
    keys = torch.arange(n_users, device=device).unsqueeze(1) * n_items + best
    hits = np.zeros((n_users, k), dtype=bool)
    hits[:, : best.shape[1]] = (torch.isin(keys, pairs) & (best >= 0)).cpu().numpy()[:, :k]
    return hits, n_relevant.cpu().numpy()


def best_of(scores: Tensor, k: int, seen: Any = None) -> Tensor:
    """Return the K items with the highest scores for each user; −1 if there are fewer.

    Ties are broken by the lower index.

    Args:
        scores: (U, N); the scores of seen items are overwritten.
        k: K.
        seen: Items to exclude; see `top_k`.
    """
    indptr, indices = _lists(seen, len(scores), scores.shape[1], "seen", scores.device)
    row, item = _within(indptr, indices, 0, len(scores))
    scores[row, item] = -torch.inf
    best, index = first_k(scores, k)
    return index.masked_fill(best.isneginf(), -1)


def check_lists(lists: Any, n_users: int, n_items: int, name: str) -> None:
    """Check that there is one list for each user, with items of the catalog only.

    Raises:
        ValueError: There is not one list for each user.
        IndexError: An item is not in the catalog.
    """
    _lists(lists, n_users, n_items, name, torch.device("cpu"))


def lists_of(
    lists: Any, n_users: int, n_items: int, name: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return lists of items in any format as (indptr, indices), checked as by `check_lists`.

    Example:
        >>> lists_of([[4], [], [2, 3]], 3, 5, "relevant")
        (array([0, 1, 1, 3]), array([4, 2, 3]))
    """
    check_lists(lists, n_users, n_items, name)
    return as_csr([[]] * n_users if lists is None else lists)


def _table(ids: Any, n: int) -> NDArray[Any]:
    known = as_ids(ids, n)
    row_of_each(known)
    return id_table(known)


def _embeddings(users: Any, items: Any) -> tuple[Tensor, Tensor]:
    users, items = torch.as_tensor(users), torch.as_tensor(items)
    if users.dim() not in (2, 3) or items.dim() != 2 or users.shape[-1] != items.shape[1]:
        raise ValueError(
            "users must have shape (U, D) or (U, J, D) and items (N, D), got "
            f"{tuple(users.shape)} and {tuple(items.shape)}"
        )
    for name, values in (("user", users), ("item", items)):
        if not values.isfinite().all():
            raise ValueError(f"{name}_embeddings hold values that are not finite")
    return users.detach(), items.detach().to(users.dtype).to(users.device)


def _lists(
    lists: Any, n_users: int, n_items: int, name: str, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return one list of items per user, as (indptr, indices)."""
    indptr, indices = as_csr([[]] * n_users if lists is None else lists)
    if len(indptr) != n_users + 1:
        raise ValueError(f"{name} holds {len(indptr) - 1} lists for {n_users} users")
    if len(indices) and (indices.min() < 0 or indices.max() >= n_items):
        wrong = indices[(indices < 0) | (indices >= n_items)][0]
        raise IndexError(f"{name} holds item {wrong}, but there are {n_items}, counted from 0")
    return torch.as_tensor(indptr, device=device), torch.as_tensor(indices, device=device)


def as_csr(lists: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Convert lists of items, in any format of `top_k`, to (indptr, indices)."""
    if hasattr(lists, "indptr"):
        lists = (lists.indptr, lists.indices)
    if isinstance(lists, tuple):
        indptr, indices = lists
        return np.asarray(indptr, dtype=np.int64), np.asarray(indices, dtype=np.int64)
    rows = [np.asarray(row, dtype=np.int64).reshape(-1) for row in lists]
    indptr = np.cumsum([0, *(len(row) for row in rows)], dtype=np.int64)
    return indptr, np.concatenate([np.empty(0, np.int64), *rows])


def _within(indptr: Tensor, indices: Tensor, start: int, n: int) -> tuple[Tensor, Tensor]:
    """Return the pairs (user − start, item) of n users."""
    part = indptr[start : start + n + 1]
    row = torch.repeat_interleave(torch.arange(n, device=indptr.device), part.diff())
    return row, indices[int(part[0]) : int(part[-1])]
