"""Bundles of retrieval models with other forms of columns: a split, ids, features alone, lists."""

import numpy as np
import pandas as pd
import pytest
import torch

from torch_rechub.basic.features import DenseFeature, SequenceFeature, SparseFeature
from torch_rechub.bundles import load_bundle
from torch_rechub.data.interactions import Interactions
from torch_rechub.data.preprocessing import Categorical, MultiCategorical, Numeric, Preprocessor
from torch_rechub.models.matching import BPRMF, DSSM, SASRec
from torch_rechub.trainers import MatchTrainer

NAMES = {"item": "item", "user": "user", "time": "time"}
PARAMS = {"dims": [6], "activation": "prelu"}


@pytest.fixture(scope="module")
def log():
    rng = np.random.default_rng(3)
    item = rng.integers(0, 12, 150)
    return pd.DataFrame(
        {
            "user": rng.integers(100, 110, 150),
            "item": item + 1000,
            "time": rng.permutation(150),
            "price": item * 1.5,
        }
    )


def trainer_of(model, folder, **options):
    torch.manual_seed(0)
    for p in model.parameters():
        torch.nn.init.normal_(p)
    return MatchTrainer(model, in_batch_neg=True, model_path=folder, **options)


def steps(size):
    return [
        SequenceFeature(name, size, 6, "concat", padding_idx=0)
        for name in ("hist_item", "next_item", "neg_item")
    ]


def sasrec(size, folder):
    return trainer_of(SASRec(steps(size), 4, item_feature=SparseFeature("item", size, 6)), folder)


def ranked(model, users, items, raw):
    """The raw items of each user by a loop over pairs, the best first."""
    model.eval()
    with torch.no_grad():
        scores = model.user_tower(users) @ model.item_tower(items).T
    return [[raw[j] for j in row] for row in (-scores).argsort(dim=1).tolist()]


def test_a_split_stands_for_the_preprocessor_that_it_did_without(tmp_path, log):
    split = Interactions(log, "user", "item", "time").leave_one_out().encode()
    size = split.sizes["item"]
    trainer = sasrec(size, tmp_path)
    model = trainer.model
    bundle = load_bundle(trainer.save(tmp_path / "b", preprocessor=split, **NAMES))
    found = bundle.recommend(log.sort_values("user"), k=20, exclude_seen=False)
    values = split.vocabularies["item"].tolist()
    ids = {raw: i + 2 for i, raw in enumerate(values)}
    past = log.sort_values("time").groupby("user")["item"].agg(list)
    histories = [[ids[raw] for raw in items[-4:]] for items in past]
    users = {"hist_item": torch.tensor(histories)}
    lists = ranked(model, users, {"item": torch.arange(2, size)}, values)
    assert [of["item"].tolist() for _, of in found.groupby("user")] == lists
    newcomer = bundle.recommend([{"user": 7, "hist_item": []}], k=1)
    assert newcomer["source"].tolist() == ["popularity"]


def test_without_a_preprocessor_raw_ids_are_those_of_the_model(tmp_path):
    trainer = sasrec(9, tmp_path)
    model = trainer.model
    items = pd.DataFrame({"item": [3, 8, 1, 5], "shelf": ["a", "b", "a", "b"]})
    path = trainer.save(tmp_path / "b", items=items, popularity=[4, 2, 9, 1], **NAMES)
    bundle = load_bundle(path)
    # 7 is an item that is not sold now; 99 and "x" are none, and padding
    users = [{"hist_item": [5, 99, 7]}, {"hist_item": ["x"]}, {"hist_item": [8]}]
    found = bundle.recommend(users, k=9, exclude_seen=False)
    x = {"hist_item": torch.tensor([[0, 5, 0, 7], [0, 0, 0, 8]])}
    first, last = ranked(model, x, {"item": torch.tensor([1, 3, 5, 8])}, [1, 3, 5, 8])
    lists = [found[found["row"] == row]["item"].tolist() for row in range(3)]
    assert lists == [first, [1, 3, 8, 5], last]
    on_shelf = bundle.recommend(users[2:], k=9, filter=lambda items: items["shelf"] == "a")
    assert on_shelf["item"].tolist() == [item for item in last if item in (1, 3)]


def test_ids_of_users_without_a_preprocessor(tmp_path):
    features = [SparseFeature(name, 6, 4) for name in ("user", "item", "neg")]
    trainer = trainer_of(BPRMF(*features), tmp_path)
    path = trainer.save(tmp_path / "b", items={"item": [2, 4]}, item="item", user="user")
    bundle = load_bundle(path)
    assert bundle.recommend({"user": [3]})["source"].tolist() == ["model", "model"]
    with pytest.raises(IndexError, match="user"):
        bundle.recommend({"user": [6]})
    with pytest.raises(ValueError, match="column 'user' of users must hold ids or numbers"):
        bundle.recommend({"user": ["anna"]})


def test_users_with_more_columns_are_never_popular_only(tmp_path, log):
    """Two towers of features alone: no id, no history."""
    people = log.assign(age=log["user"] - 90)
    columns = [Categorical("item"), Numeric("price"), Numeric("age")]
    preprocessor = Preprocessor(columns).fit(people)
    model = DSSM([DenseFeature("age")], [DenseFeature("price")], PARAMS, PARAMS)
    items = people[["item", "price"]].drop_duplicates("item").reset_index(drop=True)
    trainer = trainer_of(model, tmp_path)
    path = trainer.save(tmp_path / "b", preprocessor=preprocessor, items=items, item="item")
    bundle = load_bundle(path)
    bundle.add_items({"item": [999], "price": [7.75]})
    found = bundle.recommend([{"age": 30}, {"age": None}], k=99)
    encoded = preprocessor.transform({"age": [30, None], "item": [0, 0], "price": [0, 0]})["age"]
    prices = preprocessor.select("price").transform(bundle.items.frame[["price"]])["price"]
    lists = ranked(
        model, {"age": torch.tensor(encoded)}, {"price": torch.tensor(prices)}, bundle.items.ids
    )
    assert [rows["item"].tolist() for _, rows in found.groupby("row")] == lists
    assert 999 in set(found["item"])
    assert set(found["source"]) == {"model"}
    with pytest.raises(KeyError, match="users has no column 'age'"):
        bundle.recommend([{"hist_item": [1001]}])


def test_a_history_may_be_a_column_of_the_preprocessor(tmp_path, log):
    """Lists that the preprocessor cuts and pads on the right itself."""
    lists = log.sort_values("time").groupby("user")["item"].agg(list)
    rows = pd.DataFrame({"item": log["item"][: len(lists)].tolist(), "hist_item": lists.tolist()})
    history = MultiCategorical("hist_item", shared_with="item", max_length=3, keep="last")
    preprocessor = Preprocessor([Categorical("item", embed_dim=6), history]).fit(rows)
    item, user = preprocessor.features("item"), preprocessor.features("hist_item")
    model = DSSM(user, item, PARAMS, PARAMS)
    trainer = trainer_of(model, tmp_path)
    path = trainer.save(tmp_path / "b", preprocessor=preprocessor, **NAMES)
    bundle = load_bundle(path)
    x = preprocessor.select("hist_item").transform(rows[["hist_item"]])["hist_item"]
    ids = np.arange(2, item[0].vocab_size)
    raw = preprocessor.decode("item", ids)
    expected = ranked(model, {"hist_item": torch.tensor(x)}, {"item": torch.tensor(ids)}, raw)
    by_lists = bundle.recommend(rows[["hist_item"]], k=99, exclude_seen=False)
    assert [of["item"].tolist() for _, of in by_lists.groupby("row")] == expected
    by_log = bundle.recommend(log, k=99, exclude_seen=False)
    assert [of["item"].tolist() for _, of in by_log.groupby("user")] == expected
    assert bundle.recommend({"hist_item": [[]]}, k=1)["source"].tolist() == ["popularity"]


def test_models_whose_columns_cannot_be_told_are_refused(tmp_path, log):
    preprocessor = Preprocessor([Categorical("user"), Categorical("item")]).fit(log)
    size = preprocessor.features("item", embed_dim=6)[0].vocab_size
    trainer = sasrec(size, tmp_path)
    options = {"preprocessor": preprocessor, "item": "item"}
    with pytest.raises(ValueError, match="length must be at least 1"):
        trainer.save(tmp_path / "b", length=0, **options)
    other = [SequenceFeature("clicks", size, 6, padding_idx=0)], [SparseFeature("item", size, 6)]
    two_towers = trainer_of(DSSM(*other, PARAMS, PARAMS), tmp_path)
    with pytest.raises(ValueError, match=r"'clicks' is a sequence, but not a history of a column"):
        two_towers.save(tmp_path / "b", length=3, **options)
    with pytest.raises(ValueError, match="needs length=, that of histories in training"):
        two_towers.save(tmp_path / "b", histories={"clicks": "item"}, **options)
    saved = two_towers.save(tmp_path / "b", histories={"clicks": "item"}, length=3, **options)
    assert len(load_bundle(saved).recommend([{"hist_item": [1001]}], k=99)) == size - 3
    split = Interactions(log, "user", "item", "time").leave_one_out().encode(preprocessor)
    with pytest.raises(ValueError, match="the split has no vocabularies"):
        two_towers.save(tmp_path / "b", **{**options, "preprocessor": split})


@pytest.mark.parametrize("kind", ["frame", "polars", "arrow", "columns", "rows", "row"])
def test_users_of_any_kind(tmp_path, log, kind):
    import polars
    import pyarrow

    preprocessor = Preprocessor([Categorical("user"), Categorical("item")]).fit(log)
    size = preprocessor.features("item", embed_dim=6)[0].vocab_size
    trainer = sasrec(size, tmp_path)
    bundle = load_bundle(trainer.save(tmp_path / "b", preprocessor=preprocessor, **NAMES))
    columns = {"user": [100], "hist_item": [[1001, 1005]]}
    made = {
        "frame": pd.DataFrame, "polars": polars.DataFrame, "arrow": pyarrow.table, "columns": dict,
        "rows": lambda x: pd.DataFrame(x).to_dict("records"),
        "row": lambda x: pd.DataFrame(x).to_dict("records")[0],
    }  # fmt: skip
    found = bundle.recommend(made[kind](columns), k=3)
    assert found["user"].tolist() == [100] * 3
    assert found["item"].tolist() == bundle.recommend(columns, k=3)["item"].tolist()
    assert not {1001, 1005} & set(found["item"])
