"""Bundles of every retrieval model recommend what the trainer's embeddings and predictions rank."""

import numpy as np
import pandas as pd
import pytest
import torch

from core.models.matching_table import ITEMS, KINDS, MODELS, USERS
from torch_rechub.bundles import load_bundle
from torch_rechub.data.preprocessing import Categorical, Numeric, Preprocessor
from torch_rechub.metrics.retrieval import top_k
from torch_rechub.testing import ModelContract
from torch_rechub.trainers import MatchTrainer

LENGTH, K = 6, 5
PRODUCTS = [f"p{i:02d}" for i in range(ITEMS - 2)]
CATALOG = pd.DataFrame(
    {"item": PRODUCTS[::-1], "kind": [f"k{i % (KINDS - 2)}" for i in range(ITEMS - 2)]}
)
COUNTS = {product: 100 - 7 * i % 18 for i, product in enumerate(PRODUCTS)}
HISTORIES = [
    ["p03"], ["p01", "p17", "p01", "p09"], ["never sold", "p02"], PRODUCTS[:9], [], ["never sold"],
    ["p00", "p16", "p05"], ["p11", "p12"],
]  # fmt: skip
PEOPLE = pd.DataFrame(
    {
        "user": ["u1", "u2", "u3", "new", "u9", "newer", "newest", "u5"],
        "age": [20.0, 35.5, 51.0, 18.0, 77.0, 40.0, 33.0, 29.0],
        "hist_item": HISTORIES,
    }
)


@pytest.fixture(scope="module")
def preprocessor():
    """The vocabularies of the models' features: padding, unknown, and the values."""
    n = ITEMS * USERS
    log = {
        "user": [f"u{i % (USERS - 2)}" for i in range(n)],
        "age": np.linspace(18, 80, n),
        "item": [PRODUCTS[i % len(PRODUCTS)] for i in range(n)],
        "kind": [f"k{i % (KINDS - 2)}" for i in range(n)],
    }
    columns = [Categorical("user"), Numeric("age", scale="standard")]
    columns += [Categorical("item"), Categorical("kind")]
    return Preprocessor(columns).fit(log)


def saved(name, make, preprocessor, folder):
    """A trainer of the model with random weights, and the loaded bundle."""
    torch.manual_seed(0)
    model = ModelContract().randomize(make()).eval()
    options = {"in_batch_neg": True} if MODELS[name].towers else {}
    trainer = MatchTrainer(model, mode=MODELS[name].mode, model_path=folder, **options)
    torch.save(model.state_dict(), folder / "model.pth")
    reads_history = "history" in {f.name for f in getattr(model, "user_inputs", [])}
    histories = {"history": "item"} if reads_history else None
    path = trainer.save(
        folder / "bundle", preprocessor=preprocessor, items=CATALOG, item="item", user="user",
        length=LENGTH, histories=histories, popularity=COUNTS,
    )  # fmt: skip
    return trainer, load_bundle(path)


def encoded_users(preprocessor):
    """The inputs of the people, by a loop over them."""
    rows = []
    for _, person in PEOPLE.iterrows():
        ids = [int(preprocessor.encode("item", [p])[0]) for p in person.hist_item]
        ids = ids[-LENGTH:]
        rows.append([0] * (LENGTH - len(ids)) + ids)
    everything = preprocessor.transform(
        {**PEOPLE[["user", "age"]], "item": ["-"] * len(PEOPLE), "kind": ["-"] * len(PEOPLE)}
    )
    x = {name: torch.as_tensor(np.asarray(everything[name])) for name in ("user", "age")}
    return {**x, "history": torch.tensor(rows)}


def encoded_items(preprocessor):
    """The inputs of the catalog in the order of ids, and the raw ids."""
    order = np.argsort(preprocessor.encode("item", CATALOG["item"]))
    frame = CATALOG.iloc[order]
    x = {n: torch.as_tensor(preprocessor.encode(n, frame[n].to_numpy())) for n in frame}
    return {**x, "next": x["item"][:, None]}, frame["item"].to_numpy()


def check(found, known, ranked):
    """Compare recommendations with the ranking of each known person."""
    for i, (user, history) in enumerate(zip(PEOPLE["user"], PEOPLE["hist_item"], strict=True)):
        rows = found[found["user"] == user]
        assert rows["rank"].tolist() == list(range(1, K + 1))
        if known[i]:
            assert set(rows["source"]) == {"model"}
            assert list(zip(rows["item"], rows["score"], strict=True)) == ranked(i, history)
        else:
            counts = sorted((c for p, c in COUNTS.items() if p not in history), reverse=True)
            assert set(rows["source"]) == {"popularity"}
            assert rows["score"].tolist() == counts[:K]
            assert [COUNTS[p] for p in rows["item"]] == counts[:K]


def known_people(model):
    """By the columns that the model reads."""
    features = model.user_inputs if hasattr(model, "user_inputs") else model.inputs
    names = {feature.name for feature in features}
    bought = [bool(set(h[-LENGTH:]) & set(PRODUCTS)) for h in HISTORIES]
    is_user = [user in {f"u{i}" for i in range(USERS - 2)} for user in PEOPLE["user"]]
    known = np.zeros(len(PEOPLE), dtype=bool)
    known |= "age" in names
    known |= np.array(bought) & ("history" in names)
    return known | (np.array(is_user) & ("user" in names))


@pytest.mark.parametrize("name", [name for name, row in MODELS.items() if row.towers])
def test_models_with_towers_rank_as_their_embeddings_do(name, preprocessor, tmp_path):
    trainer, bundle = saved(name, MODELS[name].make, preprocessor, tmp_path)
    items, products = encoded_items(preprocessor)
    known = known_people(trainer.model)
    rows = np.flatnonzero(known)
    # the last bits depend on the rows of a batch
    users = {n: x[torch.from_numpy(rows)] for n, x in encoded_users(preprocessor).items()}
    u = trainer.inference_embedding(trainer.model, "user", users, tmp_path)
    v = trainer.inference_embedding(trainer.model, "item", items, tmp_path)
    seen = [[i for i, p in enumerate(products) if p in history] for history in HISTORIES]
    scores, best = top_k(u, v, K, [seen[i] for i in rows])

    def ranked(i, history):
        at = rows.tolist().index(i)
        return list(zip(products[best[at]], scores[at].tolist(), strict=True))

    check(bundle.recommend(PEOPLE, K), known, ranked)


@pytest.mark.parametrize("name", ["BERT4Rec", "NARM", "STAMP"])
def test_models_of_sessions_rank_the_items_of_the_catalog_by_their_logits(
    name, preprocessor, tmp_path
):
    trainer, bundle = saved(name, MODELS[name].trained, preprocessor, tmp_path)
    items, products = encoded_items(preprocessor)
    with torch.no_grad():
        logits = trainer.model(encoded_users(preprocessor))[:, items["item"].long()].numpy()
    found = bundle.recommend(PEOPLE, K)
    for i in np.flatnonzero(known_people(trainer.model)):
        order = np.argsort(-logits[i], kind="stable")
        order = [j for j in order if products[j] not in HISTORIES[i]]
        rows = found[found["user"] == PEOPLE["user"][i]]
        assert rows["item"].tolist() == products[order[:K]].tolist()
        assert rows["score"].to_numpy() == pytest.approx(logits[i][order[:K]], rel=1e-5)


def test_models_without_towers_rank_by_their_predictions(preprocessor, tmp_path):
    trainer, bundle = saved("NeuMF", MODELS["NeuMF"].make, preprocessor, tmp_path)
    items, products = encoded_items(preprocessor)
    users = encoded_users(preprocessor)

    known = known_people(trainer.model)
    rows, n = np.flatnonzero(known), len(products)
    pairs = {"user": users["user"][torch.from_numpy(rows)].repeat_interleave(n)}
    pairs["item"] = items["item"].repeat(len(rows))
    scores = np.reshape(trainer.predict(trainer.model, pairs), (len(rows), n))

    def ranked(i, history):
        of_user = zip(-scores[rows.tolist().index(i)], range(n), strict=True)
        return [(products[j], -s) for s, j in sorted(of_user) if products[j] not in history][:K]

    check(bundle.recommend(PEOPLE, K), known, ranked)
    with pytest.raises(ValueError, match="has no embeddings of either"):
        bundle.embed(users=PEOPLE)
    with pytest.raises(ValueError, match="has no embeddings of either"):
        bundle.similar_items("p03")
