"""DeepFFM and FAT-DeepFFM: deep networks over the pairs of field-aware factorization machines."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from ...basic.features import Feature, IdFeature, fields_of
from ...basic.layers import CEN, FFM, MLP, EmbeddingLayer, FirstOrder
from ..arguments import RecordsArguments


class DeepFFM(RecordsArguments, nn.Module):
    """A deep network over the products of field-aware embeddings.

    ŷ = σ( b + Σ_i w_i x_i + MLP([v_{i,j} ⊙ v_{j,i}]_{i<j}) )

    v_{i,j} is the embedding of the id of field i for field j: each id has F embeddings.

    Complexity: O(F² D + |MLP|).

    Args:
        linear_features: Inputs of the first-order term, of any kind: one weight per id.
        cross_features: F fields, sparse or pooled sequences. Their `vocab_size` is the number of
            rows of the table, F for each id: F · (largest id + 1). The columns hold plain ids.
        embed_dim: Width D of an embedding.
        mlp_params: Arguments of `MLP`: dims, dropout, activation.

    Shape:
        x[name]: (B,) or (B, L), as the feature; returns probabilities (B,).

    Raises:
        ValueError: There are fewer than two fields, their width is not `embed_dim`, or a
            `vocab_size` is not a multiple of F.

    Example:
        >>> import torch
        >>> from torch_rechub.basic.features import SparseFeature
        >>> ids = [SparseFeature(name, 10) for name in ("user", "item")]
        >>> cross = [SparseFeature(name, 10 * 2, embed_dim=4) for name in ("user", "item")]
        >>> model = DeepFFM(ids, cross, embed_dim=4, mlp_params={"dims": [8]})
        >>> model({"user": torch.tensor([1, 2]), "item": torch.tensor([3, 9])}).shape
        torch.Size([2])

    Reference:
        Juan et al., Field-aware Factorization Machines for CTR Prediction, RecSys 2016; with a deep
        network: Zhang et al., FAT-DeepFFM, ICDM 2019, arXiv 1905.06336.
    """

    def __init__(
        self,
        linear_features: Sequence[Feature],
        cross_features: Sequence[Feature],
        embed_dim: int,
        mlp_params: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.linear_features = list(linear_features)
        self.cross_features = _one_row_an_id(cross_features, embed_dim)
        n = len(self.cross_features)
        self.linear = FirstOrder(linear_features)
        self.ffm_embedding = EmbeddingLayer(self.cross_features)
        self.ffm = FFM(n, reduce_sum=False)
        width = n * (n - 1) // 2 * embed_dim
        self.mlp_out = MLP(width, **{**mlp_params, "output_layer": True})

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return probabilities (B,)."""
        return self.logits(x).sigmoid()

    def logits(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B,)."""
        v = self.ffm_embedding.fields(x, self.cross_features)  # (B, F, F·D)
        v = v.unflatten(2, (len(self.cross_features), -1))
        y: Tensor = self.linear(x) + self.mlp_out(self.products(v))
        return y.squeeze(1)

    def products(self, v: Tensor) -> Tensor:
        """The input of the deep network from v_{i,j} at [:, i, j]: (B, F, F, D) to (B, P·D)."""
        pairs: Tensor = self.ffm(v)
        return pairs.flatten(1)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        if f"{prefix}b" in state_dict:
            _rename_old(state_dict, prefix, len(self.cross_features))
        super()._load_from_state_dict(state_dict, prefix, *args)


class FatDeepFFM(DeepFFM):
    """DeepFFM with compose-excitation of the field-aware embeddings before their products.

    ŷ = σ( b + Σ_i w_i x_i + MLP([ṽ_{i,j} ⊙ ṽ_{j,i}]_{i<j}) ),  [ṽ_{i,j}] = CEN([v_{i,j}])

    `CEN` reads all F² embeddings.

    Complexity: O(F² D + F⁴ / r + |MLP|).

    Args:
        linear_features: As for `DeepFFM`.
        cross_features: As for `DeepFFM`.
        embed_dim: Width D of an embedding.
        reduction_ratio: r of `CEN`.
        mlp_params: Arguments of `MLP`: dims, dropout, activation.
        attention: "before" the products, as in the paper, or "after" as in torch-rechub 0.9: a
            `CEN` with batch normalization on the products, MLP(CEN([v_{i,j} ⊙ v_{j,i}])).

    Shape:
        x[name]: (B,) or (B, L), as the feature; returns probabilities (B,).

    Raises:
        ValueError: As for `DeepFFM`, or `attention` has another value.

    Example:
        >>> import torch
        >>> from torch_rechub.basic.features import SparseFeature
        >>> ids = [SparseFeature(name, 10) for name in ("user", "item")]
        >>> cross = [SparseFeature(name, 10 * 2, embed_dim=4) for name in ("user", "item")]
        >>> model = FatDeepFFM(ids, cross, 4, reduction_ratio=1, mlp_params={"dims": [8]})
        >>> model({"user": torch.tensor([1, 2]), "item": torch.tensor([3, 9])}).shape
        torch.Size([2])

    Reference:
        Zhang et al., FAT-DeepFFM: Field Attentive Deep Field-aware Factorization Machine,
        ICDM 2019, arXiv 1905.06336.
    """

    def __init__(
        self,
        linear_features: Sequence[Feature],
        cross_features: Sequence[Feature],
        embed_dim: int,
        reduction_ratio: int,
        mlp_params: Mapping[str, Any],
        *,
        attention: str = "before",
    ) -> None:
        if attention not in ("before", "after"):
            raise ValueError(f"attention must be 'before' or 'after', got {attention!r}")
        super().__init__(linear_features, cross_features, embed_dim, mlp_params)
        n = len(self.cross_features)
        self.is_before = attention == "before"
        vectors = n * n if self.is_before else n * (n - 1) // 2
        self.cen = CEN(embed_dim, vectors, reduction_ratio, batch_norm=not self.is_before)

    def products(self, v: Tensor) -> Tensor:
        """Return the products (B, P·D), reweighted before or after."""
        if self.is_before:
            return super().products(self.cen(v.flatten(1, 2)).view_as(v))
        y: Tensor = self.cen(self.ffm(v))
        return y


def _one_row_an_id(features: Sequence[Feature], embed_dim: int) -> list[IdFeature]:
    """Fields with the F embeddings of an id concatenated: the same table, reshaped to (V, F·D)."""
    fields, width = fields_of("cross_features", features)
    n = len(fields)
    if n < 2 or width != embed_dim:
        raise ValueError(
            f"cross_features must hold at least two fields of embed_dim={embed_dim}, got {n} of "
            f"{width}"
        )
    for f in fields:
        if f.vocab_size % n:
            raise ValueError(
                f"feature {f.name!r}: vocab_size={f.vocab_size} is no multiple of the number of "
                f"cross features, {n}: give {n} * (largest id + 1)"
            )
    return [
        dataclasses.replace(f, vocab_size=f.vocab_size // n, embed_dim=n * embed_dim)
        for f in fields
    ]


def _rename_old(state: dict[str, Any], prefix: str, n: int) -> None:
    """Convert a state dict of torch-rechub 0.9, whose tables had the shape (V·F, D)."""
    state[f"{prefix}linear.bias"] = state.pop(f"{prefix}b")
    state.pop(f"{prefix}fields_offset", None)
    for key in [k for k in state if k.startswith(f"{prefix}linear_embedding.")]:
        new = key.replace("linear_embedding.", "linear.embedding.", 1)
        state[new] = state.pop(key)
    for key in [k for k in state if k.startswith(f"{prefix}ffm_embedding.")]:
        state[key] = state[key].reshape(-1, n * state[key].shape[1])
