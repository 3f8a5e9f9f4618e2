"""DeepFM of FuxiCTR's layers, trainer and loaders; the package holds no DeepFM to import.

Its regularizers are 0, batch normalization is on. The numbers enter the MLP as they are and not as
embeddings, so that widths are those of the other peers. First-order weights: a number for each id.
Batches are loaded in this process: the default of one worker trained no faster and spent most of a
short evaluation on its start. Left as FuxiCTR has them: gradients clipped to norm 10 each step, all
columns in one float64 matrix.
"""

import logging
from pathlib import Path

import numpy as np
import torch
from fuxictr.features import FeatureMap
from fuxictr.pytorch.dataloaders import RankDataLoader
from fuxictr.pytorch.layers import FeatureEmbedding, InnerProductInteraction, MLP_Block
from fuxictr.pytorch.models import BaseModel
from torch import Tensor, nn

from workloads.ctr import CATEGORIES, DENSE, DIM, HIDDEN, LEARNING_RATE, NUMBERS, ClickLog, load
from workloads.protocol import answer, parser, start, timed

CLIP_NORM = 10.0  # the default of BaseModel.fit


class DeepFM(BaseModel):
    """First order, factorization machine and MLP."""

    def __init__(self, feature_map: FeatureMap, folder: str) -> None:
        super().__init__(
            feature_map, "DeepFM", verbose=0, model_root=folder, metrics=["AUC"], eval_steps=10**9
        )
        numbers = {"not_required_feature_columns": DENSE}
        self.vectors = FeatureEmbedding(feature_map, DIM, **numbers)
        self.weights = FeatureEmbedding(feature_map, 1, **numbers)
        self.bias = nn.Parameter(torch.zeros(1))
        self.pairs = InnerProductInteraction(len(CATEGORIES), output="product_sum")
        self.mlp = MLP_Block(
            len(CATEGORIES) * DIM + NUMBERS, HIDDEN, "ReLU", output_dim=1, batch_norm=True
        )
        self.compile("adam", "binary_crossentropy", LEARNING_RATE)
        self.reset_parameters()
        self._max_gradient_norm = CLIP_NORM
        self._total_steps = 0
        self._stop_training = False

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """A batch by column to probabilities (B, 1)."""
        x = self.get_inputs(inputs)
        vectors = self.vectors(x)
        numbers = torch.stack([x[name] for name in DENSE], dim=1).float()
        deep = self.mlp(torch.cat([vectors.flatten(1), numbers], dim=1))
        y = self.weights(x).sum(1) + self.bias + self.pairs(vectors) + deep
        return {"y_pred": self.output_activation(y)}


def described(log: ClickLog, folder: str) -> FeatureMap:
    """The columns of a log as FuxiCTR describes them."""
    feature_map = FeatureMap("log", folder)
    for name, size in zip(CATEGORIES, log.sizes):
        feature_map.features[name] = {"source": "", "type": "categorical", "vocab_size": size}
    for name in DENSE:
        feature_map.features[name] = {"source": "", "type": "numeric"}
    feature_map.labels = ["label"]
    feature_map.num_fields = feature_map.get_num_fields()
    feature_map.default_emb_dim = DIM
    feature_map.set_column_index()
    return feature_map


def written(log: ClickLog, path: Path) -> str:
    """A file of the log in the form that FuxiCTR loads."""
    np.savez(path, label=log.labels, **log.columns())
    return str(path)


def main() -> None:
    args = parser(__doc__).parse_args()
    start(args)
    logging.disable(logging.INFO)
    log = load(args.data)
    train, test = log.split()
    feature_map = described(log, args.scratch)
    loader, _, test_loader = RankDataLoader(
        feature_map,
        train_data=written(train, Path(args.scratch, "train.npz")),
        test_data=written(test, Path(args.scratch, "test.npz")),
        batch_size=args.batch,
        num_workers=0,
    )
    model = DeepFM(feature_map, args.scratch)
    fit, _ = timed(lambda: [model.train_epoch(loader) for _ in range(args.epochs)])
    evaluation, metrics = timed(lambda: model.evaluate(test_loader))
    answer(
        args,
        ["fuxictr"],
        train_samples_per_s=len(train) * args.epochs / fit,
        eval_samples_per_s=len(test) / evaluation,
        auc=float(metrics["AUC"]),
        best_auc=test.best_auc,
        parameters=sum(p.numel() for p in model.parameters()),
    )


if __name__ == "__main__":
    main()
