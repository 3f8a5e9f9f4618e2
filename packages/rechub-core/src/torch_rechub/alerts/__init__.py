"""Alerts: reports conditions of a training run, to the log and to chat groups.

`Alerts` is a logger that evaluates rules on the records of a run::

    from torch_rechub.alerts import Alerts, Feishu, RunEnded, Stalled

    alerts = Alerts([Stalled(epochs=5), RunEnded()], Feishu(os.environ["FEISHU_WEBHOOK"]))
    trainer = CTRTrainer(model, model_logger=[logger, alerts])

It imports neither torch nor NumPy. `rules` are plain data, `watches` evaluate them, `webhooks` are
the services, `outbox` sends from a thread, `watchdog` reports a process that was killed.
"""

from .alert import Alert
from .logger import Alerts
from .rules import (
    DeadRows,
    Fallen,
    NotFinite,
    Rule,
    RunEnded,
    Slow,
    Stalled,
    TrackerLost,
    as_rules,
)
from .webhook import Webhook
from .webhooks import DingTalk, Feishu, PlainJSON, Slack, WeCom

__all__ = [
    "Alert",
    "Alerts",
    "DeadRows",
    "DingTalk",
    "Fallen",
    "Feishu",
    "NotFinite",
    "PlainJSON",
    "Rule",
    "RunEnded",
    "Slack",
    "Slow",
    "Stalled",
    "TrackerLost",
    "WeCom",
    "Webhook",
    "as_rules",
]
