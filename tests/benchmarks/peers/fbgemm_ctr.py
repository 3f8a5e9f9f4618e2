"""DeepFM over FBGEMM's table-batched embeddings, the engine of TorchRec, on the CPU.

The operator is called as TorchRec's modules call it: once for the 26 tables, with the gradient and
the update of the touched rows fused into the backward pass. On the CPU it updates by row-wise
Adagrad (one second moment a row), Adagrad or SGD; it has Adam on GPUs only. The rest of the model
is trained by fused Adam. First-order part linear in the embeddings: no table is one number wide.
Read its speed: Adagrad's AUC after one epoch at Adam's learning rate says little.
"""

import torch
from fbgemm_gpu.split_embedding_configs import EmbOptimType
from fbgemm_gpu.split_table_batched_embeddings_ops_training import (
    ComputeDevice,
    EmbeddingLocation,
    SplitTableBatchedEmbeddingBagsCodegen,
)
from torch import Tensor, nn

from workloads.by_hand import Head, evaluate, tensors, train
from workloads.ctr import DIM, LEARNING_RATE, load
from workloads.protocol import answer, parser, start, timed


class TableBatched(nn.Module):
    """FBGEMM's tables under the head."""

    def __init__(self, sizes: list[int], optimizer: str, learning_rate: float) -> None:
        super().__init__()
        self.fields = len(sizes)
        self.tables = SplitTableBatchedEmbeddingBagsCodegen(
            [(size, DIM, EmbeddingLocation.HOST, ComputeDevice.CPU) for size in sizes],
            optimizer=EmbOptimType(optimizer),
            learning_rate=learning_rate,
            eps=1e-8,
        )
        for table in self.tables.split_embedding_weights():
            nn.init.normal_(table, 0, 1e-4)
        self.head = Head(self.fields, DIM)

    def forward(self, ids: Tensor, numbers: Tensor) -> Tensor:
        """Ids (B, F), each field from 0, and numbers (B, 13) to logits (B,)."""
        table_by_table = ids.t().reshape(-1)
        vectors = self.tables(table_by_table, torch.arange(len(table_by_table) + 1))
        y: Tensor = self.head(vectors.view(-1, self.fields, DIM), numbers)
        return y


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--optimizer", default="exact_row_wise_adagrad")
    arguments.add_argument("--table-rate", type=float, default=LEARNING_RATE)
    args = arguments.parse_args()
    start(args)
    log = load(args.data)
    train_log, test_log = log.split()
    train_data, test_data = tensors(train_log), tensors(test_log)
    model = TableBatched(log.sizes, args.optimizer, args.table_rate)
    adam = torch.optim.Adam(model.head.parameters(), LEARNING_RATE, fused=True)
    fit, _ = timed(lambda: train(model, [adam], train_data, args.batch, args.epochs))
    evaluation, auc = timed(lambda: evaluate(model, test_data))
    answer(
        args,
        ["fbgemm-gpu-cpu"],
        train_samples_per_s=len(train_log) * args.epochs / fit,
        eval_samples_per_s=len(test_log) / evaluation,
        auc=auc,
        best_auc=test_log.best_auc,
        parameters=sum(log.sizes) * DIM + sum(p.numel() for p in model.head.parameters()),
    )


if __name__ == "__main__":
    main()
