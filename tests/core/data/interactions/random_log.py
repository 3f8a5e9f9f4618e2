"""Random logs with ties, duplicates and single-row users, and naive loops over them."""

from collections import Counter

import numpy as np
import pandas as pd

from torch_rechub.data.interactions import Interactions

NAMES = ("user", "item", "time", "rating")


def random_log(n_rows=160, n_users=12, n_items=15, seed=0):
    """A frame of text ids in no order, with times that many rows share.

    The last rows are of a user with one row and of a user with two.
    """
    rng = np.random.default_rng(seed)
    user = rng.zipf(1.3, size=n_rows) % n_users
    item = rng.integers(n_items, size=n_rows)
    return pd.DataFrame(
        {
            "user": [f"u{u}" for u in user[:-3]] + ["v", "w", "w"],
            "item": [f"i{i:02}" for i in item],
            "time": rng.integers(40, size=n_rows) * 60,
            "rating": rng.integers(1, 6, size=n_rows),
            "cate": [f"c{i % 4}" for i in item],
            "device": rng.integers(3, size=n_rows),
        }
    )


def interactions(log):
    return Interactions(log, *NAMES, attributes=["cate", "device"])


def in_order(log):
    """The rows of a frame as dicts, sorted by user, time and row."""
    records = [{**record, "row": i} for i, record in enumerate(log.to_dict("records"))]
    return sorted(records, key=lambda r: (r["user"], r["time"], r["row"]))


def naive_core(records, user, item):
    """The records after removing rare users and items, one kind after the other."""
    while True:
        users, items = (Counter(r[name] for r in records) for name in ("user", "item"))
        rest = [r for r in records if users[r["user"]] >= user and items[r["item"]] >= item]
        if len(rest) == len(records):
            return rest
        records = rest


def rows(records):
    return [record["row"] for record in records]
