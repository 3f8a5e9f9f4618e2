"""Protocols: the optional methods that trainers ask of a model. A model of your own needs none.

A trainer asks `isinstance(model, HasLogits)` and the like, so that a method of the right name is
all it takes. B are the rows of a batch, T the tasks, V the items, L the length, D the dimension.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn


@runtime_checkable
class HasLogits(Protocol):
    """A model whose `forward` is a sigmoid of logits."""

    def logits(self, x: Any) -> Tensor:
        """The predictions before the sigmoid, for a loss that does not saturate."""


@runtime_checkable
class HasAuxiliaryLoss(Protocol):
    """A model with a loss of its own, added to that of each training batch.

    Where rows have weights, `auxiliary_loss` must also take the keyword argument `weights`, (B,) or
    None, by which the rows of its mean count.
    """

    def auxiliary_loss(self, x: Any, predictions: Tensor | None, y: Tensor | None) -> Tensor:
        """The auxiliary loss, a scalar.

        Args:
            x: The inputs of the batch.
            predictions: The predictions that the loss was computed from, (B,) or (B, T), as
                probabilities where `MTLTrainer` has them; None in `MatchTrainer`.
            y: The labels; None where the data have none. Of several tasks (B, T), with NaN where
                the label of one is missing.
        """


@runtime_checkable
class ChecksLabels(Protocol):
    """A multi-task model that checks labels before training."""

    def check_labels(self, y: Tensor) -> None:
        """Raise ValueError if labels (N, T) are of another task."""


@runtime_checkable
class SharesLayers(Protocol):
    """A multi-task model that names its shared layers, for "gradnorm" and "metabalance"."""

    def shared_layers(self) -> list[nn.Module]:
        """The layers that the loss of every task reaches, the first one first."""


@runtime_checkable
class WeighsLosses(Protocol):
    """A multi-task model that says how much the loss of each task counts, without balancing."""

    loss_weights: Sequence[float]


@runtime_checkable
class HasTaskTypes(Protocol):
    """A multi-task model that was made for certain tasks."""

    task_types: Sequence[str]


@runtime_checkable
class HasTowers(Protocol):
    """A retrieval model of two towers: score(u, i) = ⟨user(u), item(i)⟩ / temperature."""

    def user_tower(self, x: Mapping[str, Tensor]) -> Tensor:
        """Users, (B, D), or (B, K, D) with K interests each."""

    def item_tower(self, x: Mapping[str, Tensor]) -> Tensor:
        """Items, (B, D)."""


@runtime_checkable
class HasTemperature(Protocol):
    """A retrieval model whose scores are divided by a temperature."""

    temperature: float


@runtime_checkable
class GroupsItems(Protocol):
    """A retrieval model that knows which rows of a batch have the same item."""

    def item_groups(self, x: Mapping[str, Tensor]) -> Tensor:
        """Equal numbers for rows with the same item, (B,): it is no negative of itself."""


@runtime_checkable
class ValidatesPairs(Protocol):
    """A retrieval model of pairs, some of which are padding."""

    def valid_pairs(self, x: Mapping[str, Tensor]) -> Tensor:
        """Which pairs of a positive and a negative count, in the shape of the scores."""


@runtime_checkable
class HasPairLoss(Protocol):
    """A retrieval model with a loss of pairs in place of BPR."""

    pair_loss: nn.Module


@runtime_checkable
class HasInterests(Protocol):
    """A retrieval model of several interests a user."""

    def own_interests(self, x: Mapping[str, Tensor]) -> Tensor:
        """Which interests are the user's own, (B, K); the others are copies of the first."""


@runtime_checkable
class HasVocabulary(Protocol):
    """A model of tokens: those of inputs and targets are below `vocab_size`."""

    vocab_size: int


@runtime_checkable
class EncodesSequences(Protocol):
    """A sequence model in two parts, so that logits are computed only where they are needed."""

    def encode(self, tokens: Tensor, time_diffs: Tensor) -> Tensor:
        """The hidden states, (B, L, D)."""

    def score(self, hidden: Tensor) -> Tensor:
        """The logits of hidden states: (N, D) to (N, V)."""


@runtime_checkable
class ScoresLinearly(EncodesSequences, Protocol):
    """A sequence model whose logits are W h + b, which training then does not keep."""

    def score_terms(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """H (N, D), W (V, D) and b (V,) or None of hidden states (N, D)."""
