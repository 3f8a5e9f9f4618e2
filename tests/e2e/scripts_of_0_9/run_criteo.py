"""Every ranking model on a sample of criteo: a DataFrame, two encoders, CTRTrainer."""

import argparse

import pandas as pd
import torch
from sklearn.preprocessing import LabelEncoder, MinMaxScaler

from torch_rechub.basic.features import DenseFeature, SparseFeature
from torch_rechub.models.ranking import (
    AFM,
    DCN,
    EDCN,
    AutoInt,
    DCNv2,
    DeepFFM,
    DeepFM,
    FatDeepFFM,
    FiBiNet,
    WideDeep,
)
from torch_rechub.trainers import CTRTrainer
from torch_rechub.utils.data import DataGenerator


def get_criteo_data_dict(data_path):
    data = pd.read_csv(data_path)
    dense_cols = [name for name in data.columns if name.startswith("I")]
    sparse_cols = [name for name in data.columns if name.startswith("C")]
    data[sparse_cols] = data[sparse_cols].fillna("-996")
    data[dense_cols] = data[dense_cols].fillna(0)
    for name in dense_cols[:1]:  # a bucket of a number is a category as well
        data[name + "_cat"] = (data[name] // 10).astype(int)
        sparse_cols.append(name + "_cat")
    data[dense_cols] = MinMaxScaler().fit_transform(data[dense_cols])
    for name in sparse_cols:
        data[name] = LabelEncoder().fit_transform(data[name])

    dense_feas = [DenseFeature(name) for name in dense_cols]
    sparse_feas = [SparseFeature(n, vocab_size=data[n].nunique(), embed_dim=8) for n in sparse_cols]
    linear_feas = [SparseFeature(n, vocab_size=data[n].nunique(), embed_dim=1) for n in sparse_cols]
    fields = len(sparse_cols)
    ffm_feas = [
        SparseFeature(n, vocab_size=data[n].nunique() * fields, embed_dim=4) for n in sparse_cols
    ]
    y = data["label"]
    del data["label"]
    return dense_feas, sparse_feas, linear_feas, ffm_feas, data, y


def main(dataset_path, model_name, epoch, learning_rate, batch_size, weight_decay, device, seed):
    torch.manual_seed(seed)
    dense, sparse, linear, ffm, x, y = get_criteo_data_dict(dataset_path)
    data_generator = DataGenerator(x, y)
    train_dl, val_dl, test_dl = data_generator.generate_dataloader(
        split_ratio=[0.7, 0.1], batch_size=batch_size
    )
    mlp = {"dims": [16, 8], "dropout": 0.1, "activation": "relu"}
    model = {
        "widedeep": lambda: WideDeep(wide_features=dense, deep_features=sparse, mlp_params=mlp),
        "deepfm": lambda: DeepFM(deep_features=dense + sparse, fm_features=sparse, mlp_params=mlp),
        "dcn": lambda: DCN(features=dense + sparse, n_cross_layers=2, mlp_params=mlp),
        "dcn_v2": lambda: DCNv2(features=dense + sparse, n_cross_layers=2, mlp_params=mlp),
        "edcn": lambda: EDCN(features=sparse, n_cross_layers=2, mlp_params=mlp),
        "fibinet": lambda: FiBiNet(features=dense + sparse, mlp_params=mlp, reduction_ratio=3),
        "afm": lambda: AFM(fm_features=sparse, embed_dim=8, t=16),
        "autoint": lambda: AutoInt(sparse_features=sparse, dense_features=dense, mlp_params=mlp),
        "deepffm": lambda: DeepFFM(linear, ffm, embed_dim=4, mlp_params=mlp),
        "fat_deepffm": lambda: FatDeepFFM(linear, ffm, 4, reduction_ratio=1, mlp_params=mlp),
    }[model_name]()
    trainer = CTRTrainer(
        model,
        optimizer_params={"lr": learning_rate, "weight_decay": weight_decay},
        regularization_params={"embedding_l2": 1e-6, "dense_l2": 0.0},
        scheduler_fn=torch.optim.lr_scheduler.StepLR,
        scheduler_params={"step_size": 2, "gamma": 0.8},
        n_epoch=epoch,
        earlystop_patience=10,
        device=device,
    )
    trainer.fit(train_dl, val_dl)
    trainer.train_one_epoch(train_dl, log_interval=10)
    auc = trainer.evaluate_fn(
        [int(label) for _, labels in test_dl for label in labels],
        trainer.predict(trainer.model, test_dl),
    )
    assert abs(auc - trainer.evaluate(trainer.model, test_dl)) < 1e-6
    print(f"{model_name} test auc: {auc:.4f}")
    return auc


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--dataset_path", default="./data")
    names = "widedeep deepfm dcn dcn_v2 edcn fibinet afm autoint deepffm fat_deepffm"
    parser.add_argument("--model_name", nargs="+", default=names.split())
    parser.add_argument("--epoch", type=int, default=4)
    parser.add_argument("--learning_rate", type=float, default=1e-2)
    parser.add_argument("--batch_size", type=int, default=128)
    parser.add_argument("--weight_decay", type=float, default=1e-5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=2022)
    args = parser.parse_args()
    for model_name in args.model_name:
        auc = main(
            f"{args.dataset_path}/criteo_sample.csv", model_name, args.epoch, args.learning_rate,
            args.batch_size, args.weight_decay, args.device, args.seed,
        )  # fmt: skip
        assert auc > 0.6, model_name
    weights = torch.load("model.pth", map_location="cpu")  # in the folder of the script, by default
    print({name: tuple(value.shape) for name, value in list(weights.items())[:2]})
