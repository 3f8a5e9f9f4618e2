"""Negatives: their distribution, and the items that they avoid."""

from collections import Counter

import numpy as np
import pytest

from core.data.interactions.random_log import interactions, random_log
from torch_rechub.data.interactions import Interactions
from torch_rechub.data.interactions.negatives import draw_outside

LOG = random_log(n_items=30)
SPLIT = interactions(LOG).encode().by_time(cutoffs=(1200, 1800))
WEIGHTS = {
    "uniform": lambda c, r: 1.0,
    "word2vec": lambda c, r: c**0.75,
    "log": lambda c, r: np.log(c + 1),
    "ralm": lambda c, r: np.log(r + 2) - np.log(r + 1),
}


@pytest.mark.parametrize("method", WEIGHTS)
@pytest.mark.parametrize("avoid", ["target", "user"])
def test_negatives_have_the_distribution_without_the_avoided_items(method, avoid):
    log = {"u": [1] * 5 + [2] * 6, "i": [1, 1, 1, 2, 3, 2, 4, 4, 5, 6, 6], "t": range(11)}
    data = Interactions(log, "u", "i", "t")
    x = data.samples(3).with_negatives(4000, method, avoid=avoid, seed=3)
    assert x["neg_i"].shape == (9, 4000)
    counts = Counter(log["i"])
    rank = {item: r for r, item in enumerate(sorted(counts, key=lambda i: (-counts[i], i)))}
    weight = {item: WEIGHTS[method](counts[item], rank[item]) for item in counts}
    seen = {1: {1, 2, 3}, 2: {2, 4, 5, 6}}
    for user, item, drawn in zip(x["u"], x["i"], x["neg_i"], strict=True):
        avoided = seen[user] if avoid == "user" else {item}
        total = sum(w for i, w in weight.items() if i not in avoided)
        found = Counter(drawn.tolist())
        assert set(found) == set(weight) - avoided
        for i, n in found.items():
            assert abs(n / 4000 - weight[i] / total) < 0.035  # over four standard deviations


def test_a_user_never_meets_an_own_item_nor_an_item_of_later_parts():
    seen = {}
    for user, item in zip(SPLIT.train["user"], SPLIT.train["item"], strict=True):
        seen.setdefault(user, set()).add(item)
    for method in WEIGHTS:
        x = SPLIT.train.samples(5).with_negatives(200, method, avoid="user", seed=1)
        assert set(np.unique(x["neg_item"])) <= set(SPLIT.train["item"])
        for user, drawn in zip(x["user"], x["neg_item"], strict=True):
            assert not seen[user] & set(drawn.tolist())


def test_unknown_items_are_not_drawn():
    encoded = interactions(LOG).by_time(cutoffs=(60, 120)).encode()
    assert 1 in encoded.test["item"]
    assert encoded.test.samples(3).with_negatives(50)["neg_item"].min() == 2


def test_a_negative_has_the_attributes_of_its_item():
    data = interactions(LOG).encode()
    cate = dict(zip(data["item"].tolist(), data["cate"].tolist(), strict=True))
    x = data.samples(3, attributes=["cate"]).with_negatives(2)
    assert [[cate[i] for i in row] for row in x["neg_item"].tolist()] == x["neg_cate"].tolist()
    rows = data.samples(3, attributes=["cate"]).with_negative_rows(2)
    assert [cate[i] for i in rows["item"].tolist()] == rows["cate"].tolist()


def test_each_sample_is_followed_by_its_negative_rows():
    x = SPLIT.train.samples(5)
    rows = x.with_negative_rows(3, "word2vec", seed=5)
    assert rows.y.tolist() == [1, 0, 0, 0] * len(x.rows)
    for name in ("user", "hist_item"):
        assert (rows[name] == np.repeat(x[name], 4, axis=0)).all()
    assert (rows["item"][::4] == x["item"]).all()
    items = rows["item"].reshape(-1, 4)
    assert (items[:, 1:] != items[:, :1]).all()
    assert (rows.rows == np.repeat(x.rows, 4)).all()
    _, y = next(iter(rows.loader(8)))
    assert y.tolist() == [1, 0, 0, 0] * 2


def test_pieces_have_a_negative_for_each_step():
    x = SPLIT.train.pieces(6, stride=2, attributes=["cate"]).with_negatives(seed=2)
    padding = x["hist_item"] == 0
    assert padding.any()
    assert (x["neg_item"][padding] == 0).all()
    assert (x["neg_cate"][padding] == 0).all()
    assert (x["neg_item"] != x["next_item"])[~padding].all()
    assert set(x["neg_item"][~padding]) <= set(SPLIT.train["item"])


def test_the_seed_decides():
    x = SPLIT.train.samples(5)
    first, again, other = (x.with_negatives(seed=seed)["neg_item"] for seed in (1, 1, 2))
    assert first.shape == x["item"].shape
    assert (first == again).all()
    assert (first != other).any()
    assert "neg_item" not in x


def test_outside_a_long_history_every_item_has_its_share():
    rng = np.random.default_rng(0)
    p = rng.random(40)
    p /= p.sum()
    seen = np.sort(rng.choice(40, 33, replace=False))
    owner = np.full(20000, 2)
    pair = np.concatenate([[3, 7], 2 * 40 + seen, [5 * 40]])
    drawn = np.bincount(draw_outside(rng, p, pair, owner), minlength=40) / 20000
    rest = np.where(np.isin(np.arange(40), seen), 0, p)
    assert np.abs(drawn - rest / rest.sum()).max() < 0.015
    assert drawn[seen].sum() == 0


def test_impossible_negatives_are_refused():
    x = SPLIT.train.samples(5)
    with pytest.raises(NotImplementedError, match=r"method must be one of .* got 'popular'"):
        x.with_negatives(2, "popular")
    with pytest.raises(NotImplementedError, match="avoid must be 'target' or 'user', got 'all'"):
        x.with_negatives(2, avoid="all")
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        x.with_negatives(0)
    with pytest.raises(ValueError, match="pieces have one negative for each step"):
        SPLIT.train.pieces(5).with_negatives(2)
    with pytest.raises(ValueError, match="pieces have a target at each step"):
        SPLIT.train.pieces(5).with_negative_rows(2)
    log = {"u": [1, 1, 2], "i": [1, 2, 1], "t": [1, 2, 3]}
    with pytest.raises(ValueError, match="user 1 has interacted with each of the 2 items"):
        Interactions(log, "u", "i", "t").samples().with_negatives(avoid="user")
