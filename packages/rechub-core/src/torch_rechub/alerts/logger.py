"""`Alerts`: a logger that reports conditions of a run, to the log and to webhooks."""

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from .._bounds import check_choice
from ..basic.tracking.base import BaseLogger, LoggerClosedError
from ..basic.tracking.names import MetricNames
from ..basic.tracking.plain import plain_hyperparams, plain_metrics
from ..distributed import process_rank
from .alert import LANGUAGES, Alert, Language
from .arguments import as_webhooks, check_numbers, is_guarded
from .best import Best
from .limits import Limits
from .reporter import Reporter, warn
from .rules import as_rules, default_rules
from .watchdog import Watchdog
from .watches import watch
from .webhook import Webhook


class Alerts(BaseLogger):
    """Evaluates rules on the records of a run, and reports each condition that is met.

    Give it with other loggers, ``model_logger=[logger, Alerts(...)]``. Alerts are warnings of the
    logger ``torch_rechub.alerts`` of `logging`, and messages to webhooks if there are any.

    A condition is reported once when it is met, and again only after it has ceased to hold.
    Messages are sent by daemon threads with a time-out each: training waits for them at its end
    only, for at most `finish_timeout` seconds. In distributed training only rank 0 reports. A
    pickled copy, and one in a forked process, reports nothing.

    Args:
        rules: Rules, or dicts of plain data such as ``{"rule": "stalled", "epochs": 5}``, or a JSON
            text of them; None means `NotFinite`, `TrackerLost` and `RunEnded`.
        webhooks: `Feishu`, `DingTalk`, `WeCom`, `Slack` or `PlainJSON`, one or several.
        name: The name of the run in messages; None means its trainer and model.
        language: "en" or "zh", the language of messages.
        watchdog: Whether a small child process reports a run whose process was killed, as by
            SIGKILL.
        rule_interval: Seconds between two messages of one rule; the log has all alerts.
        per_hour: The largest number of messages in an hour. The end of a run is always reported;
            the next message says how many were not sent.
        timeout: Seconds for one request of a webhook.
        finish_timeout: The longest wait at the end for messages that are not sent yet.

    Raises:
        TypeError: A rule or a webhook is of another type.
        ValueError: A number is out of range, or `watchdog` has no webhook or no rule for it.

    Attributes:
        rules: The rules.
        reported: The alerts so far.

    Example:
        >>> from torch_rechub.alerts import Stalled
        >>> with Alerts([Stalled(epochs=2, metric="val/auc")]) as alerts:
        ...     for epoch, auc in enumerate([0.5, 0.75, 0.75, 0.75]):
        ...         alerts.log_metrics({"val/auc": auc}, step=epoch)
        >>> alerts.reported[0].rule, alerts.reported[0].data["epochs"]
        ('stalled', 2)
    """

    def __init__(
        self,
        rules: Any = None,
        webhooks: Webhook | Sequence[Webhook] = (),
        *,
        name: str | None = None,
        language: Language = "en",
        watchdog: bool = False,
        rule_interval: float = 600.0,
        per_hour: int = 20,
        timeout: float = 5.0,
        finish_timeout: float = 5.0,
    ) -> None:
        check_numbers(rule_interval, per_hour, timeout, finish_timeout)
        check_choice(LANGUAGES, language=language)
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name must be a text or None, got {name!r}")
        self.rules = default_rules() if rules is None else as_rules(rules)
        hooks = as_webhooks(webhooks)
        self._reporter = Reporter(hooks, language, Limits(rule_interval, per_hour), timeout)
        self._name, self._timeout, self._finish_timeout = name or "", timeout, finish_timeout
        self._watches = [watch(rule) for rule in self.rules]
        self._guarded = is_guarded(watchdog, self.rules, hooks)
        self._watchdog: Watchdog | None = None
        self._idle = process_rank() > 0
        self._closed, self._process = False, os.getpid()
        self._begun: float | None = None
        self._failure: BaseException | None = None
        self._metric_names, self._best = MetricNames(), Best()
        self.reported: list[Alert] = []

    @property
    def closed(self) -> bool:
        """Whether `finish()` was called, or the object belongs to another process."""
        return self._closed or self._process != os.getpid()

    def log_hyperparams(self, params: Mapping[str, Any]) -> None:
        """Read the monitored metric and the names of model and trainer."""
        if not self._begin():
            return
        plain = plain_hyperparams(params)
        given = [plain.get(key) for key in ("trainer", "model")]
        names = [text for text in given if isinstance(text, str)]
        self._name = self._name or " ".join(names)
        self._best.follow(plain)
        for one in self._watches:
            one.on_hyperparams(plain)
        if self._name:
            self._start_watchdog()

    def log_metrics(self, metrics: Mapping[str, Any], step: Any = None) -> None:
        """Evaluate the rules on the metrics of a step."""
        if not self._begin():
            return
        self._start_watchdog()
        values = plain_metrics(metrics, self._metric_names)
        number = _whole(step)
        if self._best.metric in values:
            self._best.add(values[self._best.metric], number)
        for one in self._watches:
            for alert in one.on_metrics(values, number):
                self._report(alert)

    def log_lost(self, logger: str, error: str) -> None:
        """Report that another logger was switched off."""
        if self._begin():
            for one in self._watches:
                for alert in one.on_lost(str(logger), str(error)):
                    self._report(alert)

    def log_failure(self, error: BaseException) -> None:
        """Remember the exception that ended training, for the message of `finish()`."""
        self._failure = error

    def finish(self) -> None:
        """Report the end of the run, and wait for messages for at most `finish_timeout` seconds."""
        if self.closed:
            return
        self._closed = True
        if self._idle:
            return
        until = time.monotonic() + self._finish_timeout
        for one in self._watches:
            for alert in one.on_end(self._failure, self._summary()):
                self._report(alert)
        self._warn_of_missing()
        self._reporter.finish(until)
        if self._watchdog is not None:  # last: a process that is killed until then is reported
            self._watchdog.farewell(until - time.monotonic())

    def __getstate__(self) -> dict[str, Any]:
        """A copy, for instance in another process, is closed and has no webhooks."""
        return {"_closed": True, "_process": -1, "rules": self.rules, "reported": []}

    def __repr__(self) -> str:
        return f"Alerts({list(self.rules)!r})"

    def _begin(self) -> bool:
        """Whether to evaluate anything."""
        if self._process != os.getpid() or self._idle:
            return False
        if self._closed:
            raise LoggerClosedError("Alerts was finished: create a new one for each run.")
        if self._begun is None:
            self._begun = time.monotonic()
        return True

    def _report(self, alert: Alert) -> None:
        self.reported.append(alert)
        self._reporter.report(alert, self._name)

    def _start_watchdog(self) -> None:
        """Start the child process with the first record, when the name of the run is known."""
        if not self._guarded:
            return
        self._guarded = False
        killed = Alert("run_ended", {}, "killed")
        try:
            self._watchdog = Watchdog(
                self._reporter.webhooks, self._reporter.message(killed, self._name), self._timeout
            )
        except OSError as error:
            warn("The watchdog cannot be started (%s): the run goes on without it.", error)

    def _summary(self) -> dict[str, Any]:
        seconds = None if self._begun is None else time.monotonic() - self._begun
        return {"seconds": seconds, **self._best.data()}

    def _warn_of_missing(self) -> None:
        for one in self._watches:
            if one.missing is not None and self._failure is None:
                warn("The rule %s was not evaluated: no %s.", one.rule.rule, one.missing)


def _whole(step: Any) -> int | None:
    """The step as an int; None for whatever is no whole number."""
    try:
        return int(step.item() if hasattr(step, "item") else step)
    except Exception:  # what an object of any type raises
        return None
