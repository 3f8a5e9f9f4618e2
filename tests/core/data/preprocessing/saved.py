"""A preprocessor with columns of every kind and setting, to be saved."""

import numpy as np

from torch_rechub.data.preprocessing import (
    Bucketized,
    Categorical,
    Crossed,
    Embedding,
    Hashed,
    MultiCategorical,
    Numeric,
    Preprocessor,
    Target,
    Text,
    Timestamp,
)


def tenfold(x):
    return x * 10


def load(folder):
    """Load the preprocessor of a folder, with its one function."""
    return Preprocessor.load(folder, functions={"tenfold": tenfold})


LOG = {
    "user": ["7", "8", "7", None, "007"],
    "item": [3, 4, None, 3, 3],
    "hist": [[3], [4, 5], [], None, [3, 3, 4]],
    "price": [1.5, None, 0.1, 7, 1e9],
    "time": ["2024-05-01T10:00:00+02:00", None, "2024-05-02T00:00:00Z", "", "2020-02-29T12:00:00Z"],
    "title": ["The Piano", "钢琴 the", None, "", "a a a"],
    "image": np.arange(10.0).reshape(5, 2),
    "rating": [1, 5, 3, 4, 2],
    "weight": [1, 2, 3, 4, 5.5],
}
COLUMNS = [
    Categorical("user", min_count=np.int64(1), embed_dim=8),
    Categorical("item", max_size=2),
    MultiCategorical("hist", shared_with="item", keep="last", max_length=2, pooling="concat"),
    Hashed("user", buckets=100, name="user_hash"),
    Crossed("user", "item", buckets=50),
    Numeric("price", scale="standard", transform="log1p", indicator=True, clip=(0, None)),
    Numeric("price", scale="robust", missing=np.float32(0.1), name="robust", transform=tenfold),
    Bucketized("price", quantiles=3, name="bucket"),
    Bucketized("price", boundaries=np.array([0.1, 1]), name="given"),
    Timestamp("time", parts=("hour", "dayofyear"), timezone="Asia/Tokyo"),
    Timestamp("time", cyclical=True, name="cycle"),
    Text("title"),
    Embedding("image"),
    Embedding("item", vectors={3: [0.1, 0.2], 9: [1.0, 2.0]}, trainable=True, name="item_text"),
]
TARGETS = [Target("rating", threshold=4, name="liked"), "rating"]
SERVING = {
    **{k: v for k, v in LOG.items() if k not in ("rating", "weight")},
    "user": ["007", "9", 7, "", "8"],
}
