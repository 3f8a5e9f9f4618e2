"""Tables of users and items against pandas; popularity."""

import numpy as np
import pytest

from core.data.interactions.random_log import interactions, random_log
from torch_rechub.data.interactions import Interactions

LOG = random_log()
DATA = interactions(LOG)


@pytest.mark.parametrize("before", [None, 900])
@pytest.mark.parametrize("name", ["user", "item"])
def test_a_changing_attribute_has_its_last_value(name, before):
    log = LOG if before is None else LOG[LOG["time"] < before]
    last = log.sort_values("time", kind="stable").groupby(name)[["cate", "device"]].last()
    assert LOG.groupby("user")["device"].nunique().max() > 1
    found = (DATA.users if name == "user" else DATA.items)(before=before)
    assert list(found.columns) == [name, "cate", "device"]
    assert found[name].tolist() == last.index.tolist()
    assert found["device"].tolist() == last["device"].tolist()
    assert found["cate"].tolist() == last["cate"].tolist()


def test_a_table_has_the_chosen_attributes_of_the_selected_rows():
    found = DATA.positives(5).items(["device"])
    assert list(found.columns) == ["item", "device"]
    assert set(found["item"]) == set(LOG["item"][LOG["rating"] == 5])
    with pytest.raises(KeyError, match="no column 'price'"):
        DATA.items(["price"])


def test_ids_that_stand_for_several_values_have_one_row():
    encoded = DATA.by_time(cutoffs=(60, 120)).encode()
    users = encoded.test.users(["device"])
    assert users["user"].tolist() == sorted(set(encoded.test["user"].tolist()))
    rows = encoded.test["user"] == 1
    frame = encoded.test.frame()[rows].sort_index().sort_values("time", kind="stable")
    assert frame["user"].tolist().count(1) > 1
    assert users["device"][users["user"] == 1].item() == frame["device"].iloc[-1]


def test_values_without_an_order_stay_in_the_order_of_their_last_rows():
    items = [frozenset("a"), 1j, frozenset("a")]
    found = Interactions({"u": [1] * 3, "i": items, "t": [1, 2, 3]}, "u", "i", "t").items()
    assert found["i"].tolist() == [1j, frozenset("a")]


def test_popularity_counts_each_id():
    split = DATA.leave_one_out().encode()
    ids = split.train["item"]
    expected = [int((ids == i).sum()) for i in range(split.sizes["item"])]
    assert split.train.popularity().tolist() == expected
    assert len(split.test.popularity()) == len(expected)
    assert split.train.popularity(99)[len(expected) :].tolist() == [0] * (99 - len(expected))
    assert np.flatnonzero(split.train.popularity()).min() == 2
    with pytest.raises(ValueError, match="size must be above the largest item id"):
        split.train.popularity(3)
    with pytest.raises(TypeError, match=r"popularity needs whole numbers .* encode"):
        DATA.popularity()
