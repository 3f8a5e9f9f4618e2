"""Numbers clipped, filled, transformed and scaled, against a pipeline of scikit-learn."""

from itertools import pairwise

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)

from torch_rechub.data.preprocessing import Numeric, Preprocessor

SCALERS = {"standard": StandardScaler, "minmax": MinMaxScaler, "robust": RobustScaler}
TRANSFORMS = {"log1p": np.log1p, "sqrt": np.sqrt, None: None}


def encode(values, **options):
    preprocessor = Preprocessor([Numeric("x", **options)])
    return preprocessor, preprocessor.fit_transform({"x": values})


def pipeline(transform, scale, missing):
    fill = (
        {"strategy": missing}
        if isinstance(missing, str)
        else {"strategy": "constant", "fill_value": float(missing)}
    )
    steps = [SimpleImputer(**fill), FunctionTransformer(TRANSFORMS[transform])]
    return make_pipeline(*steps, *([SCALERS[scale]()] if scale else []))


@pytest.fixture(scope="module")
def rows():
    generator = np.random.default_rng(3)
    train = generator.lognormal(1, 2, 5000)
    train[generator.random(5000) < 0.1] = np.nan
    test = np.append(generator.lognormal(1, 2, 50), [np.nan, 0])
    return train, test


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("scale", [*SCALERS, None])
@pytest.mark.parametrize("missing", ["mean", "median", 0.0, 7])
def test_numbers_are_those_of_scikit_learn(transform, scale, missing, rows):
    train, test = rows
    expected = pipeline(transform, scale, missing).fit(train[:, None])
    fitted, found = encode(train, transform=transform, scale=scale, missing=missing)
    for given_rows, found_rows in ((train, found["x"]), (test, fitted.transform({"x": test})["x"])):
        by_hand = expected.transform(given_rows[:, None])[:, 0]
        assert np.allclose(found_rows, by_hand, rtol=2e-6, atol=2e-6)
        assert found_rows.dtype == np.float32


def test_clipping_comes_before_all_else():
    _, found = encode([-5, None, 4, 100], clip=(0, 8), transform="sqrt", missing="mean")
    assert found["x"].tolist() == pytest.approx([0, 2, 2, 8**0.5])  # mean of 0, 4, 8
    assert encode([-5, 100], clip=(None, 8))[1]["x"].tolist() == [-5, 8]
    assert encode([-5, 100], clip=(0, None))[1]["x"].tolist() == [0, 100]
    assert encode([-5, 100], clip=(None, None))[1]["x"].tolist() == [-5, 100]


@pytest.mark.parametrize("scale", SCALERS)
@pytest.mark.parametrize("values", [[0.1, 0.1, None, 0.1], [3], [None, None], [-2, None]])
def test_a_constant_column_becomes_zero(scale, values):
    assert encode(values, scale=scale)[1]["x"].tolist() == [0] * len(values)


def test_an_indicator_marks_missing_cells():
    fitted, found = encode([1, None, "", 4], indicator=True)
    assert found["x_missing"].tolist() == [0, 1, 1, 0]
    assert found["x_missing"].dtype == np.float32
    assert [f.name for f in fitted.features()] == ["x", "x_missing"]
    assert fitted.transform({"x": [7]})["x_missing"].tolist() == [0]


FORMS = {
    "text": ["1", " 2.5 ", "", "-3e2", None],
    "objects": [1, 2.5, None, "-300", float("nan")],
    "pandas": pd.Series([1, 2.5, None, -300, None]),
    "polars": pl.Series([1.0, 2.5, None, -300, None]),
    "half": np.array([1, 2.5, np.nan, -300, np.nan], np.float16),
    "dictionary": pa.array([1, 2.5, None, -300, None]).dictionary_encode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_number_is_read(form):
    _, found = encode(FORMS[form], missing=9)
    assert found["x"].tolist() == [1, 2.5, 9, -300, 9]


def test_bools_are_zero_and_one():
    assert encode([True, None, False], missing=0.5)[1]["x"].tolist() == [1, 0.5, 0]


def test_a_column_of_text_for_one_input_is_numbers_for_another():
    from torch_rechub.data.preprocessing import Categorical

    both = Preprocessor([Numeric("x"), Categorical("x", name="id")])
    found = both.fit_transform({"x": ["1", "1.5", "x" and "1"]})
    assert (found["x"].tolist(), found["id"].tolist()) == ([1, 1.5, 1], [2, 3, 2])
    with pytest.raises(ValueError, match=r"column 'x', row 1 of the dict: '1_0' is no number"):
        both.fit({"x": ["1", "1_0"]})


@pytest.mark.parametrize(("values", "options", "message"), [
    (["1", "many"], {}, r"column 'x' holds 'many' in row 1 of the dict, which is no number"),
    ([1, float("inf")], {}, r"column 'x', row 1 of the dict: inf is no finite number"),
    ([1, None], {"missing": "error"}, r"column 'x', row 1 of the dict: is missing: fill or drop"),
    ([None, 1, -2], {"transform": "log1p"}, r"row 2 of the dict: -2.0 gives nan under log1p"),
    ([None, 1, -4], {"transform": "sqrt"}, r"row 2 of the dict: -4.0 gives nan under sqrt"),
    ([1, 1e39], {}, r"row 1 of the dict: 1e\+39 gives 1e\+39 under single precision"),
    ([1, 2], {"transform": "log1p", "missing": -1},
     r"column 'x': missing cells are filled with -1.0, which gives -inf under log1p"),
    ([[1, 2]], {}, "x"),
])  # fmt: skip
def test_cells_that_do_not_fit_are_refused_with_row_and_remedy(values, options, message):
    with pytest.raises(ValueError, match=message):
        encode(values, **options)


def test_large_numbers_are_filled_with_their_mean_before_the_transform():
    _, found = encode([1e300, None, 3e300], transform="log1p")
    assert found["x"].tolist() == pytest.approx(np.log([1e300, 2e300, 3e300]).tolist())


def test_low_and_high_are_those_of_the_clipped_numbers():
    table = encode([3, None, -9, 5], clip=(0, None))[0].describe().loc["x"]
    assert (table["rows"], table["missing"], table["low"], table["high"]) == (4, 1, 0, 5)


def test_a_function_transforms():
    def halved(x):
        return x / 2

    assert encode([2, None, 6], transform=halved)[1]["x"].tolist() == [1, 2, 3]
    assert encode([2, 6], transform=lambda x: x + 1)[1]["x"].tolist() == [3, 7]
    assert encode([2, 6], transform=np.log1p)[1]["x"].tolist() == pytest.approx(
        np.log1p([2, 6]).tolist()
    )


def test_a_function_that_is_no_transform_is_refused():
    with pytest.raises(ValueError, match=r"the transform 'sum' of column 'x' returned shape \(\)"):
        encode([1, 2], transform=np.sum)

    def sqrt(x):
        return x

    with pytest.raises(ValueError, match="called 'sqrt', which is a transform of this library"):
        Numeric("x", transform=sqrt)

    from functools import partial

    with pytest.raises(ValueError, match="the transform of column 'x' has no name: define it"):
        Numeric("x", transform=partial(np.power, 2))


@pytest.mark.parametrize(("options", "error", "message"), [
    ({"transform": "log"}, ValueError, "transform must be one of 'log1p', 'sqrt'"),
    ({"scale": "z"}, ValueError, "scale must be one of 'standard', 'minmax', 'robust'"),
    ({"missing": "mode"}, ValueError, "missing must be one of 'mean', 'median', 'error'"),
    ({"missing": float("nan")}, ValueError, "missing must be"),
    ({"clip": (2, 1)}, ValueError, "clip_high must be at least 2"),
    ({"clip": (0,)}, ValueError, r"clip must be a pair such as \(0, None\)"),
    ({"indicator": "yes"}, TypeError, "indicator must be True or False, got 'yes'"),
])  # fmt: skip
def test_settings_are_checked(options, error, message):
    with pytest.raises(error, match=message):
        Numeric("x", **options)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.floats(-(2.0**100), 2.0**100)), min_size=1, max_size=30),
    st.sampled_from([*SCALERS, None]),
    st.sampled_from(["mean", "median", 1.0]),
    st.data(),
)
def test_shards_in_any_order_and_grouping_give_the_fit_of_the_whole(values, scale, missing, data):
    column = Numeric("x", scale=scale, missing=missing)
    values = pa.array(values, pa.float64())
    whole = Preprocessor([column]).fit({"x": values})
    cuts = sorted(data.draw(st.sets(st.integers(1, max(len(values) - 1, 1)), max_size=3)))
    bounds = [0, *(c for c in cuts if c < len(values)), len(values)]
    parts = [values.slice(a, b - a) for a, b in pairwise(bounds)]
    fitted = [
        Preprocessor([column]).partial_fit({"x": part})
        for part in data.draw(st.permutations(parts))
    ]
    while len(fitted) > 1:  # any two neighbors
        i = data.draw(st.integers(0, len(fitted) - 2))
        fitted[i : i + 2] = [fitted[i].merge(fitted[i + 1])]
    assert fitted[0].encoders["x"].saved() == whole.encoders["x"].saved()
