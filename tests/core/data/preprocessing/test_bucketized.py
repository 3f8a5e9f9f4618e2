"""Numbers as ids of intervals, against np.digitize, np.quantile and KBinsDiscretizer."""

from inspect import signature

import numpy as np
import pytest
from sklearn.preprocessing import KBinsDiscretizer

from torch_rechub.data.preprocessing import Bucketized, Preprocessor


def encode(values, **options):
    preprocessor = Preprocessor([Bucketized("x", **options)])
    return preprocessor, preprocessor.fit_transform({"x": values})["x"]


def test_ids_count_the_boundaries_at_or_below():
    values = np.array([-1e30, -1, 0, 0.5, 1, 1.5, 2, 1e30])
    fitted, found = encode(values, boundaries=np.array([0, 1, 2]))
    by_hand = [2 + sum(b <= value for b in (0, 1, 2)) for value in values]
    assert found.tolist() == by_hand
    assert found.dtype == np.int32
    assert fitted.features()[0].vocab_size == 6
    assert fitted.transform({"x": [None, "", "1"]})["x"].tolist() == [1, 1, 4]


@pytest.mark.parametrize("n", [2, 4, 10, 37])
def test_quantiles_are_those_of_numpy_and_scikit_learn(n):
    generator = np.random.default_rng(n)
    values = generator.normal(size=3001)
    values[::7] = np.nan
    present = values[~np.isnan(values)]
    fitted, found = encode(values, quantiles=n)
    boundaries = np.quantile(present, np.linspace(0, 1, n + 1)[1:-1])
    assert fitted.encoders["x"].boundaries == boundaries.tolist()
    options = {"encode": "ordinal", "strategy": "quantile", "subsample": None}
    if "quantile_method" in signature(KBinsDiscretizer).parameters:  # linear before it existed
        options["quantile_method"] = "linear"
    bins = KBinsDiscretizer(n, **options)
    by_sklearn = 2 + bins.fit_transform(present[:, None])[:, 0]
    assert np.array_equal(found[~np.isnan(values)], by_sklearn)
    assert (found[np.isnan(values)] == 1).all()


def test_equal_quantiles_are_one_boundary_and_no_interval_is_empty():
    values = [0] * 90 + [1] * 5 + [2] * 5
    fitted, found = encode(values, quantiles=10)
    assert sorted(set(found.tolist())) == list(range(2, fitted.features()[0].vocab_size))
    assert found[0] == 2


@pytest.mark.parametrize("values", [[5, 5, 5], [None], [None, 3]])
def test_rows_that_are_all_equal_or_missing_have_one_interval(values):
    fitted, found = encode(values, quantiles=4)
    assert found.tolist() == [1 if v is None else 2 for v in values]
    assert fitted.features()[0].vocab_size == 3
    assert fitted.transform({"x": [-100, 100]})["x"].tolist() == [2, 2]


def test_shards_have_the_quantiles_of_the_whole():
    values = np.random.default_rng(0).exponential(size=1000).round(2)
    whole = Preprocessor([Bucketized("x", quantiles=9)]).fit({"x": values})
    parts = [Preprocessor(whole.columns).fit({"x": part}) for part in np.split(values, [10, 500])]
    merged = parts[2].merge(parts[0]).merge(parts[1])
    assert merged.encoders["x"].saved() == whole.encoders["x"].saved()
    table = whole.describe().loc["x"]
    assert (table["low"], table["high"], table["rows"]) == (values.min(), values.max(), 1000)


@pytest.mark.parametrize(("options", "message"), [
    ({}, "give boundaries or quantiles"),
    ({"boundaries": [1], "quantiles": 3}, "give boundaries or quantiles"),
    ({"boundaries": []}, "boundaries must be one or more increasing numbers"),
    ({"boundaries": [1, 1]}, r"increasing numbers, got \[1, 1\]"),
    ({"boundaries": [0, float("nan")]}, "boundaries must be finite|boundaries must be"),
    ({"quantiles": 1}, "quantiles must be at least 2, got 1"),
])  # fmt: skip
def test_settings_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        Bucketized("x", **options)


def test_a_cell_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="column 'x' holds 'a' in row 1 of the dict"):
        encode(["1", "a"], boundaries=[0])
