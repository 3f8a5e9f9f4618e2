"""The next film of a sequence, trained on every step with a softmax over all films.

Protocol: that of `next_item.py`, leave-one-out by time over all films but the last 50 of the user;
early stopping by the accuracy of validation.
"""

import time
from functools import cache

import torch
from histories import LENGTH, N_ITEMS, users_in_order
from next_item import loaders, most_popular

from torch_rechub.models import generative as G
from torch_rechub.trainers import SeqTrainer

from .runs import Outcome, Run, parameters_of

EPOCHS, PATIENCE = 60, 10

# A new model joins by a line here.
MODELS = {
    "popularity": None,
    "HSTUModel": lambda: G.HSTUModel(N_ITEMS, 64, 2, 2, 32, 32, LENGTH, 0.2),
}
BASELINES = ("popularity",)
COMPARED = {}

users = cache(users_in_order)


def measure(name: str, run: Run) -> Outcome:
    """Train and test one model."""
    if name == "popularity":
        return Outcome(_metrics(most_popular(users())))
    torch.manual_seed(run.seed)
    train, val, test = loaders(users())
    model = MODELS[name]()
    trainer = SeqTrainer(
        model,
        optimizer_params={"lr": 1e-3, "weight_decay": 1e-5},
        earlystop_patience=PATIENCE,
        **run.trainer_settings(EPOCHS),
    )
    started = time.perf_counter()
    trainer.fit(train, val)
    seconds = time.perf_counter() - started
    found = trainer.evaluate_topk(test, topKs=(10,), exclude_seen=True)
    return Outcome(_metrics(found), seconds, parameters_of(model))


def _metrics(found):
    return {"NDCG@10": found["ndcg@10"], "HR@10": found["hit@10"]}
