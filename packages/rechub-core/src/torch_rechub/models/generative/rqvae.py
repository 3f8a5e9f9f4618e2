"""RQ-VAE: semantic ids, a few discrete codes per item, from content embeddings."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ..._bounds import check_number, check_whole
from ...basic.layers.precision import widened
from ...basic.layers.quantization import (
    ResidualVectorQuantizer,
    VectorQuantizer,
    kmeans,
    sinkhorn_algorithm,
)
from ..arguments import RecordsArguments
from .token_forms import forms_of
from .unique_codes import unique_codes

__all__ = [
    "RQVAEModel",
    "ResidualVectorQuantizer",
    "VectorQuantizer",
    "kmeans",
    "sinkhorn_algorithm",
]

PREFIX = ("<a_{}>", "<b_{}>", "<c_{}>", "<d_{}>", "<e_{}>")


class RQVAEModel(RecordsArguments, nn.Module):
    """Residual-quantized autoencoder: its latent vector is the sum of one codebook entry per level.

    z = Encoder(x),  (z_q, L_rq, c) = ResidualVectorQuantizer(z),  x̂ = Decoder(z_q)
    L = mean (x − x̂)² + λ L_rq

    The codes c = (c_1, …, c_M) are the item's semantic id: similar items share their first codes.
    Encoder and decoder are Linear → [BatchNorm] → ReLU → Dropout for each of `layers`, and end in a
    Linear, because embeddings may be negative. Train it with `torch_rechub.trainers.rqvae_trainer`.

    Complexity: O(D Σ_m K_m + |MLP|); sk_epsilons: O((D + R) Σ_m K_m + |MLP|).

    Args:
        in_dim: Width of the embeddings x.
        num_emb_list: Entries K_m of each level's codebook; None means [256, 256, 256].
        e_dim: Width D of z.
        layers: Hidden widths of the encoder, reversed in the decoder; None means [512, 256, 128].
        dropout_prob: Share of hidden activations dropped while training.
        bn: Whether hidden layers have batch normalization.
        loss_type: "mse", or "l1" for mean |x − x̂|.
        quant_loss_weight: λ.
        beta: Weight of the commitment loss in L_rq.
        kmeans_init: Whether the first batch initializes the codebooks; see `VectorQuantizer`.
        kmeans_iters: Number of k-means iterations.
        sk_epsilons: For each level, ε of Sinkhorn's algorithm, or 0 for the nearest entry; None
            means 0 for all. A small ε at the last level makes fewer items share an id.
        sk_iters: Number R of Sinkhorn iterations.

    Shape:
        x: (B, in_dim); returns x̂ (B, in_dim), L_rq (), codes (B, M).

    Raises:
        ValueError: `loss_type` has another value, `sk_epsilons` and `num_emb_list` differ in
            length, or x has another width than `in_dim`.

    Example:
        >>> model = RQVAEModel(in_dim=16, num_emb_list=[8, 8], e_dim=4, layers=[12])
        >>> x = torch.randn(5, 16)
        >>> out, quant_loss, codes = model(x)
        >>> loss, reconstruction = model.compute_loss(out, quant_loss, x)
        >>> out.shape, codes.shape
        (torch.Size([5, 16]), torch.Size([5, 2]))

    Reference:
        Rajput et al., Recommender Systems with Generative Retrieval, NeurIPS 2023,
        arXiv 2305.05065; Lee et al., Autoregressive Image Generation using Residual Quantization,
        CVPR 2022, arXiv 2203.01941.
    """

    def __init__(
        self,
        in_dim: int = 768,
        num_emb_list: Sequence[int] | None = None,
        e_dim: int = 64,
        layers: Sequence[int] | None = None,
        dropout_prob: float = 0.0,
        bn: bool = False,
        loss_type: str = "mse",
        quant_loss_weight: float = 1.0,
        beta: float = 0.25,
        kmeans_init: bool = False,
        kmeans_iters: int = 100,
        sk_epsilons: Sequence[float] | None = None,
        sk_iters: int = 100,
    ) -> None:
        hidden = {f"layers[{i}]": width for i, width in enumerate(layers or ())}
        check_whole(1, in_dim=in_dim, e_dim=e_dim, **hidden)
        check_number("[0, 1]", dropout_prob=dropout_prob)
        check_number("[0, inf)", quant_loss_weight=quant_loss_weight)
        super().__init__()
        if loss_type not in ("mse", "l1"):
            raise ValueError(f"loss_type must be 'mse' or 'l1', got {loss_type!r}")
        sizes = [256, 256, 256] if num_emb_list is None else list(num_emb_list)
        epsilons = [0.0] * len(sizes) if sk_epsilons is None else list(sk_epsilons)
        widths = [in_dim, *([512, 256, 128] if layers is None else layers), e_dim]
        self.in_dim, self.num_emb_list, self.e_dim = in_dim, sizes, e_dim
        self.loss_type, self.quant_loss_weight = loss_type, quant_loss_weight
        self.encoder = _network(widths, dropout_prob, bn)
        self.rq = ResidualVectorQuantizer(
            sizes, e_dim, epsilons, beta, kmeans_init, kmeans_iters, sk_iters
        )
        self.decoder = _network(widths[::-1], dropout_prob, bn)

    @property
    def _dtype(self) -> torch.dtype:
        return next(self.encoder.parameters()).dtype

    def encode(self, x: Tensor) -> Tensor:
        """Return z (B, e_dim)."""
        if x.dim() != 2 or x.shape[1] != self.in_dim:
            raise ValueError(
                f"embeddings must have shape (batch, {self.in_dim}), as in_dim says, got "
                f"{tuple(x.shape)}"
            )
        z: Tensor = self.encoder(x.to(self._dtype))
        return z

    def forward(self, x: Tensor, use_sk: bool = True) -> tuple[Tensor, Tensor, Tensor]:
        """Return x̂, L_rq and the codes; `use_sk=False` takes the nearest entries."""
        z_q, loss, codes = self.rq(self.encode(x), use_sk)
        return self.decoder(z_q), loss, codes

    @torch.no_grad()
    def get_indices(self, xs: Tensor, use_sk: bool = False) -> Tensor:
        """Return the codes (B, M) of embeddings."""
        codes: Tensor = self.rq(self.encode(xs), use_sk)[2]
        return codes

    def compute_loss(
        self, out: Tensor, quant_loss: Tensor, xs: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return L and the reconstruction loss, its first term, from the outputs of `forward`."""
        if xs is None:
            raise ValueError("compute_loss needs xs, the embeddings that were reconstructed")
        out = widened(out)
        reconstruction = (F.mse_loss if self.loss_type == "mse" else F.l1_loss)(
            out, xs.to(out.dtype)
        )
        return reconstruction + self.quant_loss_weight * quant_loss, reconstruction

    @torch.no_grad()
    def generate_semantic_ids(
        self,
        data: Any,
        data_loader: Any,
        prefix: Sequence[str] = PREFIX,
        use_sk: bool = False,
        device: str | torch.device = "cuda",
    ) -> dict[int, list[str]]:
        """Generate a unique semantic id, as tokens, for every item.

        On a collision the item nearest to the codes keeps them; the others take the nearest free
        code of the last level. If that level is too small, every id gets one more token, which
        numbers the items with the same codes.

        Args:
            data: A data set of embeddings (in_dim,), one per item, such as `EmbDataset`.
            data_loader: Its batch size is used; rows are read from `data` in order, even if the
                loader shuffles.
            prefix: The format of the tokens of each level, such as "<a_{}>". If there are more
                levels than formats, the additional formats continue them: "<d_{}>" after "<c_{}>".
            use_sk: Whether levels with an ε use Sinkhorn's algorithm.
            device: Ignored, kept for scripts of 0.9: ids are computed on the device of the model.

        Returns:
            Row number of `data` to tokens.

        Raises:
            ValueError: `prefix` is empty, or a format lacks the placeholder for the code.

        Example:
            >>> model = RQVAEModel(4, num_emb_list=[2, 8], e_dim=2, layers=[])
            >>> loader = DataLoader(torch.randn(9, 4), batch_size=3)
            >>> ids = model.generate_semantic_ids(loader.dataset, loader)
            >>> len({tuple(tokens) for tokens in ids.values()})
            9
        """
        forms_of(prefix, levels=0)
        training, here = self.training, next(self.parameters()).device
        self.eval()
        rows = DataLoader(data, batch_size=data_loader.batch_size or 1024)
        z = torch.cat([self.encode(x.to(self._dtype).to(here)) for x in rows])
        codes = torch.cat([self.rq(part, use_sk)[2] for part in z.split(rows.batch_size or 1)])
        self.train(training)
        *levels, last = self.rq.vq_layers
        for level, c in zip(levels, codes.t(), strict=False):
            z = z - level.get_codebook_entry(c)  # type: ignore[operator]
        found = unique_codes(
            codes.cpu(),
            lambda i: last.distances(z[i.to(here)]).cpu(),  # type: ignore[operator]
        ).tolist()
        forms = forms_of(prefix, len(found[0]) if found else 0)
        return {
            i: [form.format(c) for form, c in zip(forms, row, strict=False)]
            for i, row in enumerate(found)
        }

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args)
        if f"{prefix}encoder.mlp.0.weight" in state_dict:
            error_msgs: list[str] = args[-1]
            error_msgs.append(
                "this checkpoint is of torch-rechub 0.x, whose encoder and decoder ended in a ReLU "
                "and could not reconstruct negative values; it must be trained anew."
            )


def _network(widths: Sequence[int], dropout: float, bn: bool) -> nn.Sequential:
    """Linear layers of the given widths; all but the last with normalization, ReLU and dropout."""
    layers: list[nn.Module] = []
    for i, (width, following) in enumerate(pairwise(widths)):
        linear = nn.Linear(width, following)
        nn.init.xavier_normal_(linear.weight)
        nn.init.zeros_(linear.bias)
        layers.append(linear)
        if i < len(widths) - 2:
            layers += [nn.BatchNorm1d(following)] if bn else []
            layers += [nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers)
