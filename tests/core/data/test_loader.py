"""Loaders: every batch holds the rows it should, in the order that torch itself would give."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader, random_split

from torch_rechub.data.loader import (
    BatchIndices,
    DataGenerator,
    PredictDataset,
    TableLoader,
    TorchDataset,
)

N = 23
X = {"row": np.arange(N), "history": np.arange(2 * N).reshape(N, 2)}
Y = np.arange(N) % 2


def rows(loader):
    """The row numbers of each batch, after a check that the rest of each row came with them."""
    batches = []
    for x, y in loader:
        for number, history, label in zip(x["row"], x["history"], y, strict=True):
            assert history.tolist() == X["history"][number].tolist()
            assert label == Y[number]
        batches.append(x["row"].tolist())
    return batches


def flat(batches):
    return [number for batch in batches for number in batch]


@pytest.mark.parametrize("batch_size", [1, 5, 23, 100])
def test_batches_in_order(batch_size):
    loader = TableLoader(TorchDataset(X, Y), batch_size)
    expected = [list(range(i, min(i + batch_size, N))) for i in range(0, N, batch_size)]
    assert rows(loader) == expected
    assert len(loader) == len(expected)
    assert loader.batch_size == batch_size
    assert isinstance(loader, DataLoader)


def test_a_shuffled_pass_has_every_row_once_and_each_pass_its_own_order():
    loader = TableLoader(TorchDataset(X, Y), 5, shuffle=True)
    first, second = rows(loader), rows(loader)
    assert [len(batch) for batch in first] == [5, 5, 5, 5, 3]
    assert sorted(flat(first)) == sorted(flat(second)) == list(range(N))
    assert flat(first) != flat(second) != list(range(N))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_seed_gives_the_batches_that_torchs_own_loader_gives(num_workers):
    dataset = TorchDataset(X, Y)
    orders = []
    for loader in (
        TableLoader(dataset, 5, shuffle=True, num_workers=num_workers),
        DataLoader(dataset, 5, shuffle=True, num_workers=num_workers),
    ):
        torch.manual_seed(7)
        orders.append([rows(loader), rows(loader)])
    assert orders[0] == orders[1]


def test_workers_fetch_the_same_batches():
    loader = TableLoader(TorchDataset(X, Y), 5, num_workers=2)
    assert rows(loader) == rows(TableLoader(TorchDataset(X, Y), 5))


def test_a_plain_torch_loader_takes_the_data_set_too():
    loader = DataLoader(TorchDataset(X, Y), batch_size=5)
    assert rows(loader) == rows(TableLoader(TorchDataset(X, Y), 5))


def test_inputs_alone():
    batches = list(TableLoader(PredictDataset(X), 10))
    assert [list(batch) for batch in batches] == [["row", "history"]] * 3
    assert flat(b["row"].tolist() for b in batches) == list(range(N))


def test_nothing_gives_no_batch():
    loader = TableLoader(PredictDataset({"a": []}), 4, shuffle=True)
    assert len(loader) == 0
    assert list(loader) == []


@pytest.mark.parametrize(
    "kind", [np.int64, np.array, torch.tensor], ids=["int64", "array", "tensor"]
)
def test_sizes_may_be_whole_numbers_of_any_type(kind):
    loader = TableLoader(TorchDataset(X, Y), kind(10), num_workers=kind(0))
    assert [len(y) for _, y in loader] == [10] * (N // 10) + [N % 10] * (N % 10 > 0)
    assert (loader.batch_size, type(loader.batch_size)) == (10, int)


@pytest.mark.parametrize("batch_size", [0, -1])
def test_an_impossible_batch_size_is_refused(batch_size):
    with pytest.raises(ValueError, match=f"batch_size must be at least 1, got {batch_size}"):
        BatchIndices(5, batch_size)


# The generator


def test_without_a_split_there_is_one_shuffled_loader():
    train, val, test = DataGenerator(X, Y).generate_dataloader(batch_size=4)
    assert sorted(flat(rows(train))) == list(range(N))
    assert flat(rows(train)) != list(range(N))
    assert (val, test) == (None, None)
    assert train.batch_size == 4


def test_the_batch_size_is_16_unless_given():
    assert DataGenerator(X, Y).generate_dataloader()[0].batch_size == 16


@pytest.mark.parametrize("ratio", [[0.7, 0.1], [0.5, 0.5], (0.2, 0.0), [1.0, 0.0]])
def test_a_split_is_that_of_random_split_under_the_same_seed(ratio):
    torch.manual_seed(11)
    loaders = DataGenerator(X, Y).generate_dataloader(split_ratio=ratio, batch_size=4)
    n_train, n_val = int(N * ratio[0]), int(N * ratio[1])
    torch.manual_seed(11)
    parts = random_split(range(N), [n_train, n_val, N - n_train - n_val])
    found = [flat(rows(loader)) for loader in loaders]
    assert sorted(found[0]) == sorted(parts[0])  # shuffled again, each epoch
    assert found[1:] == [list(parts[1]), list(parts[2])]


def test_splits_differ_from_call_to_call_and_cover_every_row():
    data = DataGenerator(X, Y)
    orders = []
    for _ in range(2):
        loaders = data.generate_dataloader(split_ratio=[0.6, 0.2])
        orders.append([flat(rows(loader)) for loader in loaders])
        assert sorted(flat(orders[-1])) == list(range(N))
    assert sorted(orders[0][0]) != sorted(orders[1][0])


def test_only_training_is_shuffled():
    train, val, test = DataGenerator(X, Y).generate_dataloader(split_ratio=[0.4, 0.3])
    assert rows(train) != rows(train)
    assert rows(val) == rows(val)
    assert rows(test) == rows(test)


def test_tables_given_for_each_purpose():
    part = {name: column[:3] for name, column in X.items()}
    other = {name: column[5:7] for name, column in X.items()}
    train, val, test = DataGenerator(X, Y).generate_dataloader(part, Y[:3], other, Y[5:7])
    assert sorted(flat(rows(train))) == list(range(N))
    assert flat(rows(val)) == [0, 1, 2]
    assert flat(rows(test)) == [5, 6]
    _, val, test = DataGenerator(X, Y).generate_dataloader(x_test=other, y_test=Y[5:7])
    assert val is None
    assert flat(rows(test)) == [5, 6]


def test_frames_are_tables_too():
    frame = pd.DataFrame({"row": X["row"], "label": Y})[10:-1]
    train, val, _ = DataGenerator(frame[["row"]], frame["label"]).generate_dataloader(
        split_ratio=[0.5, 0.5], batch_size=3
    )
    found = [x["row"].tolist() for loader in (train, val) for x, _ in loader]
    assert sorted(flat(found)) == list(range(10, N - 1))


def test_labels_of_several_tasks():
    y = np.stack([Y, 1 - Y], axis=1)
    train, *_ = DataGenerator(X, y).generate_dataloader(batch_size=5)
    for x, labels in train:
        assert labels.tolist() == y[x["row"]].tolist()


def test_workers_fetch_for_splits_too():
    torch.manual_seed(1)
    loaders = DataGenerator(X, Y).generate_dataloader(split_ratio=[0.5, 0.5], num_workers=2)
    assert sorted(flat(flat(rows(loader)) for loader in loaders)) == list(range(N))


@pytest.mark.parametrize("ratio", [[0.7], [0.5, 0.3, 0.2], [0.8, 0.3]])
def test_impossible_shares_are_refused(ratio):
    with pytest.raises(ValueError, match=r"two shares.*such as \[0.7, 0.1\]; got") as error:
        DataGenerator(X, Y).generate_dataloader(split_ratio=ratio)
    assert str(ratio) in str(error.value)


NAN = float("nan")
NO_SHARES = [[-0.1, 0.5], [1.1, 0], [NAN, 0.1], [0.5, NAN], ["a", 0.1], [None, 0.1], 0.7, "ab"]


@pytest.mark.parametrize("ratio", NO_SHARES, ids=str)
def test_shares_that_are_none_are_named(ratio):
    with pytest.raises((TypeError, ValueError), match="split_ratio must be"):
        DataGenerator(X, Y).generate_dataloader(split_ratio=ratio)


@pytest.mark.parametrize("argument", ["batch_size", "num_workers"])
@pytest.mark.parametrize("value", [-1, 1.5, np.nan, "x", None, True])
def test_counts_that_are_none_are_named(argument, value):
    with pytest.raises((TypeError, ValueError), match=f"{argument} must be"):
        list(DataGenerator(X, Y).generate_dataloader(**{argument: value})[0])


def test_shares_and_tables_exclude_each_other():
    with pytest.raises(ValueError, match="split_ratio, or x_val and x_test, not both"):
        DataGenerator(X, Y).generate_dataloader(X, Y, split_ratio=[0.7, 0.1])


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"x_val": X}, "both x_val and y_val"),
        ({"y_val": Y}, "both x_val and y_val"),
        ({"x_test": X}, "both x_test and y_test"),
    ],
)
def test_inputs_and_labels_come_together(tables, message):
    with pytest.raises(ValueError, match=message):
        DataGenerator(X, Y).generate_dataloader(**tables)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("group_column", [None, "user"])
@pytest.mark.parametrize("given", [0, 1, 2, 4])
def test_a_loader_continues_from_its_state(shuffle, group_column, given):
    def make(batch_size=3):
        table = PredictDataset({"user": torch.arange(10) // 2, "row": torch.arange(10)})
        return TableLoader(table, batch_size, shuffle, group_column=group_column)

    def rows(batches):
        return [batch["row"].tolist() for batch in batches]

    torch.manual_seed(5)
    loader = make()
    epoch = rows(loader)
    torch.manual_seed(5)
    batches = iter(loader)
    taken = rows(next(batches) for _ in range(min(given, len(epoch))))
    state = loader.state_dict()
    again = make()
    again.load_state_dict(state)
    torch.manual_seed(6)
    assert taken + rows(again) == epoch
    assert sorted(row for batch in rows(again) for row in batch) == list(range(10))
    with pytest.raises(ValueError, match="batch_size=3, but this one has batch_size=4"):
        make(4).load_state_dict(state)
