"""Sends messages to a webhook from a thread, so that no server delays training."""

import http.client
import logging
import queue
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ..basic.tracking.redaction import redact
from .http import post
from .webhook import Refusal, Webhook

log = logging.getLogger("torch_rechub.alerts")

_WAITING = 64  # messages of a webhook that wait to be sent
_PAUSES = (1.0, 4.0)  # seconds before the second and the third attempt
_LONGEST_PAUSE = 30.0
_LAST_PAUSE = 0.2  # seconds, once the run has ended


@dataclass(frozen=True)
class Message:
    """A message to send.

    Attributes:
        text: The text.
        about: The alert as plain data.
    """

    text: str
    about: Mapping[str, Any]


def deliver(
    webhook: Webhook, message: Message, timeout: float, pause: Callable[[float], Any] = time.sleep
) -> str | None:
    """Send a message, up to three times if the server is busy, broken or cannot be reached.

    Args:
        webhook: The webhook.
        message: The message.
        timeout: Seconds for each attempt. One that takes longer is not repeated.
        pause: Waits between two attempts.

    Returns:
        The reason why it was not sent, without secrets; None if it was.
    """
    problem: Refusal | None = None
    for seconds in (*_PAUSES, None):
        problem, asked = _attempt(webhook, message, timeout)
        if problem is None:
            return None
        if not problem.again or seconds is None:
            break
        pause(min(max(seconds, asked or 0.0), _LONGEST_PAUSE))
    return redact(webhook.scrub(problem.reason if problem else ""))


def _attempt(
    webhook: Webhook, message: Message, timeout: float
) -> tuple[Refusal | None, float | None]:
    """Send once; return the problem, if any, and the seconds that the server asks to wait."""
    try:
        body = webhook.body(message.text, message.about)
        answer = post(webhook.url, body, timeout, proxies=not webhook.local)
    except TimeoutError as error:
        return Refusal(str(error)), None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        again = not isinstance(reason, ssl.SSLCertVerificationError)
        return Refusal(f"{type(reason).__name__}: {reason}", again), None
    except Exception as error:  # an exception would end the thread, and all later messages
        return Refusal(f"{type(error).__name__}: {error}"), None
    return webhook.refusal(answer), answer.retry_after


class Outbox:
    """The messages of one webhook, sent in order by a daemon thread, which the first one starts.

    Args:
        webhook: The webhook.
        timeout: As in `deliver`.
    """

    def __init__(self, webhook: Webhook, timeout: float) -> None:
        self.webhook, self.timeout = webhook, timeout
        self._waiting: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._given = self._sent = self._failed = 0
        self._closing, self._over = threading.Event(), False

    def put(self, message: Message) -> None:
        """Queue a message; one is lost where too many wait already."""
        self._given += 1
        if self._waiting.qsize() >= _WAITING:
            return
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._run, name="torch_rechub-alerts", daemon=True
            )
            with suppress(RuntimeError):  # no thread can be started
                self._thread.start()
        self._waiting.put(message)

    def close(self) -> None:
        """End the thread once the messages are sent; pauses are cut short from now on."""
        self._closing.set()
        self._waiting.put(None)

    def wait(self, seconds: float) -> int:
        """Wait for the thread; return the number of messages that were not sent by then."""
        if self._thread is not None and self._thread.ident is not None:
            self._thread.join(max(0.0, seconds))
        self._over = True
        return self._given - self._sent

    def _run(self) -> None:
        while (message := self._waiting.get()) is not None and not self._over:
            problem = deliver(self.webhook, message, self.timeout, self._pause)
            if problem is None:
                self._sent += 1
                continue
            self._failed += 1
            if self._failed == 1 and not self._over:
                log.warning("%r did not take an alert (%s).", self.webhook, problem)

    def _pause(self, seconds: float) -> None:
        if self._closing.wait(seconds):
            time.sleep(min(seconds, _LAST_PAUSE))
