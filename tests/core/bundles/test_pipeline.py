"""Two stages: candidates of one bundle are ranked as a join of tables and `predict` rank them."""

import numpy as np
import pandas as pd
import pytest
import torch

from torch_rechub.basic.features import SequenceFeature
from torch_rechub.bundles import Diversity, Pipeline, load_bundle
from torch_rechub.bundles.diversity import maximal_marginal_relevance, unit_interval
from torch_rechub.data.preprocessing import (
    Categorical,
    Crossed,
    MultiCategorical,
    Numeric,
    Preprocessor,
)
from torch_rechub.models.generative import HSTUModel
from torch_rechub.models.matching import DSSM
from torch_rechub.models.multi_task import SharedBottom
from torch_rechub.models.ranking import DeepFM
from torch_rechub.trainers import CTRTrainer, MatchTrainer, MTLTrainer, SeqTrainer

N_ITEMS, N_USERS, K = 12, 7, 4
ITEMS = pd.DataFrame(
    {
        "sku": [f"s{i}" for i in range(N_ITEMS)],
        "kind": [f"k{i % 4}" for i in range(N_ITEMS)],
        "price": np.linspace(1, 9, N_ITEMS),
    }
)


def _log():
    """Interactions with columns of users, items, and requests."""
    rng = np.random.default_rng(0)
    user = np.repeat(np.arange(N_USERS), 4)
    sku = np.concatenate([rng.choice(N_ITEMS, 4, replace=False) for _ in range(N_USERS)])
    log = pd.DataFrame({"user": user, "sku": [f"s{i}" for i in sku], "time": np.arange(len(user))})
    log["age"], log["hour"] = 20.0 + user, rng.integers(0, 24, len(user))
    log["buy"], log["like"] = rng.integers(0, 2, (2, len(user)))
    log["hist_sku"] = [[f"s{i}" for i in rng.choice(N_ITEMS, 3)] for _ in user]
    return log.merge(ITEMS, on="sku")


def _users():
    """A row for each user, without columns of items."""
    log = _log().sort_values("time")
    lists = log.groupby("user")[["sku", "time"]].agg(list).add_prefix("hist_")
    return lists.join(log.groupby("user")["age"].last()).reset_index()


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """Bundles of untrained models by name: two first stages, two second ones."""
    torch.manual_seed(0)
    folder, log = tmp_path_factory.mktemp("pipeline"), _log()
    made = {}

    def save(name, trainer, **options):
        made[name] = load_bundle(trainer.save(folder / name, **options))

    ids = Preprocessor([Categorical("user", embed_dim=4), Categorical("sku", embed_dim=4)]).fit(log)
    names = {"item": "sku", "user": "user", "time": "time", "items": ITEMS}
    size = ids.features("sku")[0].vocab_size
    hstu = HSTUModel(size, d_model=8, n_heads=2, n_layers=1, dqk=4, dv=4, max_seq_len=4)
    torch.nn.init.normal_(hstu.token_embedding.weight)
    save("next", SeqTrainer(hstu, model_path=folder), preprocessor=ids, **names)
    history = SequenceFeature("hist_sku", size, 4, shared_with="sku", padding_idx=0)
    dssm = DSSM([history], ids.features("sku"), {"dims": [4]}, {"dims": [4]})
    matcher = MatchTrainer(dssm, in_batch_neg=True, model_path=folder)
    save("towers", matcher, preprocessor=ids, length=4, **names)

    columns = [
        Categorical("user"),
        Categorical("sku"),
        Categorical("kind"),
        Numeric("price"),
        Numeric("age"),
        Categorical("hour"),
        Crossed("user", "kind", buckets=50),
        MultiCategorical("hist_sku", max_length=4, shared_with="sku"),
    ]
    for name, targets in (("one", ["buy"]), ("two", ["buy", "like"])):
        rows = Preprocessor(columns, targets=targets).fit(log)
        features = rows.features(embed_dim=4)
        if name == "one":
            trainer = CTRTrainer(DeepFM(features, features[:3], {"dims": [8]}), model_path=folder)
        else:
            types = ["classification"] * 2
            model = SharedBottom(features, types, {"dims": [8]}, [{"dims": [4]}] * 2)
            trainer = MTLTrainer(model, types, model_path=folder)
        save(name, trainer, preprocessor=rows)
    return made


def _joined(found, users, hours):
    """The raw rows of candidates, by pandas."""
    by_user = users.assign(hour=hours)
    return found[["user", "sku"]].merge(by_user, on="user").merge(ITEMS, on="sku")


@pytest.mark.parametrize("first", ["next", "towers"])
def test_candidates_are_ranked_by_the_predictions_of_their_joined_rows(bundles, first):
    users, hours = _users(), np.arange(N_USERS)
    pipeline = Pipeline(bundles[first], bundles["one"], candidates=6)
    found = pipeline.recommend(users, k=K, context={"hour": hours}, exclude_seen=False)

    candidates = bundles[first].recommend(users, 6, exclude_seen=False)
    rows = _joined(candidates, users, hours)
    expected = candidates.assign(prediction=bundles["one"].predict(rows.to_dict("list")))
    for user, of_user in found.groupby("user"):
        wanted = expected[expected.user == user]
        best = wanted.sort_values("prediction", ascending=False, kind="stable").head(K)
        assert of_user["sku"].tolist() == best["sku"].tolist()
        assert of_user["score"].tolist() == best["prediction"].tolist()
        assert of_user["retrieval_score"].tolist() == best["score"].tolist()
        assert of_user["retrieval_rank"].tolist() == best["rank"].tolist()
        assert of_user["rank"].tolist() == list(range(1, K + 1))
    assert found.user.nunique() == N_USERS


def test_of_a_log_the_last_row_of_each_user_and_its_history_are_read(bundles):
    log, users = _log().drop(columns=["hist_sku"]), _users()
    pipeline = Pipeline(bundles["next"], bundles["one"], candidates=6)
    hours = log.sort_values("time").groupby("user")["hour"].last()
    expected = pipeline.recommend(users, k=3, context={"hour": hours.tolist()})
    found = pipeline.recommend(log.sample(frac=1, random_state=0), k=3)
    found = found.sort_values(["user", "rank"]).reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected, check_exact=False)


def test_several_tasks_are_ranked_by_one_a_sum_or_a_function(bundles):
    users = _users()
    pipeline = Pipeline(bundles["towers"], bundles["two"], candidates=N_ITEMS)
    context = {"hour": 5}
    candidates = bundles["towers"].recommend(users, N_ITEMS)
    rows = _joined(candidates, users, [5] * N_USERS)
    buy, like = bundles["two"].predict(rows.to_dict("list")).T
    for options, expected in (
        ({"target": "like"}, like),
        ({"weights": {"buy": 0.25, "like": 2.0}}, 0.25 * buy + 2 * like),
        ({"weights": lambda of: of["buy"] * of["like"] ** 2}, buy * like**2),
    ):
        found = pipeline.recommend(users, k=2, context=context, **options)
        best = candidates.assign(s=expected).sort_values("s", ascending=False, kind="stable")
        for user, of_user in found.groupby("user"):
            wanted = best[best.user == user].head(2)
            assert of_user["sku"].tolist() == wanted["sku"].tolist()
            assert of_user["score"].to_numpy() == pytest.approx(wanted["s"].to_numpy())


@pytest.mark.parametrize(
    "diversity", [0.4, Diversity(0.4, columns=["kind"])], ids=["embeddings", "kinds"]
)
def test_diversity_selects_among_the_ranked_candidates(bundles, diversity):
    users, context = _users(), {"hour": 3}
    ranked = Pipeline(bundles["next"], bundles["one"], 8).recommend(users, 8, context=context)
    found = Pipeline(bundles["next"], bundles["one"], 8, diversity).recommend(
        users, K, context=context
    )
    for user, of_user in ranked.groupby("user"):
        names = of_user["sku"].tolist()
        if isinstance(diversity, Diversity):
            kinds = ITEMS.set_index("sku").kind[names]
            vectors = pd.get_dummies(kinds).to_numpy(dtype=float)
        else:
            vectors = bundles["next"].embed(items=names)
        relevance = unit_interval(torch.tensor(of_user["score"].to_numpy())[None])
        chosen = maximal_marginal_relevance(relevance, vectors[None], K, trade_off=0.4)[0]
        expected = of_user.iloc[chosen.numpy()]
        result = found[found.user == user]
        assert result["sku"].tolist() == expected["sku"].tolist()
        assert result["score"].tolist() == expected["score"].tolist()
        assert result["rank"].tolist() == list(range(1, K + 1))
    assert not found["sku"].equals(ranked.groupby("user").head(K)["sku"].reset_index(drop=True))


def test_users_of_whom_nothing_is_known_have_popular_candidates_that_are_ranked(bundles):
    row = {"user": "new", "hist_sku": [], "hist_time": [], "age": 33}
    pipeline = Pipeline(bundles["next"], bundles["one"], 5, 0.5)
    found = pipeline.recommend([row], k=3, context={"hour": 1}, filter=lambda x: x.price > 2)
    assert found.source.tolist() == ["popularity"] * 3
    assert (ITEMS.set_index("sku").price[found["sku"]] > 2).all()
    assert found["user"].tolist() == ["new"] * 3


@pytest.mark.parametrize("users", [_users().iloc[:0], [], pd.DataFrame()])
@pytest.mark.parametrize("first", ["next", "towers"])
def test_no_users_have_no_recommendations(bundles, first, users):
    found = Pipeline(bundles[first], bundles["one"], 5, 0.5).recommend(
        users, k=3, context={"hour": 1}
    )
    assert len(found) == 0
    columns = ["user", "sku", "score", "rank", "source", "retrieval_score", "retrieval_rank"]
    assert list(found) == columns


@pytest.mark.parametrize("first", ["next", "towers"])
def test_a_column_that_one_user_lacks_is_missed(bundles, first):
    rows = _users().to_dict("records")
    pipeline = Pipeline(bundles[first], bundles["one"], 5)
    for name in ("age", "hist_sku"):
        lacking = [rows[0], {key: v for key, v in rows[1].items() if key != name}]
        with pytest.raises(KeyError, match=f"row 1 of users has no '{name}'"):
            pipeline.recommend(lacking, k=3, context={"hour": 1})


@pytest.mark.parametrize(
    ("second", "options", "error", "message"),
    [
        ("one", {}, KeyError, "reads a column 'hour'"),
        ("one", {"context": {"hour": [1]}}, ValueError, "1 values of 'hour' for 7 users"),
        ("one", {"context": {"hour": 1, "day": 2}}, KeyError, "context has 'day'"),
        ("one", {"k": 11, "context": {"hour": 1}}, ValueError, "k=11 is above candidates=10"),
        ("two", {"context": {"hour": 1}}, ValueError, r"recommend\(..., target='buy'\)"),
        ("one", {"k": None}, TypeError, "k must be a number, got None"),
        ("one", {"context": "now"}, TypeError, "context must be a dict of columns.*'now'"),
        ("one", {"context": [{"hour": 1}]}, TypeError, "context must be a dict of columns"),
        ("two", {"weights": [1, 2]}, TypeError, r"a weight for each task.*got \[1, 2\]"),
        ("two", {"weights": {}}, ValueError, "weights has no task"),
        ("two", {"weights": {"buy": "x"}}, TypeError, r"weights\['buy'\] must be a number.*'x'"),
        ("two", {"weights": {"buy": np.nan}}, ValueError, r"weights\['buy'\] must be finite.*nan"),
        ("two", {"context": {"hour": 1}, "target": "sell"}, ValueError, "must be one of"),
        (
            "two",
            {"context": {"hour": 1}, "target": "buy", "weights": {"buy": 1}},
            ValueError,
            "one of them",
        ),
        (
            "two",
            {"context": {"hour": 1}, "weights": lambda of: 3.0},
            ValueError,
            "weights must return one score for each",
        ),
    ],
)
def test_wrong_arguments_are_refused(bundles, second, options, error, message):
    pipeline = Pipeline(bundles["next"], bundles[second], candidates=10)
    with pytest.raises(error, match=message):
        pipeline.recommend(_users(), **options)


def test_rows_that_leave_the_owner_of_a_column_open_are_refused(bundles):
    pipeline = Pipeline(bundles["next"], bundles["one"], candidates=10)
    users = pd.concat([_users(), _users()])
    with pytest.raises(ValueError, match=r"users has user '0' twice"):
        pipeline.recommend(users, context={"hour": 1})
    with pytest.raises(ValueError, match="both have a column 'kind'"):
        pipeline.recommend(_users().assign(kind="k1"), context={"hour": 1})


def test_stages_of_other_tasks_are_refused(bundles):
    with pytest.raises(TypeError, match="retrieval must be a bundle with recommend"):
        Pipeline(bundles["one"], bundles["one"])
    with pytest.raises(TypeError, match="ranking must be a bundle"):
        Pipeline(bundles["next"], bundles["next"])
    with pytest.raises(KeyError, match="no column 'color'"):
        Pipeline(bundles["next"], bundles["one"], diversity=Diversity(columns=["color"]))
