"""Retrieve the next film of each user of MovieLens-100K with any of eight models.

Protocol: interactions in order of timestamp, then of the file's rows. Each user's last film is the
test, the one before it the validation, the rest is for training. All 1,682 films are ranked by the
inner product of embeddings, once without those that the user has rated before ("masked"), once with
them ("unmasked"); of equal scores the film of lower id comes first. For each of the two, the epoch
of best validation NDCG@10 is tested. One to four minutes on one core of a busy machine.

Five models read a user's history. BPRMF, LightGCN and NeuMF know a user by number, and rank first
what they were trained on, the films rated before: of them only the masked figures say anything.

    python examples/matching.py dssm     # or: facebook_dssm, youtube_dnn, gru4rec, sasrec,
                                         #     bpr_mf, light_gcn, neumf
"""

import argparse
import tempfile

import numpy as np
import torch

from torch_rechub.basic.features import RandomNormal, SequenceFeature, SparseFeature
from torch_rechub.basic.loss_func import HingeLoss
from torch_rechub.basic.retrieval import evaluate_retrieval
from torch_rechub.basic.tracking import TensorBoardXLogger
from torch_rechub.data.loader import TableLoader, TorchDataset
from torch_rechub.data.public import movielens_100k
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

LENGTH, N_USERS, N_ITEMS, DIM = 50, 943, 1683, 64  # films have the ids 1 to 1682; 0 is padding
INIT = RandomNormal(0, 0.02)
TOWER = {"dims": [128, DIM], "activation": "prelu"}
# how many epochs, rows a batch, and negatives a row, which each epoch draws anew
SETTINGS = {
    "dssm": (12, 512, None),  # the other rows' films
    "facebook_dssm": (20, 512, ()),
    "youtube_dnn": (6, 1024, (100,)),
    "gru4rec": (5, 1024, (100,)),
    "sasrec": (60, 128, (LENGTH,)),
    "bpr_mf": (30, 1024, ()),
    "light_gcn": (30, 1024, ()),
    "neumf": (8, 4096, (4,)),
}
OF_NUMBERS = ("bpr_mf", "light_gcn", "neumf")


def films_of_each_user():
    """One array of films a user, in order of time."""
    ratings = movielens_100k().ratings.sort_values(["user_id", "timestamp"], kind="stable")
    return [films.to_numpy() for _, films in ratings.groupby("user_id")["item_id"]]


def padded(films):
    """The last films of a history, behind zeros."""
    films = films[-LENGTH:]
    return np.concatenate([np.zeros(LENGTH - len(films), dtype=np.int64), films])


def steps_of(users):
    """Each film of a user and the history before it."""
    ends = [(films, end) for films in users for end in range(1, len(films))]
    histories = np.stack([padded(films[:end]) for films, end in ends])
    return {"seq": histories, "item": np.array([films[end] for films, end in ends])}


def pieces_of(users):
    """Pieces of histories, and the next film at each of their steps."""
    pieces = [
        films[max(0, end - LENGTH - 1) : end]
        for films in users
        for end in range(len(films), 1, -LENGTH)
    ]
    histories = np.stack([padded(piece[:-1]) for piece in pieces])
    return {"seq": histories, "pos": np.stack([padded(piece[1:]) for piece in pieces])}


def pairs_of(users):
    """The number of a user and a film, for each film of each user."""
    lengths = [len(films) for films in users]
    return {"user": np.repeat(np.arange(len(users)), lengths), "item": np.concatenate(users)}


def labelled(x):
    """A row of label 1 for each film, and one of label 0 for each of its negatives."""
    item = np.column_stack([x["item"], x["neg"]])
    y = np.zeros(item.shape, dtype=np.int64)
    y[:, 0] = 1
    user = np.repeat(x["user"], item.shape[1])
    return TorchDataset({"user": user, "item": item.ravel()}, y.ravel())


def sequence(name, pooling, shared_with="item"):
    """Films in the table of `shared_with`."""
    return SequenceFeature(
        name, N_ITEMS, DIM, pooling, shared_with, padding_idx=0, initializer=INIT
    )


def build_of_numbers(name, pairs):
    """A model that knows a user by number, and how MatchTrainer is to train it."""
    user, item, negative = (
        SparseFeature(column, size, DIM, initializer=INIT)
        for column, size in (("user", N_USERS), ("item", N_ITEMS), ("neg", N_ITEMS))
    )
    model, mode, penalty, rate = {
        "bpr_mf": lambda: (BPRMF(user, item, negative), 1, 1e-5, 5e-3),
        "light_gcn": lambda: (LightGCN(user, item, negative, pairs, num_layers=2), 1, 1e-6, 1e-2),
        "neumf": lambda: (NeuMF(user, item, {"dims": [64, 32]}), 0, 5e-6, 2e-3),
    }[name]()
    regularization = {"regularization_params": {"embedding_l2": penalty}}
    return model, {"mode": mode, "optimizer_params": {"lr": rate}, **regularization}


def build(name, frequency):
    """A model that reads a user's history, and how MatchTrainer is to train it."""
    item, pooled = SparseFeature("item", N_ITEMS, DIM, initializer=INIT), sequence("seq", "mean")
    negatives = sequence("neg", "concat")
    if name == "dssm":
        corrected = {"in_batch_neg": True, "item_frequency": {"item": frequency}}
        return DSSM([pooled], [item], TOWER, TOWER, temperature=0.1), corrected
    if name == "facebook_dssm":
        negative = SparseFeature("neg", N_ITEMS, DIM, shared_with="item")
        return FaceBookDSSM([pooled], [item], [negative], TOWER, TOWER), {"mode": 1}
    if name == "youtube_dnn":
        return YoutubeDNN([pooled], [item], [negatives], TOWER, temperature=0.1), {"mode": 2}
    if name == "gru4rec":
        params = {**TOWER, "num_layers": 1, "dropout": 0.2}
        history = sequence("seq", "concat")
        return GRU4Rec([], [history], [item], [negatives], params, temperature=0.1), {"mode": 2}
    columns = [sequence("seq", "concat", None)]
    columns += [sequence(n, "concat", "seq") for n in ("pos", "neg")]
    return SASRec(columns, max_len=LENGTH, dropout_rate=0.2, num_heads=2), {"mode": 1}


def all_scores(trainer):
    """The score of every film for every user, (users, films), of a model without towers."""
    pairs = {
        "user": np.arange(N_USERS).repeat(N_ITEMS),
        "item": np.tile(np.arange(N_ITEMS), N_USERS),
    }
    scores = trainer.predict(trainer.model, TableLoader(PredictDataset(pairs), 2**15))
    return np.reshape(scores, (N_USERS, N_ITEMS))


def evaluate(u, v, users, held_out):
    """NDCG@10 and HR@10 of finding the film `held_out` places from the end of each user's films."""
    target = [films[-held_out] for films in users]
    seen = {
        "masked": [np.append(films[:-held_out], 0) for films in users],
        "unmasked": [[0]] * len(users),
    }
    found = {
        name: evaluate_retrieval(u, v, [[film] for film in target], lists)
        for name, lists in seen.items()
    }
    return {name: {"ndcg": m["ndcg@10"], "hr": m["hit@10"]} for name, m in found.items()}


def main():
    """Train, keep the best epoch, and compare it with popularity."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=SETTINGS)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log-dir", default="runs/matching")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    random = np.random.default_rng(args.seed)

    epochs, rows, negatives = SETTINGS[args.model]
    users = films_of_each_user()
    train = [films[:-2] for films in users]
    frequency = np.bincount(np.concatenate(train), minlength=N_ITEMS)
    if args.model in OF_NUMBERS:
        x = pairs_of(train)
        model, options = build_of_numbers(args.model, (x["user"], x["item"]))
    else:
        x = pieces_of(train) if args.model == "sasrec" else steps_of(train)
        model, options = build(args.model, frequency)
    n = len(next(iter(x.values())))
    catalogue = {"item": np.arange(N_ITEMS), "pos": np.arange(N_ITEMS)[:, None]}
    folder = tempfile.mkdtemp()
    options = {"optimizer_params": {"lr": 1e-3}, **options}
    trainer = MatchTrainer(model, n_epoch=1, model_path=folder, **options)
    if args.model == "facebook_dssm":
        trainer.criterion = HingeLoss(margin=0.3)

    def vectors(held_out):
        if args.model == "neumf":  # no embeddings: each film is a direction of its own
            return all_scores(trainer), np.eye(N_ITEMS)
        histories = {"seq": np.stack([padded(films[:-held_out]) for films in users])}
        histories["user"] = np.arange(N_USERS)
        return [
            trainer.inference_embedding(
                model, tower, TableLoader(PredictDataset(columns), 1024), folder
            )
            for tower, columns in (("user", histories), ("item", catalogue))
        ]

    validated, tested = [], []
    with TensorBoardXLogger(args.log_dir, comment=f"/{args.model}-seed{args.seed}") as logger:
        for epoch in range(args.epochs or epochs):
            if negatives is not None:
                x["neg"] = random.integers(1, N_ITEMS, (n, *negatives))
            data = labelled(x) if args.model == "neumf" else PredictDataset(x)
            trainer.fit(TableLoader(data, rows, shuffle=True))
            found = vectors(held_out=2)
            validated.append(evaluate(*found, users, held_out=2))
            if args.model not in OF_NUMBERS:  # a history has one film more
                found = vectors(held_out=1)
            tested.append(evaluate(*found, users, held_out=1))
            loss = trainer.history[0]["train/loss"]
            logger.log_metrics({"train/loss": loss, "val": validated[-1]}, epoch)

        popularity = evaluate(np.ones((len(users), 1)), frequency[:, None], users, 1)
        for protocol in ("masked", "unmasked"):
            best = int(np.argmax([val[protocol]["ndcg"] for val in validated]))
            logger.log_metrics({"test": {protocol: tested[best][protocol]}}, best)
            print(f"{protocol}, epoch {best + 1}:")
            for name, found in ((args.model, tested[best]), ("popularity", popularity)):
                m = found[protocol]
                print(f"  {name:<14} test NDCG@10 {m['ndcg']:.4f}  HR@10 {m['hr']:.4f}")


if __name__ == "__main__":
    main()
