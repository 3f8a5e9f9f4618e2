"""Columns that are no tensors reach a user's collate function as given; our loaders refuse them."""

import datetime
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Subset, random_split

from torch_rechub.data.loader import DataGenerator, TableLoader
from torch_rechub.utils.data import (
    MatchDataGenerator,
    PredictDataset,
    SeqDataset,
    SequenceDataGenerator,
    TorchDataset,
)

HISTORIES = [[1, 2, 3], [4], [5, 6]]
LABELS = [0, 1, 1]
RAGGED = {
    "lists": HISTORIES,
    "tuple of tuples": tuple(map(tuple, HISTORIES)),
    "list of arrays": [np.array(h) for h in HISTORIES],
    "list of tensors": [torch.tensor(h) for h in HISTORIES],
    "array of lists": np.array(HISTORIES, dtype=object),
    "array of arrays": np.array([np.array(h) for h in HISTORIES], dtype=object),
    "pandas": pd.Series(HISTORIES, index=[7, 3, 5]),
    "polars": pl.Series(HISTORIES),
    "arrow": pa.chunked_array([HISTORIES[:1], HISTORIES[1:]]),
}


def padded(batch):
    x = [row[0] if isinstance(row, tuple) else row for row in batch]
    columns = {"history": pad_sequence([torch.tensor(list(r["history"])) for r in x], True)}
    columns["user"] = torch.tensor([int(r["user"]) for r in x])
    labels = [int(row[1]) for row in batch if isinstance(row, tuple)]
    return (columns, torch.tensor(labels)) if labels else columns


@pytest.mark.parametrize("kind", RAGGED)
@pytest.mark.parametrize("labeled", [True, False])
def test_a_users_collate_function_gets_rows_of_several_lengths(kind, labeled):
    x = {"user": np.array([7, 8, 9]), "history": RAGGED[kind]}
    dataset = TorchDataset(x, LABELS) if labeled else PredictDataset(x)
    assert len(dataset) == 3
    found = list(DataLoader(dataset, batch_size=2, collate_fn=padded))
    columns = [batch[0] if labeled else batch for batch in found]
    assert [c["history"].tolist() for c in columns] == [[[1, 2, 3], [4, 0, 0]], [[5, 6]]]
    assert [c["user"].tolist() for c in columns] == [[7, 8], [9]]
    assert not labeled or [batch[1].tolist() for batch in found] == [[0, 1], [1]]


def test_rows_of_lists_are_the_very_lists():
    dataset = TorchDataset({"history": HISTORIES}, LABELS)
    assert all(dataset[i][0]["history"] is HISTORIES[i] for i in range(3))
    assert list(dataset.x["history"]) == HISTORIES


@pytest.mark.parametrize(
    "column",
    [
        ["a", "bc", ""],
        np.array(["a", "bc", ""]),
        pd.Series(["a", None, "b"]),
        pd.Series(["a", "b", "a"], dtype="category"),
        [{"a": 1}, {"b": 2}, {}],
        [datetime.date(2024, 1, day) for day in (1, 2, 3)],
        np.array(["2024-01-01", "2024-01-02", "2024-01-03"], dtype="datetime64[D]"),
        [[[1], [2, 3]], [[4], [5]], [[6], [7]]],
        [["a", "b"], ["c"], []],
        [1, [2, 3], 4],
        pl.Series(["a", "b", "c"]),
        pa.chunked_array([["a", "b", "c"]]),
    ],
    ids=lambda c: f"{type(c).__module__}-{next(iter(c))}",
)
def test_whatever_a_row_holds_passes_through(column):
    expected = column.to_numpy() if hasattr(column, "to_numpy") else column
    dataset = TorchDataset({"user": [1, 2, 3], "what": column}, LABELS)
    for loader in (
        DataLoader(dataset, batch_size=2, collate_fn=list),
        DataLoader(Subset(dataset, [0, 1, 2]), batch_size=2, collate_fn=list),
    ):
        rows = [x["what"] for batch in loader for x, _ in batch]
        assert all(a is b or a == b for a, b in zip(rows, expected, strict=True))


def test_labels_pass_through_too():
    dataset = TorchDataset({"user": [1, 2]}, [[3, 4], [5]])
    assert [y for _, y in DataLoader(dataset, batch_size=None, collate_fn=lambda row: row)] == [
        [3, 4],
        [5],
    ]


@pytest.mark.parametrize(
    "index",
    [slice(0, 2), slice(0, 3, 2), [2, 0], [-1], np.array([1, 1]), torch.tensor([2, 1])],
    ids=str,
)
def test_many_rows_at_once_are_a_list_of_rows(index):
    dataset = TorchDataset({"user": np.arange(3), "history": HISTORIES}, LABELS)
    x, _ = dataset[index]
    numbers = np.arange(3)[np.asarray(index) if torch.is_tensor(index) else index]
    expected = [HISTORIES[i] for i in numbers]
    assert x["history"] == expected
    assert x["user"].tolist() == [HISTORIES.index(h) for h in expected]


def test_a_mask_takes_the_rows_that_it_marks():
    dataset = PredictDataset({"history": HISTORIES})
    assert dataset[torch.tensor([True, False, True])]["history"] == [[1, 2, 3], [5, 6]]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_workers_load_them(num_workers):
    dataset = TorchDataset({"user": np.arange(3), "history": HISTORIES}, LABELS)
    part = random_split(dataset, [2, 1], torch.Generator().manual_seed(0))[0]
    loader = DataLoader(part, batch_size=2, collate_fn=padded, num_workers=num_workers)
    ((x, _),) = loader
    rows = [[number for number in row if number] for row in x["history"].tolist()]
    assert rows == [HISTORIES[user] for user in x["user"]]
    assert pickle.loads(pickle.dumps(dataset))[1][0]["history"] == [4]  # noqa: S301


# Loading by the batch

NESTED = [[[1], [2, 3]], [[4], [5]], [[6], [7]]]
REMEDY = "'what' holds rows of different lengths{}: .*pad_sequences.*collate_fn"
REFUSED = [
    (HISTORIES, ValueError, REMEDY.format(r" \(1 to 3\)")),
    (NESTED, ValueError, REMEDY.format("")),
    (["a", "b", "c"], TypeError, "'what' holds text, not numbers .'a' in row 0.: map its values"),
]


@pytest.mark.parametrize(("column", "error", "message"), REFUSED)
def test_our_own_loaders_name_the_column_and_the_remedy(column, error, message):
    x = {"user": [1, 2, 3], "what": column}
    dataset, users = TorchDataset(x, LABELS), {"user": [1, 2, 3]}
    for make in (
        lambda: TableLoader(dataset, 2),
        lambda: TableLoader(PredictDataset(x), 2),
        lambda: TableLoader(Subset(dataset, [0, 2]), 2),
        lambda: DataGenerator(x, LABELS).generate_dataloader(batch_size=2),
        lambda: DataGenerator(x, LABELS).generate_dataloader(split_ratio=[0.4, 0.3]),
        lambda: DataGenerator(users, LABELS).generate_dataloader(x_val=x, y_val=LABELS),
        lambda: MatchDataGenerator(x, LABELS).generate_dataloader(users, users, 2),
        lambda: MatchDataGenerator(users).generate_dataloader(users, x, 2),
    ):
        with pytest.raises(error, match=message):
            make()


def test_labels_that_are_no_numbers_are_named():
    with pytest.raises(TypeError, match="'y' holds text, not numbers"):
        TableLoader(TorchDataset({"user": [1, 2]}, ["a", "b"]), 2)


# Sequences of tokens

TIMES = [[0, 9, 9], [0], [0, 1]]
POSITIONS = [[0, 1, 2], [0], [0, 1]]


@pytest.mark.parametrize("kind", RAGGED)
def test_token_sequences_of_several_lengths(kind):
    dataset = SeqDataset(RAGGED[kind], POSITIONS, [7, 8, 9], TIMES)
    rows = [[part.tolist() for part in dataset[i]] for i in range(3)]
    assert rows == [[h, p, t, y] for h, p, t, y in zip(HISTORIES, POSITIONS, TIMES, [7, 8, 9])]
    assert {part.dtype for part in dataset[0]} == {torch.int64}
    assert [row.tolist() for row in dataset[[2, 1]][0]] == [[5, 6], [4]]


def test_token_sequences_that_do_not_fit_together_are_named():
    with pytest.raises(ValueError, match="sequence 1 has 1 tokens, but 2 seq_time_diffs"):
        SeqDataset(HISTORIES, POSITIONS, LABELS, [[0, 1, 2], [0, 1], [0, 1]])
    with pytest.raises(ValueError, match="there are 3 sequences, but 2 of seq_positions"):
        SeqDataset(HISTORIES, POSITIONS[:2], LABELS, TIMES)
    with pytest.raises(ValueError, match="there are 3 sequences, but 2 targets"):
        SeqDataset(HISTORIES, POSITIONS, LABELS[:2], TIMES)


def test_our_own_loader_of_sequences_names_what_is_irregular():
    with pytest.raises(ValueError, match="'seq_tokens' holds rows of different lengths"):
        SequenceDataGenerator(HISTORIES, POSITIONS, LABELS, TIMES).generate_dataloader()
