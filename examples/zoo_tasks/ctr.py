"""Ranking: whether a user gives a movie 4 or 5 stars, from features of both.

Split: random 8:1:1, drawn by the seed. Columns: user, movie, age, gender, occupation, release year
and genres, all as ids, as RecBole's documentation has them. Early stopping by validation AUC. The
settings were chosen among six by validation AUC of FM, DeepFM, DCNv2 and PNN with seed 0.
"""

import time
from dataclasses import replace
from functools import cache

import numpy as np
import torch
from demo import describe

from torch_rechub.basic.features import DenseFeature, RandomNormal, SequenceFeature
from torch_rechub.basic.layers.embedding import input_columns
from torch_rechub.basic.metric import auc_score, log_loss
from torch_rechub.data.public import movielens_100k
from torch_rechub.models import ranking as R
from torch_rechub.trainers import CTRTrainer
from torch_rechub.utils.data import DataGenerator

from .baselines import movies_mean_label
from .runs import Outcome, Run, parameters_of

DIM, FFM_DIM, HISTORY = 16, 4, 20
EPOCHS, PATIENCE, BATCH = 60, 2, 2048
MLP = {"dims": [64, 32], "dropout": 0.3}

# Adam's learning rate and weight decay, and the standard deviation of initial embeddings. With
# a learning rate of 1e-3 the first four of `FAST` stop long before convergence.
RATE, DECAY, START = 1e-3, 1e-5, 1e-4
FAST = ("LR", "FM", "FwFM", "AFM", "DeepFFM", "FatDeepFFM", "MaskNet")
# Products of small embeddings grow faster than the running statistics of batch normalization can
# follow: these models start with larger embeddings and weight decay.
HELD = ("DeepFFM", "FatDeepFFM", "FiBiNet", "MaskNet", "FinalMLP")
RATE_OF_FAST, DECAY_OF_HELD, START_OF_HELD = 3e-3, 3e-3, 0.1


class Clicks:
    """The clicks under one split, and features of their columns.

    Attributes:
        x: The columns of `MovieLens100K.clicks`, and `years`, age and release year as numbers, and
            `history` and `others`, see `liked_before`.
        fields: A feature for each column of ids, including the pooled genres.
        cross: The same for models with field-aware embeddings.
        rows: The rows of training, validation and test.

    Args:
        seed: Seed of the split.
        start: Standard deviation of initial embeddings.
    """

    def __init__(self, seed: int, start: float = START) -> None:
        data = movielens_100k()
        self.seed = seed
        self.x, self.y = data.clicks(min_rating=4)
        initial = RandomNormal(0, start)
        self.fields = [replace(f, initializer=initial) for f in describe(self.x, DIM)]
        self.rows = [loader.dataset.indices.numpy() for loader in self.loaders(["item_id"])]
        self.x |= liked_before(self.x, self.y, data.ratings["timestamp"].to_numpy(), self.rows[0])
        self.x["years"] = _standardized(self.x["age"], self.x["release_year"])

        named = {f.name: f for f in self.fields}
        self.item, movies = named["item_id"], named["item_id"].vocab_size
        self.user = [named[n] for n in ("user_id", "age", "gender", "occupation")]
        self.movie = [named[n] for n in ("item_id", "release_year", "genres")]
        self.profile = [f for f in self.fields if f is not self.item]
        self.numbers = DenseFeature("years", 2)
        self.history, self.others = (
            SequenceFeature(name, movies, DIM, "concat", shared_with="item_id", padding_idx=0)
            for name in ("history", "others")
        )
        n = len(self.fields)
        self.cross = [
            replace(f, vocab_size=n * f.vocab_size, embed_dim=FFM_DIM) for f in self.fields
        ]

    def loaders(self, columns):
        """Return the loaders of training, validation and test, with the same rows at each call."""
        torch.manual_seed(self.seed)
        data = DataGenerator({name: self.x[name] for name in columns}, self.y)
        return data.generate_dataloader(split_ratio=[0.8, 0.1], batch_size=BATCH)


# Add a new model here: its constructor from `Clicks`.
MODELS = {
    "movie's mean label": None,
    "LR": lambda c: R.LR(c.fields),
    "FM": lambda c: R.FM(c.fields),
    "FwFM": lambda c: R.FwFM(c.fields),
    "AFM": lambda c: R.AFM(c.fields, DIM, t=16),
    "NFM": lambda c: R.NFM(c.fields, MLP, dropout=0.5),
    "DeepFM": lambda c: R.DeepFM(c.fields, c.fields, MLP),
    "DeepFFM": lambda c: R.DeepFFM(c.fields, c.cross, FFM_DIM, MLP),
    "FatDeepFFM": lambda c: R.FatDeepFFM(c.fields, c.cross, FFM_DIM, 1, MLP),
    "XDeepFM": lambda c: R.XDeepFM(c.fields, MLP, [16, 16]),
    "WideDeep": lambda c: R.WideDeep(c.fields, c.fields, MLP),
    "PNN": lambda c: R.PNN(c.fields, MLP),
    "DCN": lambda c: R.DCN(c.fields, 2, MLP),
    "DCNv2": lambda c: R.DCNv2(c.fields, 2, MLP, low_rank=16, num_experts=2),
    "EDCN": lambda c: R.EDCN(c.fields, 2, MLP),
    "GDCN": lambda c: R.GDCN(c.fields, 2, MLP),
    "FiBiNet": lambda c: R.FiBiNet(c.fields, MLP),
    "AutoInt": lambda c: R.AutoInt(c.fields, None, 2, 2, 0.0, MLP),
    "DLRM": lambda c: R.DLRM([*c.fields, c.numbers], {"dims": [16]}, MLP),
    "MaskNet": lambda c: R.MaskNet(c.fields, [64, 64], "parallel", MLP),
    "FinalMLP": lambda c: R.FinalMLP(c.fields, c.user, c.movie, MLP, MLP),
    "DIN": lambda c: R.DIN(c.profile, [c.history], [c.item], MLP, {"dims": [16]}),
    "DIEN": lambda c: R.DIEN(c.profile, [c.history], [c.others], [c.item], MLP),
    "BST": lambda c: R.BST(c.profile, [c.history], [c.item], MLP, 2, dim_feedforward=64),
}
BASELINES = ("movie's mean label", "LR")
COMPARED = {"AUC": "LR"}

clicks = cache(Clicks)


def measure(name: str, run: Run) -> Outcome:
    """Train and test one model on one split."""
    held = name in HELD
    data = clicks(run.seed, START_OF_HELD if held else START)
    train, _, test = data.rows
    labels = data.y[test]
    if name == "movie's mean label":
        mean = movies_mean_label(data.x["item_id"][train], data.y[train])
        return Outcome(_metrics(labels, mean[data.x["item_id"][test]]))

    torch.manual_seed(run.seed)
    model = MODELS[name](data)
    loaders = data.loaders(input_columns(model))
    rate = RATE_OF_FAST if name in FAST else RATE
    decay = DECAY_OF_HELD if held else DECAY
    trainer = CTRTrainer(
        model,
        optimizer_params={"lr": rate, "weight_decay": decay},
        earlystop_patience=PATIENCE,
        loss_mode=not isinstance(model, R.DIEN),
        **run.trainer_settings(EPOCHS),
    )
    started = time.perf_counter()
    trainer.fit(*loaders[:2])
    seconds = time.perf_counter() - started
    found = _metrics(labels, trainer.predict(trainer.model, loaders[2]))
    return Outcome(found, seconds, parameters_of(model))


def _metrics(labels, predictions):
    return {"AUC": auc_score(labels, predictions), "log loss": log_loss(labels, predictions)}


def _standardized(*columns):
    values = np.stack(columns, axis=1).astype(np.float32)
    return (values - values.mean(axis=0)) / values.std(axis=0)


def liked_before(x, y, times, train):
    """Return the last movies that each row's user liked before, padded with 0 on the left.

    Only positives of training rows with earlier timestamps count, so that neither the row's own
    label, nor labels of validation and test, nor later events leak. `others` are random movies, one
    for each movie of the history.
    """
    users, movies = x["user_id"], x["item_id"]
    liked = train[y[train] == 1]
    liked = liked[np.lexsort((liked, times[liked], users[liked]))]
    moment = users * (int(times.max()) + 1) + times  # sorts by user, then by time
    end = np.searchsorted(moment[liked], moment)
    first = np.searchsorted(users[liked], users)
    place = end[:, None] + np.arange(-HISTORY, 0)
    valid = place >= first[:, None]
    history = np.where(valid, movies[liked][place.clip(min=0)], 0)
    drawn = np.random.default_rng(0).integers(1, movies.max() + 1, history.shape)
    return {"history": history, "others": np.where(valid, drawn, 0)}
