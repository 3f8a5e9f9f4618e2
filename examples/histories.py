"""MovieLens-100K as one sequence of movies per user, for the examples that predict the next movie.

Interactions are in order of timestamp, then of the file's rows. Each user's last movie is the test,
the one before it the validation, the rest is for training.
"""

from functools import partial

import numpy as np

from torch_rechub.data.interactions import Interactions
from torch_rechub.data.loader import TorchDataset
from torch_rechub.data.public import movielens_100k
from torch_rechub.metrics.retrieval import evaluate_retrieval
from torch_rechub.trainers import RetrievalData

PROTOCOLS = ("masked", "unmasked")
LENGTH = 50
N_USERS, N_ITEMS = 943, 1683  # movies have the ids 1 to 1682; 0 is padding


def users_in_order():
    """Return the movies and timestamps of each user, in order."""
    ratings = movielens_100k().ratings.sort_values(["user_id", "timestamp"], kind="stable")
    return [
        (rows["item_id"].to_numpy(), rows["timestamp"].to_numpy())
        for _, rows in ratings.groupby("user_id")
    ]


def leave_one_out():
    """Return the interactions for training, validation and test."""
    ratings = movielens_100k().ratings
    return Interactions(ratings, "user_id", "item_id", "timestamp").leave_one_out()


def popularity(movies_of_users):
    """Return the number of occurrences of each movie in training."""
    train = [movies[:-2] for movies in movies_of_users]
    return np.bincount(np.concatenate(train), minlength=N_ITEMS)


def padded(movies):
    """Return the last movies of a history, padded with zeros on the left."""
    movies = movies[-LENGTH:]
    return np.concatenate([np.zeros(LENGTH - len(movies), dtype=np.int64), movies])


def steps_of(users):
    """Return each movie of a user, its frequency `q`, and the history before it."""
    ends = [(movies, end) for movies in users for end in range(1, len(movies))]
    item = np.array([movies[end] for movies, end in ends])
    return {
        "seq": np.stack([padded(movies[:end]) for movies, end in ends]),
        "item": item,
        "q": (np.bincount(item)[item] / len(item)).astype(np.float32),
    }


def pieces_of(users, stride=LENGTH):
    """Split histories into pieces, with the next movie at each step and after the last one.

    Consecutive pieces end `stride` movies apart; they overlap if that is less than LENGTH.
    """
    pieces = [
        movies[max(0, end - LENGTH - 1) : end]
        for movies in users
        for end in range(len(movies), 1, -stride)
    ]
    return {
        "seq": np.stack([padded(piece[:-1]) for piece in pieces]),
        "pos": np.stack([padded(piece[1:]) for piece in pieces]),
        "item": np.array([piece[-1] for piece in pieces]),
    }


overlapping_pieces_of = partial(pieces_of, stride=10)


def pairs_of(users):
    """Return pairs of user number and movie, for each movie of each user."""
    lengths = [len(movies) for movies in users]
    return {"user": np.repeat(np.arange(len(users)), lengths), "item": np.concatenate(users)}


def labeled(x):
    """Return a row with label 1 for each movie, and with label 0 for each of its negatives."""
    item = np.column_stack([x["item"], x["neg"]])
    y = np.zeros(item.shape, dtype=np.int64)
    y[:, 0] = 1
    user = np.repeat(x["user"], item.shape[1])
    return TorchDataset({"user": user, "item": item.ravel()}, y.ravel())


def retrieval_of(users, held_out, masked, columns=("seq", "user", "item", "pos")):
    """Return the data to evaluate on the movie `held_out` positions from the end of each user.

    Args:
        users: The movies of each user.
        held_out: 1 for the test, 2 for validation.
        masked: Whether to exclude earlier movies of the user from the ranking.
        columns: The columns that the model reads.
    """
    of_users = {
        "seq": np.stack([padded(movies[:-held_out]) for movies in users]),
        "user": np.arange(len(users)),
    }
    catalog = {"item": np.arange(N_ITEMS), "pos": np.arange(N_ITEMS)[:, None]}
    return RetrievalData(
        users={name: column for name, column in of_users.items() if name in columns},
        items={name: column for name, column in catalog.items() if name in columns},
        relevant=[[movies[-held_out]] for movies in users],
        seen=[np.append(movies[:-held_out], 0) if masked else [0] for movies in users],
    )


def evaluate(u, v, users, held_out):
    """Return NDCG@10 and HR@10 by embeddings, with the user's movies masked and unmasked."""
    found = {}
    for name in PROTOCOLS:
        data = retrieval_of(users, held_out, name == "masked")
        found[name] = evaluate_retrieval(u, v, data.relevant, data.seen)
    return found
