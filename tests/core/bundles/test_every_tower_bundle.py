"""Training and serving agree for every retrieval model, from raw users and items to embeddings."""

import numpy as np
import pandas as pd
import pytest
import torch

from core.models.matching_table import ITEMS, MODELS
from torch_rechub.bundles import load_bundle
from torch_rechub.data.preprocessing import Categorical, Numeric, Preprocessor
from torch_rechub.testing import ModelContract
from torch_rechub.trainers import MatchTrainer

L = 6
OF_TOWERS = [name for name, row in MODELS.items() if row.towers]
# exported to ONNX here; the files of all models are tested in tests/core/export
GRAPHS = ["BPRMF", "DSSM", "LightGCN", "MIND", "SASRec"]


@pytest.fixture(scope="module")
def items():
    """Raw items, the last of which training did not know."""
    return pd.DataFrame(
        {
            "item": [f"p{i:02}" for i in range(ITEMS - 2)] + ["new"],
            "kind": [f"k{i % 3}" for i in range(ITEMS - 2)] + ["other"],
        }
    )


@pytest.fixture(scope="module")
def preprocessor(items):
    """Of 10 users, 18 items and 3 kinds; two ids are those of padding and of unknown values."""
    rng = np.random.default_rng(0)
    log = items.iloc[:-1].iloc[np.arange(200) % (ITEMS - 2)].reset_index(drop=True)
    log["user"], log["age"] = [f"u{i % 10}" for i in range(200)], rng.normal(30, 9, 200)
    columns = [Categorical("user"), Categorical("item"), Categorical("kind"), Numeric("age")]
    return Preprocessor(columns).fit(log)


@pytest.fixture(scope="module")
def users(items):
    """Raw users, with histories of 1 to 9 items; new users and items are among them."""
    rng = np.random.default_rng(1)
    names = [f"u{i}" for i in rng.integers(0, 12, 40)]
    histories = [list(rng.choice(items["item"], rng.integers(1, 10))) for _ in names]
    return pd.DataFrame({"user": names, "age": rng.normal(30, 9, 40), "hist_item": histories})


def encoded(preprocessor, users):
    """The inputs of users as a naive loop makes them: the last L items, padded on the left."""
    history = np.zeros((len(users), L), np.int64)
    for row, given in enumerate(users["hist_item"]):
        for place, item in enumerate(given[-L:][::-1]):
            history[row, L - 1 - place] = preprocessor.encode("item", [item])[0]
    ids = preprocessor.encode("user", users["user"])
    age = preprocessor.select("age").transform({"age": users["age"]})["age"]
    return {"user": ids, "age": age, "history": history}


def saved(name, folder, preprocessor, items, **options):
    row = MODELS[name]
    model = ModelContract().randomize(row.make())
    trainer = MatchTrainer(model, row.mode, model_path=folder)
    torch.save(model.state_dict(), folder / "model.pth")  # which inference_embedding loads
    trainer.save(
        folder / "bundle", preprocessor=preprocessor, items=items, item="item", user="user",
        length=L, histories={"history": "item"}, **options,
    )  # fmt: skip
    return trainer, load_bundle(folder / "bundle")


@pytest.mark.parametrize("name", OF_TOWERS)
def test_embeddings_of_raw_users_and_items_are_those_of_the_trainer_to_the_last_bit(
    name, tmp_path, preprocessor, items, users
):
    trainer, bundle = saved(name, tmp_path, preprocessor, items)
    inputs = encoded(preprocessor, users)
    assert 1 in inputs["user"]
    assert 1 in inputs["history"]
    expected = trainer.inference_embedding(trainer.model, "user", inputs, tmp_path)
    np.testing.assert_array_equal(bundle.embed(users=users), expected)
    ids = preprocessor.encode("item", items["item"])
    columns = {f.name: ids for f in trainer.model.item_inputs}
    columns["kind"] = preprocessor.encode("kind", items["kind"])
    if name == "SASRec":  # its item tower reads sequences
        columns = {key: column[:, None] for key, column in columns.items()}
    expected = trainer.inference_embedding(trainer.model, "item", columns, tmp_path)
    for found in (bundle.embed(items=items), bundle.embed(items=items["item"])):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", GRAPHS)
def test_onnx_runtime_embeds_raw_users_and_items_as_torch_does(
    name, tmp_path, preprocessor, items, users
):
    _, bundle = saved(name, tmp_path, preprocessor, items, onnx=True)
    for given in ({"users": users}, {"items": items}, {"items": items["item"]}):
        found = bundle.embed(**given, engine="onnx")
        np.testing.assert_allclose(found, bundle.embed(**given), rtol=1e-5, atol=1e-5)
    found, expected = (bundle.recommend(users, k=5, engine=name) for name in ("onnx", "torch"))
    assert found["item"].tolist() == expected["item"].tolist()
    np.testing.assert_allclose(found["score"], expected["score"], rtol=1e-5, atol=1e-5)
    for tower, features in (("user", bundle.model.user_inputs), ("item", bundle.model.item_inputs)):
        onnx = bundle.onnx_model("onnx", f"{tower}.onnx")
        for bad in (-1, ITEMS, 2**31 - 1):
            ids = {f.name: torch.full((2, 1), bad, dtype=torch.int32) for f in features}
            ids = {n: x if n in ("history", "next") else x[:, 0] for n, x in ids.items()}
            with pytest.raises(IndexError, match="has an id outside its vocabulary"):
                onnx(ids)


@pytest.mark.slow
def test_onnx_runtime_scores_pairs_as_torch_does(tmp_path, preprocessor, items, users):
    _, bundle = saved("NeuMF", tmp_path, preprocessor, items, onnx=True)
    found, expected = (bundle.recommend(users, k=5, engine=name) for name in ("onnx", "torch"))
    np.testing.assert_allclose(found["score"], expected["score"], rtol=1e-5, atol=1e-5)
