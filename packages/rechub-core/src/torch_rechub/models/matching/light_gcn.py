"""LightGCN: graph convolution on the graph of user-item interactions."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from ...basic.features import Feature, SparseFeature
from ...basic.layers import LightGraphConvolution
from ...basic.layers.inputs import check_ids, column
from ...basic.layers.lookup import look_up
from .factorization import Factorization


class LightGCN(Factorization):
    """Matrix factorization on embeddings propagated over the graph of interactions.

    ŷ_ui = ⟨e_u, e_i⟩,  e = 1 / (K + 1) · Σ_{k=0..K} e⁽ᵏ⁾,
    e_u⁽ᵏ⁺¹⁾ = Σ_{i ∈ N(u)} e_i⁽ᵏ⁾ / √(|N(u)| |N(i)|),  and e_i⁽ᵏ⁺¹⁾ likewise

    Only the e⁽⁰⁾ are trained: the embedding tables of the features. The paper's λ‖E⁽⁰⁾‖² is
    `MatchTrainer(mode=1, regularization_params={"embedding_l2": λ})`. Every batch propagates
    over the whole graph, so batches should be large; in evaluation without gradients the result is
    cached until weights change.

    Complexity: O(K |A| D / B) for |A| interactions; in evaluation: O(D).

    Args:
        user_feature: The user's id, of width D.
        item_feature: The positive item's id, of the same width.
        neg_item_feature: The negative item's id, in the same table.
        interactions: The graph: (users, items), two columns of ids, from the training data only;
            repeated pairs count once. Load weights into a model with the same graph.
        num_layers: Number K of propagation steps, at least 0.

    Shape:
        x[name]: (B,); returns (ŷ_ui, ŷ_uj), (B,) each; in mode "user" and "item" e, (B, D).

    Raises:
        ValueError: The features differ in width or table, or `interactions` are not two columns of
            ids.
        IndexError: An id of the interactions is outside its vocabulary.

    Example:
        >>> user, item, negative = (SparseFeature(n, 20, 4) for n in ("user", "item", "negative"))
        >>> model = LightGCN(user, item, negative, interactions=([1, 2, 2], [5, 5, 6]))
        >>> ids = torch.tensor([1, 2, 3])
        >>> pos, neg = model({"user": ids, "item": ids + 4, "negative": ids + 9})
        >>> pos.shape, model.item_tower({"item": ids}).shape
        (torch.Size([3]), torch.Size([3, 4]))

    Reference:
        He et al., LightGCN: Simplifying and Powering Graph Convolution Network for Recommendation,
        SIGIR 2020, arXiv 2002.02126.
    """

    # the graph is in the layer, whatever becomes of the arrays that it was given
    held_arguments: ClassVar = {"interactions": "convolve.interactions"}

    def __init__(
        self,
        user_feature: SparseFeature,
        item_feature: SparseFeature,
        neg_item_feature: SparseFeature,
        interactions: tuple[ArrayLike, ArrayLike],
        num_layers: int = 3,
    ) -> None:
        super().__init__(user_feature, item_feature, neg_item_feature)
        self.nodes = (user_feature, item_feature)
        self.convolve = LightGraphConvolution(interactions, *self.nodes, num_layers)
        self._kept: tuple[Any, tuple[Tensor, Tensor]] | None = None

    def train(self, mode: bool = True) -> "LightGCN":
        """Set the mode of the module, and clear the cache of evaluation."""
        self._kept = None
        return super().train(mode)

    def convolved(self) -> tuple[Tensor, Tensor]:
        """Return e of all users and of all items, (N, D) each."""
        if self.training or torch.is_grad_enabled() or torch.compiler.is_compiling():
            self._kept = None
            return self._convolve()
        state = [(p.data_ptr(), p._version) for p in self.embedding.parameters()]
        if self._kept is None or self._kept[0] != state:
            self._kept = state, self._convolve()
        return self._kept[1]

    def vectors(self, x: Mapping[str, Tensor], features: Sequence[Feature]) -> list[Tensor]:
        """Return e (B, D) for the ids of each of the features."""
        users, items = self.convolved()
        return [_rows(users if f in self.user_inputs else items, x, f) for f in features]

    def _convolve(self) -> tuple[Tensor, Tensor]:
        device = self.convolve.ends.device
        ids = {f.name: torch.arange(f.vocab_size, device=device) for f in self.nodes}
        users, items = (self.embedding.flat(ids, [f]) for f in self.nodes)
        e: tuple[Tensor, Tensor] = self.convolve(users, items)
        return e


def _rows(table: Tensor, x: Mapping[str, Tensor], feature: Feature) -> Tensor:
    assert isinstance(feature, SparseFeature)
    ids = column(x, feature)
    check_ids(ids.unsqueeze(1), ids.new_full((1,), len(table)), [feature], [ids])
    return look_up(table, ids)
