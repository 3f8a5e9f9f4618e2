"""Bundles of next-item models: raw histories in, raw items out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .._bounds import check_whole, refuse_none
from .catalog import Catalog, Filter
from .errors import BundleError
from .frames import plain
from .histories import HistoryForm, RawHistories, seen_rows
from .item_changes import ChangesItems
from .recommended import Recommended, best_rows, lists_of, within
from .similar import similar_rows
from .token_sequences import SequenceForm, at_the_end, item_table, last_states, next_scores
from .vocabularies import encode

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]
Ids = npt.NDArray[np.int64]

_MOST_SCORES = 2**27  # in memory at a time


@dataclass(frozen=True)
class SequencePart:
    """How raw histories become sequences, as a part of a bundle."""

    histories: HistoryForm
    form: SequenceForm

    def write(self, folder: Path) -> dict[str, Any]:
        """Return the settings; there are no files."""
        form = {"length": self.form.length, "reference": self.form.reference}
        return {**form, "histories": self.histories.write(folder)}

    @classmethod
    def read(cls, folder: Path, settings: Mapping[str, Any]) -> "SequencePart":
        """Read the settings.

        Raises:
            BundleError: They are not as written.
        """
        try:
            histories = HistoryForm.read_part(settings["histories"])
            return cls(histories, SequenceForm(settings["length"], settings["reference"]))
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"the settings of sequences are not as written: {error}") from error


class NextItemBundle(ChangesItems):
    """A bundle of a model from tokens and times to the next token; see `SeqTrainer.save`.

    Example:
        >>> import tempfile
        >>> from torch_rechub.bundles import load_bundle
        >>> from torch_rechub.data.interactions import Interactions
        >>> from torch_rechub.data.preprocessing import Categorical, Preprocessor
        >>> from torch_rechub.models.generative import HSTUModel
        >>> from torch_rechub.trainers import SeqTrainer
        >>> log = {"user": [1, 1, 1, 2, 2, 2], "item": list("abcbca"), "time": range(6)}
        >>> preprocessor = Preprocessor([Categorical("user"), Categorical("item")]).fit(log)
        >>> data = Interactions(log, "user", "item", "time").encode(preprocessor)
        >>> model = HSTUModel(5, d_model=4, n_heads=1, n_layers=1, dqk=2, dv=2, max_seq_len=3)
        >>> trainer = SeqTrainer(model, n_epoch=1, model_path=tempfile.mkdtemp())
        >>> _ = trainer.fit(data.pieces(3).sequence_loader(2))
        >>> names = {"item": "item", "user": "user", "time": "time"}
        >>> folder = tempfile.mkdtemp() + "/bundle"
        >>> path = trainer.save(folder, preprocessor=preprocessor, **names)
        >>> users = [{"user": 7, "hist_item": ["b", "c"], "hist_time": [3, 9]}]
        >>> load_bundle(path).recommend(users, k=2)[["user", "item", "rank"]].values.tolist()
        [[7, 'a', 1]]
    """

    part_types: ClassVar[Mapping[str, type[Any]]] = {"items": Catalog, "sequences": SequencePart}

    def __init__(self, path: Path, *args: Any) -> None:
        super().__init__(path, *args)
        size, most = getattr(self.model, "vocab_size", None), self._tokens.max(initial=0)
        if size is not None and most >= size:
            raise BundleError(
                f"{path} is damaged or was edited: its items have ids up to {most}, and the model "
                f"{size} tokens"
            )

    @property
    def sequences(self) -> SequencePart:
        """How histories become sequences."""
        part: SequencePart = self.parts["sequences"]
        return part

    @cached_property
    def _tokens(self) -> Ids:
        """The token of each item, (N,); `UNKNOWN` or padding for those that the model lacks."""
        return self._encode(self.items.ids)

    @cached_property
    def _candidates(self) -> Ids:
        """The rows of the items with a token of their own, in the order of tokens, (M,)."""
        order = np.argsort(self._tokens, kind="stable")
        return order[self._tokens[order] > (self.preprocessor is not None)]

    def _use(self, items: Catalog) -> None:
        super()._use(items)
        for name in ("_vocab_size", "_tokens", "_candidates"):
            self.__dict__.pop(name, None)

    @property
    def known_items(self) -> Array:
        """The raw ids of the items that the model knows."""
        known: Array = self.items.ids[self._candidates]
        return known

    def _encode(self, ids: Any) -> Ids:
        """Return the tokens of raw ids."""
        return encode(self.preprocessor, self.items.item, ids, self._vocab_size)

    @cached_property
    def _vocab_size(self) -> int | None:
        """The number of tokens, as far as it is known; None where a preprocessor limits ids."""
        size: int | None = getattr(self.model, "vocab_size", None)
        if size is None and self.preprocessor is None:  # the highest item is known to be a token
            size = 1 + int(encode(None, self.items.item, self.items.ids).max(initial=0))
        return size

    def recommend(
        self,
        users: Any,
        k: int = 10,
        *,
        exclude_seen: bool = True,
        seen: Any = None,
        filter: Filter = None,
        now: Any = None,
        batch_size: int = 1024,
        engine: str = "torch",
    ) -> "pd.DataFrame":
        """Return the k items with the highest scores after each user's history.

        Ties are broken by the lower token. Items of a history that training did not know are the
        unknown token. Users without a known item in their last L events receive the most popular
        items.

        Args:
            users: One row for each user, with a list of raw item ids, oldest first, in
                `hist_<item>`, and of times in `hist_<time>`; or a log with the columns of user,
                item and time. See `HistoryForm.read`.
            k: The number of items; fewer, if fewer remain.
            exclude_seen: Whether all items of a history are excluded, as in
                `SeqTrainer.evaluate_topk` and `Interactions.retrieval`.
            seen: Additional raw ids to exclude: a list for each user, or a dict by user.
            filter: The items that may be recommended: a function of the frame of items to booleans,
                or raw ids.
            now: The time of the requests, one or one for each user, for models with
                `time_reference="request"`; None means right after the last event.
            batch_size: Number of users per batch.
            engine: "torch", or "onnx": ONNX Runtime with the file of ``save(..., onnx=True)``.

        Returns:
            Columns: user, item, under their raw names, score, rank from 1, and source, "model" or
            "popularity".

        Raises:
            KeyError: A column is missing.
            ValueError: An argument does not fit; see `HistoryForm.read`.
        """
        refuse_none(k=k, batch_size=batch_size)
        check_whole(1, k=k, batch_size=batch_size)
        given = self.sequences.histories.read(users)
        seen_of = seen_rows(given, self.items.rows_of, exclude_seen, seen)
        allowed = self.items.mask(filter)
        tokens, seconds = self._sequences(given, now)
        known = (tokens > (self.preprocessor is not None)).any(axis=1)
        found = Recommended(given.name, given.users, self.items)
        chosen = np.flatnonzero(known)
        token_of, row_of = self._token_of_row(), self._row_of_token()
        step = max(1, min(batch_size, _MOST_SCORES // max(1, len(self.items))))
        for start in range(0, len(chosen), step):
            part = chosen[start : start + step]
            scores = self._scores(tokens[part], seconds[part], allowed, engine)
            found_tokens, values = best_rows(scores, k, within(lists_of(seen_of, part), token_of))
            found.add(part, row_of[found_tokens], values)
        found.add_popular(np.flatnonzero(~known), k, allowed, seen_of)
        return found.frame()

    def similar_items(self, item_ids: Any, k: int = 10, *, filter: Filter = None) -> "pd.DataFrame":
        """Return the k items nearest to each item, by the cosine of the output layer's vectors.

        Args:
            item_ids: Raw ids.
            k: The number of items.
            filter: As in `recommend`.

        Returns:
            Columns: item, under its raw name, similar, score, rank.

        Raises:
            KeyError: An id is no item, or one that the model does not know.
            ValueError: The model has no table of items; see `token_sequences.item_table`.
        """
        refuse_none(k=k)
        check_whole(1, k=k)
        rows = self._known(item_ids)
        return similar_rows(self.items, self._vectors, rows, self._candidates, k, filter)

    def embed(self, users: Any = None, items: Any = None, *, batch_size: int = 1024) -> Array:
        """Return the vectors of users or items, (N, D), in float32.

        Args:
            users: As in `recommend`: the state after the last event; each has a known item.
            items: Raw ids: the vectors of the output layer.
            batch_size: Number of users per batch.

        Raises:
            KeyError: An id is no item, or one that the model does not know.
            ValueError: Neither or both are given, a user has no known item, or the model has no
                such vectors.
        """
        check_whole(1, batch_size=batch_size)
        if (users is None) == (items is None):
            raise ValueError("embed takes users= or items=, one of them")
        if items is not None:
            return self._vectors(self._known(items)).float().cpu().numpy()
        tokens, seconds = self._sequences(self.sequences.histories.read(users), None)
        if not (known := tokens.any(axis=1)).all():
            row = int((~known).argmax())
            raise ValueError(f"user {row} has no history, so that there is no state to return")
        parts = [self._states(tokens[i : i + batch_size], seconds[i : i + batch_size])
                 for i in range(0, len(tokens), batch_size)]  # fmt: skip
        return np.concatenate(parts) if parts else np.empty((0, 0), dtype=np.float32)

    def _sequences(self, given: RawHistories, now: Any) -> tuple[Ids, Ids]:
        form = self.sequences.form
        tokens = self._encode(given.ids)
        if now is not None and form.reference != "request":
            raise ValueError(
                "now is for models that read the time until the request (time_reference="
                '"request"): leave it out'
            )
        moments = self.sequences.histories.moments(now, given)
        seconds = form.seconds(given.times, given.start, given.per_second, moments)
        return form.tokens(tokens, given.start), seconds

    def _on_device(self, call: Callable[..., Tensor], tokens: Ids, seconds: Ids) -> Tensor:
        sequences = (torch.from_numpy(part).to(self.device) for part in (tokens, seconds))
        with torch.no_grad():  # scores are overwritten, which inference_mode forbids
            return call(self.model, *sequences)

    def _scores(self, tokens: Ids, seconds: Ids, allowed: Array, engine: str) -> Tensor:
        """Return the scores of all tokens, (B, V); −inf for those that are not recommended."""
        logits = self._logits(tokens, seconds, engine)
        excluded = np.ones(logits.shape[1], dtype=bool)
        excluded[self._tokens[self._candidates[allowed[self._candidates]]]] = False
        return logits.masked_fill_(torch.from_numpy(excluded).to(self.device), -torch.inf)

    def _logits(self, tokens: Ids, seconds: Ids, engine: str) -> Tensor:
        onnx = self.onnx_model(engine)
        if onnx is None:
            return self._on_device(next_scores, tokens, seconds)
        given = torch.from_numpy(tokens), torch.from_numpy(seconds)
        logits = onnx(dict(zip(("seq_tokens", "seq_time_diffs"), given, strict=True)))
        return at_the_end(logits, given[0]).to(self.device)

    def _states(self, tokens: Ids, seconds: Ids) -> Array:
        return self._on_device(last_states, tokens, seconds).float().cpu().numpy()

    def _token_of_row(self) -> Ids:
        """The token of each candidate, −1 for other items, (N,)."""
        token_of = np.full(len(self.items), -1)
        token_of[self._candidates] = self._tokens[self._candidates]
        return token_of

    def _row_of_token(self) -> Ids:
        """The row of each candidate by its token, −1 for other tokens and in the end."""
        row_of = np.full(self._tokens.max(initial=0) + 2, -1)
        row_of[self._tokens[self._candidates]] = self._candidates
        return row_of

    def _known(self, ids: Any) -> Ids:
        rows = self.items.known_rows_of(ids)
        lacking = ~np.isin(rows, self._candidates)
        if lacking.any():
            wrong = plain(self.items.ids[rows[int(lacking.argmax())]])
            raise KeyError(f"the model does not know {wrong!r}: it was not among its training data")
        return rows

    def _vectors(self, rows: Ids) -> Tensor:
        tokens = torch.from_numpy(self._tokens[rows]).to(self.device)
        return item_table(self.model)[tokens]
