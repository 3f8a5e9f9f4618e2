"""Retrieve the next film of each user of MovieLens-100K, with a sequence model or two towers.

Protocol: interactions in order of timestamp, then of the file's rows. Each user's last film is the
test, the one before it the validation, the rest is for training. All 1,682 films are ranked by the
inner product of embeddings; those that the user has rated before are left out; of equal scores the
film of lower id comes first. The epoch of best validation NDCG@10 is tested.

    python examples/matching.py gru4rec     # or: youtube_dnn, sasrec
"""

import argparse
import tempfile

import numpy as np
import torch

from torch_rechub.basic.features import RandomNormal, SequenceFeature, SparseFeature
from torch_rechub.basic.retrieval import evaluate_retrieval
from torch_rechub.basic.tracking import TensorBoardXLogger
from torch_rechub.data.loader import TableLoader
from torch_rechub.data.public import movielens_100k
from torch_rechub.data.table import PredictDataset, TorchDataset
from torch_rechub.models.matching import GRU4Rec, SASRec, YoutubeDNN
from torch_rechub.trainers import MatchTrainer

LENGTH, N_ITEMS, DIM = 50, 1683, 64  # films have the ids 1 to 1682; 0 is padding
INIT = RandomNormal(0, 0.02)
TOWER = {"dims": [128, DIM], "activation": "relu"}


def films_of_each_user():
    """One array of films a user, in order of time."""
    ratings = movielens_100k().ratings.sort_values(["user_id", "timestamp"], kind="stable")
    return [films.to_numpy() for _, films in ratings.groupby("user_id")["item_id"]]


def padded(films):
    """The last films of a history, behind zeros."""
    films = films[-LENGTH:]
    return np.concatenate([np.zeros(LENGTH - len(films), dtype=np.int64), films])


def sequence(name, pooling, shared_with="item"):
    """Films in the table of `shared_with`."""
    return SequenceFeature(
        name, N_ITEMS, DIM, pooling, shared_with, padding_idx=0, initializer=INIT
    )


def build(name):
    """The model, the trainer's mode, how many negatives a row it needs, and how many epochs."""
    item, pooled = SparseFeature("item", N_ITEMS, DIM, initializer=INIT), sequence("seq", "mean")
    if name == "sasrec":
        steps = [
            sequence("seq", "concat", None),
            *(sequence(n, "concat", "seq") for n in ("pos", "neg")),
        ]
        model = SASRec(steps, max_len=LENGTH, dropout_rate=0.2, num_heads=2)
        return model, 1, LENGTH, 100
    negatives = sequence("neg", "concat")
    if name == "youtube_dnn":
        model = YoutubeDNN([pooled], [item], [negatives], TOWER, temperature=0.1)
    else:
        history, params = sequence("seq", "concat"), {**TOWER, "num_layers": 1, "dropout": 0.2}
        model = GRU4Rec([], [history], [item], [negatives], params, temperature=0.1)
    return model, 2, 100, 8


def training_columns(users, every_step):
    """Histories and what came next: a film, or where `every_step`, the next film at each step."""
    if not every_step:
        ends = [(films, end) for films in users for end in range(1, len(films) - 2)]
        histories = np.stack([padded(films[:end]) for films, end in ends])
        return {"seq": histories, "item": np.array([films[end] for films, end in ends])}
    pieces = [
        films[max(0, end - LENGTH - 1) : end]
        for films in users
        for end in range(len(films) - 2, 1, -LENGTH)
    ]
    return {
        "seq": np.stack([padded(piece[:-1]) for piece in pieces]),
        "pos": np.stack([padded(piece[1:]) for piece in pieces]),
    }


def main():
    """Train, keep the best epoch, and compare it with popularity."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=["youtube_dnn", "gru4rec", "sasrec"])
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log-dir", default="runs/matching")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    random = np.random.default_rng(args.seed)

    users = films_of_each_user()
    model, mode, n_negatives, epochs = build(args.model)
    x = training_columns(users, every_step=args.model == "sasrec")
    item_column = (
        {"pos": np.arange(N_ITEMS)[:, None]} if "pos" in x else {"item": np.arange(N_ITEMS)}
    )
    folder = tempfile.mkdtemp()
    trainer = MatchTrainer(
        model,
        mode=mode,
        n_epoch=1,
        model_path=folder,
        optimizer_params={"lr": 1e-3, "weight_decay": 0},
    )

    def score(held_out):
        """Metrics of finding the film `held_out` places from the end of each user's films."""
        histories = [films[:-held_out] for films in users]
        loader = TableLoader(PredictDataset({"seq": np.stack(list(map(padded, histories)))}), 1024)
        u = trainer.inference_embedding(model, "user", loader, folder)
        catalogue = TableLoader(PredictDataset(item_column), 4096)
        v = trainer.inference_embedding(model, "item", catalogue, folder)
        target = [films[-held_out : len(films) - held_out + 1] for films in users]
        return evaluate_retrieval(u, v, target, seen=[np.append(h, 0) for h in histories])

    best, test = {"ndcg@10": -1.0}, {}
    with TensorBoardXLogger(args.log_dir, comment=f"/{args.model}-seed{args.seed}") as logger:
        for epoch in range(args.epochs or epochs):
            # drawn anew for each epoch; every label says that the positive is in column 0
            x["neg"] = random.integers(1, N_ITEMS, (len(x["seq"]), n_negatives))
            data = TorchDataset(x, np.zeros(len(x["seq"])))
            rows = 128 if args.model == "sasrec" else 1024
            trainer.fit(TableLoader(data, rows, shuffle=True))
            val = score(held_out=2)
            logger.log_metrics({"train/loss": trainer.history[0]["train/loss"], "val": val}, epoch)
            if val["ndcg@10"] > best["ndcg@10"]:
                best, test = val, score(held_out=1)
        logger.log_metrics({"test": test})

    counts = np.bincount(np.concatenate([films[:-2] for films in users]), minlength=N_ITEMS)
    popularity = evaluate_retrieval(
        torch.ones(len(users), 1),
        torch.from_numpy(counts[:, None]).float(),
        [films[-1:] for films in users],
        seen=[np.append(films[:-1], 0) for films in users],
    )
    for name, found in ((args.model, test), ("popularity", popularity)):
        print(f"{name:<14} test NDCG@10 {found['ndcg@10']:.4f}  HR@10 {found['hit@10']:.4f}")


if __name__ == "__main__":
    main()
