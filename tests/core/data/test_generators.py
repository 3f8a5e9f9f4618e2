"""Loaders of matching and sequence models: whole batches, in the order each purpose needs."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader, random_split

from torch_rechub.data.generators import MatchDataGenerator, SequenceDataGenerator
from torch_rechub.data.loader import TableLoader
from torch_rechub.data.seq_dataset import SeqDataset

N = 23
X = {"user": np.arange(N), "hist_item": np.arange(2 * N).reshape(N, 2)}
Y = np.arange(N) % 2
USERS, ITEMS = {"user": [3, 1, 2]}, {"item": [9, 8, 7, 6], "price": [0.5, 1.5, 2.5, 3.5]}


def flat(batches):
    return [number for batch in batches for number in batch]


# Matching


@pytest.mark.parametrize("num_workers", [0, 2])
def test_training_is_shuffled_with_labels_users_and_items_keep_their_order(num_workers):
    data = MatchDataGenerator(X, Y)
    train, users, items = data.generate_dataloader(USERS, ITEMS, 5, num_workers=num_workers)
    order = []
    for x, y in train:
        assert x["hist_item"].tolist() == X["hist_item"][x["user"]].tolist()
        assert y.tolist() == Y[x["user"]].tolist()
        order.append(x["user"].tolist())
    assert [len(batch) for batch in order] == [5, 5, 5, 5, 3]
    assert sorted(flat(order)) == list(range(N)) != flat(order)
    assert [batch["user"].tolist() for batch in users] == [[3, 1, 2]]
    assert [batch["item"].tolist() for batch in items] == [[9, 8, 7, 6]]
    assert [list(batch) for batch in items] == [["item", "price"]]


def test_they_are_torchs_loaders_and_fetch_in_process_unless_told():
    for loader in MatchDataGenerator(X, Y).generate_dataloader(USERS, ITEMS, 2):
        assert isinstance(loader, TableLoader)
        assert isinstance(loader, DataLoader)
        assert (loader.num_workers, loader.batch_size) == (0, 2)
    loaders = MatchDataGenerator(X, Y).generate_dataloader(USERS, ITEMS, 2, 2)
    assert [loader.num_workers for loader in loaders] == [2, 2, 2]


@pytest.mark.parametrize("y", [[], (), None, np.array([])])
def test_without_labels_training_gets_the_inputs_alone(y):
    train, _, _ = MatchDataGenerator(X, y).generate_dataloader(USERS, ITEMS, 10)
    assert sorted(flat(batch["user"].tolist() for batch in train)) == list(range(N))
    train, _, _ = MatchDataGenerator(X).generate_dataloader(USERS, ITEMS, 10)
    assert {type(batch) for batch in train} == {dict}


def test_frames_are_tables_too():
    frame = pd.DataFrame({"user": [4, 5, 6], "neg_items": [np.array([1, 2])] * 3})[1:]
    train, _, _ = MatchDataGenerator(frame, pd.Series([0, 1, 0])[1:]).generate_dataloader(
        frame[["user"]], frame, 9
    )
    ((x, y),) = train
    assert x["neg_items"].tolist() == [[1, 2], [1, 2]]
    assert dict(zip(x["user"].tolist(), y.tolist())) == {5: 1, 6: 0}


def test_labels_of_another_length_are_refused():
    with pytest.raises(ValueError, match="x has 23 rows, but y has 2"):
        MatchDataGenerator(X, [0, 1])


# Sequences

TOKENS = np.arange(3 * N, dtype=np.int32).reshape(N, 3)
SEQUENCES = (
    TOKENS,
    np.tile(np.arange(3), (N, 1)),
    1000 + np.arange(N, dtype=np.int32),
    TOKENS * 60,
)


def numbers(loader):
    """The sequences of each batch by number, after a check that the rest of each came with it."""
    batches = []
    for tokens, positions, time_diffs, target in loader:
        assert {part.dtype for part in (tokens, positions, time_diffs, target)} == {torch.int64}
        number = tokens[:, 0].numpy() // 3
        assert tokens.tolist() == TOKENS[number].tolist()
        assert positions.tolist() == [[0, 1, 2]] * len(tokens)
        assert time_diffs.tolist() == (tokens * 60).tolist()
        assert target.tolist() == (1000 + number).tolist()
        batches.append(number.tolist())
    return batches


@pytest.mark.parametrize("num_workers", [0, 2])
def test_one_loader_of_everything(num_workers):
    data = SequenceDataGenerator(*SEQUENCES)
    (loader,) = data.generate_dataloader(5, num_workers)
    assert sorted(flat(numbers(loader))) == list(range(N)) != flat(numbers(loader))
    assert [len(batch) for batch in numbers(loader)] == [5, 5, 5, 5, 3]
    (loader,) = data.generate_dataloader(shuffle=False, num_workers=num_workers)
    assert numbers(loader) == [list(range(N))]
    assert loader.batch_size == 32


@pytest.mark.parametrize("ratio", [(0.7, 0.1, 0.2), [0.5, 0.5, 0], (0.7, 0.1), (0.8, 0.2)])
@pytest.mark.parametrize("shuffle", [True, False])
def test_a_split_is_that_of_random_split_under_the_same_seed(ratio, shuffle):
    torch.manual_seed(11)
    loaders = SequenceDataGenerator(*SEQUENCES).generate_dataloader(
        4, split_ratio=ratio, shuffle=shuffle
    )
    n_train, n_val = int(N * ratio[0]), int(N * ratio[1])
    torch.manual_seed(11)
    parts = random_split(range(N), [n_train, n_val, N - n_train - n_val])
    found = [flat(numbers(loader)) for loader in loaders]
    assert sorted(found[0]) == sorted(parts[0])
    assert found[0] != flat(numbers(loaders[0]))  # shuffled again, each epoch
    assert found[1:] == [list(parts[1]), list(parts[2])]


@pytest.mark.parametrize("ratio", [(0.7, 0.1, 0.1), (0.7, 0.6), (1.2, -0.2, 0.0), (1.0,)])
def test_impossible_shares_are_refused(ratio):
    with pytest.raises(ValueError, match="split_ratio"):
        SequenceDataGenerator(*SEQUENCES).generate_dataloader(split_ratio=ratio)


def test_one_sequence_or_many():
    dataset = SeqDataset(*SEQUENCES)
    assert len(dataset) == N
    assert [part.tolist() for part in dataset[2]] == [[6, 7, 8], [0, 1, 2], [360, 420, 480], 1002]
    for index in (slice(1, 4), [4, 0, 4], torch.tensor([2, 2])):
        assert dataset[index][0].tolist() == TOKENS[index].tolist()
        assert dataset[index][3].tolist() == SEQUENCES[2][index].tolist()
    assert numbers(DataLoader(dataset, batch_size=N)) == [list(range(N))]


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (0, np.arange(N), r"shape \(N, L\), got \(23,\)"),
        (1, TOKENS[:, :2], r"shape \(23, 3\), but seq_positions has \(23, 2\)"),
        (3, TOKENS[:5], r"shape \(23, 3\), but seq_time_diffs has \(5, 3\)"),
        (2, np.arange(5), "23 sequences, but 5 targets"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(place, value, message):
    parts = list(SEQUENCES)
    parts[place] = value
    with pytest.raises(ValueError, match=message):
        SequenceDataGenerator(*parts)
