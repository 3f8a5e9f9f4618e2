"""Effect sizes and Holm's correction, compared with plain loops."""

import numpy as np
import pytest

from torch_rechub.significance import effect_size, holm


def naive_holm(p_values):
    """Reject from the smallest p-value on, as the paper puts it; the level at which each goes."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    found = {}
    for place, i in enumerate(order):
        needed = [(len(order) - j) * p_values[order[j]] for j in range(place + 1)]
        found[i] = min(1.0, max(needed))
    return [found[i] for i in range(len(p_values))]


def test_holm_is_a_naive_loop():
    rng = np.random.default_rng(0)
    for m in (1, 2, 5, 20):
        for _ in range(20):
            p = np.round(rng.random(m) ** 3, 2).tolist()
            assert holm(p) == pytest.approx(naive_holm(p))


def test_holm_of_nothing_is_nothing_and_other_values_are_refused():
    assert holm([]) == []
    with pytest.raises(ValueError, match=r"p must be at least 0 and at most 1, got 1\.5"):
        holm([0.1, 1.5])
    with pytest.raises(TypeError, match="p must be a number, got None"):
        holm([None])


def test_effects_are_those_of_their_definitions():
    rng = np.random.default_rng(1)
    a, b = rng.random(50), rng.random(50)
    a[:10] = b[:10]
    found, d = effect_size(a, b), a - b
    assert found.difference == pytest.approx(d.mean())
    assert found.relative == pytest.approx(d.mean() / b.mean())
    assert found.d_z == pytest.approx(d.mean() / d.std(ddof=1))
    assert found.superiority == pytest.approx(((d > 0).sum() + 0.5 * (d == 0).sum()) / 50)


def test_weights_count_units_by_their_share():
    found = effect_size([1.0, 0.0, 5.0], [0.0, 1.0, 0.0], [3, 1, 0])
    assert (found.difference, found.superiority) == pytest.approx((0.5, 0.75))
    assert found.relative == pytest.approx(0.5 / 0.25)


def test_effects_that_are_not_defined_are_none():
    found = effect_size([1.0, 1.0], [0.0, 0.0])
    assert (found.relative, found.d_z, found.superiority) == (None, None, 1.0)
    assert effect_size([1.0], [0.5]).d_z is None
