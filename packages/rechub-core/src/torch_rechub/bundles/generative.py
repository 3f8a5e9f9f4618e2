"""Bundles of models that generate the semantic id of the next item."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch

from .._bounds import check_whole, refuse_none
from .catalog import Catalog, Filter
from .errors import BundleError
from .histories import RawHistories, seen_rows
from .item_changes import ChangesItems, added_to
from .item_codes import ItemCodes, codes_of
from .recommended import Recommended, lists_of

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]
Ids = npt.NDArray[np.int64]

# `generate` gives the beams that it starts without -1e9, and excluded tokens -inf
_LEAST = -1e8


class GenerativeBundle(ChangesItems):
    """A bundle of a TIGER; see `TigerTrainer.save`.

    Example:
        >>> import tempfile
        >>> from transformers import T5Config
        >>> from torch_rechub.bundles import load_bundle
        >>> from torch_rechub.models.generative import TIGERModel
        >>> from torch_rechub.trainers import TigerTrainer
        >>> from torch_rechub.utils.data import TigerSeqDataset
        >>> ids = {item: [f"<a_{i % 2}>", f"<b_{i // 2}>"] for i, item in enumerate("pqrs")}
        >>> data = TigerSeqDataset({"u": list("pqrs")}, ids, 20)
        >>> tokenizer = data.make_tokenizer()
        >>> config = T5Config(vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=32, num_layers=1,
        ...                   num_heads=2, decoder_start_token_id=0)
        >>> folder = tempfile.mkdtemp()
        >>> trainer = TigerTrainer(TIGERModel(config), data, tokenizer, model_path=folder)
        >>> bundle = load_bundle(trainer.save(folder + "/bundle"))
        >>> found = bundle.recommend([{"hist_item": ["p", "q"]}], k=4)
        >>> sorted(found["item"])
        ['r', 's']
    """

    part_types: ClassVar[Mapping[str, type[Any]]] = {"items": Catalog, "codes": ItemCodes}

    def __init__(self, path: Path, *args: Any) -> None:
        super().__init__(path, *args)
        model: Any = self.model
        codes, size = self.codes, model.config.vocab_size
        if len(codes.codes) != len(self.items):
            raise BundleError(f"{path} is damaged or was edited: its codes are of other items")
        if max(codes.form.highest, codes.codes.max(initial=0)) >= size:
            raise BundleError(f"{path} is damaged or was edited: a token is not of {size} tokens")

    @property
    def codes(self) -> ItemCodes:
        """The semantic ids of items."""
        codes: ItemCodes = self.parts["codes"]
        return codes

    def recommend(
        self,
        users: Any,
        k: int = 10,
        *,
        exclude_seen: bool = True,
        seen: Any = None,
        filter: Filter = None,
        num_beams: int | None = None,
        batch_size: int = 64,
    ) -> "pd.DataFrame":
        """Return the k most probable next items of each user, found by beam search.

        The search is over the items that a filter allows and that the user has not seen; one with
        fewer beams than these may miss some. Items of a history without a semantic id are skipped.
        Users without an item with one receive the most popular items.

        Args:
            users: One row for each user, with a list of raw item ids, oldest first, in
                `hist_<item>`; or a log with the columns of user and item. See `HistoryForm.read`.
            k: The number of items; fewer, if fewer are found.
            exclude_seen: Whether all items of a history are excluded, as in
                `TigerTrainer.evaluate_topk`.
            seen: Additional raw ids to exclude: a list for each user, or a dict by user.
            filter: The items that may be recommended: a function of the frame of items to booleans,
                or raw ids.
            num_beams: The number of beams, at least k; None means 20, or k.
            batch_size: Number of users per batch.

        Returns:
            Columns: user, item, under their raw names, score, rank from 1, and source, "model" or
            "popularity". The score of the model is the log probability of the semantic id.

        Raises:
            KeyError: A column is missing.
            ValueError: An argument does not fit; see `HistoryForm.read`.
        """
        refuse_none(k=k, batch_size=batch_size)
        check_whole(1, k=k, batch_size=batch_size)
        check_whole(k, num_beams=num_beams)
        given = self.codes.form.histories.read(users, needs_times=False)
        seen_of = seen_rows(given, self.items.rows_of, exclude_seen, seen)
        allowed = self.items.mask(filter)
        histories = self._histories(given)
        known = np.array([len(rows) > 0 for rows in histories], dtype=bool)
        found = Recommended(given.name, given.users, self.items)
        counts = self.codes.count(np.flatnonzero(allowed))
        chosen = np.flatnonzero(known)
        for start in range(0, len(chosen), batch_size):
            part = chosen[start : start + batch_size]
            indptr, rows = lists_of(seen_of, part)
            excluded = [set(r[allowed[r]].tolist()) for r in np.split(rows, indptr[1:-1])]
            beams = num_beams or max(k, 20)
            lists = self._search([histories[i] for i in part], counts, excluded, beams)
            found.add(part, *_table([pairs[:k] for pairs in lists]))
        found.add_popular(np.flatnonzero(~known), k, allowed, seen_of)
        return found.frame()

    def add_items(
        self, items: Any, popularity: Any = None, *, semantic_ids: Sequence[Sequence[str]] = ()
    ) -> None:
        """Add items; those with a semantic id can be generated, others are popular items only.

        Args:
            items: Raw rows with all columns of the bundle's items.
            popularity: The count of each; None means 0.
            semantic_ids: The tokens of each, such as `SemanticIdsBundle.semantic_ids` returns.

        Raises:
            KeyError: A column is missing.
            ValueError: An id is an item already, or occurs twice, or a token is unknown.
        """
        catalog = added_to(self.items, items, popularity)
        n = len(catalog) - len(self.items)
        tokens = [list(of_item) for of_item in semantic_ids] or [[]] * n
        if len(tokens) != n:
            raise ValueError(f"semantic_ids has the tokens of {len(tokens)} items, not of {n}")
        self._codes_of_added = codes_of(tokens, self.codes.form.numbers)
        self._use(catalog)

    def _use(self, items: Catalog) -> None:
        """Use other items, with the codes of those of before."""
        rows = self.items.rows_of(items.ids)
        codes = self.codes.with_rows(rows, self.__dict__.pop("_codes_of_added", None))
        super()._use(items)
        self.parts["codes"] = codes

    def _histories(self, given: RawHistories) -> list[list[int]]:
        """Return the rows of the items with a semantic id of each history."""
        rows = self.items.rows_of(given.ids)
        has_code = np.append((self.codes.codes >= 0).any(axis=1), False)
        parts = np.split(rows, given.start[1:-1]) if len(given.users) else []
        return [part[has_code[part]].tolist() for part in parts]

    def _search(
        self,
        histories: Sequence[Sequence[int]],
        counts: Mapping[tuple[int, ...], int],
        excluded: Sequence[set[int]],
        beams: int,
    ) -> list[list[tuple[int, float]]]:
        """Return the rows and scores of the items of each user, the best first."""
        codes = self.codes
        n_items = sum(counts.get((token,), 0) for token in codes.children.get((), ()))
        if n_items == 0:
            return [[] for _ in histories]
        n = max(2, min(beams, n_items))  # one beam would be a greedy search, which has no scores
        ids, mask = (part.to(self.device) for part in codes.inputs(histories))
        model: Any = self.model
        with torch.no_grad():
            output = model.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=codes.codes.shape[1] + 1,
                do_sample=False,
                num_beams=n,
                num_return_sequences=n,
                length_penalty=0.0,  # no length penalty: the score is the probability of an item
                prefix_allowed_tokens_fn=codes.allowed(counts, excluded),
                return_dict_in_generate=True,
                output_scores=True,
            )
        scores = output.sequences_scores.float().tolist()
        sentences = [self._row(sentence) for sentence in output.sequences.tolist()]
        found = []
        for user in range(len(histories)):
            pairs: dict[int, float] = {}
            for i in range(user * n, (user + 1) * n):
                row = sentences[i]
                if row is not None and scores[i] > _LEAST and row not in excluded[user]:
                    pairs.setdefault(row, scores[i])
            found.append(list(pairs.items()))
        return found

    def _row(self, sentence: Sequence[int]) -> int | None:
        """Return the item of generated tokens, which follow the one that starts the decoder."""
        tokens = list(sentence)[1:]
        end = self.codes.form.end
        code = tuple(tokens[: tokens.index(end)]) if end in tokens else tuple(tokens)
        return self.codes.rows.get(code)


def _table(lists: Sequence[Sequence[tuple[int, float]]]) -> tuple[Ids, Array]:
    """Return pairs as rows (B, K), −1 for none, and scores (B, K)."""
    width = max(map(len, lists), default=0)
    rows = np.full((len(lists), width), -1, dtype=np.int64)
    scores = np.full((len(lists), width), -np.inf, dtype=np.float32)
    for i, pairs in enumerate(lists):
        for j, (row, score) in enumerate(pairs):
            rows[i, j], scores[i, j] = row, score
    return rows, scores
