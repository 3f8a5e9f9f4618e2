"""DeepFM and its training loop written by hand, for the peers that bring tables and no framework.

Tensors stay whole and a batch is cut out by index; predictions take larger batches than training.
"""

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn import functional as F

from .ctr import HIDDEN, NUMBERS, ClickLog

EVALUATION_BATCH = 8192
Tensors = tuple[Tensor, Tensor, Tensor]


def mlp(width: int) -> nn.Sequential:
    """Linear, batch normalization and ReLU for each hidden width, then one output."""
    layers: list[nn.Module] = []
    for hidden in HIDDEN:
        layers += [nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.ReLU()]
        width = hidden
    return nn.Sequential(*layers, nn.Linear(width, 1))


class Head(nn.Module):
    """All of DeepFM but its tables: logit = first order + Σ_{i<j} ⟨v_i, v_j⟩ + MLP([v; numbers]).

    Args:
        fields: Number of vectors, F.
        dim: Their width, D.
        first_order: Whether the first-order term is made here, linear in the vectors.
    """

    def __init__(self, fields: int, dim: int, first_order: bool = True) -> None:
        super().__init__()
        self.linear = nn.Linear(fields * dim, 1) if first_order else None
        self.mlp = mlp(fields * dim + NUMBERS)

    def forward(self, vectors: Tensor, numbers: Tensor) -> Tensor:
        """Vectors (B, F, D) and numbers (B, 13) to logits (B,)."""
        flat = vectors.flatten(1)
        pairs = 0.5 * (vectors.sum(1).square() - vectors.square().sum(1)).sum(1, keepdim=True)
        y: Tensor = pairs + self.mlp(torch.cat([flat, numbers], 1))
        if self.linear is not None:
            y = y + self.linear(flat)
        return y.squeeze(1)


def tensors(log: ClickLog, offsets: Sequence[int] | None = None) -> Tensors:
    """Ids (N, F), with the offset of each field added, numbers (N, 13) and labels (N,)."""
    ids = np.ascontiguousarray(log.ids if offsets is None else log.ids + np.asarray(offsets))
    return (
        torch.from_numpy(ids),
        torch.from_numpy(np.ascontiguousarray(log.numbers)),
        torch.from_numpy(log.labels),
    )


def train(
    model: nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    log: Tensors,
    batch: int,
    epochs: int,
) -> None:
    """Minimize binary cross-entropy over `epochs` passes in random order."""
    ids, numbers, labels = log
    for _ in range(epochs):
        for rows in torch.randperm(len(labels)).split(batch):
            loss = F.binary_cross_entropy_with_logits(model(ids[rows], numbers[rows]), labels[rows])
            for optimizer in optimizers:
                optimizer.zero_grad(set_to_none=True)
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()


def evaluate(model: nn.Module, log: Tensors) -> float:
    """The AUC of the model's scores."""
    ids, numbers, labels = log
    model.eval()
    with torch.no_grad():
        pieces = zip(ids.split(EVALUATION_BATCH), numbers.split(EVALUATION_BATCH))
        scores = torch.cat([model(i, n) for i, n in pieces])
    return float(roc_auc_score(labels.numpy(), scores.numpy()))
