"""`Webhook`: a secret URL that accepts messages, and the checks of its arguments."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .._hosts import is_loopback
from ..basic.tracking.redaction import REDACTED
from .http import Answer

_SHORTEST = 6  # characters of a part of a URL that is a secret


@dataclass(frozen=True)
class Refusal:
    """The reason why a service did not take a message.

    Attributes:
        reason: The reason in one line.
        again: Whether the same message may be accepted later.
    """

    reason: str
    again: bool = False


class Webhook:
    """The base class of webhooks: a URL that accepts messages, which is a secret.

    The URL and the secret are in no text, log, record or pickle: a pickled copy has neither, and
    cannot send.

    Args:
        url: The URL that the service shows, with its key.
        allow_http: Whether to accept a URL that begins with http:// and is not on this machine:
            whoever is on the way reads the messages and the key.

    Raises:
        TypeError: The URL is no text.
        ValueError: The URL is no https URL, or holds a user name.

    Example:
        >>> Webhook("https://hooks.slack.com/services/T0/B0/s3cretkey")
        <Webhook on hooks.slack.com>
    """

    def __init__(self, url: str, *, allow_http: bool = False) -> None:
        self._url: str | None = url
        self._secret: str | None = None
        self.host, self.local = _checked(type(self).__name__, url, allow_http)

    @property
    def usable(self) -> bool:
        """Whether the webhook has its URL, which pickled copies lack."""
        return self._url is not None

    @property
    def url(self) -> str:
        """The URL of the next request.

        Raises:
            ValueError: This is a pickled copy.
        """
        if self._url is None:
            raise ValueError(f"{type(self).__name__}: a pickled copy has no URL: create it anew")
        return self._url

    def payload(self, text: str, about: Mapping[str, Any]) -> dict[str, Any]:
        """Return the message as JSON data.

        Args:
            text: The text.
            about: The alert as plain data.
        """
        raise NotImplementedError

    def body(self, text: str, about: Mapping[str, Any]) -> bytes:
        """Return the body of the request."""
        return json.dumps(self.payload(text, about)).encode("ascii")

    def refusal(self, answer: Answer) -> Refusal | None:
        """Return why the service did not take the message; None if it did."""
        if 200 <= answer.status < 300:
            return None
        if 300 <= answer.status < 400:
            return Refusal(f"HTTP {answer.status}: redirects are not followed")
        again = answer.status == 429 or answer.status >= 500
        return Refusal(f"HTTP {answer.status}", again)

    def scrub(self, text: str) -> str:
        """Replace the URL, its keys and the secret in a text."""
        for part in self._parts():
            text = text.replace(part, REDACTED)
        return text

    def _parts(self) -> list[str]:
        if self._url is None:
            return []
        split = urlsplit(self._url)
        path = split.path + (f"?{split.query}" if split.query else "")
        keys = [part for part in split.path.split("/") if _is_key(part)]
        keys += [pair.partition("=")[2] for pair in split.query.split("&")]
        found = [self._url, path, *keys, self._secret or ""]
        return sorted({p for p in found if len(p) >= _SHORTEST}, key=len, reverse=True)

    def revealed(self) -> dict[str, Any]:
        """Return all arguments, secrets included, for the watchdog."""
        kind = type(self).__name__
        return {"kind": kind, "url": self._url, "secret": self._secret}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} on {self.host}>"

    def __getstate__(self) -> dict[str, Any]:
        return {"_url": None, "_secret": None, "host": self.host, "local": self.local}

    def __copy__(self) -> "Webhook":
        return self  # nothing of it changes, and a copy like a pickled one could not send

    def __deepcopy__(self, memo: Any) -> "Webhook":
        return self


def checked_secret(owner: str, secret: Any) -> str | None:
    """Return the secret of a signature, or None.

    Raises:
        TypeError: It is no text.
        ValueError: It is empty.
    """
    if secret is not None and not isinstance(secret, str):
        raise TypeError(f"{owner}: secret must be a text or None, got a {type(secret).__name__}")
    if secret == "":
        raise ValueError(f"{owner}: secret is empty: leave it out for a bot without signatures")
    return secret


def _checked(owner: str, url: Any, allow_http: bool) -> tuple[str, bool]:
    """Return the host of a URL, and whether it is this machine; the URL is in no message."""
    if not isinstance(url, str):
        raise TypeError(f"{owner}: url must be a text, got a {type(url).__name__}")
    try:
        split = urlsplit(url)
        host, _ = split.hostname, split.port
    except ValueError:
        raise ValueError(f"{owner}: url is no URL: its host or port is not valid") from None
    if not (url.isascii() and url.isprintable()) or " " in url:
        raise ValueError(f"{owner}: url has a space, a control or a non-ASCII character")
    if split.scheme not in ("http", "https") or not host:
        raise ValueError(f"{owner}: url must begin with https:// and name a host")
    if split.username is not None or split.password is not None:
        raise ValueError(f"{owner}: url must not hold a user name or password")
    local = is_loopback(host)
    if split.scheme == "http" and not (local or allow_http):
        raise ValueError(
            f"{owner}: url must begin with https://, as http would show the messages and the key "
            f"to others on the way to {host}; allow_http=True accepts it"
        )
    return host, local


def _is_key(part: str) -> bool:
    """Whether a part of a path is a key, rather than a word such as "webhook"."""
    return len(part) >= 16 or any(character.isdigit() for character in part)
