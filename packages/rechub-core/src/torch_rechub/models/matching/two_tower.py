"""The base classes of retrieval models, and the optional methods that `MatchTrainer` uses."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..._bounds import check_number
from ...basic.features import DenseFeature, Feature, SequenceFeature, check_sequences, flat_width
from ...basic.layers import MLP, EmbeddingLayer
from ...basic.layers.inputs import column
from ...basic.layers.precision import unit_length
from ...losses.in_batch import group_rows
from ..arguments import RecordsArguments


class TwoTower(RecordsArguments, nn.Module):
    """The base class of two-tower models: score(u, i) = ⟨user(u), item(i)⟩ / τ.

    A subclass implements `user_tower`, `item_tower` and `score`. `MatchTrainer` accepts any module
    with the two towers, and uses these methods and attributes if they exist:

    * `temperature`, τ: divides the scores of in-batch training; 1 by default.
    * `logits(x)`: the scores before the sigmoid of `forward`, for point-wise training.
    * `valid_pairs(x)`, `pair_loss`: the mask of valid pairs (positive, negative), and a pair-wise
      loss in place of BPR.
    * `user_inputs`, `item_inputs`, `score_inputs`: the features that each tower, and `forward` in
      mode None, reads; None means all features of the model.
    * `auxiliary_loss(x, predictions, y)`: a loss added to that of each training batch.
    * `item_groups(x)`: numbers that are equal for rows with the same item, so that an item is not
      a negative of itself.

    Export to ONNX uses `longest_history`, the largest number of items in a history, and
    `why_no_onnx`, the reason why the scores of mode None cannot be exported.

    Args:
        user_inputs: The features that `user_tower` reads.
        item_inputs: The features that `item_tower` reads.
        temperature: τ, above 0.

    Attributes:
        mode: None scores users with items; "user" and "item" make `forward` return the embeddings
            of one tower.

    Raises:
        ValueError: The temperature is not above 0.
    """

    later_settings = ("temperature",)

    def __init__(
        self,
        user_inputs: Sequence[Feature],
        item_inputs: Sequence[Feature],
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        check_number("(0, inf)", temperature=temperature)
        self.user_inputs, self.item_inputs = list(user_inputs), list(item_inputs)
        self.score_inputs: Sequence[Feature] | None = None
        self.temperature = temperature
        self.mode: str | None = None

    def user_tower(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return the users' embeddings (B, D)."""
        raise NotImplementedError

    def item_tower(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return the items' embeddings (B, D)."""
        raise NotImplementedError

    def score(self, x: Mapping[str, Tensor]) -> Any:
        """Return the output of `forward` in mode None."""
        raise NotImplementedError

    def forward(self, x: Mapping[str, Tensor]) -> Any:
        """Return scores; in mode "user" or "item", embeddings (B, D)."""
        if self.mode == "user":
            return self.user_tower(x)
        return self.item_tower(x) if self.mode == "item" else self.score(x)

    def item_groups(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return numbers (B,) that are equal for rows with the same item."""
        return group_rows([column(x, f) for f in self.item_inputs])


class TwoNetworks(TwoTower):
    """The base class of models with an MLP for the user and one for the item, both L2-normalized.

    y_u = MLP_u(v_u) / ‖MLP_u(v_u)‖,  y_i = MLP_i(v_i) / ‖MLP_i(v_i)‖

    Args:
        user_features: Inputs of the user network, of any kind and width.
        item_features: Inputs of the item network.
        user_params: Arguments of `MLP` for the user; an `output_layer` is ignored.
        item_params: The same for the item.
        temperature: τ.
        others: Additional features that the model reads.

    Raises:
        ValueError: The networks end in different widths.
    """

    def __init__(
        self,
        user_features: Sequence[Feature],
        item_features: Sequence[Feature],
        user_params: Mapping[str, Any],
        item_params: Mapping[str, Any],
        temperature: float,
        others: Sequence[Feature] = (),
    ) -> None:
        super().__init__(user_features, item_features, temperature)
        self.user_features, self.item_features = list(user_features), list(item_features)
        self.embedding = EmbeddingLayer([*user_features, *item_features, *others])
        self.user_mlp = MLP(flat_width(user_features), **{**user_params, "output_layer": False})
        self.item_mlp = MLP(flat_width(item_features), **{**item_params, "output_layer": False})
        check_widths(
            self.user_mlp.output_dim,
            self.item_mlp.output_dim,
            "end user_params['dims'] and item_params['dims'] in the same number",
        )

    def user_vector(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return the inputs of the user network, (B, Σ widths)."""
        return self.embedding.forward(x, self.user_features, squeeze_dim=True)

    def item_vector(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return the inputs of the item network, (B, Σ widths)."""
        return self.embedding.forward(x, self.item_features, squeeze_dim=True)

    def user_tower(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return the users' embeddings (B, D), of length 1."""
        return unit_length(self.user_mlp(self.user_vector(x)), dim=1)

    def item_tower(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return the items' embeddings (B, D), of length 1."""
        return unit_length(self.item_mlp(self.item_vector(x)), dim=1)


class ListWise(TwoTower):
    """The base class of list-wise models: cos(user, c) / τ for the item and its negatives c.

    The embedding of an item is the concatenation of those of its features; negatives share the
    tables. A subclass defines `embedding` and `user_tower`, and sets `by_cosine` to False if
    embeddings are not normalized.

    Args:
        user_inputs: The features that `user_tower` reads.
        item_features: The features of the positive item, such as its id.
        neg_item_feature: A sequence feature of the negatives for each item feature, not pooled.
        temperature: τ.

    Shape:
        x[negatives]: (B, n); `forward` returns logits (B, 1 + n), the positive in column 0.

    Raises:
        ValueError: Negatives and item features do not match in pairs, or are pooled.
    """

    embedding: EmbeddingLayer
    by_cosine = True

    def __init__(
        self,
        user_inputs: Sequence[Feature],
        item_features: Sequence[Feature],
        neg_item_feature: Sequence[Feature],
        temperature: float,
    ) -> None:
        super().__init__(user_inputs, item_features, temperature)
        self.item_features = list(item_features)
        self.neg_item_feature = check_sequences(
            "neg_item_feature", share_tables(item_features, neg_item_feature)
        )

    def item_tower(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return the positive items' embeddings (B, D), of length 1 if scores are cosines."""
        return self._scaled(self.embedding(x, self.item_features, squeeze_dim=True))

    def score(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B, 1 + n)."""
        logits = self.candidates(x) @ self.user_tower(x).unsqueeze(2)
        return logits.squeeze(2) / self.temperature

    def candidates(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return the embeddings of the positive item and of its negatives (B, 1 + n, D)."""
        negatives = torch.cat(self.embedding.lookup(x, self.neg_item_feature), dim=-1)
        return torch.cat([self.item_tower(x).unsqueeze(1), self._scaled(negatives)], dim=1)

    def _scaled(self, items: Tensor) -> Tensor:
        return unit_length(items) if self.by_cosine else items


def share_tables(owners: Sequence[Feature], features: Sequence[Feature]) -> list[Feature]:
    """Make features share the tables of others, pair by pair.

    A feature with `shared_with`, or with another vocabulary or width, is not changed.

    Raises:
        ValueError: The lists differ in length.

    Example:
        >>> from torch_rechub.basic.features import SparseFeature
        >>> item = SparseFeature("item", 9, embed_dim=4)
        >>> share_tables([item], [SparseFeature("neg", 9, embed_dim=4)])[0].shared_with
        'item'
    """
    if len(owners) != len(features):
        raise ValueError(
            f"{[f.name for f in features]} must hold one feature for each of "
            f"{[f.name for f in owners]}"
        )
    return [_sharing(feature, owner) for owner, feature in zip(owners, features)]


def _sharing(feature: Feature, owner: Feature) -> Feature:
    if isinstance(feature, DenseFeature) or isinstance(owner, DenseFeature):
        return feature
    alike = (feature.vocab_size, feature.embed_dim) == (owner.vocab_size, owner.embed_dim)
    if feature.shared_with is not None or feature.name == owner.name or not alike:
        return feature
    return dataclasses.replace(feature, shared_with=owner.name)


def history_steps(
    embedding: EmbeddingLayer, x: Mapping[str, Tensor], features: Sequence[SequenceFeature]
) -> tuple[Tensor, Tensor]:
    """Return the concatenated embeddings of a history's features, and the padding mask.

    Returns:
        Steps, shape (B, L, Σ widths), and the padding mask of the first feature, (B, L).
    """
    steps = torch.cat(embedding.lookup(x, features), dim=-1)
    return steps, column(x, features[0]) != features[0].padding_id


def check_widths(user_dim: int, item_dim: int, hint: str) -> None:
    """Refuse towers that end in different widths.

    Raises:
        ValueError: The widths differ; the message gives both.
    """
    if user_dim != item_dim:
        raise ValueError(
            f"the user's embedding has width {user_dim}, the item's {item_dim}: {hint}"
        )
