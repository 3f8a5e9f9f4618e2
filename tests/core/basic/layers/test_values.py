"""Checks of the values of a column: the counts and rows are those of a loop over the numbers."""

import math

import pytest
import torch

from torch_rechub.basic.layers import values as module
from torch_rechub.basic.layers.values import (
    check_column,
    check_finite,
    check_whole_numbers,
    describe_missing,
    extremes,
    find,
)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", 4)  # so that columns here have several


@pytest.mark.parametrize("shape", [(11,), (11, 3), (3, 2, 5), (0,), (4, 0)])
@pytest.mark.parametrize("seed", range(5))
def test_the_count_the_first_row_and_its_value_are_those_of_a_loop(shape, seed):
    numbers = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    rows = [(i, v) for i, row in enumerate(numbers) for v in row.reshape(-1).tolist() if v > 0.8]
    found = find(numbers, lambda block: block > 0.8)
    assert (found is None) == (not rows)
    if found:
        assert (found.count, found.row, found.value) == (len(rows), *rows[0])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("place", [0, 5, 10])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_found_wherever_it_is(dtype, place, value):
    numbers = torch.arange(11, dtype=dtype)
    check_finite(numbers, "a")
    numbers[place] = value
    kind = r"missing value \(NaN\)" if math.isnan(value) else "infinite value"
    with pytest.raises(ValueError, match=f"^a has 1 {kind}, first in row {place}: fill them"):
        check_finite(numbers, "a")
    with pytest.raises(ValueError, match=f"'a' has 1 .*first .*in row {place} of the batch: map"):
        check_whole_numbers(numbers, "a", " of the batch")
    with pytest.raises(ValueError, match=f"'a' has 1 .*first .*in row {place}: map"):
        check_column(numbers, "a", 20)


def test_missing_and_infinite_values_are_counted_apart():
    numbers = torch.tensor([0, torch.inf, torch.nan, -torch.inf, torch.nan, 1])
    assert describe_missing(numbers) == (
        "2 missing values (NaN), first in row 2, and 2 infinite values, first in row 1"
    )
    assert describe_missing(torch.arange(3)) is None


@pytest.mark.parametrize(
    ("numbers", "dtype"),
    [
        (torch.tensor([3.4e38, -3.4e38]).double(), torch.float32),
        (torch.tensor([1e300], dtype=torch.float64), torch.float64),
        (torch.tensor([65504.0, -65504.0]), torch.float16),
        (torch.tensor([2**62]), torch.float32),
        (torch.tensor([True, False]), torch.float16),
        (torch.tensor([]), torch.float32),
    ],
)
def test_a_number_that_the_dtype_holds_passes(numbers, dtype):
    assert numbers.to(dtype).isfinite().all()
    check_finite(numbers, "a", dtype)


@pytest.mark.parametrize(
    ("numbers", "dtype"),
    [
        (torch.tensor([0, 1e39], dtype=torch.float64), torch.float32),
        (torch.tensor([0, -1e39], dtype=torch.float64), torch.float32),
        (torch.tensor([0.0, 7e4]), torch.float16),
        (torch.tensor([0, 70_000]), torch.float16),
    ],
)
def test_a_number_that_becomes_infinite_in_the_dtype_is_refused(numbers, dtype):
    assert not numbers.to(dtype).isfinite().all()
    with pytest.raises(ValueError, match=r"^a has 1 value beyond .* in row 1: scale or clip it"):
        check_finite(numbers, "a", dtype)


@pytest.mark.parametrize(
    ("dtype", "inexact"),
    [
        (torch.float64, 2**53),
        (torch.float32, 2**24),
        (torch.float16, 2**11),
        (torch.bfloat16, 2**8),
    ],
)
def test_an_id_that_came_as_a_float_must_be_one_that_no_other_id_is_rounded_to(dtype, inexact):
    assert torch.tensor([inexact + 1]).to(dtype).long().tolist() == [inexact]
    check_whole_numbers(torch.tensor([inexact - 1, 1 - inexact]).to(dtype), "a")
    with pytest.raises(ValueError, match=f"'a' has 1 id that is not exact.* {inexact} on.*int64"):
        check_whole_numbers(torch.tensor([0, inexact]).to(dtype), "a")


KINDS = [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float64]


@pytest.mark.parametrize("dtype", KINDS)
def test_ids_of_any_dtype_are_within_their_vocabulary_or_counted(dtype):
    ids = torch.tensor([[5, 0], [100, 7], [8, 101]], dtype=dtype)
    check_column(ids, "a", 102)
    check_column(ids, "a", 10**6)
    check_column(ids, "a", None)
    message = (
        r"feature 'a': id 101 is outside its vocabulary; vocab_size=8 allows ids 0 to 7\..*"
        r"3 values are outside, first 100 in row 1\."
    )
    with pytest.raises(IndexError, match=message):
        check_column(ids, "a", 8)
    if dtype != torch.uint8:
        with pytest.raises(IndexError, match=r"id -2 is .* 1 value .* -2 in row 0\."):
            check_column(ids - torch.tensor(2, dtype=dtype), "a", 10**6)


def test_the_code_of_missing_values_is_recognized():
    with pytest.raises(IndexError, match="-1 is the code of missing values in pandas' factorize"):
        check_column(torch.tensor([0, -1]), "a", 5)


def test_extremes_are_nan_if_one_value_is():
    assert extremes(torch.tensor([2.0, -1.0])) == (-1, 2)
    assert all(map(math.isnan, extremes(torch.tensor([2.0, torch.nan, -1.0]))))
    assert extremes(torch.tensor([])) == (0, 0)
