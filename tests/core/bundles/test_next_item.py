"""Bundles of next-item models recommend to raw histories the items that the trainer ranks first."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from torch_rechub.bundles import load_bundle
from torch_rechub.data.interactions import Interactions
from torch_rechub.data.preprocessing import Categorical, Preprocessor
from torch_rechub.models import RecordsArguments
from torch_rechub.models.generative import HLLMModel, HSTUModel
from torch_rechub.trainers import SeqTrainer

LENGTH, N_ITEMS, N_USERS = 5, 14, 25
NAMES = {"item": "product", "user": "customer", "time": "time"}
CATEGORIES = ["even", "odd"]


def _log():
    """Rows in the order of users and times."""
    rng = np.random.default_rng(1)
    length = rng.integers(4, 9, N_USERS)
    user = np.repeat(np.arange(N_USERS), length)
    product = np.concatenate([rng.choice(N_ITEMS, n, replace=False) for n in length])
    time = np.concatenate([np.sort(rng.integers(0, 10**6, n)) for n in length])
    return pd.DataFrame(
        {
            "customer": [f"c{u:02d}" for u in user],
            "product": [f"p{i}" for i in product],
            "time": pd.to_datetime(time, unit="s"),
        }
    )


def _items():
    names = [f"p{i}" for i in range(N_ITEMS)]
    return pd.DataFrame({"product": names, "kind": [CATEGORIES[i % 2] for i in range(N_ITEMS)]})


class Case:
    """A trained model, its bundle in the folder, and its data."""

    def __init__(self, folder, kind, reference):
        self.log = _log()
        log = Interactions(self.log, "customer", "product", "time")
        split = log.leave_one_out()
        columns = [Categorical("customer"), Categorical("product")]
        self.preprocessor = Preprocessor(columns).fit(split.train.frame())
        self.split, self.reference = split.encode(self.preprocessor), reference
        self.counts = split.train.frame()["product"].value_counts()
        torch.manual_seed(0)
        size = self.split.sizes["product"]
        sizes = {"d_model": 8, "n_heads": 2, "n_layers": 1, "max_seq_len": LENGTH}
        sizes["time_reference"] = {"last": "previous"}.get(reference, reference)
        if kind == "hstu":
            model = HSTUModel(size, **sizes, dqk=4, dv=4)
        else:
            model = HLLMModel(torch.randn(size, 8), size, **sizes)
        self.trainer = SeqTrainer(model, n_epoch=1, model_path=folder)
        train = self.split.train.pieces(LENGTH).sequence_loader(16, reference=reference)
        self.trainer.fit(train)
        self.path = folder / "bundle"
        self.trainer.save(self.path, preprocessor=self.preprocessor, items=_items(), **NAMES)
        self.bundle = load_bundle(self.path)

    def past(self):
        """The raw rows before the target of each user, and the time of the targets."""
        is_last = self.log.customer != self.log.customer.shift(-1)
        return self.log[~is_last], self.log.time[is_last]

    def expected(self, allowed=lambda product, seen: product not in seen):
        """The products of each user with their scores, best first, by the trainer's predictions."""
        samples = self.split.test.samples(LENGTH)
        (batch,) = samples.sequence_loader(1024, reference=self.reference)
        tokens, _, seconds, _ = batch
        with torch.no_grad():
            hidden = self.trainer.model.eval().encode(tokens, seconds)
            scores = self.trainer.model.score(hidden[:, -1]).tolist()
        names = self.preprocessor.decode("product", np.arange(len(scores[0])))
        past, _ = self.past()
        for row, (user, of_user) in zip(scores, past.groupby("customer"), strict=True):
            seen = set(of_user["product"])
            ranked = sorted((-s, t) for t, s in enumerate(row) if t > 1)
            pairs = [(names[t], -s) for s, t in ranked if allowed(names[t], seen)]
            yield user, pairs


@pytest.fixture(scope="module", params=[("hstu", "last"), ("hstu", "request"), ("hllm", "last")])
def case(request, tmp_path_factory):
    return Case(tmp_path_factory.mktemp("next"), *request.param)


@pytest.fixture(scope="module")
def hstu(tmp_path_factory):
    return Case(tmp_path_factory.mktemp("hstu"), "hstu", "last")


def _lists(found):
    """The recommended products of each user with their scores."""
    for user, rows in found.groupby("customer", sort=False):
        assert rows["rank"].tolist() == list(range(1, len(rows) + 1))
        assert (rows.source == "model").all()
        yield user, list(zip(rows["product"], rows["score"], strict=True))


def test_a_raw_log_leads_to_the_ranking_of_the_trainer_to_the_bit(case):
    past, at = case.past()
    now = at if case.reference == "request" else None
    found = case.bundle.recommend(past, k=4, now=now)
    assert list(_lists(found)) == [(user, pairs[:4]) for user, pairs in case.expected()]


def test_metrics_of_recommendations_are_those_of_the_trainer(tmp_path, hstu):
    """The unknown token, which no bundle can recommend, has the last rank here."""
    bias = hstu.trainer.model.output_bias
    with torch.no_grad():
        before, bias[1] = bias[1].item(), -1e9
        hstu.trainer.save(tmp_path / "b", preprocessor=hstu.preprocessor, **NAMES)
        data = hstu.split.test.samples(LENGTH).sequence_loader(64)
        expected = hstu.trainer.evaluate_topk(data, topKs=[4])
        bias[1] = before
    found = load_bundle(tmp_path / "b").recommend(hstu.past()[0], k=4, exclude_seen=False)
    target = hstu.log.groupby("customer")["product"].last()
    is_hit = found["product"].to_numpy() == target[found["customer"]].to_numpy()
    ranks = found["rank"][is_hit]
    assert 0 < len(ranks) < N_USERS
    assert len(ranks) / N_USERS == pytest.approx(expected["hit@4"])
    assert (1 / ranks).sum() / N_USERS == pytest.approx(expected["mrr@4"])


def test_rows_of_users_are_read_as_a_log_in_any_order(hstu):
    past, _ = hstu.past()
    expected = hstu.bundle.recommend(past)
    lists = past.groupby("customer").agg(list).reset_index()
    rows = lists.rename(columns={"product": "hist_product", "time": "hist_time"})
    pd.testing.assert_frame_equal(hstu.bundle.recommend(rows), expected)
    pd.testing.assert_frame_equal(hstu.bundle.recommend(rows.to_dict("records")), expected)
    mixed = hstu.bundle.recommend(past.sample(frac=1, random_state=0))
    mixed = mixed.sort_values(["customer", "rank"]).reset_index(drop=True)
    pd.testing.assert_frame_equal(mixed, expected, check_exact=False)


def test_seen_items_and_those_that_a_filter_leaves_out_are_not_recommended(hstu):
    past, _ = hstu.past()
    everything = hstu.bundle.recommend(past, k=50, exclude_seen=False)
    expected = hstu.expected(lambda product, seen: True)
    assert list(_lists(everything)) == list(expected)

    more = {"c00": ["p1", "p3"]}
    found = hstu.bundle.recommend(past, k=50, filter=lambda x: x.kind == "odd", seen=more)
    users = found["customer"].unique()
    odd = {f"p{i}" for i in range(1, N_ITEMS, 2)}
    for user, products in found.groupby("customer")["product"]:
        of_user = set(past["product"][past.customer == user]) | set(more.get(user, ()))
        assert set(products) == odd - of_user
    assert len(users) == N_USERS
    names = hstu.bundle.recommend(past, k=50, filter=sorted(odd), seen=more)
    pd.testing.assert_frame_equal(names, found)


def test_users_of_whom_nothing_is_known_receive_popular_items(hstu):
    rows = [
        {"customer": "new", "hist_product": [], "hist_time": []},
        {"customer": "odd", "hist_product": ["not sold"], "hist_time": [pd.Timestamp(0)]},
    ]
    found = hstu.bundle.recommend(rows, k=3)
    expected = sorted(range(N_ITEMS), key=lambda i: (-hstu.counts.get(f"p{i}", 0), i))[:3]
    assert found["product"].tolist() == [f"p{i}" for i in expected] * 2
    assert found.score.tolist() == [hstu.counts.get(f"p{i}", 0) for i in expected] * 2
    assert found.source.tolist() == ["popularity"] * 6


def test_unknown_items_of_a_history_are_the_unknown_token(hstu):
    times = pd.to_datetime([5, 65, 500], unit="s")
    row = {"customer": "c00", "hist_product": ["p1", "none", "p2"], "hist_time": times}
    found = hstu.bundle.recommend([row], k=1)
    encoded = hstu.preprocessor.encode("product", ["p1", "none", "p2"])
    tokens = torch.tensor([[0, 0, *encoded.tolist()]])
    seconds = torch.tensor([[0, 0, 495, 435, 0]])
    assert tokens[0, 3] == 1
    with torch.no_grad():
        scores = hstu.trainer.model.eval()(tokens, seconds)[0, -1]
    scores[[0, 1, *encoded.tolist()]] = -torch.inf
    name = hstu.preprocessor.decode("product", [scores.argmax().item()])[0]
    assert found["product"].tolist() == [name]
    assert found.score[0] == pytest.approx(scores.max().item(), abs=1e-6)


def test_similar_items_have_the_highest_cosine(case):
    table = case.bundle.embed(items=[f"p{i}" for i in range(N_ITEMS)])
    unit = table / np.linalg.norm(table, axis=1, keepdims=True)
    found = case.bundle.similar_items(["p3", "p0"], k=4)
    for item, rows in found.groupby("product"):
        own = int(item[1:])
        cosine = unit @ unit[own]
        order = [i for i in np.argsort(-cosine, kind="stable") if i != own][:4]
        assert rows["similar"].tolist() == [f"p{i}" for i in order]
        assert rows["score"].to_numpy() == pytest.approx(cosine[order], abs=1e-5)
    assert found["rank"].tolist() == [1, 2, 3, 4] * 2
    even = case.bundle.similar_items("p3", k=20, filter=lambda x: x.kind == "even")
    assert sorted(even["similar"]) == sorted(f"p{i}" for i in range(0, N_ITEMS, 2))


def test_embeddings_of_users_are_the_states_after_their_last_event(hstu):
    past, _ = hstu.past()
    (batch,) = hstu.split.test.samples(LENGTH).sequence_loader(1024)
    with torch.no_grad():
        expected = hstu.trainer.model.eval().encode(batch[0], batch[2])[:, -1]
    assert np.array_equal(hstu.bundle.embed(users=past), expected.numpy())


@pytest.mark.slow
def test_recommendations_in_a_new_process(hstu):
    """The five lines that a user writes."""
    code = f"""
from torch_rechub.bundles import load_bundle
bundle = load_bundle({str(hstu.path)!r})
log = {{"customer": ["c00", "new"], "product": ["p1", "none"], "time": ["2024-01-01"] * 2}}
print(bundle.recommend(log, k=3)["source"].tolist())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == str(["model"] * 3 + ["popularity"] * 3)


def test_items_that_the_model_does_not_know_are_only_popular(tmp_path, hstu):
    items = pd.concat([_items(), pd.DataFrame({"product": ["brand new"], "kind": ["odd"]})])
    counts = {"brand new": 99, "p1": 3}
    hstu.trainer.save(
        tmp_path / "b", preprocessor=hstu.preprocessor, items=items, popularity=counts, **NAMES
    )
    bundle = load_bundle(tmp_path / "b")
    past, _ = hstu.past()
    assert "brand new" not in set(bundle.recommend(past, k=50)["product"])
    new = bundle.recommend([{"hist_product": [], "hist_time": []}], k=2)
    assert new["product"].tolist() == ["brand new", "p1"]
    assert new["row"].tolist() == [0, 0]
    with pytest.raises(KeyError, match="the model does not know 'brand new'"):
        bundle.similar_items("brand new")


@pytest.mark.parametrize(
    ("users", "error", "message"),
    [
        ([{"customer": "a"}], KeyError, "neither 'hist_product'"),
        ([{"hist_product": ["p1"]}], KeyError, "no column 'hist_time'"),
        ([{"hist_product": "p1 p2", "hist_time": []}], TypeError, "must hold lists, got 'p1 p2'"),
        ([{"hist_product": ["p1"], "hist_time": []}], ValueError, "1 items, but 0 times"),
        (
            [{"hist_product": ["p1", "p2"], "hist_time": ["2024-02-01", "2024-01-01"]}],
            ValueError,
            "descend in row 0",
        ),
        ([{"product": "p1", "time": "2024-01-01"}], KeyError, "no column 'customer'"),
        (7, TypeError, "users must be a table"),
    ],
)
def test_users_in_no_known_form_are_refused(hstu, users, error, message):
    with pytest.raises(error, match=message):
        hstu.bundle.recommend(users)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "k must be at least 1"),
        ({"filter": lambda items: items.kind}, "filter must return booleans"),
        ({"now": pd.Timestamp(0)}, "leave it out"),
        ({"seen": [["p1"]]}, "seen has 1 lists for 25 users"),
    ],
)
def test_wrong_arguments_are_refused(hstu, arguments, message):
    past, _ = hstu.past()
    with pytest.raises((TypeError, ValueError), match=message):
        hstu.bundle.recommend(past, **arguments)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"item": "sku"}, "the preprocessor has no input 'sku'"),
        ({"items": {"product": ["p1", "p1"]}}, "items has 'p1' twice, again in row 1"),
        ({"reference": "first"}, "reference must be one of"),
    ],
)
def test_bundles_that_could_not_recommend_are_not_saved(tmp_path, hstu, change, message):
    options = {**NAMES, "items": _items(), **change}
    with pytest.raises((KeyError, ValueError), match=message):
        hstu.trainer.save(tmp_path / "b", preprocessor=hstu.preprocessor, **options)
    assert not (tmp_path / "b").exists()


def test_a_vocabulary_of_other_data_is_refused(tmp_path, hstu):
    other = Preprocessor([Categorical("product")]).fit({"product": [f"q{i}" for i in range(99)]})
    with pytest.raises(ValueError, match="has 101 ids, but the model has"):
        hstu.trainer.save(tmp_path / "b", preprocessor=other, item="product")


def test_items_are_added_removed_and_updated(tmp_path, hstu):
    past, _ = hstu.past()
    bundle = load_bundle(hstu.path)
    bundle.add_items([{"product": "brand new", "kind": "odd"}], popularity=[10**6])
    bundle.remove_items(["p1", "p2"])
    bundle.update_items([{"product": "p3", "kind": "special"}])
    for changed in (bundle, load_bundle(bundle.save(tmp_path / "b"))):
        found = changed.recommend(past, k=50)
        expected = hstu.bundle.recommend(
            past, k=50, filter=lambda x: ~x["product"].isin(["p1", "p2"])
        )
        pd.testing.assert_frame_equal(found, expected)
        new = changed.recommend([{"hist_product": [], "hist_time": []}], k=1)
        assert new["product"].tolist() == ["brand new"]
        special = changed.recommend(past, filter=lambda x: x.kind == "special")
        assert set(special["product"]) == {"p3"}
    for change, error in (
        (lambda: bundle.add_items([{"product": "p3", "kind": "odd"}]), "is an item already"),
        (lambda: bundle.remove_items(["p1"]), "'p1' is not one of"),
        (lambda: bundle.update_items([{"product": "p4"}]), "no column 'kind'"),
    ):
        with pytest.raises((KeyError, ValueError), match=error):
            change()


class Bigram(RecordsArguments, torch.nn.Module):
    """A model of the caller, of the last token alone, without an encoder of its own."""

    def __init__(self, vocab_size):
        super().__init__()
        self.table = torch.nn.Embedding(vocab_size, vocab_size)

    def forward(self, tokens, time_diffs):
        return self.table(tokens)


def test_a_model_of_the_caller_recommends_to_sequences_of_encoded_ids(tmp_path):
    """Without a preprocessor raw ids are tokens; unknown ones are left out of histories."""
    torch.manual_seed(0)
    trainer = SeqTrainer(Bigram(9), model_path=tmp_path / "model")
    with pytest.raises(ValueError, match="save needs length="):
        trainer.save(tmp_path / "b", item="item", items={"item": range(1, 9)})
    with pytest.raises(ValueError, match="save needs items="):
        trainer.save(tmp_path / "b", item="item", length=3)
    items = {"item": [8, 3, 5, 1, 2]}
    trainer.save(tmp_path / "b", item="item", items=items, length=3, popularity={5: 2, 8: 1})
    bundle = load_bundle(tmp_path / "b", models=[Bigram])
    histories = [[3, 5], [4], [99, "text"], [2, 77]]
    found = bundle.recommend({"hist_item": histories}, k=3)

    def ranked(last, seen):
        scores = trainer.model.table.weight[last].tolist()
        return sorted((i for i in items["item"] if i not in seen), key=lambda i: -scores[i])[:3]

    assert found["item"][found.row == 0].tolist() == ranked(5, {3, 5})
    assert found["item"][found.row == 1].tolist() == ranked(4, set())
    assert found["item"][found.row == 2].tolist() == [5, 8, 3]
    assert found["item"][found.row == 3].tolist() == ranked(2, {2})
    assert found.source[found.row == 2].tolist() == ["popularity"] * 3
    with pytest.raises(ValueError, match="Bigram has no table of items"):
        bundle.similar_items(3)
    with pytest.raises(ValueError, match="Bigram has no states of users"):
        bundle.embed(users={"hist_item": [[3]]})


def test_nobody_and_nothing_have_empty_frames(hstu):
    nobody = {"hist_product": [], "hist_time": []}
    for users in (nobody, [], pd.DataFrame()):
        assert len(hstu.bundle.recommend(users)) == 0
    assert len(hstu.bundle.similar_items([])) == 0
    assert len(hstu.bundle.embed(users=nobody)) == 0
    assert hstu.bundle.embed(items=[]).shape == (0, 8)
    nothing = hstu.bundle.recommend(hstu.past()[0], filter=[])
    assert len(nothing) == 0
    with pytest.raises(ValueError, match="one of them"):
        hstu.bundle.embed()
    with pytest.raises(ValueError, match="user 0 has no history"):
        hstu.bundle.embed(users={"hist_product": [[]], "hist_time": [[]]})
