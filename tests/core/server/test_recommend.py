"""POST /recommend: the recommendations of the bundle as JSON."""

import asyncio
from functools import cache

import numpy as np
import pytest

from torch_rechub.basic.features import SequenceFeature
from torch_rechub.bundles import load_bundle
from torch_rechub.data.interactions import Interactions
from torch_rechub.data.preprocessing import Categorical, Numeric, Preprocessor
from torch_rechub.models.generative import HSTUModel
from torch_rechub.models.matching import DSSM
from torch_rechub.trainers import MatchTrainer, SeqTrainer

USERS = [
    {"user": 7, "hist_item": ["b", "c"]},
    {"user": 1, "hist_item": []},
    {"user": 1, "hist_item": ["a"]},
]


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    """The folder of a retrieval bundle of ten items."""
    folder, rng = tmp_path_factory.mktemp("items"), np.random.default_rng(0)
    log = {
        "user": np.arange(60) // 6,
        "item": rng.choice(list("abcdefghij"), 60),
        "time": range(60),
    }
    preprocessor = Preprocessor([Categorical("user"), Categorical("item")]).fit(log)
    data = Interactions(log, "user", "item", "time").encode(preprocessor)
    (item,) = preprocessor.features("item", embed_dim=4)
    history = SequenceFeature("hist_item", item.vocab_size, 4, shared_with="item", padding_idx=0)
    model = DSSM([history], [item], {"dims": [4]}, {"dims": [4]}, temperature=0.1)
    options = {"in_batch_neg": True, "n_epoch": 1, "model_path": folder, "progress": False}
    trainer = MatchTrainer(model, **options)
    trainer.fit(data.samples(3).loader(12))
    names = {"item": "item", "user": "user", "time": "time"}
    trainer.save(folder / "bundle", preprocessor=preprocessor, **names, length=3)
    return folder / "bundle"


loaded = cache(load_bundle)


def recommended(path, users, k=10, **options):
    """The rows of the bundle's own frame."""
    frame = loaded(path).recommend(users, k, **options)
    return [
        {"user": int(row.user), "item": row.item, "score": row.score, "rank": row.rank_,
         "source": row.source}
        for row in frame.rename(columns={"rank": "rank_"}).itertuples()
    ]  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [{}, {"k": 3}, {"exclude_seen": False, "k": 2}, {"filter": ["a", "d"]}, {"filter": []}],
)
def test_recommendations_are_those_of_the_bundle(serve, items, options):
    client = serve(items)
    response = client("POST", "/recommend", json={"users": USERS, **options})
    assert response.status_code == 200
    assert response.json() == {"recommendations": recommended(items, USERS, **options)}
    alone = client("POST", "/recommend", json={"users": USERS[0], **options})
    assert alone.json() == {"recommendations": recommended(items, USERS[:1], **options)}


def test_no_users_receive_nothing(serve, items):
    response = serve(items)("POST", "/recommend", json={"users": []})
    assert response.json() == {"recommendations": []}


def test_requests_at_the_same_time_each_get_their_own(serve, items):
    client = serve(items)
    bodies = [{"users": USERS[i % 3], "k": 1 + i % 4} for i in range(12)]
    bodies[4] = {"users": {"user": 1, "hist_item": "a"}}
    bodies[7] = {"users": [USERS[0], {"user": 1, "hist_items": ["a"]}]}

    async def work(http):
        return await asyncio.gather(*(http.post("/recommend", json=body) for body in bodies))

    for i, response in enumerate(client.run(work)):
        if i in (4, 7):
            assert response.status_code == 422
            assert "hist_item" in response.json()["detail"]
        else:
            expected = recommended(items, [bodies[i]["users"]], bodies[i]["k"])
            assert response.json()["recommendations"] == expected


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"k": 51}, "k must be a whole number from 1 to 50, got 51"),
        ({"k": 0}, "got 0"),
        ({"k": True}, "got True"),
        ({"k": 2.5}, "got 2.5"),
        ({"k": "10"}, "got '10'"),
        ({"exclude_seen": 1}, "exclude_seen must be true or false, got 1"),
        ({"filter": "a"}, "filter must be a list of item ids, got 'a'"),
        ({"filter": ["a", ["b"]]}, "filter[1] must be an item id, got ['b']"),
        ({"filter": [None]}, "filter[0] must be an item id, got None"),
        ({"top": 3}, "'top'; known are"),
        ({"users": [{"user": 1}]}, "hist_item"),
        ({"users": [{"user": 1, "hist_item": [["a"]]}]}, "row 0 of hist_item holds a list"),
        ({"users": [*USERS, {"hist_items": ["a"]}]}, "row 3 of users has no 'hist_item'"),
        ({"users": [3]}, "users[0] must be an object"),
    ],
)
def test_a_request_that_does_not_fit_is_refused(serve, items, options, words):
    response = serve(items, max_k=50)("POST", "/recommend", json={"users": USERS, **options})
    assert response.status_code == 422, response.text
    assert words in response.json()["detail"]


@pytest.fixture(scope="module")
def next_items(tmp_path_factory):
    """The folder of a next-item bundle that reads times."""
    folder = tmp_path_factory.mktemp("next")
    log = {"user": [1, 1, 1, 2, 2, 2], "item": list("abcbca"), "time": range(6)}
    preprocessor = Preprocessor([Categorical("user"), Categorical("item")]).fit(log)
    model = HSTUModel(5, d_model=4, n_heads=1, n_layers=1, dqk=2, dv=2, max_seq_len=3)
    names = {"item": "item", "user": "user", "time": "time"}
    trainer = SeqTrainer(model, model_path=folder)
    return trainer.save(folder / "bundle", preprocessor=preprocessor, **names, time_unit="ms")


def test_the_schema_of_a_next_item_user_requires_the_times(serve, next_items):
    client = serve(next_items)
    schema = client("GET", "/schema").json()
    assert list(schema["properties"]) == ["user", "hist_item", "hist_time"]
    assert schema["required"] == ["hist_item", "hist_time"]
    assert "'ms'" in schema["properties"]["hist_time"]["description"]


@pytest.mark.parametrize(
    "times",
    [
        [1, 2],
        ["2026-01-01T08:00:00Z", "2026-01-01T09:00:00Z"],
        ["2026-01-01", "2026-01-01T09:00:00.5+01:00"],  # ISO 8601 has several forms
    ],
)
def test_the_keys_that_the_schema_requires_are_enough_and_needed(serve, next_items, times):
    client = serve(next_items)
    row = {"hist_item": ["a", None], "hist_time": times}
    assert client("POST", "/recommend", json={"users": row}).status_code == 200
    for name in client("GET", "/schema").json()["required"]:
        lacking = {key: value for key, value in row.items() if key != name}
        response = client("POST", "/recommend", json={"users": lacking})
        assert response.status_code == 422, response.text
        assert name in response.json()["detail"]


def test_the_schema_of_a_retrieval_user_has_the_columns_that_the_model_reads(serve, tmp_path):
    log = {"user": [1, 1, 2], "age": [30.5, 30.5, 20], "item": list("aba"), "kind": list("xyx")}
    columns = [Categorical("user"), Numeric("age"), Categorical("item"), Categorical("kind")]
    preprocessor = Preprocessor(columns).fit(log)
    item = preprocessor.features("item", "kind", embed_dim=4)
    histories = [
        SequenceFeature(f"hist_{f.name}", f.vocab_size, 4, "mean", f.name, padding_idx=0)
        for f in item
    ]
    user = [*preprocessor.features("age"), *histories]
    trainer = MatchTrainer(DSSM(user, item, {"dims": [4]}, {"dims": [4]}), model_path=tmp_path)
    items = {"item": ["a", "b"], "kind": ["x", "y"]}
    names = {"items": items, "item": "item", "user": "user", "length": 2}
    path = trainer.save(tmp_path / "bundle", preprocessor=preprocessor, **names)
    client = serve(path)
    schema = client("GET", "/schema").json()
    assert schema["required"] == ["age", "hist_item"]
    assert set(schema["properties"]) == {"user", "age", "hist_item", "hist_kind"}
    assert schema["properties"]["age"] == preprocessor.schema()["properties"]["age"]
    row = {"age": 20, "hist_item": ["a"]}
    assert client("POST", "/recommend", json={"users": row}).status_code == 200


def test_the_documentation_describes_the_users(serve, items):
    client = serve(items)
    schema = client("GET", "/schema").json()
    assert list(schema["properties"]) == ["user", "hist_item", "hist_time"]
    assert schema["required"] == ["hist_item"]
    body = client("GET", "/openapi.json").json()["paths"]["/recommend"]["post"]["requestBody"]
    properties = body["content"]["application/json"]["schema"]["properties"]
    assert set(properties) == {"users", "k", "exclude_seen", "filter"}
    assert client("POST", "/predict", json={"rows": []}).status_code == 404
