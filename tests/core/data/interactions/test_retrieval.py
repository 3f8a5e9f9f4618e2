"""Validation by retrieval against loops over records."""

from itertools import pairwise

import numpy as np
import pytest

from core.data.interactions.random_log import interactions, random_log
from torch_rechub.data.interactions import Interactions
from torch_rechub.trainers import RetrievalData

LOG = random_log(n_items=40)


def lists(csr):
    indptr, indices = csr
    return [set(indices[a:b].tolist()) for a, b in pairwise(indptr)]


def naive(split, part, past, width):
    """The history, past items and relevant items of each user of a part, by user."""
    found = {}
    log = split.train._log
    order = {row: place for place, row in enumerate(log.row.tolist())}
    for user in dict.fromkeys(part["user"].tolist()):
        rows = part.rows[part["user"] == user].tolist()
        first = min(order[row] for row in rows)
        own = [
            item
            for p in past
            for row, u, item in zip(p.rows.tolist(), p["user"], p["item"], strict=True)
            if u == user and order[row] < first
        ]
        if own:
            history = [0] * max(0, width - len(own)) + own[-width:]
            relevant = set(part["item"][part["user"] == user].tolist())
            found[user] = (history, set(own), relevant)
    return found


@pytest.mark.parametrize("rule", ["by_time", "in_order", "random"])
def test_users_are_asked_once_for_all_their_items(rule):
    data = interactions(LOG).drop_duplicates().encode()
    split = {
        "by_time": lambda: data.by_time(cutoffs=(900, 1800)),
        "in_order": lambda: data.leave_one_out(2),
        "random": lambda: data.random((0.6, 0.2, 0.2)),
    }[rule]()
    past = {
        "validation": [split.train],
        "test": [split.train] + ([split.validation] if rule != "random" else []),
    }
    for name in past:
        part = split.parts()[name]
        expected = naive(split, part, past[name], 4)
        found = part.retrieval(4)
        assert found["users"]["user"].tolist() == list(expected)
        histories, seen, relevant = zip(*expected.values(), strict=True)
        assert found["users"]["hist_item"].tolist() == list(histories)
        catalog = found["items"]["item"]
        assert catalog.tolist() == sorted(set(data["item"].tolist()))
        for csr, items in ((found["seen"], seen), (found["relevant"], relevant)):
            assert [{int(catalog[i]) for i in row} for row in lists(csr)] == list(items)
        RetrievalData(**found, k=5)  # checks the lists


def test_columns_of_users_and_of_the_catalog():
    split = interactions(LOG).encode().by_time(cutoffs=(1200, 1800))
    found = split.test.retrieval(6, attributes=["cate"], context=["device"], exclude_seen=False)
    assert found["seen"] is None
    cate = dict(zip(split.train["item"].tolist(), split.train["cate"].tolist(), strict=True))
    for item, kind in zip(*(found["items"][n].tolist() for n in ("item", "cate")), strict=True):
        assert kind == cate.get(item, kind)
    x = split.test.samples(6, attributes=["cate"], context=["device"])
    first = np.unique(x["user"], return_index=True)[1]
    for name in ("user", "device", "hist_item", "hist_cate"):
        of_users = dict(zip(found["users"]["user"].tolist(), found["users"][name], strict=True))
        for i in first:
            if x["user"][i] in split.train["user"]:
                assert np.array_equal(of_users[int(x["user"][i])], x[name][i])


def test_a_changing_attribute_of_the_catalog_is_of_earlier_parts():
    log = {"u": [1, 2, 1, 2, 2], "i": [7, 7, 7, 8, 8], "t": [1, 2, 3, 4, 5]}
    data = Interactions({**log, "price": [10, 11, 12, 13, 14]}, "u", "i", "t", attributes=["price"])
    split = data.by_time(cutoffs=[3])
    assert split.test.retrieval(attributes=["price"])["items"]["price"].tolist() == [11, 13]


def test_unknown_and_seen_targets_are_counted(caplog):
    log = {"u": [1, 1, 1, 2, 2], "i": ["a", "b", "a", "a", "c"], "t": [1, 2, 3, 1, 2]}
    split = Interactions(log, "u", "i", "t").by_time(cutoffs=[2]).encode()
    found = split.test.retrieval(2)  # "b" is earlier than "a", and no training row has "c"
    assert found["items"]["i"].tolist() == [2]
    assert [len(row) for row in lists(found["relevant"])] == [1, 0]
    unknown, seen = caplog.messages
    assert unknown.startswith("2 of 3 relevant items are not in the catalog")
    assert seen.startswith("1 of 1 relevant items are in the user's past and excluded")


def test_the_catalog_may_be_that_of_training():
    split = interactions(LOG).encode().by_time(cutoffs=(300, 900))
    found = split.validation.retrieval(catalog=split.train)
    items = set(split.train["item"].tolist())
    assert set(found["items"]["item"].tolist()) == items
    assert items < set(split.validation.retrieval()["items"]["item"].tolist())
    with pytest.raises(ValueError, match="catalog must be a selection of the same log"):
        split.test.retrieval(catalog=interactions(LOG))


def test_users_of_their_own_part_are_asked_for_their_last_items():
    data = interactions(LOG).encode()
    split = data.by_user((0.5, 0.5))
    assert len(split.test.retrieval()["users"]["user"]) == 0
    last = split.test.leave_one_out()
    found = last.test.retrieval(5, catalog=data)
    assert len(found["items"]["item"]) == LOG["item"].nunique()
    histories = naive(last, last.test, [last.train, last.validation], 5)
    assert found["users"]["hist_item"].tolist() == [h for h, _, _ in histories.values()]


def test_users_without_a_history_are_left_out_or_padded(caplog):
    data = interactions(LOG).encode()
    split = data.leave_one_out()
    found = split.test.retrieval(3)
    every = split.test.retrieval(3, min_history=0)
    assert len(every["users"]["user"]) == LOG["user"].nunique()
    assert caplog.messages[0].startswith("1 of 14 users have fewer than 1 earlier rows")
    assert len(found["users"]["user"]) == (LOG["user"].value_counts() > 1).sum()
    alone = data.vocabularies["user"].tolist().index("v") + 2
    assert every["users"]["hist_item"][every["users"]["user"] == alone].tolist() == [[0, 0, 0]]
