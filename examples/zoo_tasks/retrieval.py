"""Retrieval: the next movie of each user by the inner product of embeddings.

Protocol: that of `matching.py`, leave-one-out by time over all movies, masked and unmasked. Models
read neither user profiles nor genres: a user is a history or an id.
"""

from functools import cache
from typing import Any

import numpy as np
import torch
from histories import (
    LENGTH,
    N_ITEMS,
    evaluate,
    overlapping_pieces_of,
    popularity,
    users_in_order,
)
from matching import (
    DIM,
    INIT,
    TOWER,
    Recipe,
    build,
    build_of_numbers,
    sequence,
    train,
)
from torch.optim.lr_scheduler import LinearLR

from torch_rechub.basic.features import DenseFeature, SparseFeature
from torch_rechub.models import matching as M
from torch_rechub.models.matching import dssm_senet

from .baselines import item_neighbors
from .runs import Outcome, Run, parameters_of

LIST, DRAWN = {"mode": 2}, (100,)  # 100 negatives per row


class Sequences:
    """The movies of each user, and features of their columns."""

    def __init__(self) -> None:
        self.users = [movies for movies, _ in users_in_order()]
        self.frequency = popularity(self.users)
        self.corrected = {"in_batch_neg": True, "item_frequency": {"item": self.frequency}}
        self.item = SparseFeature("item", N_ITEMS, DIM, initializer=INIT)
        self.pooled, self.steps = sequence("seq", "mean"), sequence("seq", "concat")
        self.negatives, self.q = sequence("neg", "concat"), DenseFeature("q")
        self.session = sequence("seq", "concat", None)
        self.of_session = SparseFeature("item", N_ITEMS, DIM, shared_with="seq")
        self.listed = ([], [self.steps], [self.item], [self.negatives])


# Add a new model here: its constructor from `Sequences` and its training settings. In-batch
# negatives are corrected for popularity.
MODELS = {
    "popularity": None,
    "ItemKNN": None,
    "BPRMF": lambda s: build_of_numbers("bpr_mf", s.users),
    "LightGCN": lambda s: build_of_numbers("light_gcn", s.users),
    "NeuMF": lambda s: build_of_numbers("neumf", s.users),
    "DSSM": lambda s: build("dssm", s.frequency),
    "dssm_senet.DSSM": lambda s: Recipe(
        dssm_senet.DSSM([s.pooled], [s.item], TOWER, TOWER, 0.1), s.corrected, 12, 512
    ),
    "FaceBookDSSM": lambda s: build("facebook_dssm", s.frequency),
    "YoutubeDNN": lambda s: build("youtube_dnn", s.frequency),
    "YoutubeSBC": lambda s: Recipe(
        M.YoutubeSBC([s.pooled], [s.item], [s.q], TOWER, TOWER, 512, 511, 0.1), LIST, 12, 512
    ),
    "MIND": lambda s: Recipe(M.MIND(*s.listed, LENGTH, 0.2, 4, power=1), LIST, 4, 512, DRAWN),
    "ComirecDR": lambda s: Recipe(M.ComirecDR(*s.listed, LENGTH, 0.2, 4), LIST, 4, 512, DRAWN),
    "ComirecSA": lambda s: Recipe(
        M.ComirecSA(*s.listed, 0.1, 4, max_length=LENGTH), LIST, 6, 1024, DRAWN
    ),
    "SINE": lambda s: Recipe(
        M.SINE(["seq"], ["item"], ["neg"], N_ITEMS, DIM, 64, 50, 4, LENGTH), LIST, 6, 1024, DRAWN
    ),
    "GRU4Rec": lambda s: build("gru4rec", s.frequency),
    "NARM": lambda s: Recipe(M.NARM(s.session, 64, 0.25, 0.5, s.of_session), s.corrected, 6, 512),
    "STAMP": lambda s: Recipe(M.STAMP(s.session, 0.05, 0.02, s.of_session), s.corrected, 8, 512),
    "SASRec": lambda s: build("sasrec", s.frequency),
    "BERT4Rec": lambda s: Recipe(
        M.BERT4Rec(s.session, LENGTH, 0.2, mask_rate=0.3, item_feature=s.of_session),
        s.corrected | falling(10),
        10,
        64,
        rows_of=overlapping_pieces_of,
        lr=2e-3,
    ),
}
BASELINES = ("popularity", "ItemKNN")
COMPARED = {}

sequences = cache(Sequences)


def falling(epochs: int) -> dict[str, Any]:
    """Return the options of a learning rate that decreases to 0, epoch by epoch."""
    ends = {"start_factor": 1.0, "end_factor": 0.0, "total_iters": epochs}
    return {"scheduler_fn": LinearLR, "scheduler_params": ends}


def measure(name: str, run: Run) -> Outcome:
    """Train one model, and test the epoch with the best validation NDCG@10 of each protocol."""
    data = sequences()
    if name == "popularity":
        return Outcome(_metrics(_popularity(data)))
    if name == "ItemKNN":
        return Outcome(_metrics(_item_knn(data)))
    torch.manual_seed(run.seed)
    recipe = MODELS[name](data)
    trainer, tests = train(
        recipe, data.users, run.seed, run.epochs, run.device, run.folder, run.lent_trackers()
    )
    seconds = sum(row["seconds"] for row in trainer.history)
    return Outcome(_metrics(tests.tests), seconds, parameters_of(recipe.model))


def _metrics(found):
    masked, unmasked = found["masked"], found["unmasked"]
    return {
        "NDCG@10": masked["ndcg@10"],
        "HR@10": masked["hit@10"],
        "unmasked NDCG@10": unmasked["ndcg@10"],
        "unmasked HR@10": unmasked["hit@10"],
    }


def _popularity(data):
    return evaluate(np.ones((len(data.users), 1)), data.frequency[:, None], data.users, 1)


def _item_knn(data):
    train, known = (_matrix([movies[:-n] for movies in data.users]) for n in (2, 1))
    return evaluate(known, item_neighbors(train, k=100), data.users, 1)


def _matrix(users):
    matrix = np.zeros((len(users), N_ITEMS), dtype=np.float32)
    for row, movies in zip(matrix, users, strict=True):
        row[movies] = 1
    return matrix
