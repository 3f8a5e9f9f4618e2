"""The next movie of a sequence, by a softmax over all movies or by generating semantic ids.

Protocol: that of `next_item.py`, leave-one-out by time over all movies but the last 50 of the user;
early stopping by validation. `RQVAEModel` makes the semantic ids.
"""

import time
from functools import cache, partial

import torch
from histories import LENGTH, N_ITEMS, leave_one_out, users_in_order
from next_item import loaders, most_popular

from torch_rechub.models import generative as G
from torch_rechub.trainers import SeqTrainer

from . import semantic_ids
from .movie_embeddings import movie_embeddings
from .runs import Outcome, Run, parameters_of

EPOCHS, PATIENCE = 40, 3

users = cache(users_in_order)
embeddings = cache(lambda: movie_embeddings(users()))


def measure(name: str, run: Run) -> Outcome:
    """Train and test one model."""
    return MODELS[name](run)


def _popularity(_run):
    return Outcome(_metrics(most_popular(leave_one_out())))


def _by_softmax(make, run):
    torch.manual_seed(run.seed)
    train, val, test = loaders(leave_one_out())
    model = make()
    trainer = SeqTrainer(
        model,
        optimizer_params={"lr": 1e-3, "weight_decay": 1e-5},
        earlystop_patience=PATIENCE,
        monitor="val/loss",  # accuracy would count about ten hits among 943 users
        **run.trainer_settings(EPOCHS),
    )
    started = time.perf_counter()
    trainer.fit(train, val)
    seconds = time.perf_counter() - started
    found = trainer.evaluate_topk(test, topKs=(10,), exclude_seen=True)
    return Outcome(_metrics(found), seconds, parameters_of(model))


def _metrics(found):
    return {"NDCG@10": found["ndcg@10"], "HR@10": found["hit@10"]}


def _hstu():
    return G.HSTUModel(N_ITEMS, 64, 2, 2, 32, 32, LENGTH, 0.2)


def _hllm():
    e = torch.from_numpy(embeddings())
    return G.HLLMModel(e, N_ITEMS, e.shape[1], 2, 2, LENGTH, 0.2)


# Add a new model here.
MODELS = {
    "popularity": _popularity,
    "HSTUModel": partial(_by_softmax, _hstu),
    "HLLMModel": partial(_by_softmax, _hllm),
    "RQVAEModel": lambda run: semantic_ids.measure_rqvae(embeddings()[1:], run),
    "TIGERModel": lambda run: semantic_ids.measure_tiger(embeddings()[1:], users(), run),
}
BASELINES = ("popularity",)
COMPARED = {}
