"""Graph convolution on the bipartite graph of users and items."""

from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn import functional as F

from ..._bounds import check_whole
from ..features import SparseFeature
from .values import check_column


class LightGraphConvolution(nn.Module):
    """Light graph convolution: averages node embeddings over K steps of propagation.

    E = 1 / (K + 1) · Σ_{k=0..K} E⁽ᵏ⁾,  E⁽ᵏ⁺¹⁾ = D^−½ A D^−½ E⁽ᵏ⁾,  E⁽⁰⁾ = [users; items]

    The nodes are the users, then the items. The adjacency matrix A is 1 for a user and an item that
    interacted at least once, in both directions; D is the diagonal matrix of degrees, so that an
    edge has the weight 1 / √(d_u d_i). A node without neighbors gets its own vector / (K + 1).

    The layer has no parameters, and the graph is not part of the state dict. The forward and the
    backward pass each take O(K |A| D) for |A| edges.

    Args:
        interactions: (users, items), two columns of ids, (M,) each.
        user_feature: The feature of user ids; its `vocab_size` is the number of users.
        item_feature: The feature of item ids.
        num_layers: Number K of propagation steps, at least 0.

    Shape:
        Vectors of all users (N_u, D) and of all items (N_i, D); returns the same.

    Raises:
        ValueError: The interactions are not two columns of whole numbers, of one length above 0,
            or `num_layers` is below 0.
        IndexError: An id is outside the vocabulary of its feature.

    Example:
        >>> user, item = SparseFeature("user", 1), SparseFeature("item", 2)
        >>> convolve = LightGraphConvolution(([0], [1]), user, item, num_layers=1)
        >>> convolve(torch.tensor([[8.0]]), torch.tensor([[4.0], [2.0]]))
        (tensor([[5.]]), tensor([[2.],
                [5.]]))

    Reference:
        He et al., LightGCN: Simplifying and Powering Graph Convolution Network for Recommendation,
        SIGIR 2020, arXiv 2002.02126.
    """

    ends: Tensor
    neighbors: Tensor
    weights: Tensor

    def __init__(
        self,
        interactions: tuple[ArrayLike, ArrayLike],
        user_feature: SparseFeature,
        item_feature: SparseFeature,
        num_layers: int,
    ) -> None:
        check_whole(0, num_layers=num_layers)
        super().__init__()
        check_whole(0, num_layers=num_layers)
        self.num_layers = num_layers
        n_users, n_items = user_feature.vocab_size, item_feature.vocab_size
        self.n_users = n_users
        users, items = _ids(interactions, user_feature, item_feature)
        edges = torch.unique(users * n_items + items)
        u, i = edges // n_items, edges % n_items + n_users
        rows, order = torch.cat([u, i]).sort(stable=True)
        columns = torch.cat([i, u])[order]
        degrees = torch.bincount(rows, minlength=n_users + n_items)
        weights = (degrees[rows] * degrees[columns]).double().rsqrt()
        # D^−½ A D^−½ in CSR form: row pointers, columns, values
        self.register_buffer("ends", F.pad(degrees.cumsum(0), (1, 0)), persistent=False)
        self.register_buffer("neighbors", columns, persistent=False)
        self.register_buffer("weights", weights.to(torch.get_default_dtype()), persistent=False)

    @property
    def interactions(self) -> tuple[Tensor, Tensor]:
        """The edges as (users, items), each pair once, in the order of users and items."""
        rows = torch.arange(self.n_users, device=self.ends.device)
        degrees = self.ends.diff()[: self.n_users]
        items = self.neighbors[: self.ends[self.n_users]] - self.n_users
        return rows.repeat_interleave(degrees), items

    def forward(self, users: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Return E, split into users and items."""
        e = total = torch.cat([users, items])
        for _ in range(self.num_layers):
            e = _SymmetricProduct.apply(e, self.ends, self.neighbors, self.weights)
            total = total + e
        mean = total / (self.num_layers + 1)
        return mean[: len(users)], mean[len(users) :]


class _SymmetricProduct(torch.autograd.Function):
    """The product of a symmetric sparse matrix and a dense one; its backward is the same product.

    Torch's own backward transposes the matrix, which takes several times as long.
    """

    @staticmethod
    def forward(ctx: Any, e: Tensor, ends: Tensor, neighbors: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(ends, neighbors, weights)
        return F.embedding_bag(
            neighbors, e, ends, mode="sum", per_sample_weights=weights, include_last_offset=True
        )

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        product: Tensor = _SymmetricProduct.apply(grad.contiguous(), *ctx.saved_tensors)
        return product, None, None, None


def _ids(
    interactions: tuple[ArrayLike, ArrayLike], user: SparseFeature, item: SparseFeature
) -> tuple[Tensor, Tensor]:
    """The ids of users and items of the interactions, (M,) int64 each, on the CPU."""
    columns = [torch.as_tensor(column).cpu() for column in interactions]
    shapes = {tuple(ids.shape) for ids in columns}
    if len(columns) != 2 or len(shapes) != 1 or columns[0].dim() != 1 or not len(columns[0]):
        raise ValueError(
            "interactions must be (users, items), two columns of as many ids, at least one, got "
            f"{len(columns)} of the shapes {[tuple(ids.shape) for ids in columns]}"
        )
    for ids, feature in zip(columns, (user, item), strict=True):
        if ids.is_floating_point() or ids.dtype == torch.bool:
            raise ValueError(
                f"the interactions' ids of feature {feature.name!r} must be whole numbers, got "
                f"{ids.dtype}"
            )
        check_column(ids, feature.name, feature.vocab_size)
    return columns[0].long(), columns[1].long()
