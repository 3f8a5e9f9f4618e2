"""Odd values in every place of every kind of table: an error that helps, or a finite model."""

import math
import re
from datetime import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from torch_rechub.basic.features import DenseFeature, SequenceFeature, SparseFeature
from torch_rechub.data.dataset import ParquetIterableDataset
from torch_rechub.models.ranking import WideDeep
from torch_rechub.trainers import CTRTrainer
from torch_rechub.utils.data import DataGenerator

N, ROW = 12, 7  # the rows of a table, and the odd one
NAT = pd.NaT
PLACES = {"dense": "price", "id": "item", "sequence": "history", "label": "y", "weight": "w"}
VALUES = {
    "NaN": math.nan,
    "infinity": math.inf,
    "minus infinity": -math.inf,
    "None": None,
    "NaT": NAT,
    "an empty string": "",
    "a huge number": 1e300,
    "a large number": 1e30,
    "a large whole number": 10**12,
    "a negative number": -1,
}
# cells whose value is one to learn from; a large weight only scales the others down
LEGITIMATE = {
    ("dense", "a negative number"),
    ("dense", "a large number"),  # may overflow later, which is reported then
    ("dense", "a large whole number"),
    ("weight", "a large number"),
    ("weight", "a large whole number"),
}
REMEDY = r"(?i)\b(fill|drop|map|set|clip|scale|convert|correct|store)\b"


def table(place, value):
    """Columns of lists, with a value in one place of the odd row."""
    columns = {
        "price": [i / 4 for i in range(N)],
        "item": [i % 5 for i in range(N)],
        "history": [[i % 5, (i + 1) % 5, 0] for i in range(N)],
        "y": [i % 2 for i in range(N)],
        "w": [1.0 + i % 3 for i in range(N)],
    }
    if place == "sequence":
        columns["history"][ROW][1] = value
    elif place is not None:
        columns[PLACES[place]][ROW] = value
    return columns


def typed(column):
    """The column as polars and Arrow could hold it: of one type, with nulls."""
    flat = [v for row in column for v in (row if isinstance(row, list) else [row])]

    def change(convert):
        def one(v):
            return None if v is None or v is NAT else convert(v)

        return [[one(v) for v in r] if isinstance(r, list) else one(r) for r in column]

    if any(v is NAT for v in flat):
        return change(lambda v: datetime(2024, 1, 2))
    if any(isinstance(v, str) for v in flat):
        return change(str)
    return change(float) if any(isinstance(v, float) for v in flat) else column


def one_type(columns):
    return {name: typed(column) for name, column in columns.items()}


TABLES = {
    "dict": dict,
    "arrays": lambda columns: {name: np.array(c, dtype=object) for name, c in columns.items()},
    "pandas": lambda columns: pd.DataFrame({name: pd.Series(c) for name, c in columns.items()}),
    "nullable pandas": lambda columns: pd.DataFrame(columns).convert_dtypes(),
    "polars": lambda columns: pl.DataFrame(one_type(columns)),
    "Arrow": lambda columns: pa.table(one_type(columns)),
}


class Labeled:
    """Batches of Parquet files with their labels apart."""

    def __init__(self, batches):
        self.batches = batches

    def __iter__(self):
        for batch in self.batches:
            y = batch.pop("y")
            yield batch, y


def model():
    torch.manual_seed(0)
    item = SparseFeature("item", 5, 2)
    deep = [item, SequenceFeature("history", 5, 2, "mean"), DenseFeature("price")]
    return WideDeep([item], deep, {"dims": [4]})


def fit(trainer, kind, columns, tmp_path):
    if kind == "Parquet":
        pq.write_table(pa.table(one_type(columns)), tmp_path / "a.parquet")
        trainer.fit(Labeled(ParquetIterableDataset([tmp_path / "a.parquet"])))
        return
    data = TABLES[kind](columns)
    x = {name: data[name] for name in ("price", "item", "history")}
    train, _, _ = DataGenerator(x, data["y"], weights=data["w"]).generate_dataloader(batch_size=N)
    trainer.fit(train)


def trainer_of(kind, tmp_path):
    options = {"weight_column": "w"} if kind == "Parquet" else {}
    return CTRTrainer(model(), n_epoch=3, model_path=tmp_path / "model", progress=False, **options)


def is_finite(trainer):
    return all(w.isfinite().all() for w in trainer.model.state_dict().values())


def overflow(train):
    """The message of the error that ends training if numbers overflow; empty if none do."""
    try:
        train()
    except FloatingPointError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("kind", [*TABLES, "Parquet"])
def test_without_an_odd_value_every_kind_of_table_trains_the_same_model(kind, tmp_path):
    found, expected = trainer_of(kind, tmp_path), trainer_of("dict", tmp_path)
    torch.manual_seed(1)
    fit(found, kind, table(None, None), tmp_path)
    torch.manual_seed(1)
    fit(expected, "dict", table(None, None), tmp_path)
    losses = [[row["train/loss"] for row in trainer.history] for trainer in (found, expected)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.parametrize("kind", [*TABLES, "Parquet"])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("value", VALUES)
def test_an_odd_value_is_refused_with_column_row_and_remedy_or_trains_a_finite_model(
    value, place, kind, tmp_path
):
    trainer = trainer_of(kind, tmp_path)
    columns = table(place, VALUES[value])
    if (place, value) in LEGITIMATE:
        reported = overflow(lambda: fit(trainer, kind, columns, tmp_path))
        assert is_finite(trainer) or reported
        assert (tmp_path / "model" / "model.pth").exists() == (not reported)
        return
    before = model().state_dict()
    with pytest.raises((TypeError, ValueError, IndexError)) as caught:
        fit(trainer, kind, columns, tmp_path)
    message = str(caught.value)
    assert {"y": "y", "w": "w"}.get(PLACES[place], f"'{PLACES[place]}'") in message
    assert f"row {ROW}" in message
    assert re.search(REMEDY, message), message
    assert all(torch.equal(w, before[name]) for name, w in trainer.model.state_dict().items())
    assert not (tmp_path / "model" / "model.pth").exists()
