"""uvicorn's HTTP protocol, with one system call for each response."""

import asyncio
from typing import Any

from .._extras import require

require("httptools", "rechub serve", "serve")
_http: Any = require("uvicorn.protocols.http.httptools_impl", "rechub serve", "serve")


class JoinedWrites:
    """A transport that joins two successive writes: uvicorn writes head and body apart.

    Args:
        transport: The transport.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport, self._held = transport, b""
        self._loop = asyncio.get_running_loop()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Hold the first write until the second, or the next turn of the loop; a head is first."""
        if self._held:
            self._transport.write(self._held + data)
            self._held = b""
        elif data.startswith(b"HTTP/"):
            self._held = data
            self._loop.call_soon(self._flush)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Write the rest, and close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._held:
            self._transport.write(self._held)
            self._held = b""


class OneWriteProtocol(_http.HttpToolsProtocol):  # type: ignore[misc]
    """uvicorn's protocol of httptools, over `JoinedWrites`."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Take the connection."""
        super().connection_made(JoinedWrites(transport))
