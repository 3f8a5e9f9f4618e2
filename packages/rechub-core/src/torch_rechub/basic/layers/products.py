"""Products of pairs of fields: plain, outer, field-aware, bilinear."""

from typing import Any

import torch
from torch import Tensor, nn

from ..._bounds import check_whole
from ..._errors import UnknownChoiceError


def field_pairs(n_fields: int) -> Tensor:
    """The pairs i < j of fields, in the order (0, 1), (0, 2), …: shape (2, P), P = F (F − 1) / 2.

    Example:
        >>> field_pairs(3).tolist()
        [[0, 0, 1], [1, 2, 2]]
    """
    return torch.triu_indices(n_fields, n_fields, offset=1)


class PairProducts(nn.Module):
    """The products v_i ⊙ v_j of all pairs i < j of F fields.

    Shape:
        x: (B, F, D); returns (B, P, D), P = F (F − 1) / 2.

    Example:
        >>> PairProducts(3)(torch.tensor([[[2.0], [3.0], [5.0]]])).flatten().tolist()
        [6.0, 10.0, 15.0]
    """

    pairs: Tensor

    def __init__(self, num_fields: int) -> None:
        check_whole(1, num_fields=num_fields)
        super().__init__()
        self.register_buffer("pairs", field_pairs(num_fields), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, P, D)."""
        i, j = self.pairs
        return x[:, i] * x[:, j]


class OuterProduct(nn.Module):
    """The outer product s sᵀ of the sum s of F fields: the sum of v_i v_jᵀ over all i and j.

    Shape:
        x: (B, F, D); returns (B, D²).

    Example:
        >>> OuterProduct()(torch.tensor([[[1.0, 0.0], [1.0, 3.0]]])).tolist()
        [[4.0, 6.0, 6.0, 9.0]]

    Reference:
        Qu et al., Product-based Neural Networks for User Response Prediction, ICDM 2016,
        arXiv 1611.00144.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, D²)."""
        s = x.sum(dim=1)
        return (s.unsqueeze(2) * s.unsqueeze(1)).flatten(1)


class FFM(nn.Module):
    """The pairs of a field-aware factorization machine: v_{i,j} ⊙ v_{j,i} for all i < j.

    v_{i,j} is the embedding of field i for its pair with field j.

    Args:
        num_fields: Number F of fields.
        reduce_sum: Whether to sum over the dimension, giving ⟨v_{i,j}, v_{j,i}⟩.

    Shape:
        x: (B, F, F, D), v_{i,j} at [:, i, j]; returns (B, P, 1), or (B, P, D) without the sum,
        P = F (F − 1) / 2.

    Example:
        >>> FFM(3)(torch.ones(2, 3, 3, 4)).flatten(1).tolist()
        [[4.0, 4.0, 4.0], [4.0, 4.0, 4.0]]

    Reference:
        Juan et al., Field-aware Factorization Machines for CTR Prediction, RecSys 2016.
    """

    pairs: Tensor

    def __init__(self, num_fields: int, reduce_sum: bool = True) -> None:
        check_whole(1, num_fields=num_fields)
        super().__init__()
        self.reduce_sum = reduce_sum
        self.register_buffer("pairs", field_pairs(num_fields), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, P, 1) or (B, P, D)."""
        i, j = self.pairs
        products = x[:, i, j] * x[:, j, i]
        return products.sum(dim=2, keepdim=True) if self.reduce_sum else products


class BiLinearInteractionLayer(nn.Module):
    """Bilinear products of pairs of fields: p_ij = (v_i W) ⊙ v_j for all i < j.

    W is shared by all pairs ("field_all"), or by the pairs of one first field i ("field_each"), or
    separate for each pair ("field_interaction").

    Args:
        input_dim: Width D of a field.
        num_fields: Number F of fields.
        bilinear_type: "field_all", "field_each" or "field_interaction".

    Shape:
        x: (B, F, D); returns (B, P, D), P = F (F − 1) / 2.

    Raises:
        UnknownChoiceError: `bilinear_type` has another value.

    Example:
        >>> BiLinearInteractionLayer(4, 3, "field_each")(torch.ones(2, 3, 4)).shape
        torch.Size([2, 3, 4])

    Reference:
        Huang et al., FiBiNET: Combining Feature Importance and Bilinear feature Interaction for
        Click-Through Rate Prediction, RecSys 2019, arXiv 1905.09433.
    """

    pairs: Tensor

    def __init__(
        self, input_dim: int, num_fields: int, bilinear_type: str = "field_interaction"
    ) -> None:
        check_whole(1, input_dim=input_dim, num_fields=num_fields)
        super().__init__()
        self.register_buffer("pairs", field_pairs(num_fields), persistent=False)
        # no matrix for the last field with "field_each": it is never the first of a pair
        matrices = {"field_each": num_fields - 1, "field_interaction": self.pairs.shape[1]}
        self.bilinear_type = bilinear_type
        self.bilinear_layer: nn.Module
        if bilinear_type == "field_all":
            self.bilinear_layer = nn.Linear(input_dim, input_dim, bias=False)
        elif bilinear_type in matrices:
            self.bilinear_layer = nn.ModuleList(
                nn.Linear(input_dim, input_dim, bias=False) for _ in range(matrices[bilinear_type])
            )
        else:
            raise UnknownChoiceError(
                "bilinear_type must be 'field_all', 'field_each' or 'field_interaction', got "
                f"{bilinear_type!r}"
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, P, D)."""
        i, j = self.pairs
        if isinstance(self.bilinear_layer, nn.ModuleList):
            weights = torch.stack(list(self.bilinear_layer.parameters()))
            weights = weights[i] if self.bilinear_type == "field_each" else weights
            first = torch.einsum("bpd,ped->bpe", x[:, i], weights)
        else:
            first = self.bilinear_layer(x)[:, i]
        return first * x[:, j]

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        if self.bilinear_type == "field_each":  # 0.9 had an unused matrix for the last field
            n = len(self.bilinear_layer)  # type: ignore[arg-type]
            state_dict.pop(f"{prefix}bilinear_layer.{n}.weight", None)
        super()._load_from_state_dict(state_dict, prefix, *args)


class BilinearFusion(nn.Module):
    """Multi-head bilinear fusion of two vectors to one number.

    y = b + w_1ᵀ o_1 + w_2ᵀ o_2 + Σ_h o_1hᵀ W_h o_2h

    o_1h and o_2h are the h-th of H equal parts of o_1 and o_2.

    Args:
        first_dim: Length of o_1, a multiple of H.
        second_dim: Length of o_2, a multiple of H.
        num_heads: Number H of heads.

    Shape:
        o_1: (B, first_dim), o_2: (B, second_dim); returns (B, 1).

    Raises:
        ValueError: A length is not a multiple of `num_heads`.

    Example:
        >>> BilinearFusion(4, 6, num_heads=2)(torch.ones(3, 4), torch.ones(3, 6)).shape
        torch.Size([3, 1])

    Reference:
        Mao et al., FinalMLP: An Enhanced Two-Stream MLP Model for CTR Prediction, AAAI 2023,
        arXiv 2304.00902.
    """

    def __init__(self, first_dim: int, second_dim: int, num_heads: int = 1) -> None:
        check_whole(1, first_dim=first_dim, second_dim=second_dim, num_heads=num_heads)
        super().__init__()
        if num_heads < 1 or first_dim % num_heads or second_dim % num_heads:
            raise ValueError(
                f"vectors of {first_dim} and {second_dim} numbers have no {num_heads} equal parts: "
                "let num_heads divide both"
            )
        self.num_heads = num_heads
        self.linear = nn.Linear(first_dim + second_dim, 1)
        self.w = nn.Parameter(
            torch.empty(num_heads, first_dim // num_heads, second_dim // num_heads)
        )
        for w in self.w.data:
            nn.init.xavier_normal_(w)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Return (B, 1)."""
        heads = [o.unflatten(1, (self.num_heads, -1)) for o in (first, second)]
        products = torch.einsum("bhi,hij,bhj->b", heads[0], self.w, heads[1]).unsqueeze(1)
        y: Tensor = self.linear(torch.cat([first, second], dim=1)) + products
        return y
