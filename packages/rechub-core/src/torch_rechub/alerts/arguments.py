"""Checks of the arguments of `Alerts`."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from .._bounds import check_number, check_whole, refuse_none
from .rules import RunEnded
from .webhook import Webhook
from .webhooks import KINDS


def check_numbers(rule_interval: Any, per_hour: Any, timeout: Any, finish_timeout: Any) -> None:
    """Check the numbers of `Alerts`.

    Raises:
        TypeError: One is no number.
        ValueError: One is out of range.
    """
    refuse_none(
        rule_interval=rule_interval,
        per_hour=per_hour,
        timeout=timeout,
        finish_timeout=finish_timeout,
    )
    check_number("[0, inf)", rule_interval=rule_interval, finish_timeout=finish_timeout)
    check_number("(0, inf)", timeout=timeout)
    check_whole(1, per_hour=per_hour)


def as_webhooks(given: Any) -> list[Webhook]:
    """Convert one webhook or several to a list.

    Raises:
        TypeError: One is no webhook.
        ValueError: One is a pickled copy without its URL.
    """
    several = isinstance(given, Iterable) and not isinstance(given, str)
    hooks = list(given) if several else [given]
    for hook in hooks:
        if not isinstance(hook, Webhook):
            kinds = ", ".join(KINDS)
            raise TypeError(f"webhooks must be {kinds}, got a {type(hook).__name__}")
        if not hook.usable:
            raise ValueError(f"{hook!r} is a pickled copy without its URL: create it anew")
    return hooks


def is_guarded(watchdog: Any, rules: Sequence[Any], hooks: Sequence[Webhook]) -> bool:
    """Check the setting of the watchdog, and return it.

    Raises:
        TypeError: A webhook is of a class of the user's own, which the watchdog does not know.
        ValueError: There is nothing for the watchdog to send, or no way to start it.
    """
    if watchdog not in (False, True):
        raise ValueError(f"watchdog must be True or False, got {watchdog!r}")
    if not watchdog:
        return False
    if not any(isinstance(rule, RunEnded) and "killed" in rule.statuses for rule in rules):
        raise ValueError('watchdog=True needs a rule RunEnded with the status "killed"')
    if not hooks:
        raise ValueError("watchdog=True needs a webhook: a killed process logs nothing")
    for hook in hooks:
        if type(hook).__name__ not in KINDS:
            raise TypeError(f"watchdog=True needs webhooks of {', '.join(KINDS)}, got {hook!r}")
    if not sys.executable:
        raise ValueError("watchdog=True needs the path of Python, and sys.executable is empty")
    return True
