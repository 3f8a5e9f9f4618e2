"""Hashed ids: the hash in plain Python, and pinned values, because saved models depend on it."""

import hashlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torch_rechub.data.preprocessing import Crossed, Hashed, Preprocessor
from torch_rechub.data.preprocessing.statistics.text_hash import text_hash

BITS = 2**64 - 1


def mix(h):
    h = ((h ^ (h >> 30)) * 0xBF58476D1CE4E5B9) & BITS
    h = ((h ^ (h >> 27)) * 0x94D049BB133111EB) & BITS
    return h ^ (h >> 31)


def hash_by_hand(text):
    data = text.encode()
    if len(data) > 256:
        return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")
    h = mix(0x9E3779B97F4A7C15 * (len(data) + 1) & BITS)
    for i in range(0, len(data), 8):
        h = mix(h ^ int.from_bytes(data[i : i + 8], "little"))
    return h


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text("ab é钢🙂\0", max_size=40), max_size=12), st.integers(0, 3))
def test_the_hash_is_that_of_its_definition(texts, skipped):
    column = pa.array(texts, pa.large_string()).slice(skipped)
    assert text_hash(column).tolist() == [hash_by_hand(text) for text in texts[skipped:]]


@pytest.mark.parametrize("length", [0, 7, 8, 9, 16, 255, 256, 257, 5000])
def test_texts_of_any_length_are_hashed_among_others(length):
    texts = ["a", "é" * (length // 2) + "x" * (length % 2), "a\0", ""]
    assert text_hash(pa.array(texts, pa.large_string())).tolist() == list(map(hash_by_hand, texts))


PINNED = {  # saved models depend on these values
    "": 16294208416658607535,
    "a": 254126195655039226,
    "torch": 1297018245547553540,
    "推荐系统": 642524366128016030,
    "x" * 300: 1533152188014638354,
}


@pytest.mark.parametrize("text", PINNED)
def test_hashes_never_change(text):
    assert text_hash(pa.array([text], pa.large_string()))[0] == PINNED[text]


def encode(column, **data):
    return Preprocessor([column]).fit_transform(data)


def test_ids_are_2_plus_the_hash_by_buckets_and_missing_is_1():
    found = encode(Hashed("c", buckets=97), c=["a", None, "钢", "", "a"])["c"]
    expected = [2 + hash_by_hand("a") % 97, 1, 2 + hash_by_hand("钢") % 97, 1]
    assert found.tolist() == [*expected, expected[0]]
    assert found.dtype == np.int32


def test_whole_numbers_have_the_id_of_their_text():
    values = [7, -12, 2**62, 7]
    found = encode(Hashed("c", buckets=1000), c=values)["c"]
    assert found.tolist() == [2 + hash_by_hand(str(v)) % 1000 for v in values]
    assert encode(Hashed("c", buckets=1000), c=[7.0, float("nan")])["c"].tolist() == [found[0], 1]


def test_the_feature_has_an_id_for_each_bucket():
    feature = Preprocessor([Hashed("c", buckets=5, embed_dim=3)]).fit({"c": ["a"]}).features()[0]
    assert (feature.vocab_size, feature.embed_dim) == (7, 3)


def test_pairs_are_hashed_from_both_hashes_in_their_order():
    a, b = ["x", "y", "x", None, "x"], ["y", "x", "y", "y", ""]
    found = encode(Crossed("a", "b", buckets=1000), a=a, b=b)["a_x_b"]
    by_hand = [
        2 + mix(mix((hash_by_hand(p) + 1) & BITS) ^ hash_by_hand(q)) % 1000 if p and q else 1
        for p, q in zip(a, b)
    ]
    assert found.tolist() == by_hand
    assert by_hand[0] != by_hand[1]


def test_the_names_of_a_pair_can_be_chosen():
    found = encode(Crossed("a", "b", buckets=10, name="ab"), a=["x"], b=["y"])
    assert list(found) == ["ab"]


@pytest.mark.parametrize("buckets", [0, -1, 2**31 - 2])
def test_a_number_of_buckets_out_of_range_is_refused(buckets):
    with pytest.raises(ValueError, match=r"buckets must be at (least 1|most 2147483645)"):
        Hashed("c", buckets=buckets)
    with pytest.raises(ValueError, match=r"buckets must be at (least 1|most 2147483645)"):
        Crossed("a", "b", buckets=buckets)


def test_few_of_many_values_share_an_id():
    n, buckets = 20_000, 2**20
    ids = encode(Hashed("c", buckets=buckets), c=np.arange(n))["c"]
    expected = buckets * (1 - np.exp(-n / buckets))  # distinct ids of a uniform hash
    assert len(np.unique(ids)) == pytest.approx(expected, rel=0.002)
