"""One run in every tracker, and in a logger of one's own."""

import argparse

import pandas as pd
import torch

from torch_rechub.basic.features import SparseFeature
from torch_rechub.basic.tracking import (
    BaseLogger,
    SwanLabLogger,
    TensorBoardXLogger,
    WandbLogger,
)
from torch_rechub.models.ranking import WideDeep
from torch_rechub.trainers import CTRTrainer
from torch_rechub.utils.data import DataGenerator


class PrintLogger(BaseLogger):
    """Prints what it is given."""

    def log_metrics(self, metrics, step=None):
        print("metrics", step, metrics)

    def log_hyperparams(self, params):
        print("n_epoch", params["n_epoch"], "learning_rate", params["learning_rate"])

    def finish(self):
        print("finished")


parser = argparse.ArgumentParser()
parser.add_argument("--dataset_path", default="./data")
args = parser.parse_args()
data = pd.read_csv(f"{args.dataset_path}/ali_ccp_sample.csv")
x = {name: data[name].values for name in ("101", "205", "206")}
features = [SparseFeature(name, int(values.max()) + 1, 4) for name, values in x.items()]
train_dl, val_dl, _ = DataGenerator(x, data["click"]).generate_dataloader(split_ratio=[0.7, 0.1])
loggers = [
    PrintLogger(),
    WandbLogger(project="rechub", name="widedeep", tags=["demo"], notes="a note", mode="offline"),
    SwanLabLogger(project="rechub", experiment_name="widedeep", logdir="swanlog", mode="offline"),
    TensorBoardXLogger(log_dir="runs/widedeep", comment="a comment"),
]
torch.manual_seed(2022)
model = WideDeep(features[:1], features[1:], {"dims": [8]})
trainer = CTRTrainer(model, n_epoch=2, device="cpu", model_logger=loggers)
trainer.fit(train_dl, val_dl)
by_hand = TensorBoardXLogger("runs/by_hand")
by_hand.log_hyperparams({"lr": 0.1})
by_hand.log_metrics({"loss": 0.5}, step=1)
by_hand.finish()
