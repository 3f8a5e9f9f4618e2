"""Any table in memory gives the same interactions; wrong columns are refused by name."""

import datetime
import uuid

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from core.data.interactions.random_log import NAMES, in_order, random_log
from torch_rechub.data.interactions import Interactions

LOG = random_log()
RECORDS = in_order(LOG)


def check(data):
    found = Interactions(data, *NAMES, attributes=["cate"])
    assert found.rows.tolist() == [r["row"] for r in RECORDS]
    for name in (*NAMES, "cate"):
        assert found[name].tolist() == [r[name] for r in RECORDS]


def test_a_frame_a_dict_and_categories_give_the_same_interactions():
    check(LOG)
    check(LOG.set_index(np.random.default_rng(0).permutation(len(LOG))))
    check({name: column.to_numpy() for name, column in LOG.items()})
    check({name: column.tolist() for name, column in LOG.items()})
    reverse = pd.CategoricalDtype(sorted(set(LOG["user"]), reverse=True))
    check(LOG.astype({"user": reverse, "item": "category", "time": "Int64"}))
    check({**LOG, "time": torch.tensor(LOG["time"].to_numpy())})


def test_polars_and_arrow_tables_give_the_same_interactions():
    columns = {name: column.tolist() for name, column in LOG.items()}
    check(pl.DataFrame(columns))
    check(pl.DataFrame(columns).with_columns(pl.col("item").cast(pl.Categorical)))
    check(pa.table(columns))
    users = pa.array(columns["user"]).dictionary_encode()
    check(pa.table({**columns, "user": users}))


@pytest.mark.parametrize(
    "ids",
    [
        lambda i: i * 10**15 + 2**60,
        lambda i: (i, str(i)),
        lambda i: uuid.UUID(int=i),
        lambda i: frozenset([i]),
        lambda i: datetime.date(2024, 1, i + 1),
    ],
    ids=["large integers", "tuples", "uuids", "sets without an order", "dates"],
)
def test_ids_may_be_any_hashable_values(ids):
    values = [ids(i) for i in (2, 1, 2, 0)]
    data = Interactions({"u": values, "i": values, "t": [4, 3, 2, 1]}, "u", "i", "t")
    by_row = dict(zip(data.rows.tolist(), data["u"], strict=True))
    assert [by_row[row] for row in range(4)] == values
    assert (data.n_users, data.n_items) == (3, 3)
    assert data.rows.tolist().index(2) + 1 == data.rows.tolist().index(0)


TIMES = ["2024-03-10 12:00:00", "2024-03-09 23:30:00", "2024-03-10 00:00:01"]


def times():
    naive = pd.to_datetime(pd.Series(TIMES))
    zoned = naive.dt.tz_localize("UTC").dt.tz_convert("Asia/Shanghai")
    return {
        **{unit: naive.dt.as_unit(unit) for unit in ("s", "ms", "us", "ns")},
        "zoned": zoned,
        "objects": list(naive.dt.to_pydatetime()),
        "polars": pl.Series(zoned.dt.to_pydatetime().tolist()),
        "arrow": pa.array(zoned.tolist(), pa.timestamp("ms", tz="Asia/Tokyo")),
        "numpy": np.array(TIMES, dtype="datetime64[s]"),
    }


@pytest.mark.parametrize("name", times())
def test_dates_and_times_of_any_unit_and_zone_are_the_same_moments(name):
    data = Interactions({"u": [1] * 3, "i": [1, 2, 3], "t": times()[name]}, "u", "i", "t")
    assert data.rows.tolist() == [1, 2, 0]
    assert data["t"].astype("datetime64[s]").tolist() == sorted(
        datetime.datetime.fromisoformat(t) for t in TIMES
    )


def test_whole_numbers_are_exact_next_to_missing_ones():
    log = pa.table({"u": [1, 1], "i": [1, 2], "t": [1, 2], "a": [2**60 + 1, None]})
    assert Interactions(log, "u", "i", "t", attributes=["a"])["a"][0] == 2**60 + 1


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"user": ["a", None]}, ValueError, "'user' has 1 missing values, first in row 1"),
        ({"item": [np.nan, 1.0]}, ValueError, "'item' has 1 missing values, first in row 0"),
        ({"time": [1.0, np.inf]}, ValueError, "'time' holds inf in row 1"),
        ({"time": ["1", "2"]}, TypeError, "'time' of .* holds no times: give numbers, or dates"),
        ({"time": [True, False]}, TypeError, "'time' of bool holds no times"),
        ({"time": [-(2**62) - 1, 2**62]}, ValueError, "whose difference int64 cannot hold"),
        ({"time": np.array([1, 2**63], np.uint64)}, ValueError, "which int64 cannot hold"),
        ({"item": [[1], [2]]}, TypeError, r"'item' holds \[1\] in row 0, which cannot be an id"),
        ({"item": np.ones((2, 2))}, ValueError, r"'item' has the shape \(2, 2\)"),
        ({"item": [1, 2, 3]}, ValueError, "the columns differ in length: .*'item': 3"),
        ({"item": np.ma.masked_array([1, 2], [0, 1])}, ValueError, "1 masked values"),
        ({"rating": ["x", "y"]}, TypeError, "label column 'rating' holds"),
    ],
)
def test_wrong_columns_are_refused_by_name(change, error, message):
    log = {"user": ["a", "b"], "item": [1, 2], "time": [1, 2], "rating": [1, 2], **change}
    with pytest.raises(error, match=message):
        Interactions(log, "user", "item", "time", label="rating")


def test_wrong_tables_and_names_are_refused():
    with pytest.raises(KeyError, match="no column 'when': its columns are"):
        Interactions(LOG, "user", "item", "when")
    with pytest.raises(ValueError, match="'item' is named twice"):
        Interactions(LOG, "user", "item", "time", attributes=["item"])
    with pytest.raises(ValueError, match="several columns 'user'"):
        Interactions(pd.concat([LOG, LOG[["user"]]], axis=1), *NAMES)
    with pytest.raises(TypeError, match="got str; read a file first"):
        Interactions("log.csv", *NAMES)
    with pytest.raises(TypeError, match=r"attributes must be a list of columns, such as \['cate'"):
        Interactions(LOG, *NAMES, attributes="cate")
    with pytest.raises(NotImplementedError, match=r"time_unit must be one of .* got 'min'"):
        Interactions(LOG, *NAMES, time_unit="min")
    with pytest.raises(TypeError, match=r"LazyFrame: collect\(\) it first"):
        Interactions(pl.LazyFrame({"user": [1]}), *NAMES)


def test_an_empty_log_has_no_interactions():
    data = Interactions({"u": [], "i": [], "t": []}, "u", "i", "t")
    assert len(data.k_core(5)) == data.n_users == 0
    assert [len(part) for part in data.leave_one_out()] == [0, 0, 0]
    assert [len(part) for part in data.by_time(shares=(0.9, 0.1))] == [0, 0, 0]
