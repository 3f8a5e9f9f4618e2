"""Cross networks: each layer multiplies its input by the input of the network."""

import torch
from torch import Tensor, nn

from ..._bounds import check_whole
from .experts import mix


class CrossLayer(nn.Module):
    """One cross of a vector with x_0: x_0 (wᵀ x_i) + b.

    Args:
        input_dim: Length D of the vectors.

    Shape:
        x_0, x_i: (B, D); returns (B, D).
    """

    def __init__(self, input_dim: int) -> None:
        check_whole(1, input_dim=input_dim)
        super().__init__()
        self.w = nn.Linear(input_dim, 1, bias=False)
        self.b = nn.Parameter(torch.zeros(input_dim))

    def forward(self, x_0: Tensor, x_i: Tensor) -> Tensor:
        """Return (B, D)."""
        product: Tensor = x_0 * self.w(x_i)
        return product + self.b


class CrossNetwork(nn.Module):
    """The cross network of DCN: x_{l+1} = x_0 (x_lᵀ w_l) + b_l + x_l.

    Args:
        input_dim: Length D of x.
        num_layers: Number of crosses.

    Shape:
        x: (B, D); returns (B, D).

    Example:
        >>> CrossNetwork(4, num_layers=2)(torch.ones(3, 4)).shape
        torch.Size([3, 4])

    Reference:
        Wang et al., Deep & Cross Network for Ad Click Predictions, ADKDD 2017, arXiv 1708.05123.
    """

    def __init__(self, input_dim: int, num_layers: int) -> None:
        check_whole(1, input_dim=input_dim)
        check_whole(0, num_layers=num_layers)
        super().__init__()
        self.num_layers = num_layers
        self.w = nn.ModuleList(nn.Linear(input_dim, 1, bias=False) for _ in range(num_layers))
        self.b = nn.ParameterList(torch.zeros(input_dim) for _ in range(num_layers))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, D)."""
        x_0, x_l = x, x
        for w, b in zip(self.w, self.b, strict=True):
            x_l = x_0 * w(x_l) + b + x_l
        return x_l


class CrossNetV2(nn.Module):
    """The cross network of DCN V2: x_{l+1} = x_0 ⊙ (W_l x_l + b_l) + x_l.

    Args:
        input_dim: Length D of x.
        num_layers: Number of crosses.

    Shape:
        x: (B, D); returns (B, D).

    Example:
        >>> CrossNetV2(4, num_layers=2)(torch.ones(3, 4)).shape
        torch.Size([3, 4])

    Reference:
        Wang et al., DCN V2: Improved Deep & Cross Network and Practical Lessons for Web-scale
        Learning to Rank Systems, WWW 2021, arXiv 2008.13535.
    """

    def __init__(self, input_dim: int, num_layers: int) -> None:
        check_whole(1, input_dim=input_dim)
        check_whole(0, num_layers=num_layers)
        super().__init__()
        self.w = nn.ModuleList(
            nn.Linear(input_dim, input_dim, bias=False) for _ in range(num_layers)
        )
        self.b = nn.ParameterList(torch.zeros(input_dim) for _ in range(num_layers))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, D)."""
        x_0, x_l = x, x
        for w, b in zip(self.w, self.b, strict=True):
            x_l = x_0 * (w(x_l) + b) + x_l
        return x_l


class GatedCrossNetwork(nn.Module):
    """Gated cross network: gates select the useful crosses of each order.

    c_{l+1} = c_0 ⊙ (W_l c_l + b_l) ⊙ σ(V_l c_l) + c_l

    Args:
        input_dim: Length D of c.
        num_layers: Number of crosses.

    Shape:
        x: (B, D); returns (B, D).

    Example:
        >>> GatedCrossNetwork(6, num_layers=2)(torch.ones(1, 6)).shape
        torch.Size([1, 6])

    Reference:
        Wang et al., Towards Deeper, Lighter and Interpretable Cross Network for CTR Prediction,
        CIKM 2023, arXiv 2311.04635.
    """

    def __init__(self, input_dim: int, num_layers: int) -> None:
        check_whole(1, input_dim=input_dim)
        check_whole(0, num_layers=num_layers)
        super().__init__()
        self.w = nn.ModuleList(nn.Linear(input_dim, input_dim) for _ in range(num_layers))
        self.gates = nn.ModuleList(
            nn.Linear(input_dim, input_dim, bias=False) for _ in range(num_layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, D)."""
        c_0, c = x, x
        for w, gate in zip(self.w, self.gates, strict=True):
            c = c_0 * w(c) * gate(c).sigmoid() + c
        return c


class CrossNetMix(nn.Module):
    """The cross network of DCN V2 as a mixture of low-rank experts.

    x_{l+1} = Σ_k G_k(x_l) E_k(x_l) + x_l,
    E_k(x_l) = x_0 ⊙ (U_{l,k} tanh(C_{l,k} tanh(V_{l,k}ᵀ x_l)) + b_l)

    with the gate G(x) = softmax(w_1ᵀ x, …, w_Kᵀ x), shared by all layers.

    Args:
        input_dim: Length D of x.
        num_layers: Number of crosses.
        low_rank: Rank r of an expert: U and V are (D, r), C is (r, r).
        num_experts: Number K of experts.

    Shape:
        x: (B, D); returns (B, D).

    Example:
        >>> CrossNetMix(6, low_rank=2, num_experts=3)(torch.ones(1, 6)).shape
        torch.Size([1, 6])

    Reference:
        Wang et al., DCN V2: Improved Deep & Cross Network and Practical Lessons for Web-scale
        Learning to Rank Systems, WWW 2021, arXiv 2008.13535.
    """

    def __init__(
        self, input_dim: int, num_layers: int = 2, low_rank: int = 32, num_experts: int = 4
    ) -> None:
        check_whole(1, input_dim=input_dim, low_rank=low_rank, num_experts=num_experts)
        check_whole(0, num_layers=num_layers)
        super().__init__()

        def factors(*shape: int) -> nn.ParameterList:
            return nn.ParameterList(_xavier(num_experts, *shape) for _ in range(num_layers))

        self.u_list = factors(input_dim, low_rank)
        self.v_list = factors(input_dim, low_rank)
        self.c_list = factors(low_rank, low_rank)
        self.gating = nn.ModuleList(nn.Linear(input_dim, 1, bias=False) for _ in range(num_experts))
        self.bias = nn.ParameterList(torch.zeros(input_dim, 1) for _ in range(num_layers))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, D)."""
        x_0, x_l = x, x
        for u, v, c, b in zip(self.u_list, self.v_list, self.c_list, self.bias, strict=True):
            gate = torch.cat([w(x_l) for w in self.gating], dim=1).softmax(dim=1)
            low = torch.einsum("bd,kdr->bkr", x_l, v).tanh()
            low = torch.einsum("bkr,ksr->bks", low, c).tanh()
            expert = x_0.unsqueeze(1) * (torch.einsum("bks,kds->bkd", low, u) + b.squeeze(1))
            x_l = mix(gate, expert) + x_l
        return x_l


def _xavier(n: int, rows: int, columns: int) -> Tensor:
    """N matrices (rows, columns), each with a variance of 2 / (rows + columns)."""
    return torch.stack([nn.init.xavier_normal_(torch.empty(rows, columns)) for _ in range(n)])
