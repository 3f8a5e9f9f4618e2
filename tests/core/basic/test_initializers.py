"""Initializers: the distribution that they promise, and the padding row."""

import math

import numpy as np
import pytest
import torch

from torch_rechub.basic.initializers import (
    Pretrained,
    RandomNormal,
    RandomUniform,
    XavierNormal,
    XavierUniform,
)

V, D = 400, 100
RANDOM = [RandomNormal(0.5, 2.0), RandomUniform(-3, 1), XavierNormal(2.0), XavierUniform(2.0)]


def moments(initializer):
    w = initializer(V, D).weight.detach().double()
    return w.mean().item(), w.std().item(), w.min().item(), w.max().item()


# The mean of V·D = 40 000 draws lies within 4 σ / 200 of the true one, the deviation within 2 %.


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (3.0, 0.5), (0.0, 0.0001)])
def test_random_normal(mean, std):
    m, s, *_ = moments(RandomNormal(mean, std))
    assert m == pytest.approx(mean, abs=4 * std / 200)
    assert s == pytest.approx(std, rel=0.02)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-3.0, 1.0)])
def test_random_uniform(low, high):
    m, s, smallest, largest = moments(RandomUniform(low, high))
    assert low <= smallest < low + 0.001 * (high - low)
    assert high - 0.001 * (high - low) < largest <= high
    assert m == pytest.approx((low + high) / 2, abs=0.01 * (high - low))
    assert s == pytest.approx((high - low) / math.sqrt(12), rel=0.02)


@pytest.mark.parametrize("gain", [1.0, 2.0])
def test_xavier_normal(gain):
    std = gain * math.sqrt(2 / (V + D))
    m, s, *_ = moments(XavierNormal(gain))
    assert m == pytest.approx(0, abs=4 * std / 200)
    assert s == pytest.approx(std, rel=0.02)


@pytest.mark.parametrize("gain", [1.0, 2.0])
def test_xavier_uniform(gain):
    bound = gain * math.sqrt(6 / (V + D))
    _, s, smallest, largest = moments(XavierUniform(gain))
    assert -bound <= smallest < -0.99 * bound
    assert 0.99 * bound < largest <= bound
    assert s == pytest.approx(bound / math.sqrt(3), rel=0.02)


@pytest.mark.parametrize("initializer", RANDOM, ids=lambda i: type(i).__name__)
def test_random_tables_are_trained_and_have_no_padding_row_unless_asked(initializer):
    table = initializer(5, 3)
    assert table.weight.requires_grad
    assert table.padding_idx is None
    assert (table.weight != 0).all()


@pytest.mark.parametrize("initializer", RANDOM, ids=lambda i: type(i).__name__)
def test_only_the_padding_row_is_zero(initializer):
    table = initializer(5, 3, padding_idx=2)
    assert table.padding_idx == 2
    assert (table.weight == 0).all(dim=1).tolist() == [False, False, True, False, False]


def test_initializers_with_the_same_settings_are_equal():
    assert RandomNormal(0, 0.1) == RandomNormal(0.0, 0.1)
    assert RandomNormal(0, 0.1) != RandomNormal(0, 0.2)
    assert len({XavierNormal(1.0), XavierNormal(1.0), XavierUniform(1.0)}) == 2


@pytest.mark.parametrize("kind", [torch.tensor, np.array, list])
@pytest.mark.parametrize("freeze", [True, False])
def test_pretrained_weights_are_taken_as_given_even_the_padding_row(kind, freeze):
    rows = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    table = Pretrained(kind(rows), freeze)(3, 2, padding_idx=1)
    assert table.weight.tolist() == rows
    assert table.weight.dtype == torch.float32
    assert table.weight.requires_grad is not freeze
    assert table.padding_idx == 1


def test_pretrained_freezes_by_default():
    assert not Pretrained([[1.0]])(1, 1).weight.requires_grad


@pytest.mark.parametrize("given", [torch.ones(3, 2), np.ones((3, 2), dtype=np.float32)])
def test_training_a_pretrained_table_leaves_the_users_array_alone(given):
    table = Pretrained(given, freeze=False)(3, 2)
    with torch.no_grad():
        table.weight.add_(1)
    assert (given == 1).all()


@pytest.mark.parametrize("shape", [(3, 2), (2, 3), (2,), (2, 2, 2)])
def test_pretrained_weights_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"vocab_size=2 and embed_dim=2") as error:
        Pretrained(torch.ones(shape))(2, 2)
    assert str(shape) in str(error.value)
