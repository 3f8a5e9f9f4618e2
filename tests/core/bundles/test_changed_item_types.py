"""New cells of items: the types of the catalog, or an error that names the cell."""

import numpy as np
import pandas as pd
import pytest

from torch_rechub.bundles.catalog import Catalog
from torch_rechub.bundles.item_changes import ChangesItems, added_to

ITEMS = {"item": [6001, 6002], "price": [3.5, 4.5], "brand": ["a", "b"], "stock": [1, 2]}
NEW = {"item": 6003, "price": 5.0, "brand": "c", "stock": 3}


def added(**cells):
    """The last row of the items with a new one."""
    whole = added_to(Catalog("item", ITEMS), [{**NEW, **cells}])
    return whole.frame.iloc[-1][list(cells)].tolist(), whole


@pytest.mark.parametrize("given", [6003, 6003.0, "6003", np.int32(6003), np.float32(6003)])
def test_ids_become_the_whole_numbers_of_the_catalog(given):
    _, whole = added(item=given)
    assert whole.ids.tolist() == [6001, 6002, 6003]
    assert whole.ids.dtype == whole.frame["item"].dtype == np.int64


@pytest.mark.parametrize(
    ("column", "given", "expected"),
    [
        ("price", 5, 5.0),
        ("price", "5.25", 5.25),
        ("price", "1e2", 100.0),
        ("brand", 3, "3"),
        ("brand", 3.0, "3"),
        ("brand", "07", "07"),
        ("stock", "7", 7),
        ("stock", 7.5, 7.5),
    ],
)
def test_cells_are_converted_without_loss(column, given, expected):
    (found,), whole = added(**{column: given})
    assert found == expected
    kinds = pd.api.types.infer_dtype(whole.frame[column], skipna=True)
    assert kinds == {"price": "floating", "brand": "string"}.get(column, kinds)


@pytest.mark.parametrize(
    ("column", "given", "shown"),
    [
        ("item", "abc", "'abc'"),
        ("item", "06003", "'06003'"),
        ("item", 6003.5, r"6003\.5"),
        ("item", True, "True"),
        ("price", "cheap", "'cheap'"),
        ("price", [1.0], r"\[1\.0\]"),
        ("brand", ["c"], r"\['c'\]"),
        ("brand", True, "True"),
        ("stock", "few", "'few'"),
    ],
)
def test_cells_of_other_types_are_refused_by_column_row_and_value(column, given, shown):
    rows = [NEW, {**NEW, "item": 6004, column: given}]
    with pytest.raises(ValueError, match=f"{shown} in row 1 of column '{column}', whose cells"):
        added_to(Catalog("item", ITEMS), rows)


def test_missing_cells_remain():
    (brand, stock), _ = added(brand=None, stock=None)
    assert pd.isna(brand)
    assert pd.isna(stock)


def test_lists_remain_lists():
    before = Catalog("item", {"item": ["a"], "tags": [["x", "y"]]})
    whole = added_to(before, [{"item": 3, "tags": ["z"]}])
    assert whole.frame["tags"].tolist() == [["x", "y"], ["z"]]
    assert whole.ids.tolist() == ["a", "3"]
    with pytest.raises(ValueError, match="'z' in row 0 of column 'tags', whose cells are lists"):
        added_to(before, [{"item": "b", "tags": "z"}])


class Shop(ChangesItems):
    """A bundle of items only."""

    def __init__(self):
        self.parts = {"items": Catalog("item", ITEMS)}


def test_updated_items_have_the_types_of_before():
    shop = Shop()
    shop.update_items({"item": ["6002"], "price": [9], "brand": [1], "stock": [5.0]})
    expected = pd.DataFrame({**ITEMS, "price": [3.5, 9.0], "brand": ["a", "1"], "stock": [1, 5]})
    pd.testing.assert_frame_equal(shop.items.frame.reset_index(drop=True), expected)
    with pytest.raises(ValueError, match="'cheap' in row 0 of column 'price'"):
        shop.update_items([{"item": 6001, "price": "cheap", "brand": "a", "stock": 1}])
    assert shop.items.frame["price"].tolist() == [3.5, 9.0]


def test_an_item_that_is_there_is_named_by_the_row_of_the_caller():
    rows = pd.DataFrame([NEW, {**NEW, "item": 6002.0}], index=[70, 71])
    with pytest.raises(ValueError, match=r"^6002 in row 1 of items is .*: .* update_items"):
        added_to(Catalog("item", ITEMS), rows)


def test_whole_float_ids_of_a_catalog_are_integers():
    catalog = Catalog("item", {"item": [6001.0, 6002.0]})
    assert catalog.ids.dtype == catalog.frame["item"].dtype == np.int64
    assert catalog.ids.tolist() == [6001, 6002]
    assert Catalog("item", {"item": [0.5, 2.0]}).ids.tolist() == [0.5, 2.0]


@pytest.mark.parametrize(
    ("chosen", "shown"),
    [("price<10", "'price<10'"), (6001, "6001"), (np.array([True, False]), "array")],
)
def test_filters_are_functions_or_lists_of_ids(chosen, shown):
    with pytest.raises(TypeError, match=f"filter must be a function .* list of raw ids.*{shown}"):
        Catalog("item", ITEMS).mask(chosen)


@pytest.mark.parametrize(
    ("chosen", "error"),
    [(lambda items: items["prize"] < 4, KeyError), (lambda items: items.prize < 4, AttributeError)],
)
def test_the_error_of_a_filter_that_reads_a_missing_column_names_the_columns(chosen, error):
    with pytest.raises(error, match=r"'prize'.*\['item', 'price', 'brand', 'stock'\]"):
        Catalog("item", ITEMS).mask(chosen)
