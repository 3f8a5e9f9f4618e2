"""Vector quantization: a vector is replaced by the nearest entry of a codebook."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..._bounds import check_number, check_whole
from .precision import in_double


def kmeans(samples: Tensor, num_clusters: int, num_iters: int = 10) -> Tensor:
    """The centers of k-means clustering, initialized by k-means++; empty clusters are reseeded.

    Reproducible under `torch.manual_seed`.

    Args:
        samples: Vectors (N, D).
        num_clusters: Number K of centers, at most N.
        num_iters: Largest number of iterations of Lloyd's algorithm.

    Returns:
        Shape (K, D).

    Raises:
        ValueError: There are fewer vectors than centers.

    Example:
        >>> kmeans(torch.tensor([[0.0], [1.0], [8.0], [9.0]]), 2).sort(dim=0).values.tolist()
        [[0.5], [8.5]]

    Reference:
        Arthur and Vassilvitskii, k-means++: The Advantages of Careful Seeding, SODA 2007.
    """
    if len(samples) < num_clusters:
        raise ValueError(
            f"k-means of {num_clusters} clusters needs at least as many vectors, got {len(samples)}"
            ": use a larger first batch, a smaller codebook, or kmeans_init=False"
        )
    x = samples.detach().cpu().double()
    centers = _careful_seeding(x, num_clusters)
    for _ in range(num_iters):
        distances = torch.cdist(x, centers)
        nearest, assigned = distances.min(dim=1)
        sizes = assigned.bincount(minlength=num_clusters)
        moved = torch.zeros_like(centers).index_add_(0, assigned, x) / sizes.clamp(min=1)[:, None]
        empty = (sizes == 0).nonzero().flatten()
        # reseed empty clusters with the vectors farthest from their centers
        moved[empty] = x[nearest.topk(len(empty)).indices]
        if torch.equal(moved, centers):
            break
        centers = moved
    return centers.to(samples)


def _careful_seeding(x: Tensor, num_clusters: int) -> Tensor:
    """k-means++: draw centers with probability proportional to the squared distance to the nearest.

    Greedy variant: of several draws, the one that reduces the total distance most is taken.
    """
    centers = x[torch.randint(len(x), (1,))]
    nearest = torch.cdist(x, centers).square().flatten()
    draws = 2 + int(math.log(num_clusters))
    while len(centers) < num_clusters:
        # if every vector is a center already, all distances are 0 and any vector will do
        weights = nearest if nearest.sum() > 0 else torch.ones_like(nearest)
        drawn = torch.multinomial(weights, draws, replacement=True)
        left = torch.minimum(torch.cdist(x[drawn], x).square(), nearest)
        best = left.sum(dim=1).argmin()
        centers, nearest = torch.cat([centers, x[drawn[best]][None]]), left[best]
    return centers


def sinkhorn_algorithm(distances: Tensor, epsilon: float, sinkhorn_iterations: int) -> Tensor:
    """Balanced soft assignments of samples to codes, by Sinkhorn's algorithm.

    Q = argmin ⟨Q, d⟩ − ε H(Q) over Q ≥ 0 whose rows sum to 1 and whose columns sum to B/K,
    by scaling columns and rows of exp(−d/ε) in turn, in log space, so that no ε overflows.

    Args:
        distances: d, shape (B, K).
        epsilon: ε; a smaller ε gives harder assignments.
        sinkhorn_iterations: Number of scaling iterations.

    Returns:
        Q, shape (B, K).

    Example:
        >>> sinkhorn_algorithm(torch.tensor([[0.0, 1.0], [0.0, 3.0]]), 0.1, 50).argmax(dim=1)
        tensor([1, 0])

    Reference:
        Cuturi, Sinkhorn Distances: Lightspeed Computation of Optimal Transport, NeurIPS 2013,
        arXiv 1306.0895.
    """
    log_q = -distances / epsilon
    for _ in range(sinkhorn_iterations):
        log_q = log_q - log_q.logsumexp(dim=0, keepdim=True)
        log_q = log_q - log_q.logsumexp(dim=1, keepdim=True)
    return log_q.softmax(dim=1)


class VectorQuantizer(nn.Module):
    """Replaces a vector by the nearest entry of a codebook.

    c = argmin_k ‖x − e_k‖²,  x_q = e_c
    L = mean (sg[x] − e_c)² + β · mean (x − sg[e_c])²

    sg stops gradients: the first term moves the entries to the vectors, the second (commitment)
    keeps the vectors near their entries. The gradient of x_q is passed to x (straight-through).

    With `sk_epsilon` above 0, entries are chosen by Sinkhorn's algorithm instead, which balances
    the use of entries within a batch; it has no effect on a batch of one row.

    Args:
        n_e: Number K of entries.
        e_dim: Width D of an entry.
        beta: β.
        kmeans_init: Whether the first training batch initializes the entries with its cluster
            centers, so that no entry starts unused. The batch needs at least K rows.
        kmeans_iters: Number of k-means iterations.
        sk_epsilon: ε of `sinkhorn_algorithm`, on distances scaled to [−1, 1]; 0 takes the nearest.
        sk_iters: Number of Sinkhorn iterations.

    Shape:
        x: (B, D); returns x_q (B, D), L (), c (B,).

    Example:
        >>> x_q, loss, c = VectorQuantizer(4, 2)(torch.randn(3, 2))
        >>> x_q.shape, c.shape
        (torch.Size([3, 2]), torch.Size([3]))

    Reference:
        van den Oord et al., Neural Discrete Representation Learning, NeurIPS 2017,
        arXiv 1711.00937.
    """

    initted: Tensor

    def __init__(
        self,
        n_e: int,
        e_dim: int,
        beta: float = 0.25,
        kmeans_init: bool = False,
        kmeans_iters: int = 10,
        sk_epsilon: float = 0.003,
        sk_iters: int = 100,
    ) -> None:
        check_whole(1, n_e=n_e, e_dim=e_dim)
        check_whole(0, kmeans_iters=kmeans_iters, sk_iters=sk_iters)
        check_number("[0, inf)", beta=beta, sk_epsilon=sk_epsilon)
        super().__init__()
        self.n_e, self.e_dim, self.beta = n_e, e_dim, beta
        self.kmeans_init, self.kmeans_iters = kmeans_init, kmeans_iters
        self.sk_epsilon, self.sk_iters = sk_epsilon, sk_iters
        self.embedding = nn.Embedding(n_e, e_dim)
        nn.init.uniform_(self.embedding.weight, -1 / n_e, 1 / n_e)
        self.register_buffer("initted", torch.tensor(not kmeans_init))

    def get_codebook(self) -> Tensor:
        """Return the entries (K, D)."""
        return self.embedding.weight

    def get_codebook_entry(self, indices: Tensor, shape: Sequence[int] | None = None) -> Tensor:
        """Return the entries of codes, (…, D), or in another `shape`."""
        e: Tensor = self.embedding(indices)
        return e if shape is None else e.view(*shape)

    @torch.no_grad()
    def init_emb(self, data: Tensor) -> None:
        """Initialize the entries with the cluster centers of vectors (N, D)."""
        self.embedding.weight.copy_(kmeans(data, self.n_e, self.kmeans_iters))
        self.initted.fill_(True)

    @staticmethod
    def center_distance_for_constraint(distances: Tensor) -> Tensor:
        """Scale distances to [−1, 1], so that ε does not depend on their scale."""
        low, high = distances.aminmax()
        return (distances - (low + high) / 2) / ((high - low) / 2).clamp(min=1e-12)

    def distances(self, x: Tensor) -> Tensor:
        """Return the squared distance (B, K) of vectors from each entry."""
        e = self.embedding.weight
        return x.square().sum(dim=1, keepdim=True) + e.square().sum(dim=1) - 2 * x @ e.t()

    def forward(self, x: Tensor, use_sk: bool = True) -> tuple[Tensor, Tensor, Tensor]:
        """Return x_q, L and c; `use_sk=False` takes the nearest entries despite `sk_epsilon`."""
        if self.training and self.kmeans_init and not self.initted:
            self.init_emb(x)
        with torch.no_grad():
            c = self._choose(x, use_sk and self.sk_epsilon > 0 and len(x) > 1)
        e: Tensor = self.embedding(c)
        loss = F.mse_loss(e, x.detach()) + self.beta * F.mse_loss(x, e.detach())
        return x + (e - x).detach(), loss, c

    def _choose(self, x: Tensor, balanced: bool) -> Tensor:
        d = self.distances(x)
        if not balanced:
            return d.argmin(dim=1)
        d = self.center_distance_for_constraint(in_double(d))
        return sinkhorn_algorithm(d, self.sk_epsilon, self.sk_iters).argmax(dim=1).to(x.device)

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        # a codebook saved by torch-rechub 0.9 has no such entry, but is trained
        state_dict.setdefault(f"{prefix}initted", torch.tensor(True))  # type: ignore[attr-defined]
        super()._load_from_state_dict(state_dict, prefix, *args)


class ResidualVectorQuantizer(nn.Module):
    """Residual quantization: each level quantizes the residual of the level before.

    r_1 = x,  r_{m+1} = r_m − e^m_{c_m},  x_q = Σ_m e^m_{c_m}
    L = (1/M) Σ_m ( mean (sg[r_m] − e^m_{c_m})² + β · mean (r_m − sg[e^m_{c_m}])² )

    The entries of earlier levels are constants to the later ones: the terms in β train x, and each
    codebook is trained by its own level only.

    Args:
        n_e_list: Number of entries of each of the M levels.
        e_dim: Width D.
        sk_epsilons: ε of each level; 0 takes the nearest entry.
        beta: β.
        kmeans_init: Whether the first batch initializes the entries; see `VectorQuantizer`.
        kmeans_iters: Number of k-means iterations.
        sk_iters: Number of Sinkhorn iterations.

    Shape:
        x: (B, D); returns x_q (B, D), L (), codes (B, M).

    Raises:
        ValueError: `sk_epsilons` and `n_e_list` differ in length.

    Example:
        >>> _, _, codes = ResidualVectorQuantizer([8, 8, 8], 4, [0.0] * 3)(torch.randn(5, 4))
        >>> codes.shape
        torch.Size([5, 3])

    Reference:
        Lee et al., Autoregressive Image Generation using Residual Quantization, CVPR 2022,
        arXiv 2203.01941.
    """

    def __init__(
        self,
        n_e_list: Sequence[int],
        e_dim: int,
        sk_epsilons: Sequence[float],
        beta: float = 0.25,
        kmeans_init: bool = False,
        kmeans_iters: int = 100,
        sk_iters: int = 100,
    ) -> None:
        check_whole(1, e_dim=e_dim)
        check_whole(0, kmeans_iters=kmeans_iters, sk_iters=sk_iters)
        check_number("[0, inf)", beta=beta)
        super().__init__()
        check_whole(1, **{f"n_e_list[{i}]": n for i, n in enumerate(n_e_list)})
        check_number("[0, inf)", **{f"sk_epsilons[{i}]": e for i, e in enumerate(sk_epsilons)})
        if len(n_e_list) == 0 or len(sk_epsilons) != len(n_e_list):
            raise ValueError(
                f"sk_epsilons needs one number for each of the {len(n_e_list)} codebooks, got "
                f"{list(sk_epsilons)}"
            )
        self.vq_layers = nn.ModuleList(
            VectorQuantizer(n_e, e_dim, beta, kmeans_init, kmeans_iters, epsilon, sk_iters)
            for n_e, epsilon in zip(n_e_list, sk_epsilons, strict=True)
        )

    def get_codebook(self) -> Tensor:
        """Return the entries of all levels (M, K, D); all levels must have the same K."""
        return torch.stack([level.embedding.weight for level in self.vq_layers])  # type: ignore[union-attr, misc]

    def forward(self, x: Tensor, use_sk: bool = True) -> tuple[Tensor, Tensor, Tensor]:
        """Return x_q, L and the codes; `use_sk=False` takes the nearest entries."""
        residual, x_q = x, torch.zeros_like(x)
        losses, codes = [], []
        for level in self.vq_layers:
            e, loss, c = level(residual, use_sk)
            residual, x_q = residual - e.detach(), x_q + e.detach()
            losses.append(loss)
            codes.append(c)
        return x + (x_q - x).detach(), torch.stack(losses).mean(), torch.stack(codes, dim=-1)
