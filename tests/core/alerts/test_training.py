"""Alerts of real training runs, which they neither change nor delay."""

import pickle
import time

import pytest
import torch

from core.alerts.loopback import drip, raw_server, refused, server, stall
from core.training.click_table import FakeLogger
from torch_rechub.alerts import Alerts, DeadRows, NotFinite, PlainJSON, RunEnded, Stalled
from torch_rechub.basic.tracking import LoggerClosedError, LoggerGroup
from torch_rechub.trainers import Callback, Recording


def reported(alerts):
    return [(alert.rule, alert.form) for alert in alerts.reported]


@pytest.mark.parametrize("hook", ["none", "refused", "stall", "drip", "error"])
def test_training_ends_with_the_same_weights_and_without_delay(
    hook,
    make_trainer,
    loaders,
    same_weights,
):
    plain = make_trainer()
    plain.fit(*loaders)
    servers = {
        "refused": refused, "stall": lambda: raw_server(stall), "drip": lambda: raw_server(drip),
        "error": lambda: server(500),
    }  # fmt: skip
    start = time.monotonic()
    if hook == "none":
        trainer = make_trainer(model_logger=Alerts())
        trainer.fit(*loaders)
    else:
        with servers[hook]() as opened:
            url = opened if isinstance(opened, str) else opened[0]
            alerts = Alerts(
                [Stalled(epochs=1), RunEnded()], PlainJSON(url), timeout=60, finish_timeout=0.1
            )
            trainer = make_trainer(model_logger=[FakeLogger(), alerts])
            trainer.fit(*loaders)
        assert ("run_ended", "finished") in reported(alerts)
    assert time.monotonic() - start < 30  # a request may take 60 seconds
    assert same_weights(trainer.model.state_dict(), plain.model.state_dict())
    timed = ("seconds",)
    assert [{k: v for k, v in row.items() if k not in timed} for row in trainer.history] == [
        {k: v for k, v in row.items() if k not in timed} for row in plain.history
    ]


def test_the_rules_follow_the_monitored_metric_of_the_trainer(
    make_trainer,
    loaders,
    scores,
):
    alerts = Alerts([Stalled(epochs=2), RunEnded()])
    trainer = make_trainer(n_epoch=5, model_logger=alerts)
    scores(trainer, [0.5, 0.7, 0.6, 0.7, 0.8])
    trainer.fit(*loaders)
    assert reported(alerts) == [("stalled", ""), ("run_ended", "finished")]
    stalled, ended = alerts.reported
    assert [stalled.data[key] for key in ("metric", "best", "step")] == ["val/auc", 0.7, 3]
    assert (ended.data["best"], ended.data["best_step"]) == (0.8, 4)
    assert "CTRTrainer WideDeep: the run has finished" in ended.text("en", alerts._name)


class Raises(Callback):
    def __init__(self, error):
        self.error = error

    def on_epoch_end(self, row):
        raise self.error


@pytest.mark.parametrize(
    ("error", "form", "text"),
    [
        (ValueError("token=abc is wrong"), "failed", "ValueError: token=<redacted> is wrong"),
        (KeyboardInterrupt(), "interrupted", "Ctrl-C"),
        (SystemExit(143), "interrupted", "SIGTERM"),
        (SystemExit(3), "interrupted", "SystemExit: 3"),
    ],
)
def test_the_end_of_a_run_is_reported_and_its_exception_unchanged(
    error,
    form,
    text,
    make_trainer,
    loaders,
):
    alerts = Alerts(RunEnded())
    trainer = make_trainer(model_logger=alerts, callbacks=[Raises(error)])
    with pytest.raises(type(error)) as raised:
        trainer.fit(*loaders)
    assert raised.value is error
    (alert,) = alerts.reported
    assert (alert.form, alert.data["error"]) == (form, text)


def test_a_loss_of_nan_is_reported_although_it_ends_training(
    make_model,
    make_trainer,
    loaders,
):
    model = make_model()
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    alerts = Alerts([NotFinite()])
    with pytest.raises(FloatingPointError):
        make_trainer(model, model_logger=alerts).fit(*loaders)
    assert reported(alerts) == [("not_finite", "error")]


def test_unchanged_rows_of_a_table_are_reported(
    make_trainer,
    loaders,
):
    alerts = Alerts([DeadRows(share=0.9)])
    trainer = make_trainer(
        model_logger=alerts, record=Recording(embeddings=True), optimizer_params={"lr": 0.0}
    )
    trainer.fit(*loaders)
    tables = ["linear.embedding.user", "embedding.user"]
    found = [alert.data for alert in alerts.reported]
    assert found == [{"table": table, "share": 1.0, "step": 0} for table in tables]


def test_a_tracker_that_is_switched_off_is_reported(
    make_trainer,
    loaders,
):
    class Broken(FakeLogger):
        def log_metrics(self, metrics, step=None):
            raise OSError("disk full")

    alerts = Alerts()
    group = LoggerGroup([alerts, Broken()])
    make_trainer(n_epoch=4, model_logger=group).fit(*loaders)
    assert reported(alerts) == [("tracker_lost", ""), ("run_ended", "finished")]
    assert alerts.reported[0].data == {"logger": "Broken", "error": "OSError('disk full')"}


def test_a_trainer_with_alerts_is_pickled_without_the_webhook(
    make_trainer,
    loaders,
):
    with server() as (url, received):
        alerts = Alerts(RunEnded(), PlainJSON(url))
        trainer = make_trainer(model_logger=alerts)
        pickled = pickle.dumps(trainer)
        trainer.fit(*loaders)
        received.wait(1)
    assert b"k3yk3yk3y" not in pickled
    with pytest.raises(LoggerClosedError):
        pickle.loads(pickled).fit(*loaders)  # noqa: S301
