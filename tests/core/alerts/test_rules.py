"""The rules: which records meet their conditions, checked against tables written by hand."""

import json
import math
import random
from dataclasses import replace

import pytest

from torch_rechub.alerts import (
    Alerts,
    DeadRows,
    Fallen,
    NotFinite,
    RunEnded,
    Slow,
    Stalled,
    TrackerLost,
    as_rules,
)
from torch_rechub.alerts.rules import RULES

NAN, INF = math.nan, math.inf
AUC, LOSS = "val/auc", "val/log_loss"
UNCHANGED, SPEED = "embedding/item/unchanged", "system/rows_per_second"


def steps_of(rule, values, name=AUC, params=None):
    """The steps at which a rule reports a series of one metric; None is a step without it."""
    alerts = Alerts([rule])
    if params is not None:
        alerts.log_hyperparams(params)
    steps = []
    for step, value in enumerate(values):
        before = len(alerts.reported)
        alerts.log_metrics({"other": 0.0} if value is None else {name: value}, step=step)
        steps += [step] * (len(alerts.reported) - before)
    return steps


STALLED = Stalled(epochs=2, metric=AUC)


@pytest.mark.parametrize(
    ("rule", "values", "steps"),
    [
        (NotFinite(), [0.5, 0.6], []),
        (NotFinite(), [0.5, NAN, NAN, 0.5, INF], [1, 4]),
        (NotFinite(), [-INF], [0]),
        (NotFinite(metrics=("val/other",)), [NAN], []),
        (NotFinite(metrics=[AUC]), [NAN], [0]),
        (STALLED, [0.5, 0.6, 0.7], []),
        (STALLED, [0.5, 0.4, 0.5], [2]),  # equal is no improvement
        (STALLED, [0.5, 0.4, 0.4, 0.4, 0.4], [2]),  # once
        (STALLED, [0.5, 0.4, 0.4, 0.6, 0.5, 0.5], [2, 5]),  # again after an improvement
        (STALLED, [0.5, None, None, 0.4, None, 0.4], [5]),  # only values count
        (STALLED, [0.5, NAN, NAN], [2]),
        (STALLED, [NAN, NAN, 0.5], [1]),
        (STALLED, [0.5, INF, INF], [2]),  # infinity is not the best
        (replace(STALLED, min_delta=0.1), [0.5, 0.55, 0.59], [2]),
        (replace(STALLED, min_delta=0.1), [0.5, 0.55, 0.65], []),
        (Stalled(epochs=1, metric=AUC, mode="min"), [0.5, 0.6, 0.4], [1]),
        (Fallen(by=0.1, metric=AUC), [0.5, 0.45, 0.41], []),
        (Fallen(by=0.1, metric=AUC), [0.5, 0.3, 0.3, 0.45, 0.3], [1, 4]),
        (Fallen(by=0.1, metric=AUC), [0.5, NAN, 0.5], []),
        (Fallen(by=0.1, metric=AUC), [0.5, -INF], [1]),
        (Fallen(by=0.1, metric=AUC, mode="min"), [0.5, 0.61], [1]),
    ],
)
def test_a_condition_is_reported_at_the_step_where_it_is_met(rule, values, steps):
    assert steps_of(rule, values) == steps


@pytest.mark.parametrize(
    ("rule", "values", "steps"),
    [
        (DeadRows(share=0.5), [0.4, 0.5, 0.6, 0.4, 0.5], [1, 4]),
        (DeadRows(share=0.5, epochs=3), [0.9, 0.9, 0.9], [2]),
        (DeadRows(share=0.5, tables=["user"]), [0.9], []),
        (DeadRows(), [NAN, INF], [1]),
    ],
)
def test_tables_with_unchanged_rows(rule, values, steps):
    assert steps_of(rule, values, UNCHANGED) == steps


@pytest.mark.parametrize(
    ("rule", "values", "steps"),
    [
        (Slow(), [100, 100, 100, 51, 49, 40, 100, 49], [4, 7]),
        (Slow(), [100, 100, 10], []),  # a median needs three earlier epochs
        (Slow(epochs=1), [100, 49], [1]),
        (Slow(epochs=1, window=2), [100, 40, 40, 30, 17], [1, 4]),
        (Slow(share=0.9, epochs=1), [100, 91, 80], [2]),
        (Slow(epochs=1), [100, NAN, INF, 49], [3]),
    ],
)
def test_the_throughput_is_compared_with_its_running_median(rule, values, steps):
    assert steps_of(rule, values, SPEED) == steps


@pytest.mark.parametrize(
    ("params", "steps"),
    [
        ({"monitor": LOSS, "monitor_direction": "min"}, []),
        ({"monitor": LOSS, "monitor_direction": "max"}, [1]),
        ({"monitor": AUC, "monitor_direction": "max"}, []),
        ({"monitor": 3, "monitor_direction": "up"}, []),
        (None, []),
    ],
)
def test_without_a_metric_the_monitored_one_is_followed_in_its_direction(params, steps):
    assert steps_of(Stalled(epochs=1), [0.5, 0.4], LOSS, params) == steps


@pytest.mark.parametrize("metric", [AUC, LOSS, "val/ndcg@10", "val/task_0_mse", "train/loss"])
def test_the_direction_is_that_of_the_metric(metric):
    expected = "max" if metric in (AUC, "val/ndcg@10") else "min"
    assert Stalled(metric=metric).mode == expected == Fallen(by=1, metric=metric).mode


def test_metrics_that_become_nan_together_are_one_alert():
    alerts = Alerts([NotFinite()])
    alerts.log_metrics({"a": NAN, "b": 1.0, "c": {"d": INF}}, step=7)
    (alert,) = alerts.reported
    assert alert.data == {"metrics": ["a", "c/d"], "step": 7}


def test_a_rule_without_its_records_says_so_at_the_end(caplog):
    rules = [DeadRows(), Slow(), Stalled(metric="val/gauc"), Fallen(by=1)]
    with Alerts(rules) as alerts:
        alerts.log_metrics({AUC: 0.5}, step=0)
    assert alerts.reported == []
    text = caplog.text
    for told in ("embeddings=True", "system=True", "val/gauc", "monitor"):
        assert told in text
    assert len(caplog.records) == 4


def test_plain_data_and_json_are_read_and_written():
    rules = (
        NotFinite(metrics=("a", "b")),
        Stalled(epochs=3, metric=AUC, min_delta=0.5),
        Fallen(by=0.25),
        DeadRows(share=1.0, tables=("item",)),
        Slow(window=5),
        TrackerLost(),
        RunEnded(statuses=("failed", "killed")),
    )
    assert {type(rule) for rule in rules} == set(RULES.values())
    text = json.dumps([rule.plain() for rule in rules])
    assert as_rules(text) == rules
    assert as_rules(json.loads(text)) == as_rules(rules) == rules
    assert as_rules({"rule": "slow"}) == (Slow(),)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ([{"rule": "stall"}], ValueError, "rule must be one of not_finite, stalled, .* 'stall'"),
        ([{"epochs": 3}], ValueError, "rule must be one of .* got None"),
        ([{"rule": "stalled", "epoch": 3}], TypeError, "no setting 'epoch'; did you mean 'epochs'"),
        ([{"rule": "fallen"}], TypeError, "fallen needs the setting 'by'"),
        ([{"rule": "stalled", "epochs": 0}], ValueError, "epochs must be at least 1, got 0"),
        ([{"rule": "stalled", "epochs": "3"}], TypeError, "epochs must be a whole number"),
        ([{"rule": "stalled", "metric": "val/thing"}], ValueError, "val/thing .* give mode="),
        ([{"rule": "stalled", "mode": "up"}], ValueError, "mode must be one of"),
        ([{"rule": "fallen", "by": NAN}], ValueError, "by must be above 0"),
        ([{"rule": "dead_rows", "share": 1.5}], ValueError, "share must be above 0 and at most 1"),
        ([{"rule": "slow", "epochs": 30}], ValueError, "epochs must be at most window"),
        ([{"rule": "run_ended", "statuses": ["died"]}], ValueError, "status must be one of"),
        ([{"rule": "not_finite", "metrics": "loss"}], TypeError, "metrics must be a list"),
        (["stalled"], TypeError, "a rule must be a rule or a dict such as"),
        ([Stalled], TypeError, "a rule must be a rule or a dict"),
        ("stalled", ValueError, "rules must be a JSON list"),
        ("[" * 100_000, ValueError, "rules must be a JSON list"),
        (7, TypeError, "rules must be rules or dicts"),
    ],
)
def test_a_wrong_rule_is_refused_with_its_name(given, error, message):
    with pytest.raises(error, match=message):
        Alerts(given)


def test_rules_never_raise_and_report_only_what_changes():
    """A property, checked on random records of all kinds."""
    rules = [
        NotFinite(), Stalled(epochs=1), Stalled(epochs=2, metric=AUC, min_delta=0.1),
        Fallen(by=0.1), Fallen(by=1e300, metric=LOSS), DeadRows(share=0.1), Slow(epochs=1),
        TrackerLost(), RunEnded(),
    ]  # fmt: skip
    numbers = [
        0,
        -0.0,
        1.0,
        NAN,
        INF,
        -INF,
        1e308,
        -1e308,
        5e-324,
        10**400,
        True,
        "x",
        None,
        [],
        {},
    ]
    names = [AUC, LOSS, UNCHANGED, SPEED, "embedding//unchanged", "embedding/unchanged", "", "a\n"]
    steps = [0, -1, 5, None, 2.5, "7", NAN, 10**30, object()]
    params = [{}, {"monitor": LOSS, "monitor_direction": "min"}, {"monitor": None, "trainer": 3}]
    errors = [None, ValueError("x"), KeyboardInterrupt(), SystemExit(143), FloatingPointError("n")]
    draw = random.Random(0)
    for _ in range(60):
        alerts = Alerts(rules)
        for _ in range(draw.randrange(12)):
            kind = draw.randrange(5)
            if kind == 0:
                alerts.log_hyperparams(draw.choice(params))
            elif kind == 1:
                alerts.log_lost(draw.choice(names), draw.choice(["", "boom"]))
            else:
                chosen = draw.sample(names, draw.randrange(1, 5))
                metrics = {name: draw.choice(numbers) for name in chosen}
                alerts.log_metrics(metrics, step=draw.choice(steps))
        error = draw.choice(errors)
        if error is not None:
            alerts.log_failure(error)
        alerts.finish()
        for alert in alerts.reported:
            for language in ("en", "zh"):
                text = alert.text(language, "run\n", suppressed=3)
                assert text.isprintable()
                assert "{" not in text
        assert sum(alert.rule == "run_ended" for alert in alerts.reported) == 1
