"""One request and its response over ASGI: bodies within limits, JSON, refusals."""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

JSON: Headers = [(b"content-type", b"application/json")]
_LONGEST = 2000  # characters of a message


class Refused(Exception):
    """A request is answered with an error.

    Args:
        status: The HTTP status.
        message: The text for the client.
        headers: Additional headers.
    """

    def __init__(self, status: int, message: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(message)
        self.status, self.headers = status, list(headers)

    @property
    def body(self) -> bytes:
        """The message as JSON."""
        return dump_json({"detail": str(self)[:_LONGEST]})


class Disconnected(Exception):
    """The client has gone."""


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON; give null where a value is missing")


def _load_slowly(body: bytes) -> Any:
    return json.loads(body, parse_constant=_refuse_constant)


def _dump_slowly(value: Any) -> bytes:
    return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()


# orjson is several times as fast; it refuses NaN and depth by itself
_FAST: Any = import_module("orjson") if find_spec("orjson") else None
_load: Callable[[bytes], Any] = _FAST.loads if _FAST else _load_slowly
dump_json: Callable[[Any], bytes] = _FAST.dumps if _FAST else _dump_slowly


def load_json(body: bytes) -> Any:
    """Parse the JSON of a request.

    Raises:
        Refused: It is no JSON (400), as with NaN or too deep nesting.
    """
    try:
        return _load(body)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"the body is no valid JSON: {error}") from None


async def read_body(scope: Scope, receive: Receive, most: int, seconds: float) -> bytes:
    """Receive a body of at most `most` bytes within some seconds.

    Raises:
        Refused: It is larger (413), slower (408), or compressed (415).
        Disconnected: The client has gone.
    """
    for name, value in scope["headers"]:
        if name == b"content-length" and int(value) > most:
            raise _too_large(most)
        if name == b"content-encoding" and value.strip().lower() != b"identity":
            text = f"the body has the encoding {value.decode('latin-1')!r}: send it uncompressed"
            raise Refused(415, text, (b"accept-encoding", b"identity"))
    parts, size, more = [], 0, True
    with _Deadline(seconds):
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            part: bytes = message.get("body", b"")
            parts.append(part)
            size, more = size + len(part), message.get("more_body", False)
            if size > most:
                raise _too_large(most)
    return parts[0] if len(parts) == 1 else b"".join(parts)


class _Deadline:
    """Refuses a request that takes longer; `asyncio.wait_for` would make a task for each."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._expired = seconds, False

    def __enter__(self) -> None:
        self._task: Any = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._expire)

    def _expire(self) -> None:
        self._expired = True
        self._task.cancel()

    def __exit__(self, kind: "type[BaseException] | None", *_: object) -> None:
        self._timer.cancel()
        if self._expired and kind is asyncio.CancelledError:
            if hasattr(self._task, "uncancel"):  # from Python 3.11
                self._task.uncancel()
            text = f"the body did not arrive within {self._seconds:g} s"
            raise Refused(408, text, (b"connection", b"close")) from None


def _too_large(most: int) -> Refused:
    text = f"the body has more than {most:,} bytes: send fewer rows per request"
    # the rest of the body is not read, so that the connection cannot be used again
    return Refused(413, text, (b"connection", b"close"))


async def respond(send: Send, status: int, body: bytes, headers: Headers) -> None:
    """Send a whole response."""
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
