"""Times exact search of all users in all items, without seen items, against Faiss.

python tests/benchmarks/retrieval.py --users 100000 --items 100000 --k 100

Normally distributed embeddings of 64 dimensions, 50 seen items a user. Faiss searches its flat
index for k + 50 items, from which the seen ones are removed in NumPy: of the ways that it offers, a
selector of ids for each user among them, this is the fastest. Both run in turns, on the same
threads, and their results are compared. The answer is one JSON line: seconds, and the ratio of each
round, Faiss to ours, so that more than 1 is faster.
"""

import argparse
import json
import resource
import statistics
import time
from typing import Any

import faiss
import numpy as np
import torch

from torch_rechub.metrics.retrieval import top_k

DIMENSIONS, SEEN = 64, 50


def make_data(n_users: int, n_items: int) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """Embeddings of users and items, and the seen items (U, SEEN)."""
    generator = torch.Generator().manual_seed(0)
    users = torch.randn(n_users, DIMENSIONS, generator=generator)
    items = torch.randn(n_items, DIMENSIONS, generator=generator)
    # half of the seen items are among the best of the user, as in a trained model
    some = torch.randint(n_items, (n_users, SEEN), generator=generator).numpy()
    for start in range(0, n_users, 1024):
        best = top_k(users[start : start + 1024], items, SEEN // 2)[1]
        some[start : start + 1024, : SEEN // 2] = best.numpy()
    return users, items, np.sort(some, axis=1)


def search_by_faiss(
    index: Any, users: torch.Tensor, seen: np.ndarray, k: int, block: int = 4096
) -> tuple[np.ndarray, np.ndarray]:
    """The k best unseen items of each user, by over-fetching."""
    scores, ids = (np.empty((len(users), k), dtype) for dtype in (np.float32, np.int64))
    for start in range(0, len(users), block):
        part = slice(start, start + block)
        found, items = index.search(users[part].numpy(), k + SEEN)
        # one sorted array of pairs for the whole block, and the first k that are not in it
        owner = np.arange(len(items))[:, None] * index.ntotal
        pairs = (owner + seen[part]).ravel()
        keys = owner + items
        place = np.searchsorted(pairs, keys.ravel()).clip(max=len(pairs) - 1)
        kept = (pairs[place] != keys.ravel()).reshape(keys.shape)
        kept &= kept.cumsum(axis=1) <= k
        scores[part], ids[part] = found[kept].reshape(-1, k), items[kept].reshape(-1, k)
    return scores, ids


def prepare(description: str) -> argparse.Namespace:
    """Read the arguments, and give both libraries the same threads."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--k", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    faiss.omp_set_num_threads(options.threads)
    return options


def main() -> None:
    """Measure and print."""
    options = prepare(__doc__)
    users, items, seen = make_data(options.users, options.items)
    index = faiss.IndexFlatIP(DIMENSIONS)
    index.add(items.numpy())
    lists = (np.arange(len(users) + 1) * SEEN, seen.ravel())
    ours, theirs = [], []
    for _ in range(options.rounds):
        started = time.perf_counter()
        scores, best = top_k(users, items, options.k, lists)
        ours.append(time.perf_counter() - started)
        started = time.perf_counter()
        faiss_scores, faiss_best = search_by_faiss(index, users, seen, options.k)
        theirs.append(time.perf_counter() - started)
    np.testing.assert_allclose(scores.numpy(), faiss_scores, rtol=1e-4, atol=1e-4)
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    result = {
        "users": options.users, "items": options.items, "k": options.k,
        "threads": options.threads,
        "same_items": float((best.numpy() == faiss_best).mean()),
        "seconds": round(statistics.median(ours), 2),
        "faiss_seconds": round(statistics.median(theirs), 2),
        "ratios": [round(ratio, 2) for ratio in ratios], "peak_mib": peak,
    }  # fmt: skip
    print(json.dumps(result))


if __name__ == "__main__":
    main()
