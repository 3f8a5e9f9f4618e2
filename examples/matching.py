"""Retrieve the next movie of each user of MovieLens-100K with any of eight models.

Protocol: interactions in order of timestamp, then of the file's rows. Each user's last movie is the
test, the one before it the validation, the rest is for training. All 1,682 movies are ranked by the
inner product of embeddings, once without those that the user has rated before ("masked"), once with
them ("unmasked"); of equal scores the movie of lower id comes first. For each of the two, the epoch
of best validation NDCG@10 is tested. One to four minutes on one core of a busy machine.

Five models read a user's history. BPRMF, LightGCN and NeuMF read a user id, and rank the movies of
training first: only their masked metrics are meaningful.

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
    PROTOCOLS,
    evaluate,
    labeled,
    overlapping_pieces_of,
    pairs_of,
    popularity,
    retrieval_of,
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
from torch_rechub.trainers import Callback, MatchTrainer

DIM = 64
INIT = RandomNormal(0, 0.02)
TOWER = {"dims": [128, DIM], "activation": "prelu"}
METRICS = ("ndcg@10", "hit@10")
OF_NUMBERS = ("bpr_mf", "light_gcn", "neumf")
MODELS = ("dssm", "facebook_dssm", "youtube_dnn", "gru4rec", "sasrec", *OF_NUMBERS)


class Recipe(NamedTuple):
    """A model and its training settings.

    Attributes:
        model: The model.
        options: The options of `MatchTrainer` that define the objective.
        epochs: Number of epochs.
        rows: Batch size.
        negatives: The shape of the negatives of a row, drawn anew in each epoch; None for none.
        rows_of: Creates rows from the users' movies.
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
    """Return a sequence feature of movies with the table of `shared_with`."""
    return SequenceFeature(
        name, N_ITEMS, DIM, pooling, shared_with, padding_idx=0, initializer=INIT
    )


def build(name, frequency):
    """Return the recipe of a model of histories; `frequency` are the counts of movies."""
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


def build_of_numbers(name, movies_of_users):
    """Return the recipe of a model of user ids."""
    user, item, negative = (
        SparseFeature(column, size, DIM, initializer=INIT)
        for column, size in (("user", N_USERS), ("item", N_ITEMS), ("neg", N_ITEMS))
    )
    x = pairs_of([movies[:-2] for movies in movies_of_users])
    pairs = (x["user"], x["item"])
    model, mode, penalty, lr = {
        "bpr_mf": lambda: (BPRMF(user, item, negative), 1, 1e-5, 5e-3),
        "light_gcn": lambda: (LightGCN(user, item, negative, pairs, num_layers=2), 1, 1e-6, 1e-2),
        "neumf": lambda: (NeuMF(user, item, {"dims": [64, 32]}), 0, 5e-6, 2e-3),
    }[name]()
    options = {"mode": mode, "regularization_params": {"embedding_l2": penalty}}
    epochs, rows, negatives = (8, 4096, (4,)) if name == "neumf" else (30, 1024, ())
    return Recipe(model, options, epochs, rows, negatives, pairs_of, lr=lr)


class Redrawn:
    """A loader that draws new negatives in each epoch.

    Args:
        x: The columns of the rows, without negatives.
        recipe: The recipe with the shape of the negatives and the batch size.
        random: The random generator.
        labels: Whether each negative becomes a row with label 0.
    """

    def __init__(self, x, recipe, random, labels):
        self.x, self.recipe, self.random, self.labels = x, recipe, random, labels
        self.batch_size = recipe.rows

    def __iter__(self):
        n_rows = len(next(iter(self.x.values())))
        negatives = self.random.integers(1, N_ITEMS, (n_rows, *self.recipe.negatives))
        x = {**self.x, "neg": negatives}
        data = labeled(x) if self.labels else PredictDataset(x)
        return iter(TableLoader(data, self.batch_size, shuffle=True))


class TestsOfBest(Callback):
    """A callback that tests the epoch with the best validation NDCG@10 of each protocol.

    Args:
        users: The movies of each user.
        columns: The columns that the model reads.

    Attributes:
        tests: The test metrics of each protocol.
        epochs: The epoch that was tested.
    """

    def __init__(self, users, columns):
        self.unmasked = retrieval_of(users, 2, masked=False, columns=columns)
        # a user id is the same in the test; a history has one more movie
        self.test_data = {p: retrieval_of(users, 1, p == "masked", columns) for p in PROTOCOLS}
        self.best, self.tests, self.epochs = dict.fromkeys(PROTOCOLS, -1.0), {}, {}

    def on_fit_begin(self, trainer):
        """Store the trainer."""
        self.trainer = trainer

    def on_epoch_end(self, row):
        """Test the model if it is the best so far."""
        trainer, model = self.trainer, self.trainer.model
        unmasked = trainer.evaluate_retrieval(model, self.unmasked, METRICS)["ndcg@10"]
        validated = {"masked": row["val/ndcg@10"], "unmasked": unmasked}
        for protocol, ndcg in validated.items():
            if ndcg > self.best[protocol]:
                self.best[protocol], self.epochs[protocol] = ndcg, row["epoch"]
                data = self.test_data[protocol]
                self.tests[protocol] = trainer.evaluate_retrieval(model, data, METRICS)


def train(recipe, users, seed, epochs=None, device="cpu", folder=None, logger=None):
    """Train a model; return the trainer and the test metrics of the best epoch of each protocol."""
    model, random = recipe.model, np.random.default_rng(seed)
    inputs = input_columns(model)
    x = recipe.rows_of([movies[:-2] for movies in users])
    x = {name: column for name, column in x.items() if name in inputs}
    if recipe.negatives is None:
        loader = TableLoader(PredictDataset(x), recipe.rows, shuffle=True)
    else:
        loader = Redrawn(x, recipe, random, labels=isinstance(model, NeuMF))
    tests = TestsOfBest(users, inputs)
    n_epoch = epochs or recipe.epochs
    trainer = MatchTrainer(
        model,
        n_epoch=n_epoch,
        earlystop_patience=n_epoch,
        device=device,
        model_path=folder or tempfile.mkdtemp(),
        model_logger=logger,
        optimizer_params={"lr": recipe.lr, "weight_decay": 0},
        retrieval=retrieval_of(users, 2, masked=True, columns=inputs),
        metrics=METRICS,
        monitor="val/ndcg@10",
        callbacks=[tests],
        **recipe.options,
    )
    if recipe.criterion is not None:
        trainer.criterion = recipe.criterion
    trainer.fit(loader)
    return trainer, tests


def main():
    """Train, test the best epoch, and compare it with popularity."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log-dir", default="runs/matching")
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    users = [movies for movies, _ in users_in_order()]
    frequency = popularity(users)
    if args.model in OF_NUMBERS:
        recipe = build_of_numbers(args.model, users)
    else:
        recipe = build(args.model, frequency)
    logger = TensorBoardXLogger(args.log_dir, comment=f"/{args.model}-seed{args.seed}")
    _, tests = train(recipe, users, args.seed, args.epochs, logger=logger)

    baseline = evaluate(np.ones((len(users), 1)), frequency[:, None], users, 1)
    for protocol in PROTOCOLS:
        print(f"{protocol}, epoch {tests.epochs[protocol] + 1}:")
        for name, found in ((args.model, tests.tests), ("popularity", baseline)):
            m = found[protocol]
            print(f"  {name:<14} test NDCG@10 {m['ndcg@10']:.4f}  HR@10 {m['hit@10']:.4f}")


if __name__ == "__main__":
    main()
