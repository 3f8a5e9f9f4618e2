"""Generative recommendation: beam search over the semantic ids of items."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor, nn

from ..data.weights import joined_weights
from ..metrics.computing import RankedLists

if TYPE_CHECKING:
    from ..data.semantic_ids import TigerSeqDataset


class BeamSearch:
    """Finds the most probable next items of histories.

    Args:
        model: A model with the method `generate` of transformers.
        data: Any part of the data, with the tokens of all items.
        tokenizer: The tokenizer of the batches.

    Attributes:
        data, tokenizer: The arguments.

    Raises:
        ValueError: The tokenizer does not know a token of the items.
    """

    def __init__(self, model: nn.Module, data: "TigerSeqDataset", tokenizer: Any) -> None:
        self.model: Any = model
        self.data, self.tokenizer = data, tokenizer
        self.allowed = data.get_prefix_allowed_tokens_fn(tokenizer)
        self.items = data.get_items_fn(tokenizer)
        ids = list(data.indices.values())
        self.n_items, self.longest = len(ids), max(map(len, ids), default=0)

    def __call__(self, x: Any, num_beams: int) -> list[list[Any]]:
        """Return the items of the beams of each history, the best first.

        Args:
            x: A batch of `TigerSeqDataset.get_collate_fn`.
            num_beams: Number of beams.
        """
        n = min(num_beams, self.n_items)
        found = self.model.generate(
            input_ids=x["input_ids"],
            attention_mask=x["attention_mask"],
            max_new_tokens=self.longest + 1,
            do_sample=False,
            num_beams=n,
            num_return_sequences=n,
            length_penalty=0.0,  # no length penalty: the score is the probability of an item
            prefix_allowed_tokens_fn=self.allowed,
        )
        items = [self.items(row)[0] for row in found.tolist()]
        return [items[i : i + n] for i in range(0, len(items), n)]

    def hits(
        self, x: Any, k: int, exclude_seen: bool, num_beams: int | None = None
    ) -> list[list[bool]]:
        """Return the hits at the first k ranks for each history.

        Args:
            x: The batch.
            k: Number of ranks.
            exclude_seen: Whether to exclude the items of a history from its ranking, its target
                too.
            num_beams: Number of beams; None means k, plus the length of the longest history of the
                batch with `exclude_seen`.
        """
        targets = [self.items(row)[0] for row in x["labels"].tolist()]
        seen = [self.items(row) if exclude_seen else [] for row in x["input_ids"].tolist()]
        beams = k + max(map(len, seen)) if num_beams is None else num_beams
        hits = []
        for target, left_out, items in zip(targets, seen, self(x, beams), strict=True):
            ranked = [item for item in items if item not in left_out]
            hits.append([i < len(ranked) and ranked[i] == target for i in range(k)])
        return hits


def lists_of(results: Sequence[tuple[list[list[bool]], Tensor | None]], k: int) -> RankedLists:
    """The lists of all histories, from the hits of batches; each history has one target.

    Args:
        results: The hits of each batch, and the weights of its histories (B,), if any.
        k: The number of ranks.
    """
    hits = np.array([row for batch, _ in results for row in batch], dtype=bool).reshape(-1, k)
    weights = joined_weights([of_batch for _, of_batch in results])
    of_users = None if weights is None else weights.cpu().numpy()
    return RankedLists(hits, np.ones(len(hits), dtype=np.int64), weights=of_users)
