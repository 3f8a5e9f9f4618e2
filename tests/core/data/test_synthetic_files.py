"""Synthetic raw files: their form is the promised one, and so is their truth."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from torch_rechub.data.synthetic_files import write_click_log, write_order_log


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def clicks(folder):
    probability = write_click_log(folder / "train.tsv", n_rows=5000, seed=3)
    table = pd.read_csv(folder / "train.tsv", sep="\t", header=None, dtype=str)
    return table, probability


@pytest.fixture(scope="module")
def orders(folder):
    write_order_log(folder / "orders.csv", n_customers=200, n_products=100, seed=3)
    return pd.read_csv(folder / "orders.csv", parse_dates=["time"])


def test_a_click_log_has_labels_counts_and_hexadecimal_texts(clicks):
    table, _ = clicks
    assert table.shape == (5000, 40)
    assert set(table[0]) == {"0", "1"}
    for i in range(1, 14):
        assert table[i].dropna().str.fullmatch(r"\d+").all()
    for i in range(14, 40):
        assert table[i].dropna().str.fullmatch(r"[0-9a-f]{8}").all()
    missing = table.isna().mean()
    assert missing[0] == 0
    assert missing.max() < 0.41
    assert (missing[1:] > 0).sum() > 30


def test_clicks_are_drawn_from_the_returned_probabilities(clicks):
    table, probability = clicks
    labels = table[0].astype(int)
    assert probability.shape == (5000,)
    # by a standard error of at most 0.5 / sqrt(5000), four times
    assert abs(labels.mean() - probability.mean()) < 4 * 0.5 / 5000**0.5
    assert roc_auc_score(labels, probability) > 0.75


def test_orders_are_of_few_categories_and_products_keep_price_and_category(orders):
    assert list(orders) == ["customer", "product", "time", "category", "price"]
    assert orders["customer"].nunique() == 200
    assert orders["product"].nunique() <= 100
    for name in ("category", "price"):
        assert (orders.groupby("product")[name].nunique() <= 1).all()
        assert 0 < orders[name].isna().mean() < 0.1
    assert (orders["customer"].value_counts() == 1).any()
    assert not orders["time"].is_monotonic_increasing
    table = pd.crosstab(orders["customer"], orders["category"])
    assert (table.max(axis=1) / table.sum(axis=1)).mean() > 0.7


def test_the_same_seed_writes_the_same_file_and_another_seed_another_file(tmp_path):
    for write, size in ((write_click_log, {"n_rows": 50}), (write_order_log, {"n_customers": 9})):
        texts = []
        for i, seed in enumerate((0, 0, 1)):
            write(tmp_path / f"{i}", **size, seed=seed)
            texts.append((tmp_path / f"{i}").read_text())
        assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize("wrong", [{"n_rows": 0}, {"seed": -1}])
def test_numbers_out_of_range_are_refused(tmp_path, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        write_click_log(tmp_path / "train.tsv", **wrong)


def test_products_are_all_in_range_however_few(tmp_path):
    write_order_log(tmp_path / "few.csv", n_customers=5, n_products=3)
    numbers = pd.read_csv(tmp_path / "few.csv")["product"].str[2:].astype(int)
    assert np.isin(numbers, range(3)).all()
