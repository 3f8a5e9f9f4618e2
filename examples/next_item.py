"""Predict the next movie of each user of MovieLens-100K with HSTU, trained on every step.

Protocol: interactions in order of timestamp, then of the file's rows. Each user's last movie is the
test, the one before it the validation, the rest is for training, cut into pieces of 50 movies. All
1,682 movies are ranked; of equal scores the movie of lower id comes first.

    python examples/next_item.py
"""

import argparse

import numpy as np
import torch
from histories import LENGTH, N_ITEMS, leave_one_out

from torch_rechub.basic.tracking import TensorBoardXLogger
from torch_rechub.metrics.retrieval import evaluate_retrieval
from torch_rechub.models.generative import HSTUModel
from torch_rechub.trainers import SeqTrainer


def loaders(split):
    """Return the loaders of training, with the next movie at each step, validation and test."""
    val, test = (p.samples(LENGTH).sequence_loader(256) for p in (split.validation, split.test))
    return split.train.pieces(LENGTH).sequence_loader(128, shuffle=True), val, test


def most_popular(split):
    """Return the metrics of a ranking by popularity in training."""
    counts, x = split.train.popularity(), split.test.samples(LENGTH)
    targets, seen = x["item_id"][:, None], x["hist_item_id"]
    return evaluate_retrieval(np.ones((len(targets), 1)), counts[:, None], targets, seen)


def main():
    """Train with early stopping, and compare with popularity."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="runs/next_item")
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    split = leave_one_out()
    train, val, test = loaders(split)
    model = HSTUModel(
        N_ITEMS, d_model=64, n_heads=2, n_layers=2, dqk=32, dv=32, max_seq_len=LENGTH, dropout=0.2
    )
    trainer = SeqTrainer(
        model,
        optimizer_params={"lr": 1e-3, "weight_decay": 1e-5},
        n_epoch=args.epochs,
        earlystop_patience=3,
        monitor="val/loss",  # accuracy would count about ten hits among 943 users
        model_path=args.out,
        model_logger=TensorBoardXLogger(f"{args.out}/hstu-seed{args.seed}"),
    )
    trainer.fit(train, val)
    found = trainer.evaluate_topk(test, topKs=(10,), exclude_seen=True)

    baseline = most_popular(split)
    for name, m in (("HSTU", found), ("popularity", baseline)):
        print(f"{name:<11} test NDCG@10 {m['ndcg@10']:.4f}  HR@10 {m['hit@10']:.4f}")


if __name__ == "__main__":
    main()
