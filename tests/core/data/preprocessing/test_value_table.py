"""The hash table of vocabularies finds the ids that a plain dict has."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torch_rechub.data.preprocessing.statistics import value_table
from torch_rechub.data.preprocessing.statistics.value_table import UNSURE, ValueTable

BYTES = st.sampled_from("ab0é\0钢").map(str)
TEXTS = st.text(BYTES, max_size=30) | st.integers(0, 40).map(lambda n: "x" * n)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.integers(-4, 4)


def _arrow(values, kind):
    return pa.array(values, pa.large_string() if kind is str else pa.int64())


def _found(table, wanted, owner, kind):
    values = _arrow(wanted, str) if kind is str else np.array(wanted, dtype=np.int64)
    return table.ids(values, np.array(owner, dtype=np.int64)).tolist()


def _check(kind, vocabularies, wanted):
    ids = [np.arange(2, 2 + len(values))[::-1].copy() for values in vocabularies]
    table = ValueTable([_arrow(values, kind) for values in vocabularies], ids)
    dicts = [dict(zip(v, i.tolist(), strict=True)) for v, i in zip(vocabularies, ids, strict=True)]
    # every value is sought in every vocabulary
    wanted = [*wanted, *(value for values in vocabularies for value in values)]
    pairs = [(value, owner) for value in wanted for owner in range(len(vocabularies))]
    expected = [dicts[owner].get(value, 1) for value, owner in pairs]
    assert _found(table, *zip(*pairs, strict=True), kind) == expected


@pytest.mark.parametrize(("kind", "values"), [(str, TEXTS), (int, NUMBERS)])
@pytest.mark.parametrize("same_slot", [False, True])
def test_ids_are_those_of_a_dict(kind, values, same_slot, monkeypatch):
    if same_slot:  # as if all hashes were equal
        monkeypatch.setattr(value_table, "mix", np.zeros_like)

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(st.lists(values, unique=True, max_size=12), min_size=1, max_size=3),
        st.lists(values, min_size=1, max_size=12),
    )
    def compare(vocabularies, wanted):
        _check(kind, vocabularies, wanted)

    compare()


def test_ids_of_many_values_are_those_of_a_dict():
    rng = np.random.default_rng(0)
    texts = [f"v{n}" + "é" * (n % 17) for n in rng.permutation(30_000).tolist()]
    _check(str, [texts[:20_000], texts[10_000:15_000]], texts[20_000:])
    numbers = rng.integers(-(2**40), 2**40, 30_000).tolist()
    _check(int, [list(dict.fromkeys(numbers[:20_000])), []], numbers)


def test_vocabularies_are_read_in_parts(monkeypatch):
    monkeypatch.setattr(value_table, "_STEP", 7)
    texts = [f"v{n}" for n in range(50)]
    _check(str, [texts[:20], [], texts[10:13], texts[5:40]], texts)


def test_a_slice_of_an_array_is_read_from_its_place():
    texts = _arrow(["a", "bcd", "x" * 20, "e", "y" * 17], str)
    table = ValueTable([texts.slice(1, 3)], [np.array([5, 6, 7])])
    assert table.ids(texts, np.zeros(5, np.int64)).tolist() == [1, 5, 6, 7, 1]
    assert table.ids(texts.slice(2), np.zeros(3, np.int64)).tolist() == [6, 7, 1]


def test_a_long_text_with_the_hash_of_another_is_not_taken_for_it(monkeypatch):
    monkeypatch.setattr(value_table, "text_hash", lambda texts: np.full(len(texts), 3, np.uint64))
    table = ValueTable([_arrow(["12345678-known-text"], str)], [np.array([2])])
    wanted = ["12345678-known-text", "12345678-other-text", "12345679-other-text", "short"]
    assert _found(table, wanted, [0] * 4, str) == [2, UNSURE, 1, 1]
