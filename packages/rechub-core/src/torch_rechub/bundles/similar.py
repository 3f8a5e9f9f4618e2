"""Items similar to others, by the cosine of their vectors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch.nn.functional as F
from torch import Tensor

from .catalog import Catalog, Filter
from .recommended import best_rows

Ids = npt.NDArray[np.int64]


def similar_rows(
    catalog: Catalog,
    vectors: Callable[[Ids], Tensor],
    rows: Ids,
    candidates: Ids,
    k: int,
    chosen: Filter = None,
) -> pd.DataFrame:
    """Return the k candidates nearest to each item, without itself.

    Args:
        catalog: The items.
        vectors: A function of rows to vectors, (n, D).
        rows: The rows of the items, (n,).
        candidates: The rows of the candidates, (M,).
        k: The number of items.
        chosen: The candidates that a filter allows.

    Returns:
        Columns: item, under its raw name, similar, score, rank.
    """
    candidates = candidates[catalog.mask(chosen)[candidates]]
    column = np.full(len(catalog), -1)
    column[candidates] = np.arange(len(candidates))
    table = F.normalize(vectors(candidates).float(), dim=1)
    found: list[Any] = []
    for part in np.array_split(rows, max(1, len(rows) // 1024)):
        own = column[part]
        seen = (np.cumsum([0, *(own >= 0)]), own[own >= 0])
        cosine = F.normalize(vectors(part).float(), dim=1) @ table.T
        found.append(best_rows(cosine, k, seen))
    best, scores = (np.concatenate(side) for side in zip(*found, strict=True))
    there = best >= 0
    count = there.sum(axis=1)
    frame: pd.DataFrame = pd.DataFrame(
        {
            catalog.item: catalog.ids[np.repeat(rows, count)],
            "similar": catalog.ids[candidates[best[there]]],
            "score": scores[there],
            "rank": np.concatenate([np.empty(0, int), *(np.arange(1, n + 1) for n in count)]),
        }
    )
    return frame
