"""Shards: the rows that were written, in parts and row groups, with a manifest written last."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from torch_rechub.data.streaming import ShardedTable, ShardWriter, StreamingLoader

LABELS = {"labels": ["click"], "weight": "weight"}


def write(folder, table, sizes=(1000,), **options):
    with ShardWriter(folder, **{**LABELS, **options}) as writer:
        start = 0
        for n in sizes:
            writer.write(table.slice(start, n))
            start += n
    return folder


def edited(folder, **changes):
    file = folder / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    return folder


@pytest.fixture(scope="module")
def shards(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    return write(folder, table, (1, 0, 499, 500), rows_per_part=300, rows_per_group=128)


def test_the_manifest_lists_parts_row_groups_and_roles(shards):
    assert json.loads((shards / "manifest.json").read_text()) == {
        "format": "torch_rechub shards",
        "version": 1,
        "inputs": ["row", "price", "history", "vector"],
        "labels": ["click"],
        "weight": "weight",
        "parts": [
            *[
                {"file": f"part-0000{i}.parquet", "rows": 300, "row_groups": [128, 128, 44]}
                for i in range(3)
            ],
            {"file": "part-00003.parquet", "rows": 100, "row_groups": [100]},
        ],
        "rows": 1000,
    }


def test_the_parts_hold_the_rows_in_order(shards, table):
    parts = [pq.read_table(file) for file in sorted(shards.glob("*.parquet"))]
    assert pa.concat_tables(parts).equals(table)
    groups = pq.ParquetFile(shards / "part-00000.parquet").metadata
    assert [groups.row_group(i).num_rows for i in range(3)] == [128, 128, 44]


def test_a_sharded_table_gives_loaders(shards, table):
    sharded = ShardedTable(shards)
    assert (len(sharded), sharded.labels, sharded.weight) == (1000, ("click",), "weight")
    assert "1000 rows, 4 inputs, 1 labels" in repr(sharded)
    batches = list(sharded.loader(300))
    assert [len(y) for _, y, _ in batches] == [300, 300, 300, 100]
    assert np.concatenate([x["row"] for x, *_ in batches]).tolist() == list(range(1000))
    loader = sharded.loader(300, shuffle=True, seed=2, columns=["price"])
    assert (loader.shuffle, loader.seed, loader.inputs) == (True, 2, ("price",))
    assert [len(part) for part in next(iter(StreamingLoader(sharded, 7)))] == [4, 7, 7]


def test_labels_of_the_manifest_do_not_leak_into_inputs(shards):
    loader = StreamingLoader(shards, 10, labels=[])
    assert (loader.inputs, loader.labels) == (("row", "price", "history", "vector"), ())
    with pytest.raises(ValueError, match="columns has 'click', which is a label"):
        StreamingLoader(shards, 10, labels=[], columns=["row", "click"])


def test_a_folder_without_rows_has_no_batches(tmp_path, table):
    assert len(ShardedTable(write(tmp_path / "of no row", table, (0,))).loader(8)) == 0
    with ShardWriter(tmp_path / "of no block"):
        pass
    assert list(ShardedTable(tmp_path / "of no block").loader(8)) == []


def test_a_folder_is_not_written_twice(shards, table, tmp_path):
    with pytest.raises(FileExistsError, match=r"holds manifest.json.*give an empty folder"):
        write(shards, table)
    (tmp_path / "part-00000.parquet").touch()
    with pytest.raises(FileExistsError, match=r"holds part-00000.parquet"):
        write(tmp_path, table)


def test_after_an_error_nothing_is_left(tmp_path, table):
    def stopped():
        with ShardWriter(tmp_path, **LABELS, rows_per_group=100, rows_per_part=300) as writer:
            writer.write(table)
            raise KeyError("stopped")

    with pytest.raises(KeyError, match="stopped"):
        stopped()
    assert list(tmp_path.iterdir()) == []


def with_column(table, name, column):
    return table.set_column(table.column_names.index(name), name, column)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda t: t.drop_columns("price"), ValueError, "a block lacks the column 'price'"),
        (lambda t: t.append_column("new", t["row"]), ValueError, "a block has the column 'new'"),
        (
            lambda t: with_column(t, "row", t["row"].cast("int64")),
            ValueError,
            "column 'row' of a block is int64, but int32 in the first block: cast it",
        ),
        (
            lambda t: with_column(t, "row", pa.array([None, *range(999)], pa.int32())),
            ValueError,
            r"column 'row' has 1 missing value \(null\), first in row 1000",
        ),
        (
            lambda t: with_column(t, "price", pa.array([0.5] * 998 + [np.nan, np.inf], "float32")),
            ValueError,
            r"column 'price' has 2 values NaN or infinite, first nan in row 1998",
        ),
        (
            lambda t: with_column(t, "weight", pa.array([1] * 7 + [-2] + [1] * 992, "float32")),
            ValueError,
            r"column 'weight' must be numbers from 0 to 1e\+30.*first -2 in row 1007",
        ),
    ],
    ids=["missing", "new", "type", "null", "nan", "weight"],
)
def test_a_block_unlike_the_first_is_refused_by_column(tmp_path, table, change, error, message):
    with ShardWriter(tmp_path, **LABELS) as writer:
        writer.write(table)
        with pytest.raises(error, match=message):
            writer.write(change(table))


def test_columns_in_another_order_are_the_same_columns(tmp_path, table):
    with ShardWriter(tmp_path, **LABELS) as writer:
        writer.write(table)
        writer.write(table.select(table.column_names[::-1]))
    assert pq.read_table(tmp_path / "part-00000.parquet").equals(pa.concat_tables([table, table]))


def test_a_first_block_that_cannot_be_written_is_refused(tmp_path, table):
    def refused(error, message, block, **options):
        with ShardWriter(tmp_path, **options) as writer, pytest.raises(error, match=message):
            writer.write(block)
        (tmp_path / "manifest.json").unlink()

    refused(KeyError, "a block has no column 'clicks'", table, labels=["clicks"])
    names = pa.table({"name": ["a"], "click": [1]})
    refused(TypeError, "column 'name' is of string: a loader takes numbers, lists", names)
    twice = pa.table([[1], [2]], names=["a", "a"])
    refused(ValueError, "a block has two columns 'a'", twice)
    with pytest.raises(ValueError, match="weight='w' must be a column other than labels"):
        ShardWriter(tmp_path, weight="w")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "other"}, "is no manifest of shards"),
        ({"version": 2}, "has version 2, and this torch_rechub reads version 1: upgrade"),
        ({"rows": 999}, "'rows' is 999, its parts have 1000"),
        ({"weight": 3}, "'weight' is 3"),
        ({"inputs": "row"}, "'inputs' is 'row'"),
        ({"labels": ["click", "row"]}, "lists the column 'row' twice"),
        ({"parts": {}}, "'parts' is {}"),
        ({"parts": [3]}, r"'parts\[0\]' is 3"),
        ({"parts": [{"file": "../part-00000.parquet"}]}, r"'parts\[0\].file' is '../part-0"),
        ({"parts": [{"file": "/etc/passwd"}]}, r"'parts\[0\].file' is '/etc/passwd'"),
        ({"parts": [{"file": "part-00000.parquet", "row_groups": [-1]}]}, "row_groups' is"),
        (
            {"parts": [{"file": "part-00000.parquet", "row_groups": [4], "rows": 5}]},
            r"'parts\[0\].rows' is 5, not 4",
        ),
    ],
)
def test_a_damaged_manifest_is_refused_by_its_entry(tmp_path, table, changes, message):
    edited(write(tmp_path, table), **changes)
    with pytest.raises(ValueError, match=rf"manifest.json .*{message}"):
        ShardedTable(tmp_path)


def test_a_folder_that_differs_from_its_manifest_is_refused(tmp_path, table):
    write(tmp_path, table)
    part, manifest = tmp_path / "part-00000.parquet", tmp_path / "manifest.json"
    contents = manifest.read_text()
    manifest.write_text(contents[:50])
    with pytest.raises(ValueError, match=r"manifest.json is damaged.*write the shards again"):
        ShardedTable(tmp_path)
    manifest.write_text(contents)
    pq.write_table(table.slice(1), part)
    with pytest.raises(ValueError, match=r"has 999 rows in 1 row groups, but manifest.json lists"):
        ShardedTable(tmp_path)
    part.unlink()
    with pytest.raises(FileNotFoundError, match=r"there is no file .*part-00000.parquet"):
        ShardedTable(tmp_path)
    manifest.unlink()
    with pytest.raises(FileNotFoundError, match=r"has no manifest.json: .*give a glob"):
        ShardedTable(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        ShardedTable(tmp_path / "nowhere")
