"""Arrow arrays and Parquet files: the numbers that were written, batch by batch."""

import sys
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch.utils.data import DataLoader

from torch_rechub.data.convert import pa_array_to_tensor
from torch_rechub.data.dataset import ParquetIterableDataset
from torch_rechub.types import FilePath

WHOLE = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint32(), pa.uint64()]
FRACTIONS = [pa.float16(), pa.float32(), pa.float64()]


@pytest.mark.parametrize("kind", WHOLE, ids=str)
def test_whole_numbers_are_int64(kind):
    tensor = pa_array_to_tensor(pa.array([3, 1, 2], kind))
    assert tensor.dtype == torch.int64
    assert tensor.tolist() == [3, 1, 2]


def test_large_ids_stay_exact():
    ids = [2**24 + 1, 2**53 + 1, -(2**62)]
    assert pa_array_to_tensor(pa.array(ids)).tolist() == ids


@pytest.mark.parametrize("kind", FRACTIONS, ids=str)
def test_fractions_are_float32_and_null_is_nan(kind):
    numbers = pa.array(np.array([0.5, 0.0, -2.0], np.float16)).cast(kind)
    tensor = pa_array_to_tensor(pa.concat_arrays([numbers, pa.nulls(1, kind)]))
    assert tensor.dtype == torch.float32
    assert tensor[:3].tolist() == [0.5, 0.0, -2.0]
    assert tensor[3].isnan()


def test_bools_are_0_and_1():
    assert pa_array_to_tensor(pa.array([True, False])).tolist() == [1, 0]


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.int32()), pa.large_list(pa.int64()), pa.list_(pa.int64(), 3)], ids=str
)
def test_lists_are_rows_in_slices_and_chunks_too(kind):
    rows = np.arange(30).reshape(10, 3)
    array = pa.array(rows.tolist(), kind)
    for part in (slice(0, 10), slice(5, 10), slice(2, 7), slice(4, 4)):
        found = pa_array_to_tensor(array[part])
        assert found.tolist() == rows[part].tolist()
    chunks = pa.chunked_array([array[6:], array[:2]])
    assert pa_array_to_tensor(chunks).tolist() == [*rows[6:].tolist(), *rows[:2].tolist()]


def test_lists_of_lists_are_blocks():
    block = np.arange(12).reshape(2, 3, 2)
    assert pa_array_to_tensor(pa.array(block.tolist())).tolist() == block.tolist()


def test_the_tensor_has_memory_of_its_own():
    array = pa.array([1, 2, 3])
    pa_array_to_tensor(array).zero_()
    assert array.to_pylist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (pa.array(["a"]), TypeError, "of string holds no numbers: map its values to ids"),
        (pa.array([0], pa.timestamp("s")), TypeError, "holds no numbers"),
        (pa.array([[1, 2], [3]]), ValueError, "1 to 2 elements.*pad_sequences"),
        (pa.array([[1, 2], None]), ValueError, r"1 missing list \(null\), first in row 1: fill"),
        (pa.array([1, None]), ValueError, r"1 missing value \(null\), first in row 1,.*fill_null"),
        (pa.array([[1, 2], [3, None]]), ValueError, r"1 missing value \(null\), first in row 1,"),
        (pa.array(["a", "", None]), TypeError, "2 empty or missing values, first in row 1"),
        (pa.array([0.5, -1e300]), ValueError, r"1 value beyond float32, first -1e\+300 in row 1"),
        (pa.array([2**63], pa.uint64()), ValueError, "9223372036854775808"),
    ],
)
def test_what_is_no_table_of_numbers_is_refused(array, error, message):
    with pytest.raises(error, match=message):
        pa_array_to_tensor(array)


@pytest.fixture
def files(tmp_path):
    """Two files of 50 and of 7 rows: an id, a price and a history of 3."""
    paths = []
    for n, first in ((50, 0), (7, 100)):
        ids = np.arange(first, first + n)
        columns = {"item": ids, "price": ids / 2, "history": [[i, i + 1, 0] for i in ids]}
        paths.append(tmp_path / f"{first}.parquet")
        pq.write_table(pa.table(columns), paths[-1])
    return paths


ITEMS = [*range(50), *range(100, 107)]


@pytest.mark.parametrize("batch_size", [1, 20, 25, 1024])
def test_batches_hold_every_row_in_order(files, batch_size):
    batches = list(ParquetIterableDataset(files, batch_size=batch_size))
    sizes = [len(batch["item"]) for batch in batches]
    assert max(sizes) == min(batch_size, 50)
    assert len(sizes) == -(-50 // batch_size) + -(-7 // batch_size)
    whole = {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}
    assert whole["item"].tolist() == ITEMS
    assert whole["price"].tolist() == [i / 2 for i in ITEMS]
    assert whole["history"].tolist() == [[i, i + 1, 0] for i in ITEMS]


def test_the_columns_that_are_named_are_read(files):
    path: FilePath = str(files[0])
    (batch,) = ParquetIterableDataset([path], columns=["price", "item"])
    assert list(batch) == ["price", "item"]
    assert len(list(batch["price"])) == 50


@pytest.mark.parametrize(("n_files", "num_workers"), [(2, 0), (2, 2), (1, 2)])
def test_workers_share_the_files(files, n_files, num_workers):
    data = ParquetIterableDataset(files[:n_files], batch_size=20)
    loader = DataLoader(data, batch_size=None, num_workers=num_workers)
    found = [i for _ in range(2) for batch in loader for i in batch["item"].tolist()]
    assert sorted(found) == sorted(2 * ITEMS[: 57 if n_files == 2 else 50])


def test_a_file_without_a_column_is_named(files):
    with pytest.raises(KeyError, match=r"0\.parquet has no column 'user'.*'history'"):
        next(iter(ParquetIterableDataset(files, columns=["item", "user"])))


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (["a", "b"], TypeError, "of string holds no numbers"),
        ([1, None], ValueError, r"has 1 missing value \(null\), first in row 1"),
        ([[1, 2], [3]], ValueError, "has lists of 1 to 2 elements"),
    ],
)
def test_a_column_that_is_no_numbers_is_named_with_its_file(tmp_path, values, error, message):
    pq.write_table(pa.table({"item": [1, 2], "odd": values}), tmp_path / "a.parquet")
    with pytest.raises(error, match=rf"a\.parquet, column 'odd' {message}"):
        list(ParquetIterableDataset([tmp_path / "a.parquet"]))


def test_rows_are_counted_in_the_file(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"item": [*range(17), None, 3, None]}), path)
    batches = iter(ParquetIterableDataset([path], batch_size=6))
    assert [len(next(batches)["item"]) for _ in range(2)] == [6, 6]
    with pytest.raises(ValueError, match=r"a\.parquet, column 'item' has 1 missing.* in row 17,"):
        next(batches)


def test_dictionaries_and_decimals_are_their_values():
    assert pa_array_to_tensor(pa.array([7, 5, 7]).dictionary_encode()).tolist() == [7, 5, 7]
    found = pa_array_to_tensor(pa.array([0.5, None, 0.5]).dictionary_encode())
    assert found.isnan().tolist() == [False, True, False]
    assert pa_array_to_tensor(pa.array([Decimal("1.5")])).tolist() == [1.5]


@pytest.mark.parametrize("content", ["", "no parquet", "cut"])
def test_a_file_that_is_no_parquet_is_named(files, content):
    sound = files[0].read_bytes()
    files[0].write_bytes(sound[:-100] if content == "cut" else content.encode())
    with pytest.raises(ValueError, match=r"0\.parquet is no Parquet file, or is damaged"):
        list(ParquetIterableDataset(files))


def test_a_damaged_column_is_named_with_its_file(tmp_path):
    path = tmp_path / "a.parquet"
    columns = {"item": np.arange(5000), "price": np.random.default_rng(0).random(5000)}
    pq.write_table(pa.table(columns), path, use_dictionary=False)
    chunk = pq.ParquetFile(path).metadata.row_group(0).column(1)
    content = bytearray(path.read_bytes())
    start = chunk.data_page_offset
    content[start : start + 200] = bytes(200)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.parquet, column 'price', is damaged"):
        list(ParquetIterableDataset([path]))
    assert len(list(ParquetIterableDataset([path], columns=["item"]))) == 5


def test_bad_arguments_are_refused(files, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.parquet"):
        ParquetIterableDataset([*files, tmp_path / "none.parquet"])
    with pytest.raises(ValueError, match=r"a list of one or more files, got \[\]"):
        ParquetIterableDataset([])
    with pytest.raises(ValueError, match="a list of one or more files, got 'a"):
        ParquetIterableDataset("a.parquet")
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        ParquetIterableDataset(files, batch_size=0)


def test_without_pyarrow_the_error_says_how_to_get_it(files, monkeypatch):
    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)  # as Python marks what cannot be imported
    with pytest.raises(ImportError, match=r'needs pyarrow: pip install "rechub-core\[bigdata\]"'):
        ParquetIterableDataset(files)
