"""Two labels at once: whether a movie gets 4 stars or more, and whether it gets 5.

Protocol: that of `multi_task.py`, a random 8:1:1 split, drawn by the seed, early stopping by the
AUC of the first label. A movie that gets 5 stars got 4 or more: the second label is a conversion
after the first, as ESMM and AITM read them.
"""

import time
from functools import cache

import numpy as np
import torch
from demo import describe
from multi_task import build, liked_and_loved

from torch_rechub.basic.metric import auc_score
from torch_rechub.models import multi_task as T
from torch_rechub.trainers import MTLTrainer
from torch_rechub.utils.data import DataGenerator

from .baselines import movies_mean_label
from .runs import Outcome, Run, parameters_of

LABELS = ("AUC of 4–5 stars", "AUC of 5 stars")
EPOCHS, PATIENCE, BATCH = 20, 3, 512
KINDS = ["classification"] * 2
HIDDEN, TOWER, TWO_LAYERS = ({"dims": dims, "dropout": 0.3} for dims in ([64], [32], [64, 32]))


class Ratings:
    """The columns, both labels, and features of the columns."""

    def __init__(self) -> None:
        self.x, self.y = liked_and_loved()
        self.fields = describe(self.x)
        named = {f.name: f for f in self.fields}
        self.user = [named[n] for n in ("user_id", "age", "gender", "occupation")]
        self.movie = [named[n] for n in ("item_id", "release_year", "genres")]
        self.genres, self.ids = [named["genres"]], [named["user_id"], named["item_id"]]


# Add a new model here: its constructor from `Ratings`.
MODELS = {
    "movie's mean label": None,
    "SharedBottom": lambda r: build("shared_bottom", r.fields),
    "ESMM": lambda r: T.ESMM(r.user, r.movie, TWO_LAYERS, TWO_LAYERS),
    "ESCM2": lambda r: T.ESCM2(r.user, r.movie, TWO_LAYERS, TWO_LAYERS),
    "MMOE": lambda r: build("mmoe", r.fields),
    "PLE": lambda r: build("ple", r.fields),
    "AITM": lambda r: T.AITM(r.fields, 2, HIDDEN, [TOWER] * 2),
    "PEPNet": lambda r: T.PEPNet(r.fields, r.genres, r.ids, KINDS, [TWO_LAYERS] * 2),
}
BASELINES = ("movie's mean label",)
COMPARED = {}
OF_CONVERSIONS = T.ESMM  # predicts 5 stars given 4 or more, then both labels

ratings = cache(Ratings)


def measure(name: str, run: Run) -> Outcome:
    """Train and test one model on one split."""
    data = ratings()
    torch.manual_seed(run.seed)
    model = None if MODELS[name] is None else MODELS[name](data)
    of_conversions = isinstance(model, OF_CONVERSIONS)
    y = np.column_stack([data.y[:, 1], data.y]) if of_conversions else data.y
    torch.manual_seed(run.seed)
    loaders = DataGenerator(data.x, y).generate_dataloader(split_ratio=[0.8, 0.1], batch_size=BATCH)
    if model is None:
        rows = [loader.dataset.indices.numpy() for loader in loaders]
        return Outcome(_of_movies(data.x["item_id"], data.y, rows[0], rows[2]))
    trainer = MTLTrainer(
        model,
        model.task_types,
        earlystop_taskid=int(of_conversions),
        earlystop_patience=PATIENCE,
        **run.trainer_settings(EPOCHS),
    )
    started = time.perf_counter()
    trainer.fit(*loaders[:2])
    seconds = time.perf_counter() - started
    scores = trainer.evaluate(trainer.model, loaders[2])[-2:]
    return Outcome(dict(zip(LABELS, scores, strict=True)), seconds, parameters_of(model))


def _of_movies(movie, y, train, test):
    means = [movies_mean_label(movie[train], labels[train]) for labels in y.T]
    found = [auc_score(labels[test], mean[movie[test]]) for labels, mean in zip(y.T, means)]
    return dict(zip(LABELS, found, strict=True))
