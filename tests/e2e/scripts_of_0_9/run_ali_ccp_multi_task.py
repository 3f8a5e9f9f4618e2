"""Clicks and purchases at once: every multi-task model, and the ways to balance their losses."""

import argparse

import pandas as pd
import torch

from torch_rechub.basic.features import DenseFeature, SparseFeature
from torch_rechub.basic.metaoptimizer import MetaBalance
from torch_rechub.models.multi_task import AITM, ESMM, MMOE, PLE, SharedBottom
from torch_rechub.models.multi_task.aitm import AttentionLayer
from torch_rechub.models.multi_task.ple import CGC
from torch_rechub.trainers import MTLTrainer
from torch_rechub.utils.data import DataGenerator, get_loss_func, get_metric_func
from torch_rechub.utils.mtl import gradnorm, shared_task_layers


def get_ali_ccp_data_dict(model_name, data_path):
    data = pd.read_csv(data_path)
    train_idx, val_idx = int(len(data) * 0.7), int(len(data) * 0.85)
    data.rename(columns={"purchase": "cvr_label", "click": "ctr_label"}, inplace=True)
    data["ctcvr_label"] = data["cvr_label"] * data["ctr_label"]
    dense_cols = [name for name in data.columns if name.startswith("D")]
    labels = ["cvr_label", "ctr_label", "ctcvr_label"]
    sparse_cols = [name for name in data.columns if name not in dense_cols + labels]
    used_cols = sparse_cols if model_name == "ESMM" else sparse_cols + dense_cols
    label_cols = labels if model_name == "ESMM" else ["ctr_label", "cvr_label"]

    features = [SparseFeature(n, data[n].max() + 1, embed_dim=4) for n in sparse_cols]
    dense = [DenseFeature(name) for name in dense_cols]
    x = {name: data[name].values[:train_idx] for name in used_cols}
    y = data[label_cols].values[:train_idx]
    x_val = {name: data[name].values[train_idx:val_idx] for name in used_cols}
    y_val = data[label_cols].values[train_idx:val_idx]
    x_test = {name: data[name].values[val_idx:] for name in used_cols}
    y_test = data[label_cols].values[val_idx:]
    return features, dense, (x, y, x_val, y_val, x_test, y_test)


def build(model_name, sparse, dense):
    features, towers = sparse + dense, [{"dims": [8]}, {"dims": [8]}]
    task_types = ["classification", "classification"]
    if model_name == "SharedBottom":
        return SharedBottom(features, task_types, {"dims": [16]}, towers)
    if model_name == "ESMM":
        user, item = sparse[:2], sparse[2:]
        return ESMM(user, item, cvr_params={"dims": [16, 8]}, ctr_params={"dims": [16, 8]})
    if model_name == "MMOE":
        return MMOE(features, task_types, 3, expert_params={"dims": [16]}, tower_params_list=towers)
    if model_name == "PLE":
        return PLE(features, task_types, 1, 2, 1, {"dims": [16]}, towers)
    return AITM(features, 2, bottom_params={"dims": [16, 8]}, tower_params_list=towers)


def main(model_name, data_path, epoch, learning_rate, batch_size, weight_decay, device, seed):
    torch.manual_seed(seed)
    sparse, dense, (x, y, x_val, y_val, x_test, y_test) = get_ali_ccp_data_dict(
        model_name, data_path
    )
    train_dl, val_dl, test_dl = DataGenerator(x, y).generate_dataloader(
        x_val=x_val, y_val=y_val, x_test=x_test, y_test=y_test, batch_size=batch_size
    )
    n_task = y.shape[1]
    balances = [None]
    if model_name == "MMOE":
        balances = [{"method": "uwl"}, {"method": "metabalance"}]
        balances.append({"method": "gradnorm", "alpha": 1})
    for adaptive_params in balances:
        model = build(model_name, sparse, dense)
        trainer = MTLTrainer(
            model, task_types=["classification"] * n_task,
            optimizer_params={"lr": learning_rate, "weight_decay": weight_decay},
            adaptive_params=adaptive_params, n_epoch=epoch, earlystop_taskid=0,
            earlystop_patience=10, device=device, model_path="./", earlystop_mode="max",
        )  # fmt: skip
        log = trainer.fit(train_dl, val_dl, mode="base", seed=seed)
        scores = trainer.evaluate(trainer.model, test_dl)
        predictions = trainer.predict(trainer.model, test_dl)
        print(f"{model_name} {adaptive_params} test auc: {scores}, {len(log)} epochs")
        assert len(log[0]) == 2 * n_task
        assert len(predictions) == len(y_test)
        assert len(predictions[0]) == n_task
        assert len(trainer.train_one_epoch(train_dl)) == n_task
        assert max(scores) > 0.6, model_name
        torch.load(f"model_base_{seed}.pth", map_location="cpu")
    return trainer.model, next(iter(train_dl))


def by_hand(model, batch):
    """One step of each balance, without a trainer."""
    x, y = batch
    loss_fns = [get_loss_func("classification"), get_loss_func("classification")]
    metric = get_metric_func("classification")
    shared, of_tasks = shared_task_layers(model)
    balance = MetaBalance(shared, relax_factor=0.7, beta=0.9)
    model.train()
    y_pred = model(x)
    losses = [loss_fn(y_pred[:, i], y[:, i].float()) for i, loss_fn in enumerate(loss_fns)]
    balance.step(losses)
    print(len(shared), len(of_tasks), metric(y[:, 0].numpy(), y_pred[:, 0].detach().numpy()))

    weights = [torch.nn.Parameter(torch.ones(1)) for _ in losses]
    y_pred = model(x)
    losses = [loss_fn(y_pred[:, i], y[:, i].float()) for i, loss_fn in enumerate(loss_fns)]
    last = [p for p in shared if p.dim() == 2][-1]
    first = torch.tensor([loss.item() for loss in losses])
    gradnorm(losses, weights, last, first, alpha=1.0)
    print("how the weights of the losses should move:", [float(w.grad) for w in weights])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--dataset_path", default="./data")
    parser.add_argument("--model_name", nargs="+", default=["SharedBottom", "ESMM", "PLE", "AITM"])
    parser.add_argument("--epoch", type=int, default=3)
    parser.add_argument("--learning_rate", type=float, default=1e-2)
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--weight_decay", type=float, default=1e-5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=2022)
    args = parser.parse_args()
    for model_name in [*args.model_name, "MMOE"]:
        model, batch = main(
            model_name, f"{args.dataset_path}/ali_ccp_sample.csv", args.epoch, args.learning_rate,
            args.batch_size, args.weight_decay, args.device, args.seed,
        )  # fmt: skip
    by_hand(model, batch)
    gates = CGC(1, 2, 2, 2, 1, 8, {"dims": [4]})([torch.randn(3, 8)] * 3)
    print([gate.shape for gate in gates], AttentionLayer(8)(torch.randn(3, 2, 8)).shape)
