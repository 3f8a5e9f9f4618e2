"""The streaming loader: each row once, in an order that seed and epoch give, from any position."""

from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from torch_rechub.basic.features import SparseFeature
from torch_rechub.data.row_order import in_row_order
from torch_rechub.data.streaming import StreamingLoader
from torch_rechub.models.ranking import LR
from torch_rechub.trainers import CTRTrainer

# processes, workers of each, whether rows are shuffled
SHAPES = [(1, 0, True), (2, 0, False), (2, 2, True), (1, 2, False), (7, 0, True)]


def make(files, batch_size=64, **options):
    options = {"columns": ["row"], "labels": "click", **options}
    return StreamingLoader(f"{files}/*.parquet", batch_size, **options)


def rows_of(loader):
    """The rows of each batch."""
    return [x["row"].tolist() for x, *_ in loader]


def flat(batches):
    return [row for batch in batches for row in batch]


@pytest.mark.parametrize(("processes", "workers", "shuffle"), SHAPES)
def test_each_row_is_read_once_and_each_process_has_as_many_batches(
    files, table, processes, workers, shuffle
):
    found = []
    for rank in range(processes):
        options = {"rank": rank, "world_size": processes, "num_workers": workers}
        loader = make(files, shuffle=shuffle, **options)
        found.append(rows_of(loader))
        assert len(found[-1]) == len(loader)
    assert len(set(map(len, found))) == 1
    assert sorted(flat(flat(found))) == list(range(table.num_rows))


def test_the_process_is_asked_for_its_rank(files, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert flat(rows_of(make(files))) == list(range(500, 1000))
    assert flat(rows_of(make(files, rank=0, world_size=1))) == list(range(1000))


@pytest.mark.parametrize("n", [1, 2, 3, 8, 9, 10, 17])
@pytest.mark.parametrize("batch_size", [1, 4, 100])
@pytest.mark.parametrize("processes", [1, 2, 4])
def test_processes_have_as_many_batches_for_any_number_of_rows(
    tmp_path, table, n, batch_size, processes
):
    pq.write_table(table.slice(0, n), tmp_path / "a.parquet", row_group_size=2)
    shares = [
        rows_of(make(tmp_path, batch_size, rank=rank, world_size=processes, prefetch=0))
        for rank in range(processes)
    ]
    assert flat(flat(shares)) == list(range(n))
    most = -(-n // processes)  # rows of the largest share
    assert {len(share) for share in shares} == {-(-most // batch_size)}
    assert all(len(batch) <= batch_size for share in shares for batch in share)
    assert max(sum(map(len, s)) for s in shares) - min(sum(map(len, s)) for s in shares) <= 1


def test_the_columns_are_those_that_pyarrow_reads(files, table):
    loader = make(files, 300, columns=None, labels=["click"], weight="weight")
    assert loader.inputs == ("row", "price", "history", "vector")
    start = 0
    for x, y, weights in loader:
        expected = table.slice(start, len(y))
        assert x["row"].dtype == torch.int32
        assert x["row"].tolist() == expected["row"].to_pylist()
        assert x["price"].tolist() == expected["price"].to_pylist()
        assert x["vector"].tolist() == expected["vector"].to_pylist()
        lists = expected["history"].to_pylist()
        width = max(map(len, lists))
        assert x["history"].tolist() == [row + [0] * (width - len(row)) for row in lists]
        assert (y.tolist(), y.dtype) == (expected["click"].to_pylist(), torch.float32)
        assert weights.tolist() == expected["weight"].to_pylist()
        start += len(y)
    assert start == table.num_rows


def test_shuffled_rows_keep_their_values(files, table):
    loader = make(files, 48, columns=None, labels=["click"], weight="weight", shuffle=True)
    read = 0
    for x, y, weights in loader:
        expected = table.take(x["row"].numpy())
        lists = [[item for item in row if item] for row in x["history"].tolist()]
        assert lists == expected["history"].to_pylist()
        assert x["vector"].tolist() == expected["vector"].to_pylist()
        assert y.tolist() == expected["click"].to_pylist()
        assert weights.tolist() == expected["weight"].to_pylist()
        read += len(y)
    assert read == table.num_rows


def test_without_labels_batches_are_inputs(files):
    batches = list(make(files, 600, labels=None))
    assert [sorted(batch) for batch in batches] == [["row"], ["row"]]


def test_several_labels_are_one_tensor_of_the_type_that_holds_them_all(files, table):
    _, y = next(iter(make(files, 5, columns=["price"], labels=["click", "row"])))
    assert y.dtype == torch.float32
    assert y[:, 0].tolist() == table["click"][:5].to_pylist()
    assert y[:, 1].tolist() == [0, 1, 2, 3, 4]


def test_the_order_is_a_function_of_seed_and_epoch(files):
    first, again, other = make(files, shuffle=True), make(files, shuffle=True), None
    epochs = [rows_of(first) for _ in range(3)]
    assert [rows_of(again) for _ in range(3)] == epochs
    assert len({tuple(flat(epoch)) for epoch in epochs}) == 3
    other = rows_of(make(files, shuffle=True, seed=1))
    assert other != epochs[0]
    again.set_epoch(1)
    assert rows_of(again) == epochs[1]


def test_the_order_depends_neither_on_the_global_random_state_nor_on_reading_ahead(files):
    expected = rows_of(make(files, shuffle=True))
    torch.manual_seed(5)
    before = torch.get_rng_state()
    for options in ({"prefetch": 0}, {"prefetch": 3}):
        assert rows_of(make(files, shuffle=True, **options)) == expected
    rows_of(make(files, shuffle=True, num_workers=1))
    assert torch.equal(torch.get_rng_state(), before)


def test_rows_are_shuffled_among_the_row_groups_of_a_buffer(files):
    rows = flat(rows_of(make(files, shuffle=True, buffer_groups=4)))
    groups = Counter(row // 64 for row in rows[:200] if row < 500)
    assert len(set(rows[:200])) == 200
    assert 2 <= len(groups) <= 5  # some 200 rows are of one buffer, of at most 4 groups, or two
    positions = np.argsort(rows)
    assert np.abs(np.corrcoef(positions, np.arange(len(rows)))[0, 1]) < 0.9
    many = flat(rows_of(make(files, shuffle=True, buffer_groups=100)))
    assert np.abs(np.corrcoef(np.argsort(many), np.arange(len(many)))[0, 1]) < 0.15


@pytest.mark.parametrize(
    ("options", "given"),
    [
        *[({"shuffle": shuffle}, n) for shuffle in (False, True) for n in (0, 1, 7, 8, 15, 16)],
        ({"shuffle": True, "num_workers": 2}, 7),
    ],
)
def test_a_loader_continues_from_its_state(files, options, given):
    unbroken = make(files, **options)
    epochs = [rows_of(unbroken) for _ in range(3)]
    given = min(given, len(unbroken))
    broken = make(files, **options)
    rows_of(broken)
    batches = iter(broken)
    for _ in range(given):
        next(batches)
    state = broken.state_dict()
    assert (state["epoch"], state["batches"]) == (1, given)
    again = make(files, **options)
    again.load_state_dict(state)
    assert rows_of(again) == epochs[1][given:]
    assert rows_of(again) == epochs[2]


def test_row_groups_before_the_position_are_not_read(files, tmp_path, monkeypatch):
    read = []
    original = pq.ParquetFile.read_row_group
    monkeypatch.setattr(
        pq.ParquetFile,
        "read_row_group",
        lambda file, group, **kwargs: read.append(group) or original(file, group, **kwargs),
    )
    loader = make(files, 64, shuffle=True, prefetch=0)
    loader.load_state_dict({**loader.state_dict(), "batches": 14})
    rows_of(loader)
    assert 0 < len(read) <= 8  # of 17 row groups


def test_a_state_of_other_arguments_is_refused_by_name(files):
    state = make(files, shuffle=True).state_dict()
    for name, value in {"seed": 3, "batch_size": 8, "num_workers": 1, "buffer_groups": 2}.items():
        options = {"batch_size": 64, "shuffle": True, name: value}
        with pytest.raises(ValueError, match=f"{name}=.*this one has {name}={value}"):
            make(files, **options).load_state_dict(state)
    with pytest.raises(ValueError, match="99 batches given out, of 16"):
        make(files, shuffle=True).load_state_dict({**state, "batches": 99})


def test_in_row_order_each_process_reads_all_rows(files, table):
    loader = make(files, shuffle=True, num_workers=2, rank=1, world_size=2)
    assert flat(rows_of(in_row_order(loader))) == list(range(table.num_rows))
    plain = make(files)
    assert in_row_order(plain) is plain


def test_a_trainer_takes_it_for_training_validation_test_and_prediction(files, table, tmp_path):
    torch.manual_seed(0)
    model = LR([SparseFeature("row", 1000)])
    trainer = CTRTrainer(model, n_epoch=2, model_path=tmp_path)
    loaders = [make(files, shuffle=shuffle, weight="weight") for shuffle in (True, False, False)]
    trainer.fit(loaders[0], loaders[1], test_dataloader=loaders[2])
    assert set(trainer.test_metrics) == {"test/auc"}
    found = trainer.predict(trainer.model, make(files, shuffle=True))
    x = {"row": torch.arange(1000)}
    assert found == trainer.predict(trainer.model, x)


def test_training_equals_training_on_the_same_batches(files, tmp_path):
    weights = []
    for kind in ("streamed", "list"):
        torch.manual_seed(0)
        trainer = CTRTrainer(LR([SparseFeature("row", 1000)]), n_epoch=2, model_path=tmp_path)
        loader = make(files, shuffle=True)
        if kind == "streamed":
            trainer.fit(loader)
        else:
            for _ in range(2):
                trainer.train_one_epoch(list(loader))
        weights.append(trainer.model.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1"),
        ({"seed": -1}, ValueError, "seed must be at least 0"),
        ({"seed": None}, TypeError, "seed must be a number, got None"),
        ({"buffer_groups": 0}, ValueError, "buffer_groups must be at least 1"),
        ({"num_workers": 1.5}, ValueError, "num_workers must be a whole number"),
        ({"rank": 2, "world_size": 2}, ValueError, "rank must be below world_size, got rank=2"),
        ({"columns": ["row", "click"]}, ValueError, "columns has 'click', which is a label"),
        ({"columns": ["row", "row"]}, ValueError, "columns names the column 'row' twice"),
        ({"columns": ["rows"]}, KeyError, "no column 'rows': its columns are"),
        ({"weight": "click"}, ValueError, "weight='click' is a label too"),
        ({"labels": None, "weight": "weight"}, ValueError, "weight='weight' needs labels"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(files, options, error, message):
    with pytest.raises(error, match=message):
        make(files, **options)


def test_sources_without_files_are_refused(files):
    for source in ([], None, 3):
        with pytest.raises(ValueError, match="source must be a folder of shards, a glob, or a"):
            StreamingLoader(source, 4)
    with pytest.raises(FileNotFoundError, match=r"there is no file .*nothing"):
        StreamingLoader(f"{files}/nothing*", 4)
    with pytest.raises(ValueError, match="twice: list it once"):
        StreamingLoader([f"{files}/0.parquet", f"{files}/*.parquet"], 4)
