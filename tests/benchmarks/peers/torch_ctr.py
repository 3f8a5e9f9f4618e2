"""DeepFM written by hand in PyTorch: what an expert would write without a framework.

All fields share one table with offsets.

- dense: every row of the table is updated each step, by fused Adam.
- sparse: the touched rows alone, by SparseAdam; first-order part linear in the embeddings.
- paper: as sparse, with the paper's first-order weights, a number for each id, as the last column
  of the table: the model that this repository trains.
"""

import numpy as np
import torch
from torch import Tensor, nn

from workloads.by_hand import Head, evaluate, tensors, train
from workloads.ctr import DIM, LEARNING_RATE, load
from workloads.protocol import answer, parser, start, timed


class HandWritten(nn.Module):
    """One stacked table under the head."""

    def __init__(self, sizes: list[int], variant: str) -> None:
        super().__init__()
        self.weight_per_id = variant == "paper"
        width = DIM + 1 if self.weight_per_id else DIM
        self.table = nn.Embedding(sum(sizes), width, sparse=variant != "dense")
        nn.init.normal_(self.table.weight, 0, 1e-4)
        self.head = Head(len(sizes), DIM, first_order=not self.weight_per_id)

    def forward(self, ids: Tensor, numbers: Tensor) -> Tensor:
        """Ids (B, F) with offsets and numbers (B, 13) to logits (B,)."""
        rows = self.table(ids)
        y: Tensor = self.head(rows[..., :DIM], numbers)
        return y + rows[..., DIM].sum(1) if self.weight_per_id else y


def optimizers(model: HandWritten, variant: str) -> list[torch.optim.Optimizer]:
    if variant == "dense":
        return [torch.optim.Adam(model.parameters(), LEARNING_RATE, fused=True)]
    return [
        torch.optim.SparseAdam(model.table.parameters(), LEARNING_RATE),
        torch.optim.Adam(model.head.parameters(), LEARNING_RATE, fused=True),
    ]


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--variant", choices=["dense", "sparse", "paper"], required=True)
    args = arguments.parse_args()
    start(args)
    log = load(args.data)
    train_log, test_log = log.split()
    offsets = np.cumsum([0, *log.sizes[:-1]])
    train_data, test_data = tensors(train_log, offsets), tensors(test_log, offsets)
    model = HandWritten(log.sizes, args.variant)
    steps = optimizers(model, args.variant)
    fit, _ = timed(lambda: train(model, steps, train_data, args.batch, args.epochs))
    evaluation, auc = timed(lambda: evaluate(model, test_data))
    answer(
        args,
        [],
        train_samples_per_s=len(train_log) * args.epochs / fit,
        eval_samples_per_s=len(test_log) / evaluation,
        auc=auc,
        best_auc=test_log.best_auc,
        parameters=sum(p.numel() for p in model.parameters()),
    )


if __name__ == "__main__":
    main()
