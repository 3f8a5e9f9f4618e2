"""Loaders whose batches hold whole groups."""

from itertools import chain

import numpy as np
import pytest
import torch

from torch_rechub.data.group_batches import GroupIndices
from torch_rechub.data.loader import TableLoader
from torch_rechub.utils.data import DataGenerator


def table(n=500, n_users=60, seed=0):
    rng = np.random.default_rng(seed)
    user = rng.zipf(1.3, n) % n_users * 7 + 2  # groups of very different sizes
    return {"user": user, "row": np.arange(n)}, rng.integers(0, 2, n)


def users_of(loader):
    return [batch[0]["user"].unique().tolist() for batch in loader]


def test_all_rows_of_a_group_are_in_one_batch_and_every_row_in_one():
    x, y = table()
    loader, _, _ = DataGenerator(x, y).generate_dataloader(batch_size=32, group_column="user")
    batches = list(loader)
    rows = torch.cat([x["row"] for x, _ in batches])
    assert sorted(rows.tolist()) == list(range(500))
    for x_batch, y_batch in batches:
        assert y_batch.tolist() == y[x_batch["row"].numpy()].tolist()
    users = [user for batch in users_of(batches) for user in batch]
    assert len(users) == len(set(users)) == len(set(x["user"].tolist()))


def test_a_batch_ends_with_the_group_that_fills_it():
    groups = torch.tensor([1, 1, 1, 2, 3, 3, 4, 5, 5, 5, 5, 5, 5, 6])
    sizes = [len(batch) for batch in GroupIndices(groups, batch_size=4)]
    assert sum(sizes) == len(groups)
    assert max(sizes) <= 4 + 6 - 1
    assert len(sizes) <= len(GroupIndices(groups, batch_size=4))


def test_a_group_larger_than_a_batch_stays_whole():
    batches = list(GroupIndices(torch.tensor([8] * 10 + [9]), batch_size=4))
    assert [sorted(batch.tolist()) for batch in batches] == [list(range(10)), [10]]


def test_groups_are_shuffled_each_pass_by_the_global_random_state():
    x, y = table()
    loader = TableLoader(DataGenerator(x, y).dataset, 32, shuffle=True, group_column="user")
    torch.manual_seed(3)
    first, second = users_of(loader), users_of(loader)
    assert first != second
    torch.manual_seed(3)
    assert users_of(loader) == first
    in_order = TableLoader(DataGenerator(x, y).dataset, 32, group_column="user")
    assert users_of(in_order) == users_of(in_order)
    assert users_of(in_order)[0] == sorted(set(x["user"].tolist()))[: len(users_of(in_order)[0])]


def test_a_random_split_cuts_between_groups():
    x, y = table()
    loaders = DataGenerator(x, y).generate_dataloader(
        split_ratio=[0.6, 0.2], batch_size=32, group_column="user"
    )
    rows = [torch.cat([x["row"] for x, _ in loader]).tolist() for loader in loaders]
    users = [set(x["user"][part].tolist()) for part in rows]
    assert sorted(chain(*rows)) == list(range(500))
    assert not users[0] & users[1]
    assert not (users[0] | users[1]) & users[2]
    assert len(rows[0]) > len(rows[1]) > 0


def test_a_loader_of_groups_keeps_to_them_in_batches_of_another_size():
    x, y = table()
    loader = TableLoader(DataGenerator(x, y).dataset, 32, group_column="user")
    users = users_of(loader.with_batch_size(64))
    found = list(chain(*users))
    assert len(found) == len(set(found))
    assert len(users) < len(users_of(loader))


def test_groups_that_are_none_are_refused():
    x, y = table()
    with pytest.raises(KeyError, match=r"group_column='shop' is not in the data; .*: user, row"):
        DataGenerator(x, y).generate_dataloader(group_column="shop")
    x["history"] = np.zeros((500, 3), dtype=int)
    with pytest.raises(ValueError, match=r"one number a row, \(N,\), but has shape \(500, 3\)"):
        DataGenerator(x, y).generate_dataloader(group_column="history")
    with pytest.raises(TypeError, match="needs a table in memory, such as TorchDataset"):
        TableLoader(torch.utils.data.TensorDataset(torch.zeros(3)), 2, group_column="user")
