"""Relative biases against loops over pairs of positions."""

import math

import pytest
import torch

from torch_rechub.basic.layers.relative_bias import TimeBuckets
from torch_rechub.utils.hstu_utils import RelativeBucketedTimeAndPositionBias, RelPosBias

# Buckets of time


def bucket(seconds, n, fn, divisor, unit):
    x = max(seconds, 0) / {"seconds": 1, "minutes": 60}[unit]
    y = math.sqrt(x) if fn == "sqrt" else math.log(max(x, 1))
    return min(math.floor(y / divisor), n)


SPANS = [-5, 0, 1, 2, 3, 4, 9, 59, 60, 61, 119, 240, 3600, 5000, 86400, 10**7, 4 * 10**9]


@pytest.mark.parametrize("unit", ["seconds", "minutes"])
@pytest.mark.parametrize("fn", ["sqrt", "log"])
@pytest.mark.parametrize("divisor", [1.0, 3.0])
def test_a_span_is_in_the_bucket_of_its_formula(fn, divisor, unit):
    buckets = TimeBuckets(64, fn, divisor, unit)
    expected = [bucket(s, 64, fn, divisor, unit) for s in SPANS]
    for dtype in (torch.int64, torch.float64):
        assert buckets(torch.tensor(SPANS, dtype=dtype)).tolist() == expected
    assert 64 in expected or divisor == 3 or fn == "log"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fn": "linear"}, "time_bucket_fn must be 'sqrt' or 'log', got 'linear'"),
        ({"unit": "hours"}, "time_bucket_unit must be 'minutes' or 'seconds', got 'hours'"),
        ({"divisor": 0}, "divisor must be above 0, got 0"),
    ],
)
def test_impossible_buckets_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        TimeBuckets(8, **arguments)


# RelPosBias


@pytest.mark.parametrize(("longest", "n", "length"), [(64, 32, 64), (64, 8, 10), (5, 32, 5)])
def test_a_distance_has_a_bias_of_its_bucket(longest, n, length):
    bias = RelPosBias(3, longest, n)
    b = bias(length)
    assert b.shape == (1, 3, length, length)
    for h in range(3):
        for i in range(length):
            for j in range(length):
                row = abs(i - j) * (n - 1) // longest
                assert b[0, h, i, j] == bias.rel_pos_bias_table[row, h]


def test_distances_beyond_the_longest_sequence_share_the_last_bucket():
    bias = RelPosBias(2, max_seq_len=3, num_buckets=8)
    b = bias(7)
    assert b.shape == (1, 2, 7, 7)
    for i in range(7):
        for j in range(7):
            row = min(abs(i - j) * 7 // 3, 7)
            assert torch.equal(b[0, :, i, j], bias.rel_pos_bias_table[row])


# Time and position


def naive(rab, times, unit="minutes"):
    length = len(times)
    return [
        [
            [
                rab.pos_w[j - i + rab.max_seq_len - 1, h].item()
                + rab.ts_w[bucket(abs(times[i] - times[j]), 6, "sqrt", 1.0, unit), h].item()
                for j in range(length)
            ]
            for i in range(length)
        ]
        for h in range(rab.n_heads)
    ]


@pytest.mark.parametrize("length", [1, 4, 7])
def test_it_is_the_sum_of_a_position_and_a_time(length):
    rab = RelativeBucketedTimeAndPositionBias(2, 7, num_time_buckets=6)
    times = torch.randint(0, 4000, (3, length))
    expected = torch.tensor([naive(rab, row) for row in times.tolist()])
    torch.testing.assert_close(rab(times), expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(rab(buckets=rab.buckets(times)), rab(times))
    torch.testing.assert_close(rab(times.double()), rab(times))


def test_without_times_it_is_that_of_the_position():
    rab = RelativeBucketedTimeAndPositionBias(2, 7, num_time_buckets=6)
    with torch.no_grad():
        rab.ts_w.zero_()
    assert rab(seq_len=4).shape == (1, 2, 4, 4)
    torch.testing.assert_close(rab(torch.zeros(1, 4)), rab(seq_len=4))


def test_large_times_keep_their_seconds():
    now = 1_700_000_001  # 32-bit floats would round it to 128 seconds
    rab = RelativeBucketedTimeAndPositionBias(1, 3, 100, time_bucket_unit="seconds")
    assert rab.buckets(torch.tensor([[now, now + 1, now + 9]]))[0, 0].tolist() == [0, 1, 3]


def test_every_bias_that_is_used_gets_its_gradient():
    rab = RelativeBucketedTimeAndPositionBias(2, 3, num_time_buckets=6)
    rab(torch.tensor([[0, 60, 240]])).sum().backward()
    assert rab.pos_w.grad[:, 0].tolist() == [1, 2, 3, 2, 1]
    assert rab.ts_w.grad[:, 1].tolist() == [3, 4, 2, 0, 0, 0, 0]  # 0, 1 and 3 minutes, 4 minutes


def test_sequences_that_are_too_long_and_no_sequence_are_refused():
    rab = RelativeBucketedTimeAndPositionBias(2, 3)
    for call in (
        lambda: rab(seq_len=4),
        lambda: rab(torch.zeros(1, 4)),
    ):
        with pytest.raises(ValueError, match="4 positions, but max_seq_len=3"):
            call()
    with pytest.raises(ValueError, match="give time_diffs"):
        rab()


def test_the_state_dicts_have_the_names_of_0_9():
    shapes = {k: tuple(v.shape) for k, v in RelPosBias(2, 9, 5).state_dict().items()}
    assert shapes == {"rel_pos_bias_table": (5, 2)}
    rab = RelativeBucketedTimeAndPositionBias(2, 9, 16)
    shapes = {k: tuple(v.shape) for k, v in rab.state_dict().items()}
    assert shapes == {"pos_w": (17, 2), "ts_w": (17, 2)}
