"""Protocols of the optional methods of models that trainers use. Custom models need none of them.

A trainer checks `isinstance(model, HasLogits)` and the like, so a method of that name is enough. B
is the batch size, T the number of tasks, V that of items, L the length, D the embedding width.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn


@runtime_checkable
class HasLogits(Protocol):
    """A model whose `forward` is a sigmoid of logits."""

    def logits(self, x: Any) -> Tensor:
        """The predictions before the sigmoid, for losses on logits."""


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
        """Raise ValueError if labels (N, T) do not suit the task."""


@runtime_checkable
class SharesLayers(Protocol):
    """A multi-task model that lists its shared layers, for "gradnorm" and "metabalance"."""

    def shared_layers(self) -> list[nn.Module]:
        """The layers shared by all tasks, in order."""


@runtime_checkable
class WeighsLosses(Protocol):
    """A multi-task model with fixed weights of the losses of its tasks."""

    loss_weights: Sequence[float]


@runtime_checkable
class HasTaskTypes(Protocol):
    """A multi-task model with given task types."""

    task_types: Sequence[str]


@runtime_checkable
class HasTowers(Protocol):
    """A retrieval model of two towers: score(u, i) = ⟨user(u), item(i)⟩ / temperature."""

    def user_tower(self, x: Mapping[str, Tensor]) -> Tensor:
        """Embeddings of users, (B, D), or (B, K, D) with K interests each."""

    def item_tower(self, x: Mapping[str, Tensor]) -> Tensor:
        """Embeddings of items, (B, D)."""


@runtime_checkable
class HasTemperature(Protocol):
    """A retrieval model whose scores are divided by a temperature."""

    temperature: float


@runtime_checkable
class GroupsItems(Protocol):
    """A retrieval model that identifies rows of a batch with the same item."""

    def item_groups(self, x: Mapping[str, Tensor]) -> Tensor:
        """Numbers (B,) that are equal for rows with the same item, which are no negatives."""


@runtime_checkable
class ValidatesPairs(Protocol):
    """A pair-wise retrieval model with padding among its pairs."""

    def valid_pairs(self, x: Mapping[str, Tensor]) -> Tensor:
        """The mask of valid pairs of a positive and a negative, in the shape of the scores."""


@runtime_checkable
class HasPairLoss(Protocol):
    """A retrieval model with its own pair-wise loss in place of BPR."""

    pair_loss: nn.Module


@runtime_checkable
class HasInterests(Protocol):
    """A multi-interest retrieval model."""

    def own_interests(self, x: Mapping[str, Tensor]) -> Tensor:
        """The mask of the user's own interests, (B, K); the others are copies of the first."""


@runtime_checkable
class HasVocabulary(Protocol):
    """A model of tokens, which must be below `vocab_size` in inputs and targets."""

    vocab_size: int


@runtime_checkable
class EncodesSequences(Protocol):
    """A sequence model of encoder and output layer, so that only needed logits are computed."""

    def encode(self, tokens: Tensor, time_diffs: Tensor) -> Tensor:
        """The hidden states, (B, L, D)."""

    def score(self, hidden: Tensor) -> Tensor:
        """The logits of hidden states: (N, D) to (N, V)."""


@runtime_checkable
class ScoresLinearly(EncodesSequences, Protocol):
    """A sequence model with linear logits W h + b, which training computes block by block."""

    def score_terms(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return h (N, D), W (V, D) and b (V,) or None for hidden states (N, D)."""
