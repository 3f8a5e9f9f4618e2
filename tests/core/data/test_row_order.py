"""Loaders are read in the order of their data set, and whole."""

import inspect
import logging

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

from torch_rechub.data.dataset import ParquetIterableDataset
from torch_rechub.data.loader import BatchIndices, TableLoader
from torch_rechub.data.row_order import in_row_order, with_every_row
from torch_rechub.data.table import PredictDataset, TorchDataset

N = 23
DATA = PredictDataset({"user": torch.arange(N)})


class Rows(Dataset):
    """The numbers from 0, of a data set that takes one index at a time."""

    def __len__(self):
        return N

    def __getitem__(self, i):
        return {"user": int(i)}


class Backwards(Sampler):
    """A sampler of the user's own, which draws each row once."""

    def __iter__(self):
        return iter(range(N - 1, -1, -1))

    def __len__(self):
        return N


class EvenFirst(Sampler):
    """A sampler of batches, of two sizes."""

    def __iter__(self):
        yield list(range(0, N, 2))
        yield list(range(1, N, 2))


def rows(loader):
    return [i for batch in loader for i in np.atleast_1d(np.asarray(batch["user"])).tolist()]


def loader(data=None, **kwargs):
    return DataLoader(Rows() if data is None else data, **kwargs)


OUT_OF_ORDER = {
    "a shuffling table loader": lambda: TableLoader(DATA, 4, shuffle=True),
    "a shuffling loader": lambda: loader(batch_size=4, shuffle=True),
    "a shuffling loader of a table": lambda: loader(DATA, batch_size=4, shuffle=True),
    "a loader that drops the last rows": lambda: loader(batch_size=4, drop_last=True),
    "one that does both": lambda: loader(batch_size=4, shuffle=True, drop_last=True),
    "one that shuffles rows, not batches": lambda: loader(batch_size=None, shuffle=True),
    "one with workers": lambda: loader(batch_size=4, shuffle=True, num_workers=2),
    "a random sampler": lambda: loader(batch_size=4, sampler=RandomSampler(Rows())),
    "a sampler of all rows as a subset": lambda: loader(
        batch_size=4, sampler=SubsetRandomSampler(range(N))
    ),
    "a sampler of the user's own": lambda: loader(batch_size=4, sampler=Backwards()),
    "the same of single rows": lambda: loader(batch_size=None, sampler=Backwards()),
    "a batch sampler": lambda: loader(
        batch_sampler=BatchSampler(RandomSampler(Rows()), 4, drop_last=True)
    ),
    "a batch sampler of the user's own": lambda: loader(batch_sampler=EvenFirst()),
    "shuffled batches of indices": lambda: loader(
        DATA, batch_size=None, sampler=BatchIndices(N, 4, shuffle=True)
    ),
    "a sampler of several processes": lambda: loader(
        batch_size=4, sampler=DistributedSampler(Rows(), num_replicas=1, rank=0)
    ),
}


@pytest.mark.parametrize("name", OUT_OF_ORDER)
def test_rows_out_of_order_are_read_in_order_and_whole(name, caplog):
    given = OUT_OF_ORDER[name]()
    torch.manual_seed(2)
    assert rows(given) != list(range(N))
    with caplog.at_level(logging.INFO, "torch_rechub"):
        assert rows(in_row_order(given)) == list(range(N))
    assert [r.getMessage() for r in caplog.records] == [
        "The loader shuffles or drops rows: all of them are read, in the order of the data."
    ]


@pytest.mark.parametrize(
    "given",
    [
        TableLoader(DATA, 4),
        TableLoader(Subset(DATA, torch.tensor([5, 3, 9])), 2),
        loader(batch_size=4),
        loader(batch_size=None),
        loader(batch_size=4, num_workers=2),
        loader(batch_sampler=BatchSampler(SequentialSampler(Rows()), 4, drop_last=False)),
        loader(DATA, batch_size=None, sampler=BatchIndices(N, 4)),
        [{"user": torch.arange(3)}],
    ],
)
def test_loaders_in_order_stay_what_they_are(given, caplog):
    with caplog.at_level(logging.INFO, "torch_rechub"):
        assert in_row_order(given) is given
        assert with_every_row(given) is given
    assert not caplog.records


def test_the_loader_read_in_order_has_the_workers_and_the_collate_fn_of_the_other():
    def collate(batch):
        return {"user": torch.tensor([-row["user"] for row in batch])}

    given = loader(batch_size=4, shuffle=True, collate_fn=collate, num_workers=1, timeout=9)
    found = in_row_order(given)
    assert (found.collate_fn, found.num_workers, found.timeout) == (collate, 1, 9)
    assert rows(found) == [-i for i in range(N)]
    assert [len(b["user"]) for b in found] == [4, 4, 4, 4, 4, 3]


PICKED = {
    "RandomSampler": lambda: RandomSampler(Rows(), replacement=True),
    "WeightedRandomSampler": lambda: WeightedRandomSampler(torch.ones(N), N),
    "SubsetRandomSampler": lambda: SubsetRandomSampler(range(5)),
    "SequentialSampler": lambda: SequentialSampler(range(5)),
    "DistributedSampler": lambda: DistributedSampler(Rows(), num_replicas=2, rank=0),
}


@pytest.mark.parametrize("in_batches", [False, True])
@pytest.mark.parametrize("name", PICKED)
def test_a_sampler_that_picks_rows_is_refused_by_name_and_without_a_draw(name, in_batches):
    sampler = PICKED[name]()
    given = (
        loader(batch_sampler=BatchSampler(sampler, 4, False))
        if in_batches
        else loader(batch_size=4, sampler=sampler)
    )
    before = torch.get_rng_state()
    with pytest.raises(ValueError, match=f"{name} leaves out or repeats some of the 23 rows"):
        in_row_order(given)
    assert torch.equal(torch.get_rng_state(), before)
    assert with_every_row(given) is given


def test_an_endless_sampler_is_refused():
    class Endless(Sampler):
        def __iter__(self):
            while True:
                yield 3

    with pytest.raises(ValueError, match="Endless leaves out or repeats"):
        in_row_order(loader(batch_size=4, sampler=Endless()))


class Own(DataLoader):
    """A subclass of the user's."""


def test_a_subclass_is_not_made_anew_behind_the_back_of_its_user():
    whole = Own(Rows(), batch_size=4)
    assert in_row_order(whole) is whole
    with pytest.raises(ValueError, match="Own shuffles its rows, or drops some"):
        in_row_order(Own(Rows(), batch_size=4, shuffle=True))
    with pytest.raises(ValueError, match="Own shuffles its rows, or drops some"):
        with_every_row(Own(Rows(), batch_size=4, drop_last=True))


@pytest.mark.parametrize("shuffle", [False, True])
def test_no_row_is_dropped_in_evaluation_which_may_be_in_any_order(shuffle, caplog):
    given = loader(batch_size=4, shuffle=shuffle, drop_last=True)
    assert len(rows(given)) == 20
    with caplog.at_level(logging.INFO, "torch_rechub"):
        found = rows(with_every_row(given))
    assert sorted(found) == list(range(N))
    assert (found == list(range(N))) is not shuffle
    assert "drop_last=True): it is read as well" in caplog.text


class Stream(IterableDataset):
    """Single rows, shared among workers."""

    def __iter__(self):
        worker = torch.utils.data.get_worker_info()
        first, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        return ({"user": i} for i in range(first, N, step))


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_rows_of_a_stream_come_in_order_and_whole(workers):
    given = loader(Stream(), batch_size=4, num_workers=workers, drop_last=True)
    assert rows(in_row_order(given)) == list(range(N))
    assert sorted(rows(with_every_row(given))) == list(range(N))


def test_parquet_files_that_workers_share_are_read_in_order(tmp_path):
    files = [tmp_path / f"{i}.parquet" for i in range(3)]
    for i, file in enumerate(files):
        pyarrow.parquet.write_table(pa.table({"user": range(10 * i, 10 * i + 10)}), file)
    data = ParquetIterableDataset(files, batch_size=4)
    given = loader(data, batch_size=None, num_workers=2)
    assert rows(given) != list(range(30))
    assert rows(in_row_order(given)) == list(range(30))
    assert with_every_row(given) is given


@pytest.mark.skipif(
    "in_order" not in inspect.signature(DataLoader).parameters, reason="torch keeps the order"
)
def test_workers_that_may_overtake_each_other_are_put_in_order():
    for given in (
        loader(batch_size=4, num_workers=2, in_order=False),
        TableLoader(TorchDataset(DATA.x, torch.zeros(N)), 4, num_workers=2, in_order=False),
    ):
        assert not given.in_order
        found = in_row_order(given)
        assert found.in_order
        assert found.num_workers == 2
        assert in_row_order(found) is found
