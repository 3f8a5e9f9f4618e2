"""Blocks, shards, formats: the result is that of the whole, whatever the parts."""

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError

from core.data.preprocessing.logs import COLUMNS, assert_same, states, write
from torch_rechub.data.preprocessing import (
    Categorical,
    Preprocessor,
)


class TestParts:
    """Blocks, shards and formats are details of reading: the result is that of the whole."""

    @pytest.mark.parametrize("block_rows", [1, 37, 299])
    def test_one_block_or_many(self, log, fitted, block_rows):
        log = log[:12] if block_rows == 1 else log
        again = Preprocessor(COLUMNS, ["click"], "weight").fit(log, block_rows=block_rows)
        whole = Preprocessor(COLUMNS, ["click"], "weight").fit(log)
        assert states(again) == states(whole)
        assert_same(fitted.transform(log, block_rows=block_rows), fitted.transform(log))
        both = Preprocessor(COLUMNS, ["click"], "weight").fit_transform(log, block_rows=block_rows)
        assert_same(both, whole.transform(log))

    @settings(max_examples=8, deadline=None)
    @given(data=st.data())
    def test_shards_in_any_order_and_grouping(self, log, fitted, data):
        cuts = sorted(data.draw(st.sets(st.integers(1, 299), min_size=1, max_size=3)))
        shards = data.draw(st.permutations(list(np.split(np.arange(300), cuts))))
        split = data.draw(st.integers(0, len(shards)))
        parts = [Preprocessor(COLUMNS, ["click"], "weight") for _ in range(2)]
        for number, rows in enumerate(shards):
            parts[number < split].partial_fit(log.iloc[rows])
        merged = parts[0].merge(parts[1])
        assert states(merged) == states(fitted)
        assert_same(merged.transform(log), fitted.transform(log))

    def test_merging_changes_only_the_first(self, log):
        first, second = (Preprocessor(COLUMNS).fit(log[a : a + 100]) for a in (0, 100))
        before = states(second)
        empty = Preprocessor(COLUMNS)
        assert states(empty.merge(second)) == before
        empty.partial_fit(log[:50])
        first.merge(second)
        assert states(second) == states(Preprocessor(COLUMNS).merge(second)) == before
        assert states(Preprocessor(COLUMNS).fit(log[:100]).merge(Preprocessor(COLUMNS))) == states(
            Preprocessor(COLUMNS).fit(log[:100])
        )

    def test_a_second_fit_drops_the_first(self, log, fitted):
        again = Preprocessor(COLUMNS, ["click"], "weight").fit(log[:50])
        assert states(again.fit(log)) == states(fitted)

    def test_other_columns_cannot_be_merged(self):
        with pytest.raises(
            ValueError, match="only preprocessors of the same columns can be merged"
        ):
            Preprocessor([Categorical("a")]).merge(Preprocessor([Categorical("a", min_count=2)]))

    def test_an_error_in_a_part_leaves_the_fit_as_it_was(self, log, fitted):
        again = Preprocessor(COLUMNS, ["click"], "weight").fit(log)
        broken = log.astype({"price": object})
        broken.loc[250, "price"] = "dear"
        with pytest.raises(ValueError, match="column 'price' holds 'dear' in row 250"):
            again.partial_fit(broken, block_rows=100)
        assert states(again) == states(fitted)
        unfitted = Preprocessor(COLUMNS, ["click"], "weight")
        with pytest.raises(ValueError, match="'dear'"):
            unfitted.fit(broken, block_rows=100)
        with pytest.raises(NotFittedError):
            unfitted.transform(log)


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet", "csv.gz"])
def test_files_give_what_the_frame_gives(log, fitted, kind, tmp_path):
    path = write(log, tmp_path, kind)
    again = Preprocessor(COLUMNS, targets=["click"], weight="weight")
    assert_same(again.fit_transform(path, block_rows=64), fitted.transform(log))
    assert states(again) == states(fitted)
    assert_same(fitted.transform(str(path)), fitted.transform(log))


@pytest.mark.parametrize("form", ["dict", "lists", "polars", "arrow", "dictionaries", "blocks"])
def test_tables_in_memory_give_what_the_frame_gives(log, fitted, form):
    arrow = pa.Table.from_pandas(log, preserve_index=False)
    text = [
        i
        for i, field in enumerate(arrow.schema)
        if pa.types.is_large_string(field.type) or pa.types.is_string(field.type)
    ]
    data = {
        "dict": lambda: {name: log[name].to_numpy() for name in log},
        "lists": lambda: {name: log[name].tolist() for name in log},
        "polars": lambda: pl.from_pandas(log),
        "arrow": lambda: arrow,
        "dictionaries": lambda: log.astype({log.columns[i]: "category" for i in text}),
        "blocks": lambda: [log[:100], log[100:101], log[101:]],
    }[form]()
    again = Preprocessor(COLUMNS, targets=["click"], weight="weight")
    assert_same(again.fit_transform(data), fitted.transform(log))
    assert states(again) == states(fitted)
