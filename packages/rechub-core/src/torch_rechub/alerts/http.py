"""A POST request of a bounded duration, which follows no redirect."""

import http.client
import socket
import ssl
import threading
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from functools import partial
from typing import Any

_LARGEST = 2**16  # bytes of an answer that are read


@dataclass(frozen=True)
class Answer:
    """The answer of a server.

    Attributes:
        status: The HTTP status.
        body: The body, at most 64 KiB of it.
        retry_after: The seconds of the header ``Retry-After``, or None.
    """

    status: int
    body: bytes
    retry_after: float | None = None


class _TimeLimit:
    """Shuts down the sockets of a request when its time is over.

    The time-out of a socket applies to each read, so a server that sends a byte from time to time
    could hold the request for hours.
    """

    def __init__(self, seconds: float) -> None:
        self.over = False
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> "_TimeLimit":
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def watch(self, connected: Any) -> None:
        with self._lock:
            self._sockets.append(connected)
        if self.over:
            self._end()

    def _end(self) -> None:
        with self._lock:
            self.over = True
            for one in self._sockets:
                with suppress(OSError):  # closed, or wrapped by TLS in the meantime
                    socket.socket.shutdown(one, socket.SHUT_RDWR)


class _Connection(http.client.HTTPConnection):
    def __init__(self, limit: _TimeLimit, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limit = limit

    def send(self, data: Any) -> None:
        """Connect if needed, and place the socket under the time limit."""
        if self.sock is None:
            self.connect()
        self._limit.watch(self.sock)
        super().send(data)


class _SecureConnection(_Connection, http.client.HTTPSConnection):
    """The same over TLS; the tunnel of a proxy is under the limit before it is encrypted, too."""


class _Over(urllib.request.HTTPHandler):
    def __init__(self, limit: _TimeLimit) -> None:
        super().__init__()
        self._limit = limit

    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(partial(_Connection, self._limit), req)


class _OverTLS(urllib.request.HTTPSHandler):
    def __init__(self, limit: _TimeLimit, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._limit, self._certificates = limit, context

    def https_open(self, req: urllib.request.Request) -> Any:
        opened = partial(_SecureConnection, self._limit)
        return self.do_open(opened, req, context=self._certificates)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follow no redirect: it could lead the message, and the key in its URL, elsewhere."""


def post(url: str, body: bytes, timeout: float, *, proxies: bool = True) -> Answer:
    """Send JSON, and return the answer of any status.

    Certificates are checked. Proxies are those of the environment.

    Args:
        url: The URL, http or https.
        body: The JSON.
        timeout: Seconds for the whole request, apart from the look-up of the host's name.
        proxies: Whether proxies are used.

    Raises:
        TimeoutError: The time is over.
        OSError: The server cannot be reached, or its certificate is not valid.
        http.client.HTTPException: Its answer is not HTTP.
    """
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "torch_rechub"}
    request = urllib.request.Request(url, body, headers, method="POST")
    proxy = urllib.request.ProxyHandler(None if proxies else {})
    with _TimeLimit(timeout) as limit:
        secure = _OverTLS(limit, ssl.create_default_context())
        opener = urllib.request.build_opener(proxy, _Over(limit), secure, _NoRedirects())
        try:
            answer = _answer(opener, request, timeout)
        except Exception as error:
            if limit.over or _is_timeout(error):
                raise TimeoutError(f"no answer within {timeout:g} s") from None
            raise
        if limit.over:  # what came before reads like a complete answer
            raise TimeoutError(f"no answer within {timeout:g} s")
        return answer


def _answer(
    opener: urllib.request.OpenerDirector, request: urllib.request.Request, timeout: float
) -> Answer:
    try:
        with opener.open(request, timeout=timeout) as found:
            return Answer(found.status, found.read(_LARGEST))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.read(_LARGEST), _seconds(error.headers))


def _seconds(headers: Message | None) -> float | None:
    """The number of seconds in ``Retry-After``; a date, which services do not send, is ignored."""
    text = "" if headers is None else headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 9 else None


def _is_timeout(error: Exception) -> bool:
    return isinstance(getattr(error, "reason", error), TimeoutError)
