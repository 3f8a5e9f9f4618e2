"""Every data set: the values of its tables are those of its files, however they are packed."""

import importlib
import pkgutil

import pandas as pd
import pytest

from core.data.public.made import CASES, write
from torch_rechub.data import public
from torch_rechub.data.public import catalog
from torch_rechub.data.public.layout import Layout

LAYOUTS = {
    id(value): value
    for info in pkgutil.iter_modules(catalog.__path__)
    for found in vars(importlib.import_module(f"{catalog.__name__}.{info.name}")).values()
    for value in (found.values() if isinstance(found, dict) else [found])
    if isinstance(value, Layout)
}


def plain(value):
    """A value of a frame, None where it is missing."""
    return value if isinstance(value, tuple) else None if pd.isna(value) else value


@pytest.mark.parametrize("kind", ["folder", "gz", "zip", "tar.gz"])
@pytest.mark.parametrize("name", CASES)
def test_values_are_those_of_the_files(name, kind, tmp_path):
    case = CASES[name]
    data = case.open(write(case, tmp_path, kind))
    assert set(data.tables) == set(case.rows)
    for table, rows in case.rows.items():
        frame = data.read(table)
        assert len(frame) == len(rows)
        for i, row in enumerate(rows):
            assert {column: plain(frame[column].iloc[i]) for column in row} == row


@pytest.mark.parametrize("name", CASES)
def test_a_table_has_the_columns_and_types_of_its_layout(name, tmp_path):
    types = {"int": "int64", "number": "float64", "time": "int64", "choice": "int64"}
    data = CASES[name].open(write(CASES[name], tmp_path))
    for table in data.tables:
        frame = data.read(table)
        columns = data.layout.tables[table].columns
        kept = {c.name for c in columns} - {"feature_num", "feature_list"}
        assert set(frame.columns) == kept
        for column in columns:
            if column.type in types and not column.derived and column.name in kept:
                assert str(frame[column.name].dtype) == types[column.type], column.name


@pytest.mark.parametrize("name", CASES)
def test_one_file_is_enough(name, tmp_path):
    case = CASES[name]
    folder = write(case, tmp_path)
    data = case.open(folder)
    table = data.layout.main if data.layout.main in data.tables else data.tables[0]
    alone = case.open(data.members[table][0].path)
    assert alone.tables == (table,)
    rows = len(data.members[table]) == 1
    pd.testing.assert_frame_equal(alone.read(table), data.read(table)[: None if rows else 1])


def test_every_function_of_the_package_is_tested():
    opened = {case.open.func for case in CASES.values()}
    functions = {getattr(public, name) for name in public.__all__ if name.islower()}
    assert functions - opened == {public.movielens_100k}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=lambda layout: layout.title)
def test_joined_tables_share_no_name_but_their_key(layout):
    for table in layout.tables.values():
        names = [{column.name for column in table.columns}]
        for side in table.sides:
            key = layout.tables[side].key
            names.append({c.name for c in layout.tables[side].columns} - {key})
            # the features of Ali-CCP are taken out of lists
            names[-1] -= {"feature_num", "feature_list"}
        assert sum(map(len, names)) == len(set().union(*names))


def test_an_edition_that_is_not_there_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(ValueError, match="edition must be one of 2014, 2018, 2023, got 2019"):
        public.amazon_reviews(tmp_path, edition=2019)


# Joining


def test_ratings_get_the_columns_of_users_and_movies_in_their_order(tmp_path):
    case = CASES["movielens_1m"]
    joined = case.open(write(case, tmp_path)).read(join=True)
    assert joined.user_id.tolist() == [1, 1, 2]
    assert joined.title.tolist() == ["Misérables, Les", "James: and", "James: and"]
    assert joined.occupation.tolist() == [10, 10, 16]
    assert joined.genres.tolist()[0] == ("Drama",)


def test_an_item_without_a_description_has_missing_values_and_empty_lists(tmp_path):
    folder = write(CASES["movielens_1m"], tmp_path)
    (folder / "ml-1m/movies.dat").write_text("661::James: and (1996)::Animation\n")
    joined = public.movielens_1m(folder).read(join=True)
    assert joined.title.isna().tolist() == [True, False, False]
    assert joined.genres.tolist() == [(), ("Animation",), ("Animation",)]
    assert joined.release_year.isna().tolist() == [True, False, False]


def test_the_first_of_two_descriptions_counts_and_a_warning_says_so(tmp_path, caplog):
    folder = write(CASES["movielens_1m"], tmp_path)
    with (folder / "ml-1m/users.dat").open("a") as file:
        file.write("1::M::18::7::99999\n")
    joined = public.movielens_1m(folder).read(join=True)
    assert joined.gender.tolist() == ["F", "F", "M"]
    assert "the table 'users' has 1 rows whose user_id came before" in caplog.text


def test_impressions_get_the_features_of_their_user(tmp_path):
    case = CASES["ali_ccp"]
    joined = case.open(write(case, tmp_path)).read(join=True)
    assert joined.user_id.tolist() == [31319, 31319]
    assert joined.seen_categories.tolist() == [(451, 452)] * 2
