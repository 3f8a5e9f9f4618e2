"""Bundles of retrieval models: raw users in, the items that evaluation ranks first out."""

import numpy as np
import pandas as pd
import pytest
import torch

from torch_rechub.basic.features import SequenceFeature
from torch_rechub.bundles import load_bundle
from torch_rechub.data.interactions import Interactions
from torch_rechub.data.preprocessing import Categorical, Preprocessor
from torch_rechub.metrics.retrieval import top_k
from torch_rechub.models.matching import DSSM
from torch_rechub.trainers import MatchTrainer, RetrievalData

SETTINGS = {"max_length": 8, "attributes": ["category"]}


def orders(n=300):
    rng = np.random.default_rng(0)
    product = rng.integers(0, 30, n)
    return pd.DataFrame(
        {
            "customer": [f"c{i}" for i in rng.integers(0, 20, n)],
            "product": [f"p{i}" for i in product],
            "category": [f"k{i % 4}" for i in product],
            "time": rng.permutation(n),
        }
    )


class Shop:
    """A trained DSSM of a shop, its data, and its bundle."""

    def __init__(self, folder):
        log = Interactions(orders(), "customer", "product", "time", attributes=["category"])
        self.raw = log.drop_duplicates().leave_one_out()
        names = ("customer", "product", "category")
        self.preprocessor = Preprocessor([Categorical(name, embed_dim=4) for name in names])
        self.split = self.raw.encode(self.preprocessor.fit(self.raw.train.frame()))
        item = self.preprocessor.features("product", "category")
        user = [
            SequenceFeature(f"hist_{f.name}", f.vocab_size, 4, "mean", f.name, padding_idx=0)
            for f in item
        ]
        model = DSSM(user, item, {"dims": [8]}, {"dims": [8]}, temperature=0.1)
        self.trainer = MatchTrainer(
            model, in_batch_neg=True, n_epoch=1, model_path=folder,
            item_frequency={"product": self.split.train.popularity()},
        )  # fmt: skip
        self.trainer.fit(self.split.train.samples(**SETTINGS).loader(64))
        self.items = orders()[["product", "category"]].drop_duplicates("product")
        self.folder = folder / "bundle"
        self.trainer.save(
            self.folder, preprocessor=self.preprocessor, items=self.items, item="product",
            user="customer", time="time", length=8,
        )  # fmt: skip
        self.path = folder

    def ranked(self, k):
        """The best products of each customer by the path of evaluation, and their scores."""
        test = RetrievalData(**self.split.test.retrieval(**SETTINGS))
        model = self.trainer.model
        u = self.trainer.inference_embedding(model, "user", test.users, self.path)
        v = self.trainer.inference_embedding(model, "item", test.items, self.path)
        scores, best = top_k(u, v, k, test.seen)
        customers = self.preprocessor.decode("customer", test.users["customer"])
        products = self.preprocessor.decode("product", test.items["product"][best])
        return dict(zip(customers, zip(products.tolist(), scores.tolist())))


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return Shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture
def bundle(shop):
    return load_bundle(shop.folder)


def past(shop):
    return pd.concat([shop.raw.train.frame(), shop.raw.validation.frame()])


def test_a_raw_log_is_recommended_what_evaluation_ranks_first(shop, bundle):
    # in the order of evaluation, because the last bits of a product depend on the rows of a batch
    found = bundle.recommend(past(shop).sort_values("customer"), k=5)
    expected = shop.ranked(5)
    assert set(found["customer"]) == set(expected)
    for customer, (products, scores) in expected.items():
        own = found[found["customer"] == customer]
        assert own["product"].tolist() == products
        assert own["score"].tolist() == scores
        assert own["rank"].tolist() == [1, 2, 3, 4, 5]
    assert set(found["source"]) == {"model"}


def test_the_order_of_the_rows_of_a_log_does_not_matter(shop, bundle):
    one, other = (
        bundle.recommend(past(shop).sample(frac=1, random_state=seed), k=5).sort_values(
            ["customer", "rank"], ignore_index=True
        )
        for seed in (0, 1)
    )
    assert one["product"].tolist() == other["product"].tolist()
    np.testing.assert_allclose(one["score"], other["score"], rtol=1e-5)


def test_lists_of_raw_items_are_recommended_as_the_log_of_them(shop, bundle):
    log = past(shop).sort_values("time")
    lists = log.groupby("customer")["product"].agg(list).reset_index(name="hist_product")
    by_lists = bundle.recommend(lists, k=3).sort_values(["customer", "rank"])
    by_log = bundle.recommend(log, k=3).sort_values(["customer", "rank"])
    pd.testing.assert_frame_equal(
        by_lists.reset_index(drop=True), by_log.reset_index(drop=True), check_dtype=False
    )


def test_seen_items_are_excluded_unless_allowed(bundle):
    user = [{"hist_product": ["p1", "p2", "p1"]}]
    everything = bundle.recommend(user, k=100, exclude_seen=False)["product"].tolist()
    unseen = bundle.recommend(user, k=100)["product"].tolist()
    assert unseen == [product for product in everything if product not in ("p1", "p2")]
    more = bundle.recommend(user, k=100, seen=[["p7", "no such product"]])["product"].tolist()
    assert more == [product for product in unseen if product != "p7"]


def test_seen_items_may_be_given_by_user(bundle):
    users = [{"customer": name, "hist_product": ["p1"]} for name in ("c1", "new")]
    found = bundle.recommend(users, k=100, seen={"new": ["p2"]})
    assert len(found[found["customer"] == "c1"]) == 29
    assert len(found[found["customer"] == "new"]) == 28


def test_a_user_that_the_model_knows_nothing_of_gets_the_most_popular_items(shop, bundle):
    users = [{"hist_product": []}, {"hist_product": ["never sold"]}, {"hist_product": ["p1"]}]
    found = bundle.recommend(users, k=4)
    counts = shop.raw.train.frame()["product"].value_counts()
    expected = sorted(counts[counts.index != ""], reverse=True)[:4]
    for user in (0, 1):
        own = found[found["row"] == user]
        assert set(own["source"]) == {"popularity"}
        assert own["score"].tolist() == expected
        assert counts[own["product"]].tolist() == expected
    assert set(found[found["row"] == 2]["source"]) == {"model"}


def test_a_filter_is_a_function_of_the_items_or_a_collection_of_ids(bundle):
    user = [{"hist_product": ["p1", "p2"]}]
    everything = bundle.recommend(user, k=100)["product"].tolist()
    of_category = [p for p in everything if int(p[1:]) % 4 == 3]
    by_function = bundle.recommend(user, k=100, filter=lambda items: items["category"] == "k3")
    assert by_function["product"].tolist() == of_category
    by_ids = bundle.recommend(user, k=100, filter={"p3", "p7", "unheard of"})
    assert by_ids["product"].tolist() == [p for p in everything if p in ("p3", "p7")]
    assert bundle.recommend(user, filter=[]).empty


def test_similar_items_have_the_largest_cosine(bundle):
    vectors = bundle.embed(items=bundle.items.ids)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    row = bundle.items.ids.tolist().index("p5")
    cosine = unit @ unit[row]
    cosine[row] = -np.inf
    expected = np.argsort(-cosine, kind="stable")[:6]
    found = bundle.similar_items("p5", k=6)
    assert found["similar"].tolist() == bundle.items.ids[expected].tolist()
    np.testing.assert_allclose(found["score"], cosine[expected], rtol=1e-5)
    with pytest.raises(KeyError, match="'p99' is not one of the 30 items"):
        bundle.similar_items("p99")


def test_new_items_are_embedded_from_their_features_and_recommended(bundle):
    bundle.add_items([{"product": "brand new", "category": "k2"}])
    encoded = bundle.preprocessor.transform(
        {"customer": ["-"], "product": ["brand new"], "category": ["k2"]}
    )
    x = {name: torch.from_numpy(encoded[name]) for name in ("product", "category")}
    with torch.inference_mode():
        expected = bundle.model.item_tower(x)
    assert bundle.embed(items=["brand new"]).tolist() == expected.tolist()
    found = bundle.recommend([{"hist_product": ["p1"]}], k=31)
    assert "brand new" in found["product"].tolist()
    bundle.remove_items(["brand new", "p3"])
    assert len(bundle.recommend([{"hist_product": []}], k=31)) == 29
    with pytest.raises(ValueError, match="'p4' in row 0 of items is an item already"):
        bundle.add_items([{"product": "p4", "category": "k0"}])


def test_changed_items_are_saved_with_the_bundle(bundle, tmp_path):
    bundle.update_items([{"product": "p1", "category": "k3"}])
    bundle.add_items([{"product": "q", "category": "k1"}], popularity=[1000])
    again = load_bundle(bundle.save(tmp_path / "changed"))
    users = [{"hist_product": ["p1", "p2"]}, {"hist_product": []}]
    pd.testing.assert_frame_equal(again.recommend(users, 40), bundle.recommend(users, 40))
    assert again.recommend([{"hist_product": []}], 1)["product"].tolist() == ["q"]


def test_wrong_users_are_errors_that_name_the_remedy(bundle):
    with pytest.raises(KeyError, match=r"neither 'hist_product'.*nor 'product'"):
        bundle.recommend([{"customer": "c1"}])
    with pytest.raises(TypeError, match="hist_product must hold lists, got 'p1' in row 0"):
        bundle.recommend([{"hist_product": "p1"}])
    with pytest.raises(KeyError, match="'time'"):
        bundle.recommend({"customer": ["c1"], "product": ["p1"]})
    for call in (bundle.recommend, bundle.similar_items):
        with pytest.raises(TypeError, match="k must be a number, got None"):
            call(["p1"], k=None)
    with pytest.raises(ValueError, match="k must be"):
        bundle.recommend([{"hist_product": ["p1"]}], k=0)
    with pytest.raises(ValueError, match="'time'"):
        bundle.recommend({"customer": ["a", "b"], "product": ["p1", "p2"], "time": [1.0, None]})


def past_of_nobody():
    return orders().iloc[:0]


def test_no_users_give_no_rows(bundle):
    for nobody in ({"hist_product": []}, [], pd.DataFrame()):
        found = bundle.recommend(nobody)
        assert list(found)[1:] == ["product", "score", "rank", "source"]
        assert found.empty
    assert bundle.recommend(past_of_nobody()).empty


def test_items_must_be_there_once(shop, tmp_path):
    twice = pd.concat([shop.items, shop.items.tail(1)])
    settings = {"preprocessor": shop.preprocessor, "item": "product", "length": 8}
    with pytest.raises(ValueError, match=r"items has 'p\d+' twice, again in row 30"):
        shop.trainer.save(tmp_path / "b", items=twice, **settings)
    with pytest.raises(KeyError, match="items has no column 'category'"):
        shop.trainer.save(tmp_path / "b", **settings)
    with pytest.raises(ValueError, match="items has no rows"):
        shop.trainer.save(tmp_path / "b", items=shop.items.head(0), **settings)
    assert not (tmp_path / "b").exists()


def test_options_of_save_are_named_as_those_of_save(shop, tmp_path):
    options = r"\['preprocessor', 'onnx', 'optimizer', 'arguments', 'item', 'items', .*'length'"
    with pytest.raises(TypeError, match=f"save of MatchTrainer has no option 'lenght'.*{options}"):
        shop.trainer.save(tmp_path / "b", preprocessor=shop.preprocessor, item="product", lenght=2)
    with pytest.raises(TypeError, match=f"save of MatchTrainer needs item=.*{options}"):
        shop.trainer.save(tmp_path / "b", preprocessor=shop.preprocessor)


@pytest.mark.parametrize("device", ["gpu", "cuda:99", 1.5])
def test_devices_that_are_not_there_are_refused(shop, device):
    with pytest.raises(ValueError, match=f"device must be .*{device}.*leave it out"):
        load_bundle(shop.folder, device=device)


def test_an_item_must_remain(bundle):
    with pytest.raises(ValueError, match="no item would remain"):
        bundle.remove_items(bundle.items.ids)
    assert len(bundle.recommend([{"hist_product": ["p1"]}], k=99)) == 29


def test_a_bundle_with_changed_items_keeps_the_state_of_the_optimizer(shop, tmp_path):
    names = {"item": "product", "user": "customer", "time": "time"}
    settings = {"preprocessor": shop.preprocessor, "items": shop.items, "length": 8, **names}
    bundle = load_bundle(shop.trainer.save(tmp_path / "b", optimizer=True, **settings))
    bundle.remove_items(["p1"])
    changed = bundle.save(tmp_path / "changed")
    moments = "optimizer.safetensors"
    assert (changed / moments).read_bytes() == (tmp_path / "b" / moments).read_bytes()
    load_bundle(changed)
