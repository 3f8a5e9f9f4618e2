"""Fingerprints: equal content has equal digests in every form, and every change is seen."""

from datetime import datetime
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from torch.utils.data import ConcatDataset, DataLoader, TensorDataset, random_split

from torch_rechub.basic.tracking.listed import unlisted
from torch_rechub.data.fingerprint import fingerprint
from torch_rechub.data.generators import MatchDataGenerator, SequenceDataGenerator
from torch_rechub.data.loader import DataGenerator, TableLoader
from torch_rechub.data.table import PredictDataset, TorchDataset

TABLE = {
    "id": [1, 2, 3, 2],
    "price": [0.5, None, -1.25, 7.0],
    "city": ["北京", "b", None, "b"],
    "flag": [True, False, True, True],
    "history": [[1, 2], [3], [], [4, 5]],
    "at": [datetime(2024, 1, 1), None, datetime(2025, 3, 1, 7, 30), datetime(1969, 1, 1)],
}
FORMS = {
    "dict of lists": dict,
    "dict of arrays": lambda t: {n: np.array(v, dtype=object) for n, v in t.items()},
    "pandas": pd.DataFrame,
    "pandas, nullable": lambda t: pd.DataFrame(t).convert_dtypes(),
    "pandas on Arrow": lambda t: pd.DataFrame(t).convert_dtypes(dtype_backend="pyarrow"),
    "pandas, categories": lambda t: pd.DataFrame(t).astype({"city": "category"}),
    "polars": pl.DataFrame,
    "polars, categories": lambda t: pl.DataFrame(t, schema_overrides={"city": pl.Categorical}),
    "Arrow": pa.table,
    "Arrow, in chunks": lambda t: pa.concat_tables([pa.table(t).slice(i, 1) for i in range(4)]),
}  # fmt: skip


def digests(data, **options):
    found = fingerprint(data, **options).table
    return found.ordered, found.values


@pytest.mark.parametrize("form", FORMS)
def test_equal_content_has_equal_digests_in_every_form(form):
    assert digests(FORMS[form](TABLE)) == digests(TABLE)


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint8", "float32", "float64", "bool"])
def test_the_type_of_numbers_is_apart_from_their_values(dtype):
    found = fingerprint({"x": np.array([1, 0, 1], dtype=dtype)})
    assert (found.table.ordered, found.table.values) == digests({"x": [1, 0, 1]})
    assert found.table.columns[0].kind == dtype


def test_tensors_of_all_types_are_read():
    for dtype in (torch.bfloat16, torch.float16, torch.int16, torch.bool, torch.float64):
        assert digests({"x": torch.tensor([1, 0, 1]).to(dtype)}) == digests({"x": [1, 0, 1]})


def changed(name, row, value):
    return {n: [value if (n, i) == (name, row) else v for i, v in enumerate(rows)]
            for n, rows in TABLE.items()}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "row", "value"),
    [
        ("id", 3, 1), ("price", 0, 0.5000001), ("price", 1, 0.0), ("city", 2, ""), ("city", 1, "B"),
        ("flag", 1, True), ("history", 2, [0]), ("history", 3, [5, 4]), ("history", 3, [4, 5, 0]),
        ("at", 1, datetime(1970, 1, 1)), ("at", 2, datetime(2025, 3, 1, 7, 31)),
    ],
)  # fmt: skip
def test_one_changed_value_changes_the_digests_of_the_rows_and_of_its_column_alone(
    name, row, value
):
    before, after = fingerprint(TABLE).table, fingerprint(changed(name, row, value)).table
    assert before.ordered != after.ordered
    assert before.values != after.values
    pairs = zip(before.columns, after.columns, strict=True)
    assert [a.name for a, b in pairs if a != b] == [name]


def test_the_order_of_rows_changes_one_digest_and_not_the_other():
    order = [2, 0, 3, 1]
    ordered, values = digests({name: [rows[i] for i in order] for name, rows in TABLE.items()})
    assert values == digests(TABLE)[1]
    assert ordered != digests(TABLE)[0]


def test_the_order_of_columns_is_no_content():
    assert digests(dict(reversed(TABLE.items()))) == digests(TABLE)


def test_values_that_move_between_rows_change_the_rows_but_not_the_values_of_the_column():
    before = fingerprint({"a": [1, 2], "b": [3, 4]}).table
    after = fingerprint({"a": [1, 2], "b": [4, 3]}).table
    assert before.values != after.values
    assert [c.values for c in before.columns] == [c.values for c in after.columns]


def test_a_name_is_content_of_the_rows_but_not_of_the_column():
    a, b = fingerprint({"a": [1, 2]}).table, fingerprint({"b": [1, 2]}).table
    assert a.ordered != b.ordered
    assert a.columns[0].ordered == b.columns[0].ordered


def test_the_digest_in_any_order_of_a_table_is_the_sum_of_those_of_its_parts():
    rng = np.random.default_rng(0)
    x = {"a": rng.integers(0, 9, 50), "b": rng.random(50)}
    whole, *parts = (
        int(digests({n: v[part] for n, v in x.items()})[1], 16)
        for part in (slice(None), slice(0, 20), slice(20, 50))
    )
    assert sum(parts) % 2**64 == whole


def test_a_naive_loop_over_rows_gives_the_digest_in_any_order():
    """A row is the mixed sum of its cells' hashes times the key of the column, plus one."""
    from torch_rechub.data.fingerprint.mixing import key_of

    def mix(word):
        word = word * 0x9E3779B97F4A7C15 % 2**64
        word = (word ^ word >> 32) * 0xD6E8FEB86659FD93 % 2**64
        return word ^ word >> 29

    x = {"a": [3, -1, 2**40], "b": [0, 7, 7]}
    total = 0
    for row in range(3):
        cells = [mix(x[n][row] % 2**64) * int(key_of(f"input {n}")) for n in x]
        total += mix((1 + sum(cells)) % 2**64)
    assert digests(x)[1] == f"{total % 2**64:016x}"


def test_threads_and_blocks_change_nothing(monkeypatch):
    from torch_rechub.data.fingerprint import hashing

    rng = np.random.default_rng(1)
    x = {"a": rng.integers(0, 9, 9_000), "b": rng.random((9_000, 3))}
    whole = digests(x)
    monkeypatch.setattr(hashing, "BLOCK", 900)
    monkeypatch.setattr(hashing, "_cores", lambda: 4)
    assert digests(x) == whole


def test_no_two_of_many_small_tables_have_one_digest():
    tables = [{"a": [i, j]} for i in range(30) for j in range(30)]
    found = [digests(t) for t in tables]
    assert len({ordered for ordered, _ in found}) == 900
    assert len({values for _, values in found}) == 30 * 31 // 2  # pairs in any order


def test_objects_without_content_are_unknown_and_do_not_hide_other_columns():
    found = fingerprint({"a": [1, 2], "b": [object(), Fraction(1, 2)]}).record()
    entries = {line.split()[-1]: line.split()[2] for line in unlisted(found["columns"])}
    assert entries["b"] == "-"
    assert len(entries["a"]) == 16


# Samples of large tables


def large(n=5_000, column=None, row=None, order=None):
    rng = np.random.default_rng(0)
    x = {"a": rng.integers(0, 1_000, n), "b": rng.random(n, dtype=np.float32)}
    if column is not None:
        x[column][row] += 1
    return x if order is None else {name: values[order] for name, values in x.items()}


def test_a_large_table_is_sampled_and_says_so():
    found = fingerprint(large(), limit=1_000).record()
    assert found["hashed_rows"] <= 500 < found["rows"]
    assert "hashed_rows" not in fingerprint(large()).record()


@pytest.mark.parametrize("column", ["a", "b"])
def test_one_value_outside_of_the_sample_changes_the_sum_of_its_column(column):
    before = fingerprint(large(), limit=1_000).table
    for row in (7, 1234, 4999):
        after = fingerprint(large(column=column, row=row), limit=1_000).table
        pairs = zip(before.columns, after.columns, strict=True)
        assert [a.name for a, b in pairs if a.total != b.total] == [column]


def test_another_order_changes_the_sample_but_no_sum():
    order = np.random.default_rng(5).permutation(5_000)
    before, after = (fingerprint(large(order=o), limit=1_000).table for o in (None, order))
    assert before.ordered != after.ordered
    assert [c.total for c in before.columns] == [c.total for c in after.columns]


# Loaders


def test_a_loader_has_the_fingerprint_of_its_rows():
    x, y = {"user": np.arange(20) % 3, "item": np.arange(20)}, (np.arange(20) % 4 == 0) * 1.0
    train = DataGenerator(x, y).generate_dataloader(batch_size=4)[0]
    assert digests(train) == digests((x, y))
    assert fingerprint(train).label_rate == (0.25,)


def test_a_part_has_the_fingerprint_of_its_rows_and_the_split_it_is_of():
    x, y = {"user": np.arange(20) % 3}, np.arange(20) % 2
    torch.manual_seed(7)
    parts = DataGenerator(x, y).generate_dataloader(split_ratio=[0.5, 0.25], batch_size=4)
    for loader in parts:
        rows = loader.dataset.indices.numpy()
        found = fingerprint(loader)
        assert (found.table.ordered, found.rows) == (digests((
            {"user": x["user"][rows]}, y[rows]))[0], len(rows))  # fmt: skip
        split = {name: found.split[name] for name in ("rule", "shares", "seed")}
        assert split == {"rule": "random", "shares": [0.5, 0.25], "seed": 7}
    sources = {fingerprint(loader).split["source"] for loader in parts}
    drawn = {fingerprint(loader).split["drawn"] for loader in parts}
    assert (len(sources), len(drawn)) == (1, 3)


def test_parts_made_by_torch_are_of_an_unknown_split():
    data = TorchDataset({"user": [1, 2, 3, 4]}, [0, 1, 0, 1])
    part = random_split(data, [2, 2])[0]
    assert fingerprint(DataLoader(part)).split["rule"] == "unknown"


def test_loaders_of_every_kind_are_read():
    sequences = SequenceDataGenerator([[5, 6]], [[0, 1]], [7], [[60, 5]]).generate_dataloader()[0]
    names = [column.name for column in fingerprint(sequences).table.columns]
    assert names == ["seq_tokens", "seq_positions", "seq_time_diffs", "targets"]
    match = MatchDataGenerator({"user": [1, 2]}).generate_dataloader(
        {"user": [1]}, {"item": [4]}, 2
    )
    assert [fingerprint(loader).rows for loader in match] == [2, 1, 1]
    tensors = DataLoader(TensorDataset(torch.ones(3, 2), torch.tensor([0.0, 1.0, 1.0])))
    assert [(c.role, c.name) for c in fingerprint(tensors).table.columns] == [
        ("input", "x"), ("label", "y")]  # fmt: skip


def test_of_other_loaders_the_rows_alone_are_known_and_the_record_says_so():
    both = ConcatDataset([PredictDataset({"a": [1, 2]}), PredictDataset({"a": [3]})])
    found = fingerprint(DataLoader(both)).record()
    assert found == {"rows": 3, "unread": "ConcatDataset: its rows are not in memory"}
    assert fingerprint(iter([1])).record()["unread"].startswith("list_iterator")


def test_a_list_of_batches_has_the_fingerprint_of_its_rows():
    x, y = {"user": [1, 2, 3], "item": [4, 5, 6]}, [0.0, 1.0, 1.0]
    batches = list(TableLoader(TorchDataset(x, y), 2))
    assert digests(batches) == digests((x, y))
    ragged = [torch.ones(2, 3), torch.ones(2, 4)]
    assert fingerprint(ragged).record() == {"unread": "list: its rows are not in memory"}


def test_arrays_of_a_data_set_of_another_library_are_read():
    class Own(torch.utils.data.Dataset):
        def __init__(self, last):
            self.ids, self.name = torch.tensor([1, 2, last]), "mine"

        def __len__(self):
            return 3

        def __getitem__(self, row):
            return self.ids[row]

    assert fingerprint(DataLoader(Own(3))).unread.startswith("Own: only its arrays")
    assert digests(DataLoader(Own(3))) == digests(DataLoader(Own(3))) != digests(DataLoader(Own(4)))


def test_label_rates_of_several_tasks_leave_missing_labels_out():
    y = np.array([[1, 0.0], [np.nan, 1.0], [0, 1.0]])
    data = TorchDataset({"user": [1, 2, 3]}, y)
    assert fingerprint(data).label_rate == pytest.approx((0.5, 2 / 3))


def test_no_value_of_the_data_is_in_the_record():
    text = str(fingerprint({"name": ["hunter2", "s3cret"], "n": [987654321, 1]}).record())
    assert not any(value in text for value in ("hunter2", "s3cret", "987654321"))


def test_wide_tables_and_long_names_are_recorded_in_part():
    wide = fingerprint({f"column {i}": [i] for i in range(400)}).record()
    assert len(unlisted(wide["columns"])) == 150
    assert wide["n_columns"] == 400
    long = fingerprint({"x" * 5_000: [1]}).record()["columns"][1]
    assert len(long) < 300
    assert long != fingerprint({"x" * 5_001: [1]}).record()["columns"][1]
