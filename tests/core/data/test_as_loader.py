"""Data in every form that people have them, as loaders."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset, random_split

from torch_rechub.data.as_loader import as_loader
from torch_rechub.data.batch import Batch
from torch_rechub.data.dataset import ParquetIterableDataset
from torch_rechub.data.loader import TableLoader
from torch_rechub.data.seq_dataset import SeqDataset
from torch_rechub.data.table import PredictDataset, TorchDataset

USER, LABELS = list(range(7)), [0, 1, 1, 0, 1, 0, 0]


def read(data, column="user", **kwargs):
    """The rows of a column and the labels, if any, in batches of three."""
    batches = [Batch.unpacked(given) for given in as_loader(data, 3, **kwargs)]
    values = [b.inputs if column is None else b.inputs[column] for b in batches]
    labels = [b.labels for b in batches if b.labels is not None]
    assert [len(v) for v in values] == [3, 3, 1]
    return torch.cat(values).tolist(), torch.cat(labels).tolist() if labels else None


TABLES = {
    "lists": {"user": USER},
    "arrays": {"user": np.array(USER)},
    "tensors": {"user": torch.tensor(USER)},
    "pandas": pd.DataFrame({"user": USER}, index=range(90, 97)),
    "polars": pl.DataFrame({"user": USER}),
    "arrow": pa.table({"user": USER}),
}


@pytest.mark.parametrize("form", TABLES)
def test_a_table_is_read_in_the_order_of_its_rows(form):
    assert read(TABLES[form]) == (USER, None)


@pytest.mark.parametrize("labels", [LABELS, np.array(LABELS), pd.Series(LABELS)])
@pytest.mark.parametrize("form", TABLES)
def test_a_pair_of_a_table_and_labels_is_read_as_such(form, labels):
    assert read((TABLES[form], labels)) == (USER, LABELS)


@pytest.mark.parametrize("form", TABLES)
def test_weights_are_the_third_of_three(form):
    weights = [0.5, 1, 0, 2, 1, 1, 3]
    batches = [Batch.unpacked(given) for given in as_loader((TABLES[form], LABELS, weights), 3)]
    assert torch.cat([batch.inputs["user"] for batch in batches]).tolist() == USER
    assert torch.cat([batch.labels for batch in batches]).tolist() == LABELS
    assert torch.cat([batch.weights for batch in batches]).tolist() == weights


def test_labels_of_several_tasks_may_be_a_frame():
    frame = pd.DataFrame({"click": LABELS, "buy": USER})
    _, labels = read((TABLES["pandas"], frame))
    assert labels == [list(pair) for pair in zip(LABELS, USER, strict=True)]


def test_data_sets_are_read_by_the_batch():
    x = {"user": torch.tensor(USER)}
    order = [3, 1, 2, 6, 0, 4, 5]
    assert read(PredictDataset(x)) == (USER, None)
    assert read(TorchDataset(x, LABELS)) == (USER, LABELS)
    assert read(TensorDataset(torch.tensor(USER), torch.tensor(LABELS)), None) == (USER, LABELS)
    for rows in (order, torch.tensor(order), np.array(order)):
        found = read(Subset(TorchDataset(x, LABELS), rows))
        assert found == (order, [LABELS[i] for i in order])
    nested = Subset(Subset(PredictDataset(x), [6, 5, 4, 3, 2, 1, 0]), [0, 2, 4, 6, 1, 3, 5])
    assert isinstance(as_loader(nested, 3), TableLoader)
    assert read(nested) == ([6, 4, 2, 0, 5, 3, 1], None)


def test_a_part_that_torch_has_split_off_is_read_in_its_own_order():
    data = PredictDataset({"user": torch.arange(20)})
    part, _ = random_split(data, [7, 13], torch.Generator().manual_seed(1))
    assert read(part) == ([int(i) for i in part.indices], None)


class Squares(Dataset):
    """A data set of the user's own, row by row."""

    def __len__(self):
        return 7

    def __getitem__(self, i):
        return {"user": torch.tensor(i), "square": i * i}


def test_a_data_set_of_the_users_own_is_collated():
    assert read(Squares(), "square") == ([i * i for i in USER], None)
    by_hand = as_loader(Squares(), 3, collate_fn=lambda rows: [row["square"] for row in rows])
    assert list(by_hand) == [[0, 1, 4], [9, 16, 25], [36]]


def test_rows_of_an_array_are_batches_of_a_tensor():
    rows = np.arange(14.0).reshape(7, 2)
    assert read(rows, None) == (rows.tolist(), None)
    assert read(torch.from_numpy(rows), None) == (rows.tolist(), None)
    assert read((rows, np.array(LABELS)), None) == (rows.tolist(), LABELS)


def test_columns_of_sequences_are_a_data_set_of_sequences():
    columns = {
        "seq_tokens": [[i, i + 1] for i in USER],
        "seq_positions": [[0, 1]] * 7,
        "seq_time_diffs": [[60, 5]] * 7,
        "targets": USER,
    }
    whole = SeqDataset(**columns)[:]
    for table in (columns, pd.DataFrame(columns), pl.DataFrame(columns), pa.table(columns)):
        batches = list(as_loader(table, 3))
        for k, tensor in enumerate(whole):
            assert torch.equal(torch.cat([batch[k] for batch in batches]), tensor)
    del columns["targets"]
    with pytest.raises(KeyError, match=r"table of sequences .* 'targets' is missing"):
        as_loader(columns, 3)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame, pa.table, dict])
def test_texts_and_dates_that_nothing_reads_are_left_out(frame):
    day = datetime.datetime(2024, 2, 3)
    x = frame({"user": USER, "name": list("abcdefg"), "day": [day] * 7})
    for data in (x, (x, LABELS)):
        assert read(data, needed={"user"})[0] == USER
        for needed in (None, {"user", "name"}):
            with pytest.raises(TypeError, match=r"'name' holds text, not numbers .*: map its"):
                as_loader(data, 3, needed)


def test_loaders_and_iterables_of_batches_are_what_they_were(tmp_path):
    x = {"user": torch.tensor(USER)}
    pyarrow.parquet.write_table(pa.table({"user": USER}), tmp_path / "a.parquet")
    parquet = ParquetIterableDataset([tmp_path / "a.parquet"], batch_size=3)
    loader = DataLoader(PredictDataset(x), 2, shuffle=True)
    batch, y = x, torch.tensor(LABELS)
    for batches in ([batch], [(batch, y)], (batch, batch), ((batch, y), (batch, y)), (batch,)):
        assert as_loader(batches, 3) is batches
    tensors = torch.rand(7, 2).split(3)
    for batches in (parquet, loader, iter([batch]), tensors, tensors[:2]):
        assert as_loader(batches, 3) is batches
    assert read(parquet) == (USER, None)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "got None, which DataGenerator gives"),
        ("clicks.parquet", "got the path 'clicks.parquet': read the file first"),
        (b"user", "got bytes"),
        (7, "got int"),
        ({}, "the table has no columns"),
        ({"user": 3}, "column 'user' is a single value, 3"),
        ({"user": torch.tensor(3)}, "column 'user' is a single value"),
        ({"user": USER, "item": USER[1:]}, "the columns differ in length"),
        (({"user": USER}, LABELS[1:]), "x has 7 rows, but y has 6"),
        ({"user": [[1], [2, 3]]}, "'user' holds rows of different lengths"),
    ],
)
def test_what_is_no_data_is_refused_by_name(data, message):
    with pytest.raises((TypeError, ValueError), match=message):
        as_loader(data, 3)
