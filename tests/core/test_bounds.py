"""The bounds of numbers: what is refused, in whose name, and what passes."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from torch_rechub._bounds import check_number, check_whole, whole_number

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize("value", [1, 7, np.int64(3), 2**70, None])
def test_whole_numbers_pass(value):
    check_whole(1, n=value)


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (0, ValueError, "n must be at least 1, got 0"),
        (-1, ValueError, "n must be at least 1, got -1"),
        (np.int32(0), ValueError, "n must be at least 1, got "),
        (1.5, ValueError, "n must be a whole number, got 1.5"),
        (2.0, ValueError, "n must be a whole number, got 2.0"),
        (NAN, ValueError, "n must be a whole number, got nan"),
        (INF, ValueError, "n must be a whole number, got inf"),
        (True, TypeError, "n must be a whole number, got True"),
        ("3", TypeError, "n must be a whole number, got '3'"),
        ([3], TypeError, r"n must be a whole number, got \[3\]"),
        (torch.tensor(3), TypeError, "n must be a whole number, got tensor"),
        (3 + 0j, TypeError, "n must be a whole number"),
    ],
)
def test_what_is_no_whole_number_or_too_small_is_refused(value, error, message):
    with pytest.raises(error, match=message):
        check_whole(1, n=value)


@pytest.mark.parametrize(
    "value", [3, np.int8(3), np.uint64(3), np.array(3), torch.tensor(3), torch.tensor(3).short()]
)
def test_a_setting_of_any_type_of_whole_numbers_becomes_an_int(value):
    number = whole_number(1, n=value)
    assert (number, type(number)) == (3, int)


def test_a_setting_of_none_stays_none():
    assert whole_number(1, n=None) is None


@pytest.mark.parametrize(
    "value",
    [0, 1.0, np.float32(2), torch.tensor(2.0), torch.tensor(True), torch.tensor([3]), [3], "3"],
    ids=repr,
)
def test_a_setting_that_is_no_whole_number_is_refused_by_name(value):
    with pytest.raises((TypeError, ValueError), match=r"^n must be "):
        whole_number(1, n=value)


@pytest.mark.parametrize(
    ("interval", "inside", "outside", "words"),
    [
        ("[0, 1)", [0.5, 0, 1 - 1e-9], [-1e-9, 1, NAN, -INF], "at least 0 and below 1"),
        ("(0, 1]", [0.5, 1e-300, 1], [0, 1.1, NAN], "above 0 and at most 1"),
        ("(0, inf)", [1e-9, 1e300], [0, -1, NAN, INF], "above 0"),
        ("(0, inf]", [1, INF], [0, NAN, -INF], "above 0"),
        ("(-inf, inf)", [-1e9, 0, Fraction(1, 3)], [NAN, -INF], "finite"),
    ],
)
def test_numbers_of_an_interval_pass_and_others_are_refused(interval, inside, outside, words):
    for value in [*inside, np.float32(inside[0]), None]:
        check_number(interval, rate=value)
    for value in outside:
        finite = " and finite" if value == INF else ""
        with pytest.raises(ValueError, match=f"^rate must be {words}{finite}, got {value!r}$"):
            check_number(interval, rate=value)
    for value in (True, "0.5", [0.5]):
        with pytest.raises(TypeError, match="rate must be a number, got"):
            check_number(interval, rate=value)
