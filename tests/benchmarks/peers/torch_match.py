"""Two towers with in-batch negatives written by hand in PyTorch.

- dense: every row of the tables is updated each step, by fused Adam.
- sparse: the touched rows alone, by SparseAdam.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workloads.match import DIM, ITEMS, TEMPERATURE, TOWER, USERS, load
from workloads.protocol import answer, parser, start, timed

LEARNING_RATE = 1e-3


class Tower(nn.Module):
    """One table for the fields of a side, and an MLP with batch normalization."""

    def __init__(self, fields: Mapping[str, int], sparse: bool) -> None:
        super().__init__()
        sizes = list(fields.values())
        self.table = nn.Embedding(sum(sizes), DIM, sparse=sparse)
        nn.init.normal_(self.table.weight, 0, 1e-4)
        self.register_buffer("offsets", torch.tensor([0, *sizes[:-1]]).cumsum(0))
        layers: list[nn.Module] = []
        width = len(sizes) * DIM
        for hidden in TOWER:
            layers += [nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.ReLU()]
            width = hidden
        self.mlp = nn.Sequential(*layers)

    def forward(self, ids: Tensor) -> Tensor:
        """Ids (B, F) to unit vectors (B, D)."""
        return F.normalize(self.mlp(self.table(ids + self.offsets).flatten(1)), dim=1)


def train(users: Tower, items: Tower, steps, pairs, batch: int, epochs: int) -> None:
    user_ids, item_ids = pairs
    for _ in range(epochs):
        for rows in torch.randperm(len(user_ids)).split(batch):
            scores = users(user_ids[rows]) @ items(item_ids[rows]).T / TEMPERATURE
            loss = F.cross_entropy(scores, torch.arange(len(rows)))
            for step in steps:
                step.zero_grad(set_to_none=True)
            loss.backward()
            for step in steps:
                step.step()


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--variant", choices=["dense", "sparse"], required=True)
    args = arguments.parse_args()
    start(args)
    x = {name: torch.from_numpy(ids) for name, ids in load(args.data).items()}
    pairs = [torch.stack([x[name] for name in side], dim=1) for side in (USERS, ITEMS)]
    sparse = args.variant == "sparse"
    towers = nn.ModuleList([Tower(USERS, sparse), Tower(ITEMS, sparse)])
    tables = [tower.table.weight for tower in towers]
    others = [p for p in towers.parameters() if not sparse or all(p is not t for t in tables)]
    steps = [torch.optim.Adam(others, LEARNING_RATE, fused=True)]
    if sparse:
        steps.append(torch.optim.SparseAdam(tables, LEARNING_RATE))
    fit, _ = timed(lambda: train(towers[0], towers[1], steps, pairs, args.batch, args.epochs))
    answer(
        args,
        [],
        train_samples_per_s=len(pairs[0]) * args.epochs / fit,
        parameters=sum(p.numel() for p in towers.parameters()),
    )


if __name__ == "__main__":
    main()
