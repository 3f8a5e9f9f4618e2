"""Recipes: the preprocessor of each data set fits its tables, and encodes them as by hand."""

import math

import numpy as np
import pytest

from core.data.public.made import CASES, write


def opened(name, tmp_path):
    """The data set, and the name of its first table that is there."""
    data = CASES[name].open(write(CASES[name], tmp_path))
    return data, data.layout.main if data.layout.main in data.tables else data.tables[0]


@pytest.mark.parametrize("name", CASES)
def test_a_recipe_fits_and_transforms_all_rows_without_its_labels(name, tmp_path):
    data, table = opened(name, tmp_path)
    recipe = data.recipe(table)
    encoded = recipe.fit_transform(data.blocks(table, join=True))
    rows = len(CASES[name].rows[table])
    assert {len(values) for values in encoded.values()} == {rows}
    columns = [c for t in data.tables for c in data.layout.tables[t].columns]
    labels = {column.name for column in columns if column.use in ("target", "weight")}
    assert not labels.intersection(encoded)
    own = [c.name for c in data.layout.tables[table].columns if c.use == "target"]
    assert (encoded.y is None) == (not own)
    for i, row in enumerate(CASES[name].rows[table]):
        for j, label in enumerate(own):
            if label in row:
                assert encoded.y.reshape(rows, -1)[i, j] == np.float32(row[label])
    assert {feature.name for feature in recipe.features()} == set(encoded)


def test_movies_users_and_ratings_are_encoded_as_by_hand(tmp_path):
    data, _ = opened("movielens_1m", tmp_path)
    encoded = data.recipe(threshold=4).fit_transform(data)
    expected = {
        "user_id": [2, 2, 3],
        "item_id": [3, 2, 2],
        "gender": [2, 2, 3],
        "age": [2, 2, 3],
        "occupation": [2, 2, 3],
        "zip_code": [2, 2, 3],
        "release_year": [3, 2, 2],
        "genres": [[4, 0], [2, 3], [2, 3]],
        "timestamp_hour": [24, 24, 23],  # 22:12, 22:35 and 21:33, of the hours from id 2
        "timestamp_weekday": [8, 8, 8],  # Sunday, the last of seven
    }
    assert {name: values.tolist() for name, values in encoded.items()} == expected
    assert encoded.y.tolist() == [1, 0, 1]


def test_counts_are_logarithmized_and_unlabeled_rows_are_transformed(tmp_path):
    data, _ = opened("criteo", tmp_path)
    recipe = data.recipe()
    train = recipe.fit_transform(data)
    mean = math.log1p(1) / 2  # of log1p(1) and log1p(0), whose standard deviation is the same
    np.testing.assert_allclose(train["I1"], [(math.log1p(1) - mean) / mean, -1], rtol=1e-6)
    assert train["I2"].tolist() == [0, 0]  # -2 is clipped
    assert train["C1"].tolist() == [3, 2]  # ties by value
    test = recipe.transform(data.blocks("test"))
    assert test.y is None
    np.testing.assert_allclose(test["I1"], [1], rtol=1e-6)
    assert test["C2"].tolist() == [3]


def test_weights_of_the_census_are_weights(tmp_path):
    data, _ = opened("census_income", tmp_path)
    encoded = data.recipe().fit_transform(data)
    assert encoded.weights.tolist() == pytest.approx([1032.38] * 2)
    assert encoded.y.tolist() == [0, 1]
    assert "instance_weight" not in encoded


def test_clicks_and_conversions_are_two_labels(tmp_path):
    data, _ = opened("ali_ccp", tmp_path)
    encoded = data.recipe().fit_transform(data)
    assert encoded.y.tolist() == [[0, 0], [1, 1]]
    assert encoded["seen_categories"].tolist() == [[2, 3], [2, 3]]
    assert encoded["intentions"].tolist() == [[2, 3], [0, 0]]


@pytest.mark.parametrize("name", ["movielens_20m", "kuairand", "ali_ccp", "steam"])
def test_blocks_of_one_row_give_what_the_whole_gives(name, tmp_path):
    data, _ = opened(name, tmp_path)
    whole = data.recipe().fit_transform(data.read(join=True))
    blocks = data.recipe().fit_transform(data.blocks(join=True, rows=1))
    assert set(whole) == set(blocks)
    for name in whole:
        np.testing.assert_array_equal(whole[name], blocks[name])


def test_rare_categories_are_unknown(tmp_path):
    data, _ = opened("movielens_1m", tmp_path)
    encoded = data.recipe(min_count=2).fit_transform(data)
    assert encoded["user_id"].tolist() == [2, 2, 1]
    assert encoded["genres"].tolist() == [[1, 0], [2, 3], [2, 3]]


def test_tables_that_were_not_found_are_not_in_the_recipe(tmp_path):
    folder = write(CASES["movielens_1m"], tmp_path) / "ml-1m"
    (folder / "users.dat").unlink()
    data = CASES["movielens_1m"].open(folder)
    names = {column.input_name for column in data.recipe().columns}
    assert names == {"user_id", "item_id", "timestamp", "genres", "release_year"}


def test_settings_of_a_recipe_are_checked(tmp_path):
    data, _ = opened("taobao", tmp_path)
    with pytest.raises(ValueError, match="min_count must be at least 1, got 0"):
        data.recipe(min_count=0)
    with pytest.raises(ValueError, match="threshold must be finite, got nan"):
        data.recipe(threshold=math.nan)
    with pytest.raises(ValueError, match="has no table 'users'"):
        data.recipe("users")
