"""DIN, BST and DIEN on histories of reviews, built from a log of user, item and time."""

import argparse

import numpy as np
import pandas as pd
import torch

from torch_rechub.basic.features import SequenceFeature, SparseFeature
from torch_rechub.models.ranking import BST, DIEN, DIN
from torch_rechub.models.ranking.dien import AUGRU, AUGRU_Cell
from torch_rechub.models.ranking.din import ActivationUnit
from torch_rechub.trainers import CTRTrainer
from torch_rechub.utils.data import (
    DataGenerator,
    create_seq_features,
    df_to_dict,
    generate_seq_feature,
    neg_sample,
    pad_sequences,
)


def get_amazon_data_dict(dataset_path, max_len=8):
    data = pd.read_csv(dataset_path)
    train, val, test = generate_seq_feature(
        data=data, user_col="user_id", item_col="item_id", time_col="time",
        item_attribute_cols=["cate_id"], max_len=max_len,
    )  # fmt: skip
    n_users, n_items, n_cates = data["user_id"].max(), data["item_id"].max(), data["cate_id"].max()
    target_feas = [
        SparseFeature("target_item_id", vocab_size=n_items + 2, embed_dim=8),
        SparseFeature("target_cate_id", vocab_size=n_cates + 2, embed_dim=8),
    ]
    features = [*target_feas, SparseFeature("user_id", vocab_size=n_users + 2, embed_dim=8)]
    history_feas = [
        SequenceFeature(
            f"hist_{name}", vocab_size=size + 2, embed_dim=8, pooling="concat",
            shared_with=f"target_{name}",
        )
        for name, size in (("item_id", n_items), ("cate_id", n_cates))
    ]  # fmt: skip
    columns = [df_to_dict(part) for part in (train, val, test)]
    labels = [part.pop("label") for part in columns]
    return features, target_feas, history_feas, columns, labels, n_items


def train(model, data, learning_rate, epoch):
    (train_x, val_x, test_x), (train_y, val_y, test_y) = data
    train_dl, val_dl, test_dl = DataGenerator(train_x, train_y).generate_dataloader(
        x_val=val_x, y_val=val_y, x_test=test_x, y_test=test_y, batch_size=64
    )
    trainer = CTRTrainer(
        model,
        optimizer_params={"lr": learning_rate, "weight_decay": 1e-6},
        n_epoch=epoch,
        earlystop_patience=4,
        device="cpu",
        loss_mode=not isinstance(model, DIEN),
        model_path="./",
    )
    trainer.fit(train_dl, val_dl)
    return trainer.evaluate(trainer.model, test_dl), trainer.early_stopper.best_auc


def with_negative_histories(columns, n_items):
    """An item that was not clicked for each one that was; DIEN learns from both."""
    for part in columns:
        history = part["hist_item_id"]
        negatives = [[neg_sample(row, n_items) for item in row if item] for row in history.tolist()]
        part["neg_hist_item_id"] = pad_sequences(
            negatives, maxlen=history.shape[1], padding="post", truncating="post"
        )
    return columns


def main(dataset_path, learning_rate, epoch, seed):
    torch.manual_seed(seed)
    features, targets, histories, columns, labels, n_items = get_amazon_data_dict(dataset_path)
    mlp = {"dims": [16, 8]}
    din = DIN(
        features=features, history_features=histories, target_features=targets, mlp_params=mlp,
        attention_mlp_params={"dims": [16, 8]},
    )  # fmt: skip
    bst = BST(features, histories, targets, mlp, nhead=4, dropout=0.1, max_seq_len=9)
    for model in (din, bst):
        auc, best = train(model, (columns, labels), learning_rate, epoch)
        print(f"{type(model).__name__} val auc {best:.4f}, test auc {auc:.4f}")
        assert auc > 0.55, type(model).__name__

    item = SparseFeature("target_item_id", vocab_size=n_items + 2, embed_dim=8)
    history, negatives = (
        SequenceFeature(name, n_items + 2, 8, pooling="concat", shared_with="target_item_id")
        for name in ("hist_item_id", "neg_hist_item_id")
    )
    columns = with_negative_histories(columns, n_items)
    dien = DIEN([features[-1]], [history], [negatives], [item], {"dims": [16]}, alpha=0.2)
    auc, best = train(dien, (columns, labels), learning_rate, epoch)
    print(f"DIEN val auc {best:.4f}, test auc {auc:.4f}")
    batch = {name: torch.as_tensor(np.asarray(c[:4])).long() for name, c in columns[0].items()}
    y_pred, loss = dien(batch)
    print("loss beside that of the clicks:", loss.item(), y_pred.shape)

    # parts of these models, as scripts use them on their own
    steps, target = torch.randn(2, 5, 8), torch.randn(2, 8)
    pooled = ActivationUnit(8, dims=[4], activation="dice", use_softmax=False)(steps, target)
    state = AUGRU_Cell(8)(torch.randn(2, 8), torch.zeros(2, 8), torch.rand(2, 1))
    states, last = AUGRU(8)(steps, target)
    print(pooled.shape, state.shape, states.shape, last.shape)
    outputs, behaviour = torch.randn(2, 5, 8), torch.randn(2, 5, 8)
    print(dien.auxiliary(outputs, behaviour, -behaviour))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--dataset_path", default="./data")
    parser.add_argument("--epoch", type=int, default=10)
    parser.add_argument("--learning_rate", type=float, default=1e-2)
    parser.add_argument("--seed", type=int, default=2022)
    args = parser.parse_args()
    main(f"{args.dataset_path}/amazon_sample.csv", args.learning_rate, args.epoch, args.seed)
    frame = pd.read_csv(f"{args.dataset_path}/amazon_sample.csv")
    parts = create_seq_features(frame, seq_feature_col=["item_id", "cate_id"], max_len=6)
    print([part.shape for part in parts])
