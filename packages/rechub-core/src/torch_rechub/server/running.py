"""Running the server: signals, a graceful stop, and reloads."""

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socket import SocketType
from typing import Any

import torch

from .._extras import require
from ..types import FilePath
from .app import ServingApp
from .exchange import Refused
from .one_write import OneWriteProtocol
from .served import Served
from .settings import Settings

log = logging.getLogger("torch_rechub")

uvicorn: Any = require("uvicorn", "rechub serve", "serve")

_POLL_S, _LINGER_S = 1.0, 1.0


class Server(uvicorn.Server):  # type: ignore[misc]
    """uvicorn's server, which exits with 0 after a signal, and loses no request.

    After SIGTERM or SIGINT no connection is accepted. Each response closes its connection, and
    connections without a request stay open for a second, because their client may have sent one.

    Args:
        app: The application.
        settings: Address and limits.
    """

    def __init__(self, app: ServingApp, settings: Settings) -> None:
        self.app = app
        self._tasks: set[asyncio.Task[None]] = set()
        app.batcher.is_alone = lambda: len(self.server_state.tasks) == 1
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                http=OneWriteProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="warning",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=max(1, round(settings.grace_s)),
            )
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals while the server runs; uvicorn would raise them again at the end."""
        loop = asyncio.get_running_loop()
        handlers = {signal.SIGTERM: self._stop, signal.SIGINT: self._stop}
        if hasattr(signal, "SIGHUP"):
            handlers[signal.SIGHUP] = self._reload_soon
        before = {
            number: signal.signal(number, lambda *_, f=handler: loop.call_soon_threadsafe(f))
            for number, handler in handlers.items()
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[SocketType] | None = None) -> None:
        """Listen, and log the address."""
        await super().startup(sockets=sockets)
        if not self.started:
            return
        settings = self.app.settings
        address, port = self.servers[0].sockets[0].getsockname()[:2]
        host = f"[{address}]" if ":" in address else address
        log.info("serving %s at http://%s:%d", self.app.served.loaded.bundle, host, port)
        if settings.watch:
            self._start(self._watch())

    async def shutdown(self, sockets: list[SocketType] | None = None) -> None:
        """Stop accepting connections, answer what is in flight, and close."""
        for server in self.servers:
            server.close()
        for _ in range(round(_LINGER_S / 0.05)):
            if not self.server_state.connections or self.force_exit:
                break
            await asyncio.sleep(0.05)
        for task in self._tasks:
            task.cancel()
        await super().shutdown(sockets=sockets)
        log.info("stopped")

    def _stop(self) -> None:
        self.force_exit = self.app.stopping  # the second signal does not wait
        self.should_exit = self.app.stopping = True

    def _reload_soon(self) -> None:
        self._start(self._reload())

    def _start(self, coroutine: Any) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reload(self) -> None:
        with suppress(Refused):  # logged by `Served`
            await self.app.reload_bundle()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_POLL_S)
            if self.app.served.has_changed():
                await self._reload()


def run(bundle: FilePath, settings: Settings) -> None:
    """Serve a bundle until SIGTERM or SIGINT.

    Raises:
        BundleError: The bundle is damaged.
        OSError: The port is in use.
    """
    if not settings.is_loopback and settings.token is None:
        log.warning(
            "%s is reached from other machines, and requests need no token: everyone there can "
            "use the model and reload the bundle. Set RECHUB_TOKEN or --token-file, or leave "
            "--host away",
            settings.host,
        )
    torch.set_num_threads(settings.threads)
    server = Server(ServingApp(Served(bundle, settings), settings), settings)
    # the thread that loads a bundle holds the interpreter's lock no longer than this at a time
    sys.setswitchinterval(0.0005)
    gc.collect()
    gc.freeze()  # the model stays: collections need not visit it
    try:
        server.run()
    except SystemExit as error:
        raise OSError(f"{settings.host}:{settings.port} cannot be listened at") from error
