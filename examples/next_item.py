"""Predict the next movie of each user of MovieLens-100K with HSTU, trained on every step.

Protocol: interactions in order of timestamp, then of the file's rows. Each user's last movie is the
test, the one before it the validation, the rest is for training, cut into pieces of 50 movies. All
1,682 movies are ranked; of equal scores the movie of lower id comes first.

    python examples/next_item.py
"""

import argparse

import numpy as np
import torch
from histories import LENGTH, N_ITEMS, popularity, users_in_order

from torch_rechub.basic.tracking import TensorBoardXLogger
from torch_rechub.metrics.retrieval import evaluate_retrieval
from torch_rechub.models.generative import HSTUModel
from torch_rechub.trainers import SeqTrainer
from torch_rechub.utils.data import SequenceDataGenerator


def samples(pieces, batch_size, shuffle=False):
    """Return a loader of movies, positions, seconds before the last movie, and next movies."""
    movies = np.zeros((len(pieces), LENGTH), dtype=np.int64)
    seconds = np.zeros_like(movies)
    for row, (ids, times) in enumerate(pieces):
        n = min(len(ids) - 1, LENGTH)
        movies[row, LENGTH - n :] = ids[-n - 1 : -1]
        seconds[row, LENGTH - n :] = times[-2] - times[-n - 1 : -1]
    positions = np.tile(np.arange(LENGTH), (len(pieces), 1))
    targets = np.array([ids[-1] for ids, _ in pieces])
    generator = SequenceDataGenerator(movies, positions, targets, seconds)
    (loader,) = generator.generate_dataloader(batch_size=batch_size, shuffle=shuffle)
    return loader


def loaders(users):
    """Return the loaders of training, with the next movie at each step, validation and test."""
    pieces = [
        (movies[max(0, end - LENGTH - 1) : end], times[max(0, end - LENGTH - 1) : end])
        for movies, times in users
        for end in range(len(movies) - 2, 1, -LENGTH)
    ]
    val = samples([(movies[:-1], times[:-1]) for movies, times in users], 256)
    return samples(pieces, 128, shuffle=True), val, samples(users, 256)


def most_popular(users):
    """Return the metrics of a ranking by popularity in training."""
    movies = [ids for ids, _ in users]
    counts, targets = popularity(movies), [[ids[-1]] for ids in movies]
    seen = [np.append(ids[-LENGTH - 1 : -1], 0) for ids in movies]
    return evaluate_retrieval(np.ones((len(movies), 1)), counts[:, None], targets, seen)


def main():
    """Train with early stopping, and compare with popularity."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="runs/next_item")
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    users = users_in_order()
    train, val, test = loaders(users)
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

    baseline = most_popular(users)
    for name, m in (("HSTU", found), ("popularity", baseline)):
        print(f"{name:<11} test NDCG@10 {m['ndcg@10']:.4f}  HR@10 {m['hit@10']:.4f}")


if __name__ == "__main__":
    main()
