"""Two methods by the values of their runs: which test is made, and which runs are refused."""

import re

import numpy as np
import pytest
from scipy import stats

from torch_rechub.significance import (
    DifferentTestError,
    TestValues,
    compare_values,
    delong_test,
    paired_test,
    sign_flip_test,
)
from torch_rechub.significance.data_facts import difference_of_data, facts_of

RNG = np.random.default_rng(0)
Y = RNG.integers(0, 2, 300)
SCORES = [
    np.clip(0.25 + 0.4 * Y + RNG.normal(0, s, 300), 0.01, 0.99) for s in (0.2, 0.3, 0.25, 0.4)
]


def rows(scores, **options):
    return TestValues.of_rows(["test/auc", "test/log_loss", "test/f1"], Y, scores, **options)


def users(values, **options):
    return TestValues.of_units({"test/hit@1": values}, **options)


def test_the_auc_of_rows_is_tested_by_delong():
    found = compare_values([rows(SCORES[0])], [rows(SCORES[1])], "test/auc")
    expected = delong_test(Y, *(np.float32(s) for s in SCORES[:2]))
    assert (found.difference, found.p) == pytest.approx((expected.difference, expected.p))
    assert (found.method, found.level, found.unit, found.n_units) == (
        "delong",
        "units",
        "rows",
        300,
    )
    assert found.d_z is None
    assert found.superiority is None


def test_the_auc_of_rows_of_users_is_tested_over_users():
    groups = np.arange(300) // 10
    a, b = (rows(s, groups=groups) for s in SCORES[:2])
    found = compare_values([a], [b], "test/auc")
    assert (found.method, found.unit, found.n_units) == ("sign-flip", "groups", 30)
    delong = compare_values([rows(SCORES[0])], [rows(SCORES[1])], "test/auc")
    assert found.difference == pytest.approx(delong.difference)


def test_means_are_tested_by_the_signs_of_their_differences():
    a, b = RNG.integers(0, 2, (2, 40))
    found = compare_values([users(a)], [users(b)], "test/hit@1")
    assert found.p == sign_flip_test(a - b).p
    assert found.difference == pytest.approx(a.mean() - b.mean())
    assert found.superiority == pytest.approx(((a > b).sum() + 0.5 * (a == b).sum()) / 40)
    assert found.relative == pytest.approx((a.mean() - b.mean()) / b.mean())


def test_several_seeds_are_tested_over_users_and_seeds():
    a, b = RNG.random((2, 3, 50))
    found = compare_values([users(v) for v in a], [users(v) for v in b], "test/hit@1")
    d = np.float32(a).astype(float) - np.float32(b)
    expected = paired_test(d, level="both")
    assert (found.p, found.low) == pytest.approx((expected.p, expected.low))
    assert found.p_seeds == pytest.approx(stats.ttest_rel(a.mean(axis=1), b.mean(axis=1)).pvalue)
    assert found.p_units == sign_flip_test(d.mean(axis=0)).p
    assert (found.level, found.n_seeds, found.n_units) == ("both", 3, 50)


def test_seeds_with_test_data_of_their_own_are_the_units():
    """A split by seed: the rows of one seed pair up, and those of two seeds do not."""
    truths = [np.roll(Y, seed) for seed in range(4)]

    def tested(scale):
        pairs = zip(truths, SCORES, strict=True)
        return [TestValues.of_rows(["test/mse"], y, y * 0.5 + scale * s) for y, s in pairs]

    a, b = tested(0.4), tested(0.5)
    found = compare_values(a, b, "test/mse")
    means = [[v.units("test/mse").values.mean() for v in side] for side in (a, b)]
    assert found.p == pytest.approx(stats.ttest_rel(*means).pvalue)
    assert (found.level, found.n_seeds, found.p_units) == ("seeds", 4, None)


def test_functions_of_means_are_tested_by_their_influence():
    found = compare_values([rows(SCORES[0])], [rows(SCORES[1])], "test/f1")
    a, b = (rows(s).units("test/f1").values for s in SCORES[:2])
    assert found.p == sign_flip_test(a - b).p
    assert found.difference == pytest.approx(a.mean() - b.mean())


def different(**changed):
    given = {
        "values": [1, 0, 1, 1],
        "units": range(4),
        "protocol": {"seen_excluded": True},
        "data": {"rows": "4"},
    }
    return users(**{**given, **changed})


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (different(protocol={"seen_excluded": False}), "protocol differs: seen_excluded is True"),
        (different(protocol={}), "protocol differs: seen_excluded is True and None"),
        (different(data={"rows": "5"}), "data differ: 4 and 5 test rows"),
        (different(units=[1, 2, 3, 9]), "units differ: other rows or users"),
        (different(weights=[1, 1, 1, 2]), "units differ"),
        (different(truth="x"), "units differ"),
        (different(values=[1, 0, 1], units=[0, 1, 2]), "units differ"),
        (different(directions={"test/hit@1": "min"}), r"metric differs: .* \(max\) and .* \(min\)"),
    ],
)
def test_runs_that_were_tested_differently_are_refused(other, message):
    with pytest.raises(DifferentTestError, match=message):
        compare_values([different()], [other], "test/hit@1")


def test_data_that_are_recorded_of_one_run_only_are_no_difference():
    assert compare_values([different()], [different(data={})], "test/hit@1").p == 1.0


def test_a_metric_without_values_is_refused():
    with pytest.raises(ValueError, match="no values of 'test/auc' are recorded"):
        compare_values([different()], [different()], "test/auc")


def facts(rows=4, digest="9f", user="u", item=None, split=None, hashed=None):
    columns = ["role type in_order any_order sum name", f"input int64 {user} x - user"]
    columns += [] if item is None else [f"input int64 {item} x - item"]
    found = {"rows": rows, "digest": digest, "columns": columns, "split": split}
    return facts_of({**found, **({} if hashed is None else {"hashed_rows": hashed})})


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (facts(), facts(), None),
        (facts(), facts(digest="aa", item="i"), None),
        (facts(), facts(digest="aa", user="v"), "the data differ: input user has other values"),
        (facts(), facts(rows=5, digest="aa"), "the data differ: 4 and 5 test rows"),
        (facts(hashed=2), facts(digest="aa", user="v", hashed=3), None),
        (facts(split={"seed": 1}), facts(split={"seed": 2}), None),
        ({"digest": "9f"}, {"digest": "aa"}, "the data differ: .* 9f and aa"),
        (
            {"split": '{"seed": 1}'},
            {"split": '{"seed": 2}'},
            r'the split differs: {"seed": 1} and {"seed": 2}',
        ),
        ({}, facts(), None),
        (facts_of(None), facts_of("hostile"), None),
    ],
)
def test_data_are_the_same_by_the_columns_that_both_runs_have(a, b, message):
    found = difference_of_data(a, b)
    assert found is None if message is None else re.match(message, found)


def test_facts_of_hostile_fingerprints_are_texts_or_nothing():
    hostile = {"rows": [1], "digest": {"x": 1}, "columns": ["", 3, "a b"], "split": {"a": {1, 2}}}
    assert set(facts_of(hostile)) == {"split"}
    assert facts_of({"columns": "input int64 a b c d"}) == {}
