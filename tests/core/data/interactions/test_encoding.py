"""Ids of values: by frequency, ties by value, 0 for padding and 1 for unknown values."""

from collections import Counter

import numpy as np
import pytest

from core.data.interactions.random_log import interactions, random_log
from torch_rechub.basic.features import SequenceFeature, SparseFeature
from torch_rechub.data.interactions import Interactions

LOG = random_log()


def by_frequency(values):
    counts = Counter(values)
    return sorted(counts, key=lambda value: (-counts[value], value))


def test_ids_are_by_frequency_from_two():
    data = interactions(LOG)
    encoded = data.encode()
    for name in ("user", "item", "cate"):
        values = by_frequency(LOG[name])
        assert encoded[name].tolist() == [values.index(v) + 2 for v in data[name]]
        assert encoded.vocabularies[name].tolist() == values
        assert encoded.sizes[name] == len(values) + 2
    assert encoded["device"].tolist() == data["device"].tolist()
    assert (encoded.sizes["device"], "rating" in encoded.sizes) == (3, False)


def test_values_outside_training_are_unknown_but_users_stay_apart():
    split = interactions(LOG).by_time(cutoffs=(60, 120))
    encoded = split.encode()
    users = by_frequency(split.train["user"])
    expected = [users.index(u) + 2 if u in users else 1 for u in split.test["user"]]
    assert encoded.test["user"].tolist() == expected
    assert expected.count(1) > 1
    assert encoded.sizes == encoded.test.sizes
    raw, ids = split.test.encode().samples(9), encoded.test.samples(9)
    assert len({*split.test["user"][encoded.test["user"] == 1]}) > 1
    assert ids.rows.tolist() == raw.rows.tolist()
    assert ((ids["hist_item"] > 0) == (raw["hist_item"] > 0)).all()


def test_given_values_decide():
    data = interactions(LOG)
    items = ["i05", "i03"]
    encoded = data.encode({"item": items})
    assert encoded["item"].tolist() == [{"i05": 2, "i03": 3}.get(v, 1) for v in data["item"]]
    assert encoded["user"].tolist() == data["user"].tolist()
    assert encoded.encode()["user"].min() == 2


class Preprocessor:
    """Stands for a fitted one, whose inputs are ids of items, genres and an hour."""

    def transform(self, data):
        genres = [[int(v[1:]) + 2, 0] for v in data["cate"]]
        return {
            "item": np.array([int(v[1:]) + 2 for v in data["item"]], dtype=np.int32),
            "genres": np.array(genres, dtype=np.int32),
            "hour": np.asarray(data["time"]) // 3600,
        }

    def features(self):
        return [SparseFeature("item", 99), SequenceFeature("genres", 7), SparseFeature("hour", 24)]


def test_a_preprocessor_fitted_on_training_gives_the_ids_of_its_values():
    from torch_rechub.data.preprocessing import Categorical, Preprocessor

    split = interactions(LOG).by_time(cutoffs=(300, 900))
    preprocessor = Preprocessor([Categorical(name) for name in ("user", "item", "cate")])
    preprocessor.fit(split.train.frame())
    found, expected = split.encode(preprocessor), split.encode()
    assert found.sizes == expected.sizes
    for part, other in zip(found, expected, strict=True):
        for name in ("user", "item", "cate"):
            assert part[name].tolist() == other[name].tolist()
            assert part[name].dtype == other[name].dtype
        x, y = (p.samples(4, attributes=["cate"]) for p in (part, other))
        assert x["hist_cate"].tolist() == y["hist_cate"].tolist()
    assert 1 in found.test["user"]
    assert found.test.retrieval(4)["items"]["item"].min() == 2


class OfItems(Preprocessor):
    """Another one, which takes numbers."""

    def transform(self, data):
        return {"item": data["item"]}


def test_inputs_of_a_preprocessor_replace_columns_or_are_new_attributes():
    data = interactions(LOG)
    encoded = data.encode(Preprocessor())
    assert encoded["item"].tolist() == [int(v[1:]) + 2 for v in data["item"]]
    assert encoded["user"].tolist() == data["user"].tolist()
    assert encoded["hour"].tolist() == (data["time"] // 3600).tolist()
    assert encoded["genres"].tolist() == [[int(v[1:]) + 2, 0] for v in data["cate"]]
    sizes = encoded.encode({"user": data.count_values()["user"]}).sizes
    n_users = LOG["user"].nunique()
    assert sizes == {"user": n_users + 2, "item": 99, "genres": 7, "hour": 24, "device": 3}
    with pytest.raises(ValueError, match="column 'item' is encoded already, or is the time"):
        data.encode({"item": sorted(set(LOG["item"]))}).encode(OfItems())


def test_an_attribute_of_several_numbers_has_no_history():
    split = (
        interactions(LOG)
        .leave_one_out()
        .encode(Preprocessor())
        .encode({"user": sorted(set(LOG["user"]))})
    )
    x = split.test.samples(3, attributes=["genres"], context=["hour"])
    assert x["genres"].tolist() == split.test["genres"][np.isin(split.test.rows, x.rows)].tolist()
    assert "hist_genres" not in x
    assert x.with_negatives(4)["neg_genres"].shape == (len(x.rows), 4, 2)
    items = split.test.retrieval(3, attributes=["genres"])["items"]
    cate = dict(zip(LOG["item"].str[1:].astype(int) + 2, LOG["cate"], strict=True))
    assert items["genres"][:, 0].tolist() == [int(cate[i][1:]) + 2 for i in items["item"].tolist()]
    assert split.train.items()["genres"][0].tolist() == items["genres"][0].tolist()


def test_wrong_vocabularies_are_refused():
    data = Interactions({"u": [1, 2], "i": [3, 4], "t": [5, 6]}, "u", "i", "t")
    with pytest.raises(KeyError, match="no column 'item' to encode: the columns are"):
        data.encode({"item": [3]})
    with pytest.raises(ValueError, match="hold 3 twice"):
        data.encode({"i": [3, 3]})
    with pytest.raises(ValueError, match=r"column 'i' is known: it holds \[3\]"):
        data.encode({"i": ["3", "4"]})
    with pytest.raises(ValueError, match="column 'i' is encoded already"):
        data.encode().encode({"i": [3, 4]})
    with pytest.raises(TypeError, match="by must be the values of columns by name"):
        data.encode([3, 4])
