"""Parquet files that are damaged, differ, or hold values that no loader takes."""

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from torch_rechub.data.streaming import ShardWriter, StreamingLoader


def write(folder, *columns, **options):
    """A file for each column, with the column "x", or for each table."""
    for i, column in enumerate(columns):
        table = column if isinstance(column, pa.Table) else pa.table({"x": column})
        pq.write_table(table, folder / f"{i}.parquet", row_group_size=4, **options)
    return f"{folder}/*.parquet"


def read(source, **options):
    return list(StreamingLoader(source, 4, prefetch=0, **options))


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([0, 1, 2, 3, 4, None], r"column 'x' has 1 missing value \(null\), first in row 5: fill"),
        ([0.5] * 4 + [None], r"column 'x' has 1 missing value \(null\), first in row 4"),
        ([0.5] * 6 + [np.nan], r"column 'x' has 1 value NaN or infinite, first nan in row 6"),
        ([0.5, -np.inf], r"column 'x' has 1 value NaN or infinite, first -inf in row 1"),
        ([[1], None, [2]], r"column 'x' has 1 missing list \(null\), first in row 1"),
        ([[1, 2], [], [3, None]], r"column 'x' has 1 missing value \(null\), first in row 2"),
        ([[0.5, 1.0], [0.5]], r"column 'x' has vectors of 1 to 2 numbers.*in row 1"),
        ([[0.5, 1.0]] * 4 + [[0.5]], r"row 4: vectors of 1 numbers, but of 2 in .*, row 0"),
        (pa.array([1, 2**63], pa.uint64()), r"1 value beyond int64, first 9223372036854775808 in"),
    ],
)
def test_values_that_no_loader_takes_are_named_by_file_column_and_row(tmp_path, column, message):
    source = write(tmp_path, pa.array([1, 2, 3, 4, 5], pa.int64()))
    assert len(read(source)) == 2
    source = write(tmp_path, column)
    with pytest.raises(ValueError, match=rf"0\.parquet, .*{message}"):
        read(source)


def test_an_error_of_a_thread_and_of_a_worker_has_its_type_and_its_message(tmp_path):
    source = write(tmp_path, [1, 2, 3, 4, None])
    for options in ({"prefetch": 1}, {"num_workers": 1}):
        with pytest.raises(ValueError, match="first in row 4"):
            list(StreamingLoader(source, 4, **options))


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (["a", "b"], "string"),
        (pa.array([0], pa.timestamp("us")), r"timestamp\[us\]"),
        ([{"a": 1}], "struct"),
        ([None, None], "null"),
        ([[[1]]], "list<.*list<"),
        (pa.array(["a"]).dictionary_encode(), "dictionary"),
    ],
)
def test_columns_that_are_not_numeric_are_refused_before_reading(tmp_path, column, kind):
    with pytest.raises(TypeError, match=rf"0.parquet, column 'x' is of {kind}.*leave it out"):
        StreamingLoader(write(tmp_path, column), 4)


@pytest.mark.parametrize(
    ("column", "expected", "dtype"),
    [
        (pa.array([True, False]), [1, 0], torch.int64),
        (pa.array([1, 255], pa.uint8()), [1, 255], torch.uint8),
        (pa.array([1, 2**32 - 1], pa.uint32()), [1, 2**32 - 1], torch.int64),
        (pa.array([1, -(2**62)]), [1, -(2**62)], torch.int64),
        (pa.array([3, 4, 3], pa.int32()).dictionary_encode(), [3, 4, 3], torch.int32),
        (pa.array([Decimal("0.5")]), [0.5], torch.float64),
        (pa.array([[1, 2], [], [3]]), [[1, 2], [0, 0], [3, 0]], torch.int64),
        (pa.array([[], []], pa.list_(pa.int32())), [[0], [0]], torch.int32),
        (pa.array([[1, 2], [3, 4]], pa.list_(pa.int16(), 2)), [[1, 2], [3, 4]], torch.int16),
        (pa.array([[1], [2]], pa.large_list(pa.int64())), [[1], [2]], torch.int64),
    ],
)
def test_values_of_other_types_are_read(tmp_path, column, expected, dtype):
    ((batch),) = read(write(tmp_path, column))
    assert batch["x"].dtype == dtype
    assert batch["x"].tolist() == expected


def test_labels_may_be_missing(tmp_path):
    table = pa.table({"x": [1, 2, 3], "y": [1.0, None, np.nan], "z": [0, 1, 1]})
    ((_, y),) = read(write(tmp_path, table), labels=["y", "z"])
    assert y[:, 1].tolist() == [0, 1, 1]
    assert y[:, 0].isnan().tolist() == [False, True, True]


def test_files_of_another_schema_are_refused_by_name(tmp_path):
    ids = pa.array([1, 2], pa.int64())
    for other, error, message in (
        (ids.cast("int32"), ValueError, r"1.parquet, column 'x' is int32, but int64 in .*0.parq"),
        (["a", "b"], ValueError, r"1.parquet, column 'x' is string, but int64 in"),
        (pa.table({"y": ids}), KeyError, r"1.parquet has no column 'x': its columns are \['y'\]"),
        (pa.table([ids, ids], ["x", "x"]), ValueError, r"1.parquet has 2 columns 'x'"),
    ):
        with pytest.raises(error, match=message):
            StreamingLoader(write(tmp_path, ids, other), 4)


def test_files_without_rows_and_of_one_row_are_read(tmp_path):
    nothing = pa.table({"x": pa.array([], pa.null())})  # a frame without rows has no types
    tables = [nothing, pa.array([1]), nothing, pa.array([2]), pa.array([], pa.int64())]
    source = write(tmp_path, *tables)
    assert [batch["x"].tolist() for batch in read(source)] == [[1, 2]]
    shuffled = [x for batch in read(source, shuffle=True) for x in batch["x"].tolist()]
    assert sorted(shuffled) == [1, 2]


def test_columns_with_dots_in_their_names_are_read(tmp_path):
    table = pa.table({"a": [1, 2], "a.b": [3, 4], "a.c": [[5], [6]]})
    (batch,) = read(write(tmp_path, table), columns=["a.c", "a"])
    assert {name: x.tolist() for name, x in batch.items()} == {"a.c": [[5], [6]], "a": [1, 2]}


def test_files_that_are_no_parquet_are_refused_by_name(tmp_path):
    source = write(tmp_path, list(range(1000)))
    file = tmp_path / "0.parquet"
    contents = file.read_bytes()
    for damaged in (b"", b"PAR1", b"not Parquet at all", contents[:-9], contents[:200]):
        file.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"0.parquet is no Parquet file, or is damaged"):
            StreamingLoader(source, 4)


def test_a_changed_bit_in_the_pages_of_a_shard_is_found(tmp_path):
    with ShardWriter(tmp_path) as writer:
        writer.write(pa.table({"x": np.random.default_rng(0).integers(0, 2**60, 5000)}))
    loader = StreamingLoader(tmp_path, 1000)
    assert len(list(loader)) == 5
    file = tmp_path / "part-00000.parquet"
    contents = bytearray(file.read_bytes())
    contents[20_000] ^= 1
    file.write_bytes(contents)
    with pytest.raises(ValueError, match=r"part-00000.parquet, row group 0 is damaged: .*CRC"):
        list(loader)


def test_a_file_that_changed_since_is_refused(tmp_path):
    source = write(tmp_path, [1, 2, 3])
    loader = StreamingLoader(source, 4)
    for other in ([1, 2], [1, 2, 3, 4, 5], [0.5, 1.0, 1.5]):
        write(tmp_path, other)
        if len(other) == 5:
            continue
        with pytest.raises(ValueError, match=r"0.parquet has changed since the loader was made"):
            list(loader)
    (tmp_path / "0.parquet").unlink()
    with pytest.raises(FileNotFoundError, match=r"there is no file .*0.parquet"):
        list(loader)
