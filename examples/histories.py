"""MovieLens-100K as one sequence of films a user, for the examples that predict the next film.

Interactions are in order of timestamp, then of the file's rows. Each user's last film is the test,
the one before it the validation, the rest is for training.
"""

import numpy as np

from torch_rechub.data.public import movielens_100k

LENGTH, N_ITEMS = 50, 1683  # films have the ids 1 to 1682; 0 is padding


def users_in_order():
    """The films and the times of each user."""
    ratings = movielens_100k().ratings.sort_values(["user_id", "timestamp"], kind="stable")
    return [
        (rows["item_id"].to_numpy(), rows["timestamp"].to_numpy())
        for _, rows in ratings.groupby("user_id")
    ]


def popularity(films_of_users):
    """How often each film occurs in training."""
    train = [films[:-2] for films in films_of_users]
    return np.bincount(np.concatenate(train), minlength=N_ITEMS)
