"""Orders of a shop, from a raw CSV to recommendations of a bundle in a new process."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from torch_rechub.basic.features import SequenceFeature
from torch_rechub.bundles import load_bundle
from torch_rechub.data.interactions import Interactions
from torch_rechub.data.preprocessing import Categorical, Preprocessor
from torch_rechub.data.synthetic_files import write_order_log
from torch_rechub.metrics.retrieval import top_k
from torch_rechub.models.matching import DSSM
from torch_rechub.trainers import MatchTrainer, RetrievalData
from warm_python import run_script

LENGTH = 6
OPTIONS = {"max_length": LENGTH, "attributes": ["category"]}


class Orders:
    """The flow of the page on raw data, smaller, and the bundle of its DSSM."""

    def __init__(self, folder):
        write_order_log(folder / "orders.csv", n_customers=60, n_products=40)
        orders = pd.read_csv(folder / "orders.csv", parse_dates=["time"])
        log = Interactions(orders, "customer", "product", "time", attributes=["category"])
        self.raw = log.drop_duplicates().k_core(3).leave_one_out()
        names = ("customer", "product", "category")
        self.shop = Preprocessor([Categorical(name, embed_dim=8) for name in names])
        split = self.raw.encode(self.shop.fit(self.raw.train.frame()))
        self.test = RetrievalData(**split.test.retrieval(**OPTIONS))
        item = self.shop.features("product", "category")
        user = [
            SequenceFeature(f"hist_{f.name}", f.vocab_size, 8, "mean", f.name, padding_idx=0)
            for f in item
        ]
        torch.manual_seed(0)
        params = {"dims": [8], "activation": "prelu"}
        model = DSSM(user, item, params, params, temperature=0.1)
        self.trainer = MatchTrainer(
            model, in_batch_neg=True, n_epoch=2, model_path=folder, retrieval=self.test,
            item_frequency={"product": split.train.popularity()},
        )  # fmt: skip
        self.trainer.fit(split.train.samples(**OPTIONS).loader(64, shuffle=True))
        self.folder, self.path = folder, folder / "bundle"
        self.products = pd.DataFrame(
            {name: self.shop.decode(name, self.test.items[name]) for name in names[1:]}
        )
        self.trainer.save(
            self.path, preprocessor=self.shop, items=self.products, item="product",
            user="customer", time="time",
        )  # fmt: skip

    def past(self):
        """The raw rows before the test row of each customer, in no order."""
        past = pd.concat([self.raw.train.frame(), self.raw.validation.frame()])
        return past.sample(frac=1, random_state=0)


@pytest.fixture(scope="module")
def orders(tmp_path_factory):
    return Orders(tmp_path_factory.mktemp("orders"))


@pytest.fixture(scope="module")
def bundle(orders):
    return load_bundle(orders.path)


def test_length_and_popularity_are_those_of_the_trainer(orders, bundle):
    assert bundle.parts["users"].length == LENGTH
    counts = orders.raw.train.frame()["product"].value_counts()
    assert bundle.items.popularity.tolist() == counts[bundle.items.ids].tolist()


def test_categories_that_some_orders_lack_are_those_that_evaluation_reads(orders, bundle):
    """A category is missing in some orders of a product, so that it changes over time."""
    past = orders.past()
    assert past["category"].isna().any()
    # evaluation has the users in the order of their names
    by_name = past.sort_values("customer", kind="stable")
    model, test = orders.trainer.model, orders.test
    u = orders.trainer.inference_embedding(model, "user", test.users, orders.folder)
    v = orders.trainer.inference_embedding(model, "item", test.items, orders.folder)
    scores, best = top_k(u, v, 5, test.seen)
    found = bundle.recommend(by_name, k=5)
    customers = orders.shop.decode("customer", test.users["customer"])
    assert found["customer"].tolist() == np.repeat(customers, 5).tolist()
    products = orders.shop.decode("product", test.items["product"][best.numpy()])
    assert found["product"].tolist() == products.reshape(-1).tolist()
    assert found["score"].tolist() == scores.reshape(-1).tolist()


def test_metrics_of_recommendations_are_those_of_the_trainer(orders, bundle):
    expected = orders.trainer.evaluate_retrieval(orders.trainer.model, orders.test)
    found = bundle.recommend(orders.past(), k=10)
    known = set(bundle.items.ids)
    wanted = {
        customer: product
        for customer, product in orders.raw.test.frame()[["customer", "product"]].to_numpy()
        if product in known
    }
    gains, hits = [], []
    for customer, product in wanted.items():
        listed = found[found["customer"] == customer]["product"].tolist()
        hits.append(product in listed)
        gains.append(1 / np.log2(listed.index(product) + 2) if hits[-1] else 0)
    assert 0 < sum(hits) < len(hits)
    assert np.mean(hits) == pytest.approx(expected["hit@10"])
    assert np.mean(gains) == pytest.approx(expected["ndcg@10"])


def test_lists_of_categories_may_be_given_or_are_those_of_the_items(orders, bundle):
    a, b = orders.products["product"][:2]
    kinds = orders.products["category"][:2].tolist()
    alone, with_kinds, others = (
        bundle.recommend([{"hist_product": [a, b], **more}], k=5)
        for more in ({}, {"hist_category": kinds}, {"hist_category": ["never", "seen"]})
    )
    pd.testing.assert_frame_equal(alone, with_kinds)
    assert others["score"].tolist() != alone["score"].tolist()
    with pytest.raises(ValueError, match="row 0 of users has 2 items, but 1 values in hist_categ"):
        bundle.recommend([{"hist_product": [a, b], "hist_category": ["x"]}])


def test_items_outside_the_history_that_is_read_are_excluded_too(orders, bundle):
    long = orders.products["product"][: 3 * LENGTH].tolist()
    found = bundle.recommend([{"hist_product": long}], k=1000)
    assert set(found["product"]) == set(orders.products["product"]) - set(long)
    recent = bundle.recommend([{"hist_product": long[-LENGTH:]}], k=1000)
    scores = dict(zip(recent["product"], recent["score"], strict=True))
    expected = [scores[product] for product in found["product"]]
    np.testing.assert_allclose(found["score"], expected, rtol=1e-5)


@pytest.mark.slow
def test_a_new_process_recommends_to_raw_customers_known_and_unknown(orders, bundle):
    product = orders.products["product"][0]
    users = [
        {"customer": "C-00001", "hist_product": [product]},
        {"customer": "never seen", "hist_product": [product, "never sold"]},
        {"customer": "without orders", "hist_product": []},
    ]
    code = f"""
from torch_rechub.bundles import load_bundle
found = load_bundle({str(orders.path)!r}).recommend({users!r}, k=3)
print(found[["customer", "product", "source"]].to_json(orient="values"))
"""
    done = run_script(["-c", code], imported=("torch",))
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    expected = bundle.recommend(users, k=3)
    assert rows == expected[["customer", "product", "source"]].to_numpy().tolist()
    sources = [row[2] for row in rows]
    assert sources == ["model"] * 6 + ["popularity"] * 3
    counts = orders.raw.train.frame()["product"].value_counts()
    assert sorted(counts, reverse=True)[:3] == counts[[row[1] for row in rows[6:]]].tolist()
