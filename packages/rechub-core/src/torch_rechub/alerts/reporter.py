"""Writes alerts to the log, and passes those within the limits to the webhooks."""

import logging
import math
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from .._streams import usable_streams
from ..basic.tracking.redaction import redact
from .alert import Alert, Language
from .limits import Limits
from .outbox import Message, Outbox
from .webhook import Webhook

log = logging.getLogger("torch_rechub.alerts")


class Reporter:
    """Reports alerts: all to the log, and those within the limits to the webhooks.

    Args:
        webhooks: The webhooks.
        language: The language of messages.
        limits: The limits of the rate.
        timeout: Seconds for a request.
    """

    def __init__(
        self, webhooks: Sequence[Webhook], language: Language, limits: Limits, timeout: float
    ) -> None:
        self.webhooks, self._language, self._limits = webhooks, language, limits
        self._outboxes = [Outbox(hook, timeout) for hook in webhooks]

    def report(self, alert: Alert, run: str) -> None:
        """Report an alert of a run. That of the end of the run has no limit."""
        warn("%s", self._scrubbed(alert.text(self._language, run)))
        if not self._outboxes:
            return
        if alert.rule == "run_ended" or self._limits.allow(alert.rule):
            message = self.message(alert, run, self._limits.take_suppressed())
            for outbox in self._outboxes:
                outbox.put(message)

    def message(self, alert: Alert, run: str, suppressed: int = 0) -> Message:
        """Return the message of an alert, without secrets."""
        text = self._scrubbed(alert.text(self._language, run, suppressed))
        about = {
            "run": run,
            "rule": alert.rule,
            "status": alert.form or None,
            "data": dict(alert.data),
            "suppressed": suppressed,
            "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }
        return Message(text, self._plain(about))

    def finish(self, until: float) -> None:
        """Wait for the messages that are not sent yet.

        Args:
            until: The time of `time.monotonic` at which the wait ends.
        """
        for outbox in self._outboxes:
            outbox.close()
        lost = sum(outbox.wait(until - time.monotonic()) for outbox in self._outboxes)
        if lost:
            warn("%d messages of alerts were not sent.", lost)

    def _plain(self, value: Any) -> Any:
        """Data whose texts hold no secrets, and whose numbers JSON has."""
        if isinstance(value, Mapping):
            return {key: self._plain(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [self._plain(one) for one in value]
        if isinstance(value, float) and not math.isfinite(value):
            return str(value)
        return self._scrubbed(redact(value)) if isinstance(value, str) else value

    def _scrubbed(self, text: str) -> str:
        for hook in self.webhooks:
            text = hook.scrub(text)
        return text


def warn(message: str, *args: object) -> None:
    """Write a warning to the log, also where the standard streams are closed."""
    with usable_streams():
        log.warning(message, *args)
