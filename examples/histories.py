"""MovieLens-100K as one sequence of movies a user, for the examples that predict the next movie.

Interactions are in order of timestamp, then of the file's rows. Each user's last movie is the test,
the one before it the validation, the rest is for training.
"""

from functools import partial

import numpy as np

from torch_rechub.data.loader import TorchDataset
from torch_rechub.data.public import movielens_100k
from torch_rechub.metrics.retrieval import evaluate_retrieval
from torch_rechub.trainers import RetrievalData

PROTOCOLS = ("masked", "unmasked")
LENGTH = 50
N_USERS, N_ITEMS = 943, 1683  # movies have the ids 1 to 1682; 0 is padding


def users_in_order():
    """The movies and the times of each user."""
    ratings = movielens_100k().ratings.sort_values(["user_id", "timestamp"], kind="stable")
    return [
        (rows["item_id"].to_numpy(), rows["timestamp"].to_numpy())
        for _, rows in ratings.groupby("user_id")
    ]


def popularity(films_of_users):
    """How often each movie occurs in training."""
    train = [films[:-2] for films in films_of_users]
    return np.bincount(np.concatenate(train), minlength=N_ITEMS)


def padded(films):
    """The last movies of a history, behind zeros."""
    films = films[-LENGTH:]
    return np.concatenate([np.zeros(LENGTH - len(films), dtype=np.int64), films])


def steps_of(users):
    """Each movie of a user, its share `q` of all, and the history before it."""
    ends = [(films, end) for films in users for end in range(1, len(films))]
    item = np.array([films[end] for films, end in ends])
    return {
        "seq": np.stack([padded(films[:end]) for films, end in ends]),
        "item": item,
        "q": (np.bincount(item)[item] / len(item)).astype(np.float32),
    }


def pieces_of(users, stride=LENGTH):
    """Pieces of histories, the next movie at each of their steps, and the one after the last.

    A piece ends `stride` movies before the next one does; by less than LENGTH, they overlap.
    """
    pieces = [
        films[max(0, end - LENGTH - 1) : end]
        for films in users
        for end in range(len(films), 1, -stride)
    ]
    return {
        "seq": np.stack([padded(piece[:-1]) for piece in pieces]),
        "pos": np.stack([padded(piece[1:]) for piece in pieces]),
        "item": np.array([piece[-1] for piece in pieces]),
    }


overlapping_pieces_of = partial(pieces_of, stride=10)


def pairs_of(users):
    """The number of a user and a movie, for each movie of each user."""
    lengths = [len(films) for films in users]
    return {"user": np.repeat(np.arange(len(users)), lengths), "item": np.concatenate(users)}


def labeled(x):
    """A row of label 1 for each movie, and one of label 0 for each of its negatives."""
    item = np.column_stack([x["item"], x["neg"]])
    y = np.zeros(item.shape, dtype=np.int64)
    y[:, 0] = 1
    user = np.repeat(x["user"], item.shape[1])
    return TorchDataset({"user": user, "item": item.ravel()}, y.ravel())


def retrieval_of(users, held_out, masked, columns=("seq", "user", "item", "pos")):
    """The data to evaluate on the movie `held_out` positions from the end of each user's movies.

    Args:
        users: The movies of each user.
        held_out: 1 for the test, 2 for validation.
        masked: Whether the movies before it are left out of the ranking.
        columns: The columns that the model reads.
    """
    of_users = {
        "seq": np.stack([padded(films[:-held_out]) for films in users]),
        "user": np.arange(len(users)),
    }
    catalogue = {"item": np.arange(N_ITEMS), "pos": np.arange(N_ITEMS)[:, None]}
    return RetrievalData(
        users={name: column for name, column in of_users.items() if name in columns},
        items={name: column for name, column in catalogue.items() if name in columns},
        relevant=[[films[-held_out]] for films in users],
        seen=[np.append(films[:-held_out], 0) if masked else [0] for films in users],
    )


def evaluate(u, v, users, held_out):
    """NDCG@10 and HR@10 by embeddings, without the user's movies ("masked") and with them."""
    found = {}
    for name in PROTOCOLS:
        data = retrieval_of(users, held_out, name == "masked")
        found[name] = evaluate_retrieval(u, v, data.relevant, data.seen)
    return found
