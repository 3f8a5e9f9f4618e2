"""Draws of items: their distribution, and that a draw can be repeated."""

import math

import numpy as np
import pytest
import torch

from torch_rechub.objectives.item_sampler import ItemSampler

CPU = torch.device("cpu")


def shares(sampler, n=60_000):
    return torch.bincount(sampler(n // 4, 4).reshape(-1), minlength=sampler.vocab_size) / n


def test_uniform_draws_reach_each_item_alike_and_never_padding():
    found = shares(ItemSampler(6, None, 0, CPU))
    assert found[0] == 0
    assert found[1:].tolist() == pytest.approx([0.2] * 5, abs=0.01)


def test_draws_by_frequency_are_in_proportion_to_it():
    found = shares(ItemSampler(6, [50, 1, 0, 4, 0, 5], 0, CPU))
    assert found.tolist() == pytest.approx([0, 0.1, 0, 0.4, 0, 0.5], abs=0.01)
    assert (found[[0, 2, 4]] == 0).all()


@pytest.mark.parametrize("frequency", [None, [7, 1, 2, 3, 4]])
def test_log_q_is_that_of_the_distribution(frequency):
    sampler = ItemSampler(5, frequency, 0, CPU)
    expected = [0.25] * 4 if frequency is None else [0.1, 0.2, 0.3, 0.4]
    items = torch.arange(1, 5).view(2, 2)
    assert sampler.log_q(items).exp().reshape(-1).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("frequency", [None, np.arange(9)])
def test_a_seed_repeats_the_draws_and_a_state_continues_them(frequency):
    first, second = (ItemSampler(9, frequency, 3, CPU) for _ in range(2))
    before = torch.get_rng_state()
    assert first(20).equal(second(20))
    state, drawn = first.state_dict(), first(20)
    other = ItemSampler(9, frequency, 4, CPU)
    other.load_state_dict(state)
    assert other(20).equal(drawn)
    assert torch.get_rng_state().equal(before)


def test_without_a_seed_draws_are_from_the_global_state():
    sampler = ItemSampler(9, None, None, CPU)
    torch.manual_seed(5)
    drawn = sampler(20)
    torch.manual_seed(5)
    assert sampler(20).equal(drawn)
    assert sampler.state_dict() == {}


@pytest.mark.parametrize(
    ("frequency", "message"),
    [
        ([1, 2], r"each of the 4 tokens .* got shape \(2,\)"),
        ([[1], [2], [3], [4]], "got shape"),
        ([1, 2, -1, 1], "finite numbers of at least 0"),
        ([1, 2, math.nan, 1], "finite numbers of at least 0"),
        ([8, 0, 0, 0], "not all 0 among the items"),
    ],
)
def test_frequencies_of_no_use_are_refused(frequency, message):
    with pytest.raises(ValueError, match=message):
        ItemSampler(4, frequency, None, CPU)


def test_a_vocabulary_of_padding_alone_is_refused():
    with pytest.raises(ValueError, match="vocab_size=1 is padding alone"):
        ItemSampler(1, None, None, CPU)
