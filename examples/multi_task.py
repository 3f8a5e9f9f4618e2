"""Predict two labels on MovieLens-100K: a rating of 4 or more, and a rating of 5.

Tasks: rating >= 4 and rating = 5. Split: random 8:1:1. The test AUC of each is printed next to that
of a ranking of movies by their mean label in training.

    python examples/multi_task.py              # MMOE; or: shared_bottom, ple
"""

import argparse

import numpy as np
import torch
from demo import describe
from zoo_tasks.baselines import movies_mean_label

from torch_rechub.basic.metric import auc_score
from torch_rechub.basic.tracking import TensorBoardXLogger
from torch_rechub.data.public import movielens_100k
from torch_rechub.models.multi_task import MMOE, PLE, SharedBottom
from torch_rechub.trainers import MTLTrainer
from torch_rechub.utils.data import DataGenerator

TASKS = ("rating >= 4", "rating = 5")


def liked_and_loved():
    """Return the columns and the labels of both tasks."""
    data = movielens_100k()
    x, liked = data.clicks(min_rating=4)
    return x, np.stack([liked, data.clicks(min_rating=5)[1]], axis=1)


def build(name, features):
    """Return a model with one tower per task."""
    kinds = ["classification", "classification"]
    hidden = {"dims": [64], "dropout": 0.3}
    towers = [{"dims": [32], "dropout": 0.3}] * 2
    if name == "shared_bottom":
        return SharedBottom(features, kinds, hidden, towers)
    if name == "ple":
        return PLE(features, kinds, 1, 2, 2, hidden, towers)
    return MMOE(features, kinds, 4, hidden, towers)


def main():
    """Train, stop early on the first task, and test both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "model", nargs="?", default="mmoe", choices=["mmoe", "shared_bottom", "ple"]
    )
    parser.add_argument("--balance", choices=["uwl", "gradnorm", "metabalance"])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="runs/multi_task")
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    x, y = liked_and_loved()
    train, val, test = DataGenerator(x, y).generate_dataloader(
        split_ratio=[0.8, 0.1], batch_size=512
    )
    trainer = MTLTrainer(
        build(args.model, describe(x)),
        task_types=["classification", "classification"],
        adaptive_params=None if args.balance is None else {"method": args.balance},
        n_epoch=args.epochs,
        earlystop_patience=3,
        model_path=args.out,
        model_logger=TensorBoardXLogger(f"{args.out}/{args.model}-seed{args.seed}"),
    )
    trainer.fit(train, val, test_dataloader=test)

    scores = trainer.test_metrics.values()
    movie, rows = x["item_id"], train.dataset.indices.numpy()
    test_rows = test.dataset.indices.numpy()
    for task, score, labels in zip(TASKS, scores, y.T, strict=True):
        mean = movies_mean_label(movie[rows], labels[rows])
        baseline = auc_score(labels[test_rows], mean[movie[test_rows]])
        print(f"{task:<12} {args.model} test AUC {score:.4f}  movies' mean label {baseline:.4f}")


if __name__ == "__main__":
    main()
