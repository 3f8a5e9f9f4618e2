"""NARM and STAMP on sessions of any length, padded batch by batch by a collate function."""

import argparse
from collections import defaultdict

import numpy as np
import pandas as pd
import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

from torch_rechub.basic.features import SequenceFeature
from torch_rechub.basic.metric import topk_metrics
from torch_rechub.models.matching import NARM, STAMP
from torch_rechub.trainers import MatchTrainer
from torch_rechub.utils.data import TorchDataset, array_replace_with_dict


def get_sessions(data_path):
    """The movies of each user but the last ones, and the movie that follows them."""
    data = pd.read_csv(data_path).sort_values(["user_id", "timestamp"])
    ids = {movie: number for number, movie in enumerate(sorted(data["movie_id"].unique()), start=1)}
    data["movie_id"] = array_replace_with_dict(data["movie_id"].values, ids)
    histories, targets = [], []
    for _, movies in data.groupby("user_id")["movie_id"]:
        movies = movies.tolist()
        for length in range(2, len(movies)):
            histories.append(movies[:length])
            targets.append(movies[length])
    return histories, targets, len(ids) + 1


def collate_fn(batch):
    sessions = [torch.LongTensor(x["item_id"]) for x, _ in batch]
    return {"item_id": pad_sequence(sessions, batch_first=True)}, torch.tensor(
        [int(y) for _, y in batch]
    )


def evaluate(model, loader, topk):
    model.eval()
    metrics = defaultdict(list)
    for x, y in loader:
        found = torch.topk(model(x), topk, dim=1).indices.numpy()
        y_true = {row: [int(item)] for row, item in enumerate(y)}
        y_pred = dict(enumerate(found))
        for name, values in topk_metrics(y_true, y_pred, topKs=[topk]).items():
            metrics[name].append(float(values[0].split(":")[1]))
    return {name: float(np.mean(values)) for name, values in metrics.items()}


def main(args):
    histories, targets, n_items = get_sessions(f"{args.dataset_path}/ml-1m_sample.csv")
    split = int(len(histories) * 0.8)
    train_dl = DataLoader(
        TorchDataset({"item_id": histories[:split]}, targets[:split]),
        batch_size=args.batch_size, shuffle=True, collate_fn=collate_fn,
    )  # fmt: skip
    test_dl = DataLoader(
        TorchDataset({"item_id": histories[split:]}, targets[split:]),
        batch_size=args.batch_size, collate_fn=collate_fn,
    )  # fmt: skip
    feature = SequenceFeature("item_id", vocab_size=n_items, embed_dim=16, pooling="concat")
    for name in args.model_name:
        torch.manual_seed(args.seed)
        if name == "narm":
            model = NARM(feature, hidden_dim=16, emb_dropout_p=0.1, session_rep_dropout_p=0.1)
        else:
            model = STAMP(feature, weight_std=0.1, emb_std=0.1)
        trainer = MatchTrainer(
            model, mode=2, optimizer_params={"lr": args.learning_rate}, n_epoch=args.epoch,
            device="cpu", model_path="./",
        )  # fmt: skip
        trainer.fit(train_dl)
        metrics = evaluate(trainer.model, test_dl, 10)
        print(name, metrics)
        assert metrics["Hit"] > 0.3  # of 48 movies, 10 by chance: 0.21
        batch, _ = next(iter(test_dl))
        print(model.user_tower(batch).shape, model(batch).shape)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--dataset_path", default="./data")
    parser.add_argument("--model_name", nargs="+", default=["narm", "stamp"])
    parser.add_argument("--epoch", type=int, default=10)
    parser.add_argument("--learning_rate", type=float, default=1e-2)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=2022)
    main(parser.parse_args())
