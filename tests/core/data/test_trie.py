"""Trie against a list of sequences searched through."""

import itertools
import random

import torch

from torch_rechub.utils.data import Trie


def following(sequences, prefix):
    n = len(prefix)
    return {s[n] for s in sequences if s[:n] == prefix and len(s) > n}


def test_it_gives_what_follows_a_prefix():
    draw = random.Random(0)
    sequences = [[draw.randrange(4) for _ in range(4)] for _ in range(40)]
    trie = Trie(sequences)
    for n in range(6):
        for prefix in map(list, itertools.product(range(5), repeat=n)):
            found = trie.get(prefix)
            assert len(found) == len(set(found))
            assert set(found) == following(sequences, prefix)
            assert trie[prefix] == found
    assert sorted(trie) == sorted(list(s) for s in {tuple(s) for s in sequences})
    assert len(trie) == len({tuple(s) for s in sequences})


def test_tries_share_nothing():
    first, second = Trie(), Trie()
    first.add([1, 2])
    assert list(first) == [[1, 2]]
    assert list(second) == []
    assert second.get([]) == []


def test_it_is_made_of_a_dict_again():
    trie = Trie([[1, 2], [1, 3], [4, 5]])
    again = Trie.load_from_dict(trie.trie_dict)
    assert list(again) == list(trie)
    assert len(again) == 3


def test_the_function_for_generating_reads_the_whole_sequence():
    trie = Trie([[0, 2, 1], [0, 3, 1]])
    for allowed in (
        Trie.def_prefix_allowed_tokens_fn(trie),
        trie.def_prefix_allowed_tokens_fn(trie),
    ):
        assert allowed(0, torch.tensor([0])) == [2, 3]
        assert allowed(7, torch.tensor([0, 3])) == [1]
        assert allowed(0, torch.tensor([3])) == []


def test_another_trie_follows_at_the_token_that_says_so():
    titles = Trie([[7, 8], [7, 9], [2, 2]])
    trie = Trie([[1, 2, 3], [1, 2, 50], [1, 4]])
    trie.append(titles, bos_token_id=50)
    assert trie.get([1]) == [2, 4]
    assert trie.get([1, 2]) == [3, 7, 2]
    assert trie.get([1, 2, 7]) == [8, 9]
    assert trie.get([1, 2, 2]) == [2]
    assert trie.get([1, 7]) == []  # there is no such token here
    # a sequence of the other that begins with the token itself
    trie = Trie([[1, 2, 7]])
    trie.append(titles, bos_token_id=7)
    assert trie.get([1, 2]) == [7, 2]
    assert trie.get([1, 2, 7]) == [8, 9]
