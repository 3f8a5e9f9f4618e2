"""Early stopping: when it stops, and what it keeps."""

import math

import pytest
import torch

from torch_rechub.basic.callback import EarlyStopper

NAN = math.nan


def stops(scores, patience, mode="max", **options):
    stopper = EarlyStopper(patience, mode, **options)
    return [stopper.stop_training(score, {}) for score in scores], stopper


@pytest.mark.parametrize(
    ("mode", "scores", "patience", "expected", "best"),
    [
        ("max", [0.5, 0.6, 0.6, 0.5], 2, [False, False, False, True], 0.6),
        ("max", [0.5, 0.4, 0.6, 0.5, 0.5], 2, [False, False, False, False, True], 0.6),
        ("min", [0.5, 0.4, 0.4, 0.5], 2, [False, False, False, True], 0.4),
        ("max", [0.5, 0.6, 0.6], 1, [False, False, True], 0.6),  # patience 1: at the first
        ("max", [-3.0, -2.0, -2.5], 1, [False, False, True], -2.0),  # in 0.9: it started from 0
        ("max", [0.0, 0.0], 2, [False, False], 0.0),
        ("min", [3.0, 2.0, 2.5], 1, [False, False, True], 2.0),
        ("max", [NAN, 0.5, NAN, NAN], 2, [False, False, False, True], 0.5),
        ("min", [NAN, NAN], 2, [False, True], math.inf),
        ("max", [NAN], 1, [True], -math.inf),
    ],
)
def test_it_stops_after_patience_scores_without_a_better_one(
    mode, scores, patience, expected, best
):
    stopped, stopper = stops(scores, patience, mode)
    assert stopped == expected
    assert stopper.best_auc == best


@pytest.mark.parametrize(
    ("mode", "scores", "min_delta", "improved", "best"),
    [
        ("max", [0.5, 0.505, 0.509, 0.52], 0.01, [True, False, False, True], 0.52),
        ("min", [0.5, 0.495, 0.491, 0.48], 0.01, [True, False, False, True], 0.48),
        ("max", [1.0, 1.5, 2.0], 0.5, [True, False, True], 2.0),  # by exactly that much: none
        ("min", [2.0, 1.5, 1.0], 0.5, [True, False, True], 1.0),
        ("max", [-math.inf, 0.1, math.inf, math.inf], 0.5, [False, True, True, False], math.inf),
        ("max", [NAN, 0.1, NAN, 0.7], 0.5, [False, True, False, True], 0.7),
        ("min", [5e-324, 5e-324, 0.0], 0, [True, False, True], 0.0),  # the smallest difference
    ],
)
def test_an_improvement_is_better_than_the_last_one_by_more_than_min_delta(
    mode, scores, min_delta, improved, best
):
    stopper = EarlyStopper(10, mode, min_delta=min_delta)
    found = []
    for score in scores:
        stopper.stop_training(score, {})
        found.append(stopper.improved)
    assert (found, stopper.best_auc) == (improved, best)


def test_scores_that_creep_upwards_stop_at_last():
    creeping = [0.5 + 0.004 * epoch for epoch in range(6)]
    stopped, stopper = stops(creeping, patience=2, min_delta=0.01)
    assert stopped == [False, False, True, False, False, True]  # 0.512 is more than 0.5 + 0.01
    assert stopper.best_auc == creeping[3]


@pytest.mark.parametrize(
    ("min_delta", "error", "message"),
    [
        (-0.1, ValueError, "min_delta must be at least 0, got -0.1"),
        (NAN, ValueError, "min_delta must be at least 0, got nan"),
        (math.inf, ValueError, "min_delta must be at least 0 and finite, got inf"),
        ("0.1", TypeError, "min_delta must be a number, got '0.1'"),
        (None, TypeError, "min_delta must be a number, got None"),
    ],
)
def test_an_impossible_min_delta_is_refused(min_delta, error, message):
    with pytest.raises(error, match=message):
        EarlyStopper(1, min_delta=min_delta)


def test_the_mode_may_be_set_anew_before_a_reset():
    stopper = EarlyStopper(1)
    stopper.mode = "min"
    stopper.reset()
    assert stopper.best_auc == math.inf
    assert [stopper.stop_training(loss, {}) for loss in (0.7, 0.6, 0.65)] == [False, False, True]
    stopper.mode = "up"
    with pytest.raises(ValueError, match="'max' or 'min', got 'up'"):
        stopper.reset()


def test_it_starts_from_the_worst_score_and_no_weights():
    assert EarlyStopper(1).best_auc == -math.inf
    assert EarlyStopper(1, "min").best_auc == math.inf
    assert EarlyStopper(1).best_weights is None


def test_the_weights_of_the_best_score_are_kept_as_a_copy():
    weights = {"w": torch.tensor([1.0]), "note": [1]}
    stopper = EarlyStopper(3)
    stopper.stop_training(0.7, weights)
    weights["w"].add_(1)
    weights["note"].append(2)
    stopper.stop_training(0.6, weights)
    stopper.stop_training(NAN, weights)
    assert stopper.best_weights == {"w": torch.tensor([1.0]), "note": [1]}
    stopper.stop_training(0.8, weights)
    assert stopper.best_weights == {"w": torch.tensor([2.0]), "note": [1, 2]}


def test_weights_of_an_undefined_score_are_never_best():
    stopper = EarlyStopper(5)
    stopper.stop_training(NAN, {"w": torch.tensor([1.0])})
    assert stopper.best_weights is None
    assert not stopper.improved
    assert stopper.trial_counter == 1


def test_reset_forgets():
    _, stopper = stops([0.5, 0.4], 3)
    stopper.reset()
    assert (stopper.best_auc, stopper.best_weights, stopper.trial_counter) == (-math.inf, None, 0)
    assert not stopper.stop_training(0.1, {})
    assert stopper.improved


@pytest.mark.parametrize("patience", [0, -1])
def test_an_impossible_patience_is_refused(patience):
    with pytest.raises(ValueError, match=f"patience must be at least 1, got {patience}"):
        EarlyStopper(patience)


def test_an_unknown_direction_is_refused():
    with pytest.raises(ValueError, match="'max' or 'min', got 'up'"):
        EarlyStopper(1, "up")
