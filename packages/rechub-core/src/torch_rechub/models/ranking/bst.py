"""Behavior Sequence Transformer."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..._bounds import check_number, check_whole
from ...basic.features import Feature, flat_width
from ...basic.layers import MLP, EmbeddingLayer
from ..arguments import RecordsArguments
from .behavior import pair_features, valid_steps


class BST(RecordsArguments, nn.Module):
    """Transformer over the history with the target as its last step.

    s_t = [e_t1; …; e_tK] + p(age of t),  S = Transformer(s_1, …, s_n, s_target),
    ŷ = σ( MLP([S_target; v_A1; …; v_AK; profile]) )

    Each block is LayerNorm(x + attention), then LayerNorm(x + W_2 LeakyReLU(W_1 x)). Attention is
    bidirectional, so the output at the target represents the sequence. In the paper the position of
    a step is the time until the target; here it is the number of steps until the target: 0 for the
    target, 1 for the last click. Padding, on either side, is masked.

    Complexity: O(N (L D² + L² D + L D H) + |MLP|).

    Args:
        features: The user profile: inputs of any kind and width; may be empty.
        history_features: K sequence features with pooling "concat", of the same length.
        target_features: The candidate: one feature for each history, in the same order.
        mlp_params: Arguments of `MLP`: dims, dropout, activation.
        nhead: Number of attention heads; must divide the width D of a step, Σ embed_dim.
        dropout: Share of values dropped while training.
        num_layers: Number N of blocks.
        max_seq_len: The longest sequence, in steps, the target included.
        dim_feedforward: Width H of W_1 x.

    Shape:
        x[name]: (B,) or (B, L), as the feature; returns probabilities (B,).

    Raises:
        ValueError: Histories and targets do not match in pairs, or `nhead` does not divide D; in
            `forward`, a history has `max_seq_len` steps or more.

    Example:
        >>> from torch_rechub.basic.features import SequenceFeature, SparseFeature
        >>> item = SparseFeature("item", 20, embed_dim=8)
        >>> history = SequenceFeature("history", 20, 8, pooling="concat", shared_with="item")
        >>> model = BST([], [history], [item], {"dims": [16]}, nhead=2)
        >>> model({"item": torch.tensor([3]), "history": torch.tensor([[5, 7, 0]])}).shape
        torch.Size([1])

    Reference:
        Chen et al., Behavior Sequence Transformer for E-commerce Recommendation in Alibaba,
        DLP-KDD 2019, arXiv 1905.06874.
    """

    def __init__(
        self,
        features: Sequence[Feature],
        history_features: Sequence[Feature],
        target_features: Sequence[Feature],
        mlp_params: Mapping[str, Any],
        nhead: int = 8,
        dropout: float = 0.2,
        num_layers: int = 1,
        max_seq_len: int = 51,
        *,
        dim_feedforward: int = 2048,
    ) -> None:
        check_whole(1, nhead=nhead, max_seq_len=max_seq_len, dim_feedforward=dim_feedforward)
        check_whole(0, num_layers=num_layers)
        check_number("[0, 1]", dropout=dropout)
        super().__init__()
        self.features, self.max_seq_len = list(features), max_seq_len
        self.longest_history = max_seq_len - 1
        self.history_features, self.target_features, others = pair_features(
            history_features, target_features
        )
        if others:
            raise ValueError(
                "target_features must pair off with history_features, as the target is a step of "
                f"the history: move {', '.join(f.name for f in others)} to features"
            )
        width = flat_width(self.target_features)
        if width % nhead:
            raise ValueError(f"the width of a step, {width}, must be a multiple of nhead={nhead}")
        self.embedding = EmbeddingLayer([*features, *history_features, *target_features])
        self.age_embedding = nn.Embedding(max_seq_len, width)
        nn.init.normal_(self.age_embedding.weight, std=0.02)
        block = nn.TransformerEncoderLayer(
            width, nhead, dim_feedforward, dropout, F.leaky_relu, batch_first=True
        )
        self.transformer_layers = nn.TransformerEncoder(
            block, num_layers, enable_nested_tensor=False
        )
        dim = flat_width(features) + 2 * width
        self.mlp = MLP(dim, **{**mlp_params, "output_layer": True})

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return probabilities (B,)."""
        return self.logits(x).sigmoid()

    def logits(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B,)."""
        history = torch.cat(self.embedding.lookup(x, self.history_features), dim=2)
        target = torch.cat(self.embedding.lookup(x, self.target_features), dim=1)
        valid = torch.stack([valid_steps(x, f) for f in self.history_features]).any(dim=0)
        steps = torch.cat([history, target.unsqueeze(1)], dim=1)
        steps = steps + self.age_embedding(self._ages(valid))
        padding = F.pad(~valid, (0, 1), value=False)
        read = self.transformer_layers(steps, src_key_padding_mask=padding)[:, -1]
        profile = [self.embedding(x, self.features, squeeze_dim=True)] if self.features else []
        y: Tensor = self.mlp(torch.cat([read, target, *profile], dim=1))
        return y.squeeze(1)

    def _ages(self, valid: Tensor) -> Tensor:
        """The number of steps from each step to the target: (B, L) to (B, L + 1)."""
        ages = valid.flip(1).cumsum(dim=1).flip(1)
        if valid.shape[1] >= self.max_seq_len and int(ages.max()) >= self.max_seq_len:
            raise ValueError(
                f"a history has {int(ages.max())} steps; with the target that is more than "
                f"max_seq_len={self.max_seq_len}: cut histories, or give a larger one"
            )
        return F.pad(ages, (0, 1))

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args)
        if f"{prefix}pos_embedding.weight" in state_dict:
            error_msgs: list[str] = args[-1]
            error_msgs.append(
                "this checkpoint is of torch-rechub 0.x, where positions counted padding; they now "
                "count steps back from the target, so they must be trained anew. The rest can be "
                "kept: drop 'pos_embedding.weight' and load with strict=False."
            )
