"""A table too large for memory: Parquet files, read batch by batch."""

import argparse

import pandas as pd
import pyarrow as pa
import torch
from torch.utils.data import DataLoader

from torch_rechub.basic.features import SparseFeature
from torch_rechub.data.convert import pa_array_to_tensor
from torch_rechub.data.dataset import ParquetIterableDataset
from torch_rechub.models.ranking import DeepFM
from torch_rechub.trainers import CTRTrainer

parser = argparse.ArgumentParser()
parser.add_argument("--dataset_path", default="./data")
args = parser.parse_args()

data = pd.read_csv(f"{args.dataset_path}/ali_ccp_sample.csv")[["101", "205", "206", "click"]]
half = len(data) // 2
data[:half].to_parquet("part-0.parquet")
data[half:].to_parquet("part-1.parquet")
dataset = ParquetIterableDataset(
    ["part-0.parquet", "part-1.parquet"], columns=["101", "205", "206", "click"], batch_size=128
)


class WithLabels:
    """Batches of (x, y), as trainers take them."""

    def __iter__(self):
        for batch in DataLoader(dataset, batch_size=None):
            label = batch.pop("click").float()
            yield batch, label


features = [SparseFeature(n, int(data[n].max()) + 1, embed_dim=4) for n in ("101", "205", "206")]
torch.manual_seed(2022)
model = DeepFM(features, features, {"dims": [8]})
trainer = CTRTrainer(model, optimizer_params={"lr": 1e-2}, n_epoch=3, device="cpu")
trainer.fit(WithLabels())
auc = trainer.evaluate(trainer.model, WithLabels())
print("auc", auc, pa_array_to_tensor(pa.array([[1, 2], [3, 4]])).shape)
assert auc > 0.6
