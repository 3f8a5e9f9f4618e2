"""A bundle with an index recommends what exact search does, or nearly, and never too few items."""

import numpy as np
import pandas as pd
import pytest
import torch

from torch_rechub._errors import UnknownChoiceError
from torch_rechub.basic.features import SequenceFeature, SparseFeature
from torch_rechub.bundles import BundleError, load_bundle
from torch_rechub.bundles.item_search import ItemSearch
from torch_rechub.data.preprocessing import Categorical, Preprocessor
from torch_rechub.models.matching import BPRMF, ComirecSA, NeuMF
from torch_rechub.serving import FaissBuilder
from torch_rechub.trainers import MatchTrainer

N_USERS, N_ITEMS = 20, 300
PRODUCTS = [f"p{i}" for i in range(N_ITEMS)]
USERS = [f"u{i}" for i in range(N_USERS)]
INDEXES = {
    "flat": ("faiss", {}),
    "graph": ("faiss", {"index_type": "HNSW", "m": 8}),
    "lists": ("faiss", {"index_type": "IVF", "nlists": 6, "nprobe": 5}),
    "usearch": ("usearch", {}),
    "annoy": ("annoy", {"n_trees": 20}),
}


@pytest.fixture(scope="module")
def preprocessor():
    log = {"user": USERS * (N_ITEMS // N_USERS), "item": PRODUCTS}
    return Preprocessor([Categorical("user"), Categorical("item")]).fit(log)


def trainer_of(model, folder):
    torch.manual_seed(0)
    for p in model.parameters():
        torch.nn.init.normal_(p)
    return MatchTrainer(model, mode=1, model_path=folder)


def factorization(folder):
    user, item, neg = (
        SparseFeature(name, size + 2, 8)
        for name, size in (("user", N_USERS), ("item", N_ITEMS), ("neg", N_ITEMS))
    )
    return trainer_of(BPRMF(user, item, neg), folder)


def interests(folder):
    sizes = {"vocab_size": N_ITEMS + 2, "embed_dim": 8, "pooling": "concat"}
    history, negatives = (
        SequenceFeature(name, **sizes, shared_with="item") for name in ("hist_item", "neg")
    )
    item = SparseFeature("item", N_ITEMS + 2, 8)
    return trainer_of(ComirecSA([], [history], [item], [negatives], max_length=5), folder)


def saved(trainer, preprocessor, folder, index="exact", params=None, **options):
    names = {"item": "item", "user": "user", "length": 5}
    trainer.save(
        folder, preprocessor=preprocessor, index=index, index_params=params, **names, **options
    )
    return load_bundle(folder)


@pytest.fixture(scope="module")
def exact(tmp_path_factory, preprocessor):
    folder = tmp_path_factory.mktemp("exact")
    return saved(factorization(folder), preprocessor, folder / "bundle")


@pytest.fixture(scope="module", params=INDEXES)
def indexed(request, tmp_path_factory, preprocessor):
    folder = tmp_path_factory.mktemp("indexed")
    kind, params = INDEXES[request.param]
    return saved(factorization(folder), preprocessor, folder / "bundle", kind, params)


def pairs(found):
    return {(u, i): s for u, i, s in zip(found["user"], found["item"], found["score"], strict=True)}


def test_an_index_finds_nearly_all_of_the_best_items_with_exact_scores(exact, indexed):
    people = {"user": USERS}
    expected, found = (pairs(bundle.recommend(people, 10)) for bundle in (exact, indexed))
    assert len(found) == 10 * N_USERS
    assert len(expected.keys() & found.keys()) >= 0.9 * len(expected)
    everything = pairs(exact.recommend(people, N_ITEMS))
    for pair, score in found.items():
        assert score == pytest.approx(everything[pair], rel=1e-5, abs=1e-6)


def test_as_many_items_as_there_are_come_whatever_is_excluded(exact, indexed):
    """The history and the filter leave ten items; an approximate index alone would miss them."""
    people = pd.DataFrame({"user": USERS, "hist_item": [PRODUCTS[:200]] * N_USERS})
    for allowed in (PRODUCTS[190:210], PRODUCTS[200:203]):
        expected, found = (
            bundle.recommend(people, 10, filter=allowed) for bundle in (exact, indexed)
        )
        assert len(found) == len(expected) == N_USERS * (10 if len(allowed) == 20 else 3)
        assert pairs(found).keys() == pairs(expected).keys()
    assert indexed.recommend(people, 10, filter=PRODUCTS[:5]).empty
    assert len(indexed.recommend({"user": ["u1"]}, 1000)) == N_ITEMS


def test_users_for_whom_an_index_proposes_too_few_items_are_searched_exactly(
    exact, indexed, monkeypatch
):
    """The filter leaves out about half of the three items that are proposed."""
    monkeypatch.setattr(ItemSearch, "_fetched", lambda self, candidates, allowed, k, seen: 3)
    odd = PRODUCTS[1::2]
    expected, found = (b.recommend({"user": USERS}, 9, filter=odd) for b in (exact, indexed))
    assert pairs(found).keys() == pairs(expected).keys()
    assert len(found) == 9 * N_USERS


def test_the_index_of_a_changed_bundle_has_the_new_items(tmp_path, indexed):
    bundle = load_bundle(indexed.path)
    best = bundle.recommend({"user": ["u1"]}, 1)["item"][0]
    bundle.remove_items([best])
    again = load_bundle(bundle.save(tmp_path / "again"))
    for changed in (bundle, again):
        assert len(changed.items) == N_ITEMS - 1
        assert best not in set(changed.recommend({"user": ["u1"]}, N_ITEMS)["item"])


@pytest.mark.parametrize("kind", ["faiss", "usearch"])
def test_the_interests_of_a_user_are_searched_one_by_one(tmp_path, preprocessor, kind):
    trainer = interests(tmp_path)
    people = [{"user": u, "hist_item": PRODUCTS[i : i + 4]} for i, u in enumerate(USERS)]
    exact = saved(trainer, preprocessor, tmp_path / "exact").recommend(people, 10)
    found = saved(trainer, preprocessor, tmp_path / "index", kind).recommend(people, 10)
    assert not found.duplicated(["user", "item"]).any()
    assert len(found) == len(exact)
    shared = found.merge(exact, on=["user", "item"], suffixes=("", "_exact"))
    np.testing.assert_allclose(shared["score"], shared["score_exact"], rtol=1e-5)
    # an approximate index may miss an item
    assert len(shared) >= (1 if kind == "faiss" else 0.97) * len(exact)


def test_loading_reads_the_saved_index(tmp_path, preprocessor, monkeypatch):
    trainer = factorization(tmp_path)
    expected = saved(trainer, preprocessor, tmp_path / "b", "faiss").recommend({"user": USERS}, 5)
    monkeypatch.setattr(FaissBuilder, "build", None)
    found = load_bundle(tmp_path / "b").recommend({"user": USERS}, 5)
    pd.testing.assert_frame_equal(found, expected)


def test_unsuitable_indexes_are_refused(tmp_path, preprocessor):
    trainer, folder = factorization(tmp_path), tmp_path / "b"
    with pytest.raises(UnknownChoiceError, match=r"index must be one of \['exact', 'faiss'"):
        saved(trainer, preprocessor, folder, "best")
    with pytest.raises(TypeError, match="colour"):
        saved(trainer, preprocessor, folder, "faiss", {"colour": "red"})
    features = SparseFeature("user", N_USERS + 2, 4), SparseFeature("item", N_ITEMS + 2, 4)
    pair_wise = trainer_of(NeuMF(*features, {"dims": [4]}), tmp_path)
    with pytest.raises(ValueError, match="NeuMF has no embeddings to index"):
        saved(pair_wise, preprocessor, folder, "faiss")
    assert not folder.exists()


def test_an_index_of_another_form_is_refused(tmp_path, preprocessor, monkeypatch):
    path = saved(factorization(tmp_path), preprocessor, tmp_path / "b", "faiss").path
    monkeypatch.setattr("torch_rechub.bundles.item_search._DEFAULTS", {"faiss": {"metric": "L2"}})
    with pytest.raises(BundleError, match="index is not as written"):
        load_bundle(path)
