"""The ASGI application: FastAPI, with a short way for the endpoints of many requests."""

import logging
import time
from typing import Any

from .._extras import require
from . import describe
from .access import check_access
from .answering import Predicting, Recommending
from .batching import Batcher
from .exchange import (
    JSON,
    Disconnected,
    Headers,
    Receive,
    Refused,
    Scope,
    Send,
    dump_json,
    load_json,
    read_body,
    respond,
)
from .metrics import ServerMetrics
from .served import Served
from .settings import Settings

log = logging.getLogger("torch_rechub")

require("fastapi", "the server of bundles", "serve")

from fastapi import FastAPI, Response  # noqa: E402

HOT = (Predicting.path, Recommending.path)
TEXT = "text/plain; version=0.0.4; charset=utf-8"


class ServingApp(FastAPI):
    """Serves a bundle: ``/predict`` or ``/recommend``, ``/health``, ``/metrics``, ``/reload``.

    The endpoint of the bundle's task reads and writes JSON itself; the others go through FastAPI.

    Args:
        served: The bundle.
        settings: Limits, batching and the token.

    Attributes:
        batcher: Joins requests.
        stopping: The server stops: each response closes its connection.
    """

    def __init__(self, served: Served, settings: Settings) -> None:
        super().__init__(title="torch_rechub", description="Serves a bundle of a trained model.")
        self.served, self.settings = served, settings
        self.server_metrics, self.stopping = ServerMetrics(), False
        answering = served.loaded.answering
        self._hot = answering.path
        self.batcher: Batcher[Any, Any] = Batcher(
            served.answer,
            answering.size,
            settings.max_batch_rows,
            settings.max_wait_ms / 1000,
            self.server_metrics.computed,
        )
        self.get("/health")(self.health)
        self.get("/metrics")(self.metrics_text)
        self.get("/schema")(self.schema)
        self.post("/reload")(self.reload)
        self._paths = {self._hot, "/health", "/metrics", "/schema", "/reload"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        started, path = time.perf_counter(), scope["path"]
        self.server_metrics.in_flight += 1
        status = 499  # the client has gone
        try:
            check_access(scope, self.settings.token)
            if path == self._hot:
                await self._answer(scope, receive, send)
                status = 200
            else:
                status = await self._by_fastapi(scope, receive, send)
        except Refused as error:
            status = error.status
            await respond(send, status, error.body, self._headers(*error.headers))
        except Disconnected:
            pass
        except Exception:
            status = 500
            log.exception("a request to %s failed", path)
            body = b'{"detail":"the server failed, its log says why"}'
            await respond(send, status, body, self._headers())
        finally:
            self.server_metrics.in_flight -= 1
            name = path if path in self._paths else "other"
            self.server_metrics.answered(name, status, time.perf_counter() - started)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for predictions, or recommendations."""
        if scope["method"] != "POST":
            raise Refused(405, f"use POST {self._hot}", (b"allow", b"POST"))
        if self.server_metrics.in_flight > self.settings.max_queue:
            text = f"more than {self.settings.max_queue} requests are in progress: retry later"
            raise Refused(503, text, (b"retry-after", b"1"))
        limits = self.settings
        body = await read_body(scope, receive, limits.max_body_bytes, limits.timeout_s)
        request = self.served.loaded.answering.read(load_json(body))
        answer, digest = await self.batcher.submit(request, limits.timeout_s)
        headers = self._headers((b"rechub-bundle", digest.encode()))
        await respond(send, 200, dump_json(answer), headers)

    def _refuse_other_task(self, path: str) -> None:
        if path in HOT and path != self._hot:
            task = self.served.loaded.bundle.task
            raise Refused(404, f"the bundle is of the task {task!r}: use POST {self._hot}")

    async def _by_fastapi(self, scope: Scope, receive: Receive, send: Send) -> int:
        """Answer a request of another path; returns the status."""
        self._refuse_other_task(scope["path"])
        status = 500

        async def watched(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if self.stopping:
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        await super().__call__(scope, receive, watched)
        return status

    def _headers(self, *more: tuple[bytes, bytes]) -> Headers:
        return [*JSON, *more, *([(b"connection", b"close")] if self.stopping else [])]

    async def health(self, response: Response) -> dict[str, Any]:
        """Return whether the server is ready, and the bundle that it serves."""
        response.status_code = 503 if self.stopping else 200
        status = "stopping" if self.stopping else "ready"
        failure = self.served.failure
        return {"status": status, **self.served.loaded.description(), "failed_reload": failure}

    async def metrics_text(self) -> Response:
        """Return the metrics in Prometheus's text format."""
        description = self.served.loaded.description()
        shown = {name: description[name] for name in ("digest", "task", "model", "version")}
        text = self.server_metrics.text(len(self.batcher), shown)
        return Response(text, media_type=TEXT)

    async def schema(self) -> dict[str, Any]:
        """Return the JSON schema of a row, or of a user."""
        return describe.row_schema(self.served.loaded.bundle)

    async def reload(self, response: Response) -> dict[str, Any]:
        """Load the bundle again; requests go on with the earlier one until it is loaded."""
        try:
            await self.reload_bundle()
        except Refused as error:
            response.status_code = error.status
            return {"detail": str(error)}
        return self.served.loaded.description()

    async def reload_bundle(self) -> None:
        """Load the bundle again, and count it.

        Raises:
            Refused: The new one is refused (409).
        """
        try:
            await self.served.reload()
        except Refused:
            self.server_metrics.reloaded(False)
            raise
        self.server_metrics.reloaded(True)

    def openapi(self) -> dict[str, Any]:
        """Return the description of all endpoints, for ``/docs``."""
        found = dict(super().openapi())
        operation = describe.operation(self.served.loaded.bundle, self._hot)
        return found | {"paths": {self._hot: {"post": operation}, **found["paths"]}}
