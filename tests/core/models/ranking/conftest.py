"""A batch of four rows with fields, dense values and histories, and the same rows one by one."""

import pytest
import torch

from torch_rechub.basic.features import DenseFeature, SequenceFeature, SparseFeature

ROWS = [
    {
        "user": 8,
        "tags": [1, 2, 0],
        "city": 4,
        "item": 3,
        "kind": 1,
        "age": 0.5,
        "pair": [1.0, -1.0],
    },
    {
        "user": 0,
        "tags": [0, 0, 0],
        "city": 0,
        "item": 6,
        "kind": 4,
        "age": -2.0,
        "pair": [0.5, 3.0],
    },
    {"user": 3, "tags": [6, 6, 6], "city": 2, "item": 1, "kind": 2, "age": 0.0, "pair": [0.0, 0.5]},
    {"user": 5, "tags": [4, 0, 0], "city": 1, "item": 2, "kind": 3, "age": 1.5, "pair": [2.0, 0.0]},
]
HISTORIES = {  # padded on the right, on the left, empty, full
    "items": [[3, 5, 0], [0, 0, 6], [0, 0, 0], [2, 4, 1]],
    "kinds": [[1, 2, 0], [0, 0, 4], [0, 0, 0], [3, 1, 2]],
    "other_items": [[6, 1, 0], [0, 0, 2], [0, 0, 0], [5, 5, 6]],
    "other_kinds": [[4, 4, 0], [0, 0, 3], [0, 0, 0], [1, 3, 4]],
}


@pytest.fixture
def rows():
    return [{**row, **{k: v[i] for k, v in HISTORIES.items()}} for i, row in enumerate(ROWS)]


@pytest.fixture
def batch(rows):
    return {name: torch.tensor([row[name] for row in rows]) for name in rows[0]}


@pytest.fixture
def f():
    """Features by name, fields of width 4; `city` has width 3, and histories that of the target."""

    def history(name, owner, vocab_size, width):
        return SequenceFeature(name, vocab_size, width, "concat", shared_with=owner)

    return {
        "user": SparseFeature("user", 9, 4),
        "city": SparseFeature("city", 5, 3),
        "tags": SequenceFeature("tags", 7, 4),
        "item": SparseFeature("item", 7, 4),
        "kind": SparseFeature("kind", 5, 2),
        "age": DenseFeature("age"),
        "pair": DenseFeature("pair", 2),
        "items": history("items", "item", 7, 4),
        "kinds": history("kinds", "kind", 5, 2),
        "other_items": history("other_items", "item", 7, 4),
        "other_kinds": history("other_kinds", "kind", 5, 2),
    }
