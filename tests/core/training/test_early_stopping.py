"""Early stopping: when it stops, and what it keeps."""

import math

import pytest
import torch

from torch_rechub.basic.callback import EarlyStopper

NAN = math.nan


def stops(scores, patience, mode="max"):
    stopper = EarlyStopper(patience, mode)
    return [stopper.stop_training(score, {}) for score in scores], stopper


@pytest.mark.parametrize(
    ("mode", "scores", "patience", "expected", "best"),
    [
        ("max", [0.5, 0.6, 0.6, 0.5], 2, [False, False, False, True], 0.6),
        ("max", [0.5, 0.4, 0.6, 0.5, 0.5], 2, [False, False, False, False, True], 0.6),
        ("min", [0.5, 0.4, 0.4, 0.5], 2, [False, False, False, True], 0.4),
        ("max", [0.5, 0.6, 0.6], 1, [False, False, True], 0.6),  # patience 1: at the first
        ("max", [-3.0, -2.0, -2.5], 1, [False, False, True], -2.0),  # B17: it started from 0
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
