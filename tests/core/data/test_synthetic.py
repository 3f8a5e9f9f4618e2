"""The synthetic click log: its truth is known, so everything that is said of it can be measured."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import OneHotEncoder

from torch_rechub.data.synthetic import ClickLog, synthetic_clicks


@pytest.fixture(scope="module")
def log() -> ClickLog:
    return synthetic_clicks(200_000, vocab_sizes=(10_000, 300, 7), n_dense=2, seed=3)


def test_columns_have_the_names_types_and_ranges_that_are_promised(log):
    assert list(log.x) == ["C1", "C2", "C3", "I1", "I2"]
    assert log.vocab_sizes == {"C1": 10_000, "C2": 300, "C3": 7}
    for name, size in log.vocab_sizes.items():
        assert log.x[name].dtype == np.int64
        assert log.x[name].min() >= 0
        assert log.x[name].max() < size
    for name in ("I1", "I2"):
        assert log.x[name].dtype == np.float32
        assert log.x[name].min() >= 0
        assert log.x[name].max() < 1
    assert log.y.dtype == np.float32
    assert set(np.unique(log.y)) == {0, 1}
    assert log.click_probability.dtype == np.float64
    assert {len(column) for column in log.x.values()} == {len(log)} == {200_000}


def test_the_same_seed_gives_the_same_rows_and_another_seed_other_rows():
    first, again, other = (synthetic_clicks(1000, seed=seed) for seed in (5, 5, 6))
    for name in first.x:
        np.testing.assert_array_equal(first.x[name], again.x[name])
        assert (first.x[name] != other.x[name]).any()
    np.testing.assert_array_equal(first.y, again.y)
    np.testing.assert_array_equal(first.click_probability, again.click_probability)


@pytest.mark.parametrize("rate", [0.02, 0.27, 0.9])
def test_the_click_rate_is_the_one_asked_for(rate):
    log = synthetic_clicks(50_000, click_rate=rate)
    assert log.click_probability.mean() == pytest.approx(rate, abs=1e-9)
    assert log.y.mean() == pytest.approx(rate, abs=4 * np.sqrt(rate * (1 - rate) / 50_000))


def test_among_rows_of_probability_p_a_share_of_p_is_clicked(log):
    order = np.argsort(log.click_probability)
    for part in np.array_split(order, 20):
        expected = log.click_probability[part].mean()
        error = np.sqrt(expected * (1 - expected) / len(part))
        assert log.y[part].mean() == pytest.approx(expected, abs=4 * error)


def test_best_auc_is_the_auc_of_the_true_probability(log):
    assert log.best_auc == pytest.approx(roc_auc_score(log.y, log.click_probability), abs=1e-12)


def test_best_auc_counts_equal_probabilities_as_half():
    one_column = synthetic_clicks(5000, vocab_sizes=[3], n_dense=0)
    assert len(np.unique(one_column.click_probability)) == 3
    expected = roc_auc_score(one_column.y, one_column.click_probability)
    assert one_column.best_auc == pytest.approx(expected, abs=1e-12)


def test_no_distortion_of_the_truth_beats_best_auc(log):
    rng = np.random.default_rng(0)
    for noise in (0.02, 0.1, 0.5):
        score = log.click_probability + noise * rng.standard_normal(len(log))
        assert roc_auc_score(log.y, score) < log.best_auc


def test_best_auc_of_rows_of_one_class_is_refused(log):
    with pytest.raises(ValueError, match="both classes, got 0 clicks in 10 rows"):
        _ = log.rows(np.flatnonzero(log.y == 0)[:10]).best_auc


def test_large_vocabularies_follow_zipf_and_small_ones_are_uniform(log):
    share = 1 / np.arange(1, 10_001) ** 1.05
    share /= share.sum()
    count = np.bincount(log.x["C1"], minlength=10_000)
    np.testing.assert_allclose(count[:20], len(log) * share[:20], rtol=0.1)
    assert count[5000:].sum() == pytest.approx(len(log) * share[5000:].sum(), rel=0.05)
    assert 0 < np.median(count[5000:]) < 10 < 1000 < count[0]
    np.testing.assert_allclose(np.bincount(log.x["C3"]), len(log) / 7, rtol=0.05)


def test_an_exponent_of_zero_makes_a_large_vocabulary_uniform():
    log = synthetic_clicks(200_000, vocab_sizes=[200], zipf_exponent=0)
    np.testing.assert_allclose(np.bincount(log.x["C1"]), 1000, rtol=0.2)


def logit(log: ClickLog) -> np.ndarray:
    return np.log(log.click_probability / (1 - log.click_probability))


def auc_of_logistic_regression(log: ClickLog, *columns: np.ndarray) -> float:
    """Trained on the first 80 % of the rows, measured on the others."""
    one_hot = OneHotEncoder(handle_unknown="ignore").fit_transform(np.stack(columns, axis=1))
    cut = int(0.8 * len(log))
    model = LogisticRegression(max_iter=300).fit(one_hot[:cut], log.y[:cut])
    return roc_auc_score(log.y[cut:], model.decision_function(one_hot[cut:]))


def test_pairs_of_ids_hold_what_no_single_id_tells():
    log = synthetic_clicks(60_000, vocab_sizes=(15, 15), n_dense=0)
    best = log.rows(slice(48_000, None)).best_auc
    a, b = log.x["C1"], log.x["C2"]
    assert auc_of_logistic_regression(log, a, b) < best - 0.04
    assert auc_of_logistic_regression(log, a, b, a * 15 + b) > best - 0.01


def test_the_pairwise_part_averages_out_over_the_rows_of_one_id():
    only = {"linear_strength": 0, "dense_strength": 0, "pairwise_strength": 1}
    log = synthetic_clicks(60_000, vocab_sizes=(15, 15), n_dense=0, **only)
    mean = np.bincount(log.x["C1"], logit(log)) / np.bincount(log.x["C1"])
    assert mean.std() < 4 / np.sqrt(60_000 / 15)


def test_without_pairwise_strength_single_ids_tell_everything():
    log = synthetic_clicks(60_000, vocab_sizes=(15, 15), n_dense=0, pairwise_strength=0)
    best = log.rows(slice(48_000, None)).best_auc
    assert auc_of_logistic_regression(log, log.x["C1"], log.x["C2"]) > best - 0.005


@pytest.mark.parametrize("part", ["linear_strength", "pairwise_strength", "dense_strength"])
def test_a_strength_is_the_standard_deviation_of_its_part_of_the_logit(part):
    others = dict.fromkeys(("linear_strength", "pairwise_strength", "dense_strength"), 0.0)
    log = synthetic_clicks(20_000, **(others | {part: 1.5}))
    assert logit(log).std() == pytest.approx(1.5, abs=1e-6)


def test_numbers_alone_give_a_logit_that_is_linear_in_them():
    log = synthetic_clicks(1000, vocab_sizes=[], n_dense=2)
    design = np.stack([log.x["I1"], log.x["I2"], np.ones(1000)], axis=1).astype(np.float64)
    weights, *_ = np.linalg.lstsq(design, logit(log), rcond=None)
    np.testing.assert_allclose(design @ weights, logit(log), atol=1e-6)
    assert (abs(weights[:2]) > 1e-3).all()


def test_rows_are_taken_alike_from_every_column(log):
    index = np.array([7, 3, 3, 199_999])
    taken = log.rows(index)
    for name, column in taken.x.items():
        np.testing.assert_array_equal(column, log.x[name][index])
    np.testing.assert_array_equal(taken.y, log.y[index])
    np.testing.assert_array_equal(taken.click_probability, log.click_probability[index])
    assert taken.vocab_sizes == log.vocab_sizes


def test_rows_takes_slices_and_masks_and_leaves_the_log_alone(log):
    mask = log.x["C3"] == 2
    assert len(log.rows(mask)) == mask.sum()
    head = log.rows(slice(0, 5))
    before = log.y[0]
    head.y[:] = 1 - head.y
    head.x["C1"][:] = -1
    assert log.y[0] == before
    assert log.x["C1"].min() >= 0


def test_rows_refuses_what_is_not_a_list_of_rows(log):
    with pytest.raises(ValueError, match="one-dimensional"):
        log.rows(3)
    with pytest.raises(IndexError):
        log.rows([len(log)])


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"n_rows": 0}, "n_rows must be at least 1, got 0"),
        ({"vocab_sizes": [10, 1]}, r"vocab_sizes must be 2 or more each, got \[10, 1\]"),
        (
            {"vocab_sizes": [], "n_dense": 0},
            "vocab_sizes must be not empty if n_dense=0",
        ),
        ({"n_dense": -1}, "n_dense must be at least 0, got -1"),
        ({"click_rate": 1.0}, "click_rate must be between 0 and 1"),
        ({"click_rate": float("nan")}, "click_rate must be between 0 and 1"),
        ({"rank": 0}, "rank must be at least 1"),
        ({"zipf_exponent": -1}, "zipf_exponent must be 0 or more"),
        ({"linear_strength": -0.1}, "linear_strength must be 0 or more, got -0.1"),
    ],
)
def test_silly_arguments_are_named(arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        synthetic_clicks(**arguments)


def test_one_row_and_one_column_are_enough():
    log = synthetic_clicks(1, vocab_sizes=[2], n_dense=0)
    assert log.click_probability[0] == pytest.approx(0.27)
