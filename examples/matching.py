"""Retrieve the next movie of each user of MovieLens-100K with any of eight models.

Protocol: interactions in order of timestamp, then of the file's rows. Each user's last movie is the
test, the one before it the validation, the rest is for training. All 1,682 movies are ranked by the
inner product of embeddings, once without those that the user has rated before ("masked"), once with
them ("unmasked"); of equal scores the movie of lower id comes first. For each of the two, the epoch
of best validation NDCG@10 is tested. One to four minutes on one core of a busy machine.

Five models read a user's history. BPRMF, LightGCN and NeuMF know a user by number, and rank first
what they were trained on, the movies rated before: of them only the masked figures say anything.

    python examples/matching.py dssm     # or: facebook_dssm, youtube_dnn, gru4rec, sasrec,
                                         #     bpr_mf, light_gcn, neumf
"""

import argparse
import tempfile
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from histories import (
    LENGTH,
    N_ITEMS,
    N_USERS,
    evaluate,
    labeled,
    overlapping_pieces_of,
    padded,
    pairs_of,
    popularity,
    steps_of,
    users_in_order,
)
from torch import nn

from torch_rechub.basic.features import RandomNormal, SequenceFeature, SparseFeature
from torch_rechub.basic.layers.embedding import input_columns
from torch_rechub.basic.loss_func import HingeLoss
from torch_rechub.basic.tracking import TensorBoardXLogger
from torch_rechub.data.loader import TableLoader
from torch_rechub.data.table import PredictDataset
from torch_rechub.models.matching import (
    BPRMF,
    DSSM,
    FaceBookDSSM,
    GRU4Rec,
    LightGCN,
    NeuMF,
    SASRec,
    YoutubeDNN,
)
from torch_rechub.trainers import MatchTrainer

DIM = 64
INIT = RandomNormal(0, 0.02)
TOWER = {"dims": [128, DIM], "activation": "prelu"}
OF_NUMBERS = ("bpr_mf", "light_gcn", "neumf")
MODELS = ("dssm", "facebook_dssm", "youtube_dnn", "gru4rec", "sasrec", *OF_NUMBERS)


class Recipe(NamedTuple):
    """A model and how it is trained.

    Attributes:
        model: The model.
        options: Those of `MatchTrainer` that make its objective.
        epochs: How many.
        rows: Rows a batch.
        negatives: The shape of a row's negatives, which each epoch draws anew; None draws none.
        rows_of: Makes the rows of the users' movies.
        criterion: A loss in place of the trainer's.
        lr: Adam's learning rate.
    """

    model: nn.Module
    options: dict[str, Any]
    epochs: int
    rows: int
    negatives: tuple[int, ...] | None = None
    rows_of: Callable[..., Any] = steps_of
    criterion: nn.Module | None = None
    lr: float = 1e-3


def sequence(name, pooling, shared_with="item"):
    """Movies in the table of `shared_with`."""
    return SequenceFeature(
        name, N_ITEMS, DIM, pooling, shared_with, padding_idx=0, initializer=INIT
    )


def build(name, frequency):
    """The recipe of a model that reads a history; `frequency` says how often a movie occurs."""
    item, pooled = SparseFeature("item", N_ITEMS, DIM, initializer=INIT), sequence("seq", "mean")
    history, negatives = sequence("seq", "concat"), sequence("neg", "concat")
    if name == "dssm":
        corrected = {"in_batch_neg": True, "item_frequency": {"item": frequency}}
        model = DSSM([pooled], [item], TOWER, TOWER, temperature=0.1)
        return Recipe(model, corrected, epochs=12, rows=512)
    if name == "facebook_dssm":
        negative = SparseFeature("neg", N_ITEMS, DIM, shared_with="item")
        model = FaceBookDSSM([pooled], [item], [negative], TOWER, TOWER)
        return Recipe(model, {"mode": 1}, 20, 512, (), criterion=HingeLoss(margin=0.3))
    if name == "youtube_dnn":
        model = YoutubeDNN([pooled], [item], [negatives], TOWER, temperature=0.1)
        return Recipe(model, {"mode": 2}, 6, 1024, (100,))
    if name == "gru4rec":
        params = {**TOWER, "num_layers": 1, "dropout": 0.2}
        model = GRU4Rec([], [history], [item], [negatives], params, temperature=0.1)
        return Recipe(model, {"mode": 2}, 5, 1024, (100,))
    columns = [sequence("seq", "concat", None)]
    columns += [sequence(n, "concat", "seq") for n in ("pos", "neg")]
    model = SASRec(columns, max_len=LENGTH, dropout_rate=0.2, num_heads=2)
    return Recipe(model, {"mode": 1}, 15, 128, (LENGTH,), overlapping_pieces_of)


def build_of_numbers(name, films_of_users):
    """The recipe of a model that knows a user by number."""
    user, item, negative = (
        SparseFeature(column, size, DIM, initializer=INIT)
        for column, size in (("user", N_USERS), ("item", N_ITEMS), ("neg", N_ITEMS))
    )
    x = pairs_of([films[:-2] for films in films_of_users])
    pairs = (x["user"], x["item"])
    model, mode, penalty, lr = {
        "bpr_mf": lambda: (BPRMF(user, item, negative), 1, 1e-5, 5e-3),
        "light_gcn": lambda: (LightGCN(user, item, negative, pairs, num_layers=2), 1, 1e-6, 1e-2),
        "neumf": lambda: (NeuMF(user, item, {"dims": [64, 32]}), 0, 5e-6, 2e-3),
    }[name]()
    options = {"mode": mode, "regularization_params": {"embedding_l2": penalty}}
    epochs, rows, negatives = (8, 4096, (4,)) if name == "neumf" else (30, 1024, ())
    return Recipe(model, options, epochs, rows, negatives, pairs_of, lr=lr)


def all_scores(trainer):
    """The score of every movie for every user, (users, movies), of a model without towers."""
    pairs = {
        "user": np.arange(N_USERS).repeat(N_ITEMS),
        "item": np.tile(np.arange(N_ITEMS), N_USERS),
    }
    scores = trainer.predict(trainer.model, TableLoader(PredictDataset(pairs), 2**15))
    return np.reshape(scores, (N_USERS, N_ITEMS))


def train(recipe, users, seed, epochs=None, device="cpu"):
    """Train a model; yield what the trainer recorded, the validation and the test of each epoch."""
    model, random = recipe.model, np.random.default_rng(seed)
    inputs = input_columns(model)
    together = isinstance(model, NeuMF)  # it has no embeddings: each movie is its own direction
    x = recipe.rows_of([films[:-2] for films in users])
    x = {name: column for name, column in x.items() if name in inputs}
    n_rows = len(next(iter(x.values())))
    catalogue = {"item": np.arange(N_ITEMS), "pos": np.arange(N_ITEMS)[:, None]}
    everyone = {"user": np.arange(N_USERS)}
    with tempfile.TemporaryDirectory() as folder:
        trainer = MatchTrainer(
            model,
            n_epoch=1,
            device=device,
            model_path=folder,
            optimizer_params={"lr": recipe.lr, "weight_decay": 0},
            **recipe.options,
        )
        if recipe.criterion is not None:
            trainer.criterion = recipe.criterion

        def vectors(held_out):
            if together:
                return all_scores(trainer), np.eye(N_ITEMS)
            histories = {"seq": np.stack([padded(films[:-held_out]) for films in users])}
            return [
                trainer.inference_embedding(
                    model, tower, TableLoader(PredictDataset(columns), 1024), folder
                )
                for tower, columns in (("user", histories | everyone), ("item", catalogue))
            ]

        for _ in range(epochs or recipe.epochs):
            if recipe.negatives is not None:
                x["neg"] = random.integers(1, N_ITEMS, (n_rows, *recipe.negatives))
            data = labeled(x) if together else PredictDataset(x)
            trainer.fit(TableLoader(data, recipe.rows, shuffle=True))
            found = vectors(held_out=2)
            validated = evaluate(*found, users, held_out=2)
            if "user" not in x:  # a history has one movie more
                found = vectors(held_out=1)
            yield trainer.history[0], validated, evaluate(*found, users, held_out=1)


def main():
    """Train, keep the best epoch, and compare it with popularity."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log-dir", default="runs/matching")
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    users = [films for films, _ in users_in_order()]
    frequency = popularity(users)
    if args.model in OF_NUMBERS:
        recipe = build_of_numbers(args.model, users)
    else:
        recipe = build(args.model, frequency)
    validated, tested = [], []
    with TensorBoardXLogger(args.log_dir, comment=f"/{args.model}-seed{args.seed}") as logger:
        for epoch, (record, val, test) in enumerate(train(recipe, users, args.seed, args.epochs)):
            validated.append(val)
            tested.append(test)
            logger.log_metrics({"train/loss": record["train/loss"], "val": val}, epoch)

        baseline = evaluate(np.ones((len(users), 1)), frequency[:, None], users, 1)
        for protocol in ("masked", "unmasked"):
            best = int(np.argmax([val[protocol]["ndcg"] for val in validated]))
            logger.log_metrics({"test": {protocol: tested[best][protocol]}}, best)
            print(f"{protocol}, epoch {best + 1}:")
            for name, found in ((args.model, tested[best]), ("popularity", baseline)):
                m = found[protocol]
                print(f"  {name:<14} test NDCG@10 {m['ndcg']:.4f}  HR@10 {m['hr']:.4f}")


if __name__ == "__main__":
    main()
