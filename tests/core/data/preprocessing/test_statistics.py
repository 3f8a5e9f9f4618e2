"""Counts, sums and quantiles: exact, and the same in any order and grouping."""

from collections import Counter
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torch_rechub.data.preprocessing import vocabulary
from torch_rechub.data.preprocessing.cells import Cells, distinct
from torch_rechub.data.preprocessing.statistics.exact_sum import ExactSum, Moments
from torch_rechub.data.preprocessing.statistics.key_index import KeyIndex
from torch_rechub.data.preprocessing.statistics.quantiles import RELATIVE_ERROR, Quantiles
from torch_rechub.data.preprocessing.statistics.value_counts import ValueCounts, order_of
from torch_rechub.data.preprocessing.vocabulary import Vocabulary

finite = st.floats(allow_nan=False, allow_infinity=False)
HARD = [5e-324, -5e-324, 1e-310, 1e308, -1e308, 1.7e308, 0.1, -0.0, 2.0**53 + 2, 1e16, 1.0, -1e16]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(finite, st.sampled_from(HARD)), max_size=40), st.integers(0, 40))
def test_sums_are_those_of_fractions(terms, cut):
    whole, first, second = ExactSum(), ExactSum(), ExactSum()
    whole.add(np.array(terms))
    first.add(np.array(terms[:cut]))
    second.add(np.array(terms[cut:]))
    second.merge(first)
    assert whole.value == sum(map(Fraction, terms))
    assert second == whole


def test_sums_of_many_terms_of_every_size():
    generator = np.random.default_rng(0)
    terms = generator.normal(size=30_000) * 2.0 ** generator.integers(-1000, 900, 30_000)
    total = ExactSum()
    total.add(terms)
    assert total.value == sum(map(Fraction, terms.tolist()))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1e30, 1e30), min_size=1, max_size=20), st.integers(1, 5))
def test_moments_are_those_of_fractions(values, times):
    moments = Moments()
    moments.add(np.array(values))
    moments.add(np.array(values[:1]), times)
    numbers = [Fraction(v) for v in values + values[:1] * times]
    mean = sum(numbers) / len(numbers)
    variance = sum((x - mean) ** 2 for x in numbers) / len(numbers)
    assert moments.n == len(numbers)
    assert moments.mean == float(mean)
    # squares below 1e-308 are rounded
    assert moments.std == pytest.approx(float(variance) ** 0.5, rel=1e-12, abs=1e-150)


def test_a_small_deviation_around_a_large_mean_is_not_lost():
    moments = Moments()
    moments.add(1e9 + np.array([0.0, 1e-3, 2e-3, 3e-3]))
    assert moments.std == pytest.approx(np.std(np.arange(4)) * 1e-3, rel=1e-3)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(-1e100, 1e100), min_size=1, max_size=30),
    st.lists(st.floats(0, 1), min_size=1, max_size=4),
    st.integers(0, 3),
)
def test_quantiles_are_those_of_numpy(values, shares, extra):
    quantiles = Quantiles()
    quantiles.add(np.array(values[:7]))
    quantiles.add(np.array(values[7:]))
    expected = np.quantile([*values, *[1.5] * extra], shares)
    assert np.allclose(quantiles.at(shares, extra=(1.5, extra)), expected, rtol=1e-14, atol=0)
    assert quantiles.n == len(values)


def test_quantiles_of_many_distinct_numbers_are_within_their_bound():
    generator = np.random.default_rng(1)
    values = generator.normal(size=20_000) * 10.0 ** generator.integers(-5, 5, 20_000)
    shares = np.linspace(0, 1, 101)
    sketch = Quantiles(limit=1000)
    for part in np.split(values, 10):
        sketch.add(part)
    lower = np.quantile(values, shares, method="lower")
    upper = np.quantile(values, shares, method="higher")
    slack = RELATIVE_ERROR * np.maximum(np.abs(lower), np.abs(upper))
    found = sketch.at(shares)
    assert not sketch.is_exact
    assert ((lower - slack <= found) & (found <= upper + slack)).all()


@pytest.mark.parametrize("limit", [5, 50, 10_000])
def test_quantiles_do_not_depend_on_order_or_grouping(limit):
    values = np.random.default_rng(2).normal(size=900).round(2)
    parts = [Quantiles(limit) for _ in range(3)]
    for part, own in zip(parts, np.split(values[::-1], [10, 400]), strict=True):
        part.add(own)
    parts[0].merge(parts[2])
    parts[1].merge(parts[0])
    whole = Quantiles(limit)
    for value in np.split(values, 9):
        whole.add(value)
    shares = np.linspace(0, 1, 13)
    assert parts[1].at(shares).tolist() == whole.at(shares).tolist()
    assert parts[1].is_exact == whole.is_exact == (len(set(values)) <= limit)


def test_quantiles_of_no_numbers_are_zero():
    assert Quantiles().at([0.5]).tolist() == [0]


blocks = st.lists(st.lists(st.sampled_from(["7", "8", "x", "", None, 7, 8, 9, -1])), max_size=5)


@settings(max_examples=40, deadline=None)
@given(blocks)
def test_counts_of_blocks_are_those_of_all_values(blocks):
    whole, merged = ValueCounts(), ValueCounts()
    for block in blocks:
        kinds = {type(v) for v in block} - {type(None)}
        values = [None if v is None else str(v) for v in block] if kinds != {int} else block
        one = ValueCounts()
        for counts in (whole, one):
            counts.add(distinct(Cells(pa.array(values, None if kinds else pa.string()), "c")))
        merged.merge(one)
    texts = Counter(str(v) for block in blocks for v in block if v not in (None, ""))
    numeric = all(t != "x" for t in texts)
    order = sorted(texts, key=lambda t: (-texts[t], int(t) if numeric else t))
    for counts in (whole, merged):
        values, numbers = counts.by_frequency()
        assert [str(v) for v in values.to_pylist()] == order
        assert numbers.tolist() == [texts[t] for t in order]
        assert counts.n_missing == sum(v in (None, "") for block in blocks for v in block)


@settings(max_examples=40, deadline=None)
@given(st.sets(st.text("ab\0é", max_size=12)), st.integers(0, 2))
def test_texts_are_ordered_by_their_bytes(texts, skipped):
    column = pa.array(list(texts), pa.large_string()).slice(skipped)
    ordered = column.take(pa.array(order_of(column))).to_pylist()
    assert ordered == sorted(column.to_pylist(), key=str.encode)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from([0, 1, 2, 7, 2**63, 2**63 + 1, 2**64 - 1]), max_size=20),
    st.lists(st.sampled_from([0, 1, 3, 7, 2**63, 2**64 - 1]), max_size=20),
)
def test_keys_are_found_wherever_they_repeat(keys, wanted):
    index = KeyIndex(np.array(keys, np.uint64))
    found = []
    for rows, places in index.matches(np.array(wanted, np.uint64)):
        assert len(set(rows.tolist())) == len(rows)
        found += zip(rows.tolist(), places.tolist(), strict=True)
    expected = [
        (i, j) for i, want in enumerate(wanted) for j, key in enumerate(keys) if want == key
    ]
    assert sorted(found) == expected


def test_texts_with_equal_hashes_have_ids_of_their_own(monkeypatch):
    monkeypatch.setattr(vocabulary, "text_hash", lambda texts: np.zeros(len(texts), np.uint64))
    words = Vocabulary(pa.array(["a", "b", "c"], pa.large_string()), np.ones(3, np.int64))
    assert words.ids_of(pa.array(["c", "x", "a", "b"], pa.large_string())).tolist() == [4, 1, 2, 3]
