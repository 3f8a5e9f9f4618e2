"""Histories as the sequences of a next-item model, and the scores of its next items."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from .._bounds import check_choice, check_whole, refuse_none
from ..data.histories import padded
from ..models.logits import forward_has

Array = npt.NDArray[Any]
Ids = npt.NDArray[np.int64]

REFERENCES = ("last", "request")


@dataclass(frozen=True)
class SequenceForm:
    """The form of the sequences that a next-item model was trained on.

    Args:
        length: The longest sequence L: the last L events of a history are read.
        reference: The end of the time differences, as in `Samples.sequence_inputs`: "last", the
            last event; "request", the time of the request.

    Raises:
        ValueError: An argument is out of range.
    """

    length: int
    reference: str = "last"

    def __post_init__(self) -> None:
        refuse_none(length=self.length)
        check_whole(1, length=self.length)
        check_choice(REFERENCES, reference=self.reference)

    def tokens(self, tokens: Array, start: Ids) -> Ids:
        """Return the last L tokens of each history (U, L), padded with 0 on the left.

        Args:
            tokens: The tokens of all histories, one after the other, (M,).
            start: Where each history begins, with M in the end, (U + 1,).

        Example:
            >>> form = SequenceForm(length=2)
            >>> form.tokens(np.array([5, 6, 7, 8]), np.array([0, 3, 3, 4]))
            array([[6, 7],
                   [0, 0],
                   [0, 8]])
        """
        return self._windows(tokens.astype(np.int64), start)

    def seconds(
        self, times: Array | None, start: Ids, per_second: int = 1, now: Array | None = None
    ) -> Ids:
        """Return the whole seconds from each event to the reference (U, L), 0 at padding.

        Args:
            times: The times of all events (M,); None for a model without times: all are 0.
            start: As in `tokens`.
            per_second: How many units of time make a second.
            now: The time of each user's request (U,) for "request"; None means right after the last
                event.

        Example:
            >>> form, start = SequenceForm(length=3, reference="request"), np.array([0, 2])
            >>> form.seconds(np.array([100, 160]), start, now=np.array([200]))
            array([[  0, 100,  40]])
        """
        if times is None:
            return np.zeros((len(start) - 1, self.length), dtype=np.int64)
        windows = self._windows(times, start)
        is_event = self._windows(np.ones(len(times), dtype=np.int8), start)
        end = windows[:, -1] if now is None or self.reference == "last" else now
        found = np.asarray((end[:, None] - windows) // per_second).astype(np.int64)
        return np.where(is_event > 0, found, 0)

    def _windows(self, values: Array, start: Ids) -> Array:
        stop = start[1:]
        first = np.maximum(start[:-1], stop - self.length)
        return padded(values, first, stop - first, self.length)


@torch.no_grad()
def last_states(model: nn.Module, tokens: Tensor, seconds: Tensor) -> Tensor:
    """Return the output of the encoder after the last event: the hidden states (B, D).

    Args:
        model: A model that `EncodesSequences`.
        tokens: (B, L), padded with 0 at either end; each row has an event.
        seconds: Time differences (B, L).

    Raises:
        ValueError: The model has no encoder.
    """
    if not forward_has(model, "encode"):
        raise ValueError(
            f"{type(model).__name__} has no states of users: they need a method encode, as in "
            "models.protocols.EncodesSequences"
        )
    return at_the_end(model.encode(tokens, seconds), tokens)  # type: ignore[operator]


@torch.no_grad()
def next_scores(model: nn.Module, tokens: Tensor, seconds: Tensor) -> Tensor:
    """Return the scores of all tokens as the next one after each sequence, (B, V).

    They are those that `SeqTrainer.evaluate_topk` ranks; that of padding is undefined.

    Args:
        model: A model of tokens and time differences (B, L) to logits (B, L, V).
        tokens: (B, L), padded with 0 at either end; each row has an event.
        seconds: Time differences (B, L).

    Example:
        >>> from torch_rechub.models.generative import HSTUModel
        >>> model = HSTUModel(9, d_model=4, n_heads=1, n_layers=1, dqk=2, dv=2, max_seq_len=3)
        >>> tokens, seconds = torch.tensor([[0, 5, 7]]), torch.tensor([[0, 60, 0]])
        >>> next_scores(model.eval(), tokens, seconds).shape
        torch.Size([1, 9])
    """
    if forward_has(model, "encode") and forward_has(model, "score"):
        scores: Tensor = model.score(last_states(model, tokens, seconds))  # type: ignore[operator]
        return scores
    return at_the_end(model(tokens, seconds), tokens)


def item_table(model: nn.Module) -> Tensor:
    """Return the vector of each token in the output layer, (V, D).

    Raises:
        ValueError: The model has no such table.
    """
    if forward_has(model, "score_terms"):
        one = next(model.parameters())
        table: Tensor = model.score_terms(one.new_zeros(1, 1))[1]  # type: ignore[operator]
        return table.detach()
    given = getattr(model, "item_embeddings", None)
    if isinstance(given, Tensor):
        return given.detach()
    raise ValueError(
        f"{type(model).__name__} has no table of items: similar items and embeddings of items need "
        "a method score_terms, as in models.protocols.ScoresLinearly"
    )


def at_the_end(states: Tensor, tokens: Tensor) -> Tensor:
    """Return the state (B, …) at the last token of each row."""
    valid = tokens != 0
    last = valid & (valid.flip(1).cumsum(dim=1).flip(1) == 1)
    row, position = last.nonzero(as_tuple=True)
    return states[row, position]
