"""Metrics by name: directions, needs, and which function a user may give."""

import copy
import pickle
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from torch_rechub.basic import metric as names_of_0_9
from torch_rechub.metrics import calibration, classification, prediction
from torch_rechub.metrics.monitor import (
    Metric,
    as_metrics,
    at_threshold,
    direction_of,
    is_undirected,
    metric_named,
    metric_of_function,
)

BY_NAME = {
    "auc": ("max", "predictions", None, "binary"),
    "log_loss": ("min", "predictions", None, "probability"),
    "gauc": ("max", "groups", None, "binary"),
    "ne": ("min", "predictions", None, "probability"),
    "calibration": (None, "predictions", None, "probability"),
    "calibration_error": ("min", "predictions", None, "probability"),
    "mse": ("min", "predictions", None, "real"),
    "rmse": ("min", "predictions", None, "real"),
    "mae": ("min", "predictions", None, "real"),
    "accuracy": ("max", "predictions", None, "binary"),
    "precision": ("max", "predictions", None, "binary"),
    "recall": ("max", "predictions", None, "binary"),
    "f1": ("max", "predictions", None, "binary"),
    "precision_0.3": ("max", "predictions", None, "binary"),
    "hit@1": ("max", "hits", 1, "binary"),
    "recall@5": ("max", "hits", 5, "binary"),
    "ndcg@10": ("max", "hits", 10, "binary"),
    "mrr@10": ("max", "hits", 10, "binary"),
    "precision@10": ("max", "hits", 10, "binary"),
    "map@100": ("max", "hits", 100, "binary"),
    "coverage@10": ("max", "lists", 10, "real"),
    "diversity@10": ("max", "lists", 10, "real"),
    "novelty@10": ("max", "lists", 10, "real"),
}


def error_of_a_user(labels, scores):
    return float(np.abs(labels - scores).max())


class Lift:
    def __call__(self, labels, scores):
        return 1.0


@pytest.mark.parametrize("name", BY_NAME)
def test_a_name_stands_for_a_function_a_direction_and_needs(name):
    metric = metric_named(name)
    assert (metric.direction, metric.needs, metric.k, metric.labels) == BY_NAME[name]
    assert metric.name == name
    assert metric_named(name) == metric


@pytest.mark.parametrize(("alias", "name"), [("logloss", "log_loss"), ("normalized_entropy", "ne")])
def test_two_metrics_have_another_name(alias, name):
    assert metric_named(alias) == metric_named(name)
    assert metric_named(alias).name == name


@pytest.mark.parametrize(
    "name", ["AUC", "", "ndcg", "ndcg@0", "ndcg@-1", "ndcg@x", "auc@10", "mse_0.5", "precision_10"]
)
def test_an_unknown_name_is_refused_with_the_names_there_are(name):
    with pytest.raises(ValueError, match=r"unknown metric '.*auc, log_loss, .*ndcg@k, .*Metric\("):
        metric_named(name)


def test_a_metric_survives_pickling_and_copying():
    for name in BY_NAME:
        metric = metric_named(name)
        restored = pickle.loads(pickle.dumps(metric))  # noqa: S301
        assert (restored.name, restored.direction) == (name, metric.direction)
        assert copy.deepcopy(metric).name == name


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((3, len, "max"), TypeError, "name of a metric must be a text, got 3"),
        (("", len, "max"), ValueError, "must be letters, digits and _ . @ -, got ''"),
        (("two words", len, "max"), ValueError, "letters, digits and .*, got 'two words'"),
        (("val/auc", len, "max"), ValueError, "got 'val/auc'"),
        (("a\nb", len, "max"), ValueError, "letters, digits"),
        (("brier", 0.5, "min"), TypeError, "function of metric brier must be callable"),
        (("brier", len, "up"), ValueError, "direction must be 'max', 'min' or None, got 'up'"),
        (("brier", len, "min", "rows"), ValueError, "needs must be 'predictions', .*, got 'rows'"),
        (("hits", len, "max", "hits"), ValueError, "k must be given for metric hits, which needs"),
        (("hits", len, "max", "hits", 0), ValueError, "k must be at least 1, got 0"),
        (("hits", len, "max", "lists", 1.5), ValueError, "k must be a whole number, got 1.5"),
        (("brier", len, "min", "groups", 3), ValueError, "k must be None for metric brier"),
        (("a", len, "max", "groups", None, "any"), ValueError, "labels must be .*, got 'any'"),
    ],
)
def test_a_metric_that_cannot_be_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        Metric(*arguments)


def test_a_metric_that_is_recorded_only_has_no_direction():
    assert Metric("bias", error_of_a_user, None).direction is None


def test_a_threshold_is_part_of_the_name():
    names = [at_threshold("precision", t).name for t in (0.3, 0.5, 0.25, 1e-5, 1)]
    assert names == [
        "precision_0.3",
        "precision",
        "precision_0.25",
        "precision_1e-05",
        "precision_1.0",
    ]
    for name in names:
        assert metric_named(name).name == name


@pytest.mark.parametrize(
    ("name", "threshold", "message"),
    [
        ("auc", 0.5, "'auc' at a threshold; give one of accuracy, precision, recall, f1"),
        ("f1", float("nan"), "threshold must be finite"),
    ],
)
def test_a_threshold_that_makes_no_sense_is_refused(name, threshold, message):
    with pytest.raises(ValueError, match=message):
        at_threshold(name, threshold)


def test_a_threshold_in_a_name_must_be_finite_too():
    with pytest.raises(ValueError, match="threshold must be finite, got inf"):
        metric_named("precision_1e+999")


def test_metrics_are_given_as_names_metrics_and_known_functions():
    brier = Metric("brier", sklearn_metrics.brier_score_loss, "min")
    found = as_metrics(["auc", brier, prediction.log_loss, at_threshold("f1", 0.2)])
    assert [metric.name for metric in found] == ["auc", "brier", "log_loss", "f1_0.2"]
    assert found[1] is brier
    assert as_metrics("auc") == as_metrics(("auc",)) == as_metrics(metric_named("auc"))
    assert as_metrics(name for name in ["mse", "mae"]) == as_metrics(["mse", "mae"])


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ([], ValueError, "metrics is empty: give at least one"),
        (["auc", "gauc", "auc"], ValueError, "metrics has 'auc' 2 times"),
        (["log_loss", "logloss"], ValueError, "metrics has 'log_loss' 2 times"),
        ([3], TypeError, "must be a name such as 'auc', or a Metric, got 3 of type int"),
        (None, TypeError, "got None of type NoneType"),
        (
            error_of_a_user,
            ValueError,
            r'error_of_a_user are better is unknown: give Metric\("error_of_a_user", function, '
            r'"max" or "min"\)',
        ),
        ([lambda y, p: 0.0], ValueError, r'Metric\("score", function, "max" or "min"\)'),
    ],
)
def test_metrics_that_say_too_little_are_refused(given, error, message):
    with pytest.raises(error, match=message):
        as_metrics(given)


@pytest.mark.parametrize(
    ("function", "name", "direction"),
    [
        (names_of_0_9.auc_score, "auc", "max"),
        (names_of_0_9.log_loss, "log_loss", "min"),
        (names_of_0_9.mse_score, "mse", "min"),
        (names_of_0_9.rmse_score, "rmse", "min"),
        (names_of_0_9.gauc_score, "gauc", "max"),
        (prediction.mae_score, "mae", "min"),
        (calibration.normalized_entropy, "ne", "min"),
        (calibration.calibration_score, "calibration", None),
        (classification.binary_precision, "precision", "max"),
        (partial(classification.binary_recall, threshold=0.1), "recall_0.1", "max"),
        (partial(names_of_0_9.gauc_score, weights="positives"), "gauc", "max"),
        (sklearn_metrics.roc_auc_score, "auc", "max"),
        (sklearn_metrics.log_loss, "log_loss", "min"),
        (partial(sklearn_metrics.log_loss, labels=[0, 1]), "log_loss", "min"),
        (sklearn_metrics.mean_squared_error, "mse", "min"),
        (sklearn_metrics.mean_absolute_error, "mae", "min"),
        (sklearn_metrics.average_precision_score, "average_precision_score", "max"),
        (sklearn_metrics.r2_score, "r2_score", "max"),
        (sklearn_metrics.brier_score_loss, "brier_score_loss", "min"),
        (sklearn_metrics.max_error, "max_error", "min"),
        (sklearn_metrics.mean_poisson_deviance, "mean_poisson_deviance", "min"),
    ],
)
def test_a_function_of_ours_or_scikit_learns_has_a_known_direction(function, name, direction):
    metric, known = metric_of_function(function)
    assert (metric.name, metric.direction, known) == (name, direction, True)
    assert metric.function is function


@pytest.mark.parametrize(
    ("function", "name", "direction"),
    [
        (error_of_a_user, "error_of_a_user", "min"),
        (partial(error_of_a_user), "error_of_a_user", "min"),
        (lambda y, p: 0.0, "score", "max"),
        (Lift(), "Lift", "max"),
        (sklearn_metrics.matthews_corrcoef, "matthews_corrcoef", "max"),
        (sklearn_metrics.make_scorer(sklearn_metrics.roc_auc_score), "_Scorer", "max"),
    ],
)
def test_of_any_other_function_the_direction_is_a_guess_and_said_to_be_one(
    function, name, direction
):
    metric, known = metric_of_function(function)
    assert (metric.name, metric.direction, known) == (name, direction, False)
    assert metric.function is function


def test_a_function_that_only_has_the_name_of_ours_is_not_taken_for_it():
    def auc_score(labels, scores):
        return 1.0

    assert metric_of_function(auc_score)[1] is False


def test_what_cannot_be_called_is_no_metric():
    with pytest.raises(TypeError, match="a function of labels and scores, got 'auc'"):
        metric_of_function("auc")


@pytest.mark.parametrize(
    ("key", "direction"),
    [
        ("auc", "max"),
        ("val/auc", "max"),
        ("best/val/auc", "max"),
        ("val/task_0_log_loss", "min"),
        ("val/task_0_score", "max"),
        ("train/task_1_loss", "min"),
        ("train/loss", "min"),
        ("test/ndcg@10", "max"),
        ("val/precision_0.3", "max"),
        ("val/ne", "min"),
        ("val/logloss", "min"),
        ("LogLoss", "min"),
        ("val/rmse", "min"),
        ("val/collision_rate", "min"),
        ("val/calibration_error", "min"),
        ("val/brier_score_loss", "min"),
        ("val/user_auc", "max"),
        ("loss/fold1", "min"),
        ("val/calibration", None),
        ("val/task_1_calibration", None),
        ("val/task_10_ne", "min"),
        ("learning_rate", None),
        ("glossary", None),
        ("", None),
    ],
)
def test_the_direction_of_what_was_recorded_follows_from_its_name(key, direction):
    assert direction_of(key) == direction


def test_only_calibration_is_known_to_have_no_direction():
    keys = ["val/calibration", "val/task_0_calibration", "val/auc", "learning_rate"]
    assert [is_undirected(key) for key in keys] == [True, True, False, False]


def test_importing_the_names_of_metrics_imports_neither_numpy_nor_torch():
    code = (
        "import sys; import torch_rechub.metrics.monitor as monitor\n"
        "monitor.direction_of('val/auc'); dir(sys.modules['torch_rechub.metrics'])\n"
        "print(*(n for n in sys.modules if '.' not in n))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    loaded = set(done.stdout.split())
    assert "torch_rechub" in loaded
    assert loaded & {"torch", "numpy", "pandas", "sklearn", "scipy"} == set()


def test_every_public_name_of_the_room_is_found_there():
    import torch_rechub.metrics as room

    assert dir(room) == sorted(room.__all__)
    assert all(callable(getattr(room, name)) for name in room.__all__)
    with pytest.raises(AttributeError, match="no attribute 'ndgc'"):
        room.ndgc  # noqa: B018
