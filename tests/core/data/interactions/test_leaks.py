"""Planted leaks are refused, and the message names the rows."""

import numpy as np
import pytest

from core.data.interactions.random_log import interactions, random_log
from torch_rechub.data.interactions import Interactions, LeakError, Split

LOG = random_log()
DATA = interactions(LOG)
RULES = {
    "by_time": DATA.by_time(cutoffs=(900, 1800)),
    "in_order": DATA.leave_one_out(),
    "by_user": DATA.by_user(),
    "random": DATA.random(),
}


def moved(split, n_rows, source, target):
    """The parts after the first rows of one part moved to another; both stay in order."""
    parts = {name: set(part.rows.tolist()) for name, part in split.parts().items()}
    rows = split.parts()[source].rows.tolist()[:n_rows]
    parts[source] -= set(rows)
    parts[target] |= set(rows)
    return [DATA.where(np.isin(DATA.rows, list(rows))) for rows in parts.values()]


@pytest.mark.parametrize("rule", RULES)
def test_a_split_made_by_hand_passes_if_it_follows_the_rule(rule):
    split = Split(*moved(RULES[rule], 0, "train", "test"), rule)
    assert [p.rows.tolist() for p in split] == [p.rows.tolist() for p in RULES[rule]]


@pytest.mark.parametrize(
    ("rule", "source", "target", "message"),
    [
        ("by_time", "train", "test", r"of test \(time \d+\) is not later than row \d+ of train"),
        ("by_time", "test", "train", "is not later than row"),
        ("by_time", "test", "validation", "is not later than row .* of validation"),
        ("in_order", "train", "validation", r"of validation .* comes before row \d+ of train"),
        ("in_order", "train", "test", r"comes before row \d+ of (train|validation)"),
        ("by_user", "train", "test", "user 'u.*' has rows in train and in test"),
    ],
)
def test_a_moved_row_is_a_leak(rule, source, target, message):
    with pytest.raises(LeakError, match=message):
        Split(*moved(RULES[rule], 1 if source == "train" else 5, source, target), rule)


@pytest.mark.parametrize("rule", RULES)
def test_a_row_in_two_parts_is_a_leak_under_every_rule(rule):
    train, validation, test = RULES[rule]
    both = np.isin(DATA.rows, [*train.rows, test.rows[0]])
    with pytest.raises(LeakError, match=f"row {test.rows[0]} is in both train and test"):
        Split(DATA.where(both), validation, test, rule)


def test_equal_times_in_two_parts_are_a_leak_by_time():
    log = {"u": [1, 2], "i": [7, 8], "t": [5, 5]}
    data = Interactions(log, "u", "i", "t")
    first, none, second = (data.where(np.isin(data.rows, rows)) for rows in ([0], [], [1]))
    with pytest.raises(LeakError, match=r"row 1 of test \(time 5\) is not later than row 0"):
        Split(first, none, second, "by_time")
    Split(first, none, second, "in_order")  # other users have an order of their own


def test_a_later_time_of_another_user_is_no_leak_in_order():
    log = {"u": [1, 1, 2], "i": [7, 8, 9], "t": [1, 2, 99]}
    split = Interactions(log, "u", "i", "t").leave_one_out()
    assert (split.validation.rows.tolist(), split.test.rows.tolist()) == ([0], [1, 2])


def test_parts_of_other_logs_and_unknown_rules_are_refused():
    train, validation, test = RULES["random"]
    with pytest.raises(ValueError, match="not selections of one log"):
        Split(train, validation, interactions(LOG), "random")
    with pytest.raises(NotImplementedError, match=r"rule must be one of .* got 'by_day'"):
        Split(train, validation, test, "by_day")


def test_check_finds_a_part_that_was_exchanged():
    split = DATA.leave_one_out()
    split.check()
    split.train = DATA
    with pytest.raises(LeakError):
        split.check()
