"""The HTTP server of the live page: the standard library, GET and HEAD, nothing of the disk."""

import hashlib
import json
import logging
import secrets
import socket
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from .._shown import shown
from .access import Refused, check_access, cookie_of
from .answers import Answers

log = logging.getLogger("torch_rechub.ui")

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_JSON = "application/json; charset=utf-8"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_TIMEOUT = 30.0  # seconds in which a connection must send its next request


class UIServer(ThreadingHTTPServer):
    """Serves the page and the answers.

    Args:
        answers: The answers to the questions of the page.
        host: The address to listen at.
        port: The port; 0 takes a free one.
        token: The token that requests need; None means none.

    Raises:
        OSError: The address cannot be used.
    """

    daemon_threads = True

    def __init__(self, answers: Answers, host: str, port: int, token: str | None) -> None:
        self.answers, self.token, self.closing = answers, token, False
        self.pages = _pages()
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), _Handler)

    @property
    def url(self) -> str:
        """The address of the page."""
        host, port = self.server_address[:2]
        name = str(host)
        name = f"[{name}]" if ":" in name else name
        return f"http://{name}:{port}/"

    def server_close(self) -> None:
        """Stop listening, and answer no further request of open connections."""
        self.closing = True
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log the error of a request; the server goes on."""
        log.debug("a request of %s failed", client_address, exc_info=True)


def _pages() -> dict[str, tuple[str, bytes]]:
    """The files of the page by their paths; no other path is ever opened."""
    drawings = resources.files("torch_rechub.runs") / "page"
    # as in the page of `rechub compare`
    files = [drawings / name for name in ("axes.js", "search.js", "search.css")]
    found = {}
    for file in [*(resources.files(__package__) / "page").iterdir(), *files]:
        kind = _TYPES.get(f".{file.name.rpartition('.')[2]}")
        if kind is not None:
            path = "/" if file.name == "index.html" else f"/{file.name}"
            found[path] = (kind, file.read_bytes())
    return found


class _Handler(BaseHTTPRequestHandler):
    server: UIServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "rechub-ui", ""
    timeout = _TIMEOUT

    def do_GET(self) -> None:
        if self.server.closing:
            self.close_connection = True
            return
        try:
            self._answer()
        except Refused as refused:
            self._send_json({"error": str(refused)}, refused.status)
        except ValueError as error:
            self._send_json({"error": str(error)}, HTTPStatus.BAD_REQUEST)
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        except Exception:
            log.exception("a request of the page failed")
            self._send_json({"error": "see the log of the server"}, 500)

    do_HEAD = do_GET

    def _refuse_method(self) -> None:
        self.close_connection = True  # its body is not read
        self._send_json({"error": "this server is read-only"}, 405, {"Allow": "GET, HEAD"})

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _refuse_method

    def _answer(self) -> None:
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query, max_num_fields=50))
        token, given = self.server.token, query.pop("token", None)
        port = int(self.server.server_address[1])
        check_access(dict(self.headers.items()), given, token, port)
        if token is not None and given is not None:
            # the token moves to a cookie, so that it stays in no history and no screenshot
            cookie = f"{cookie_of(token, port)}; HttpOnly; SameSite=Strict; Path=/"
            self._send(b"", "text/plain", 303, {"Location": "/", "Set-Cookie": cookie})
        elif url.path in self.server.pages:
            kind, body = self.server.pages[url.path]
            self._send(self._in_language(body) if url.path == "/" else body, kind)
        elif url.path == "/api/runs.csv":
            name = {"Content-Disposition": 'attachment; filename="runs.csv"'}
            text = self.server.answers.csv(query).encode("utf-8", "backslashreplace")
            self._send(text, "text/csv; charset=utf-8", extra=name)
        elif url.path.startswith("/api/run/"):
            self._answer_run(url.path.removeprefix("/api/run/").split("/"))
        else:
            self._send_json(self._question(url.path)(query))

    def _question(self, path: str) -> Callable[[Mapping[str, str]], Any]:
        answers = self.server.answers
        questions: dict[str, Callable[[Mapping[str, str]], Any]] = {
            "/api/state": answers.state,
            "/api/columns": answers.columns,
            "/api/runs": answers.runs,
            "/api/keys": answers.keys,
            "/api/curves": answers.curves,
            "/api/searches": answers.searches,
        }
        if path not in questions:
            raise Refused(404, "there is no such page")
        return questions[path]

    def _answer_run(self, parts: list[str]) -> None:
        if len(parts) == 1:
            found = self.server.answers.run(parts[0])
            if found is not None:
                self._send_json(found)
                return
        if len(parts) == 3 and parts[1] == "figure" and parts[2].isdecimal() and len(parts[2]) < 9:
            png = self.server.answers.figure(parts[0], int(parts[2]))
            if png is not None and png.startswith(b"\x89PNG\r\n\x1a\n"):
                self._send(png, "image/png")
                return
        raise Refused(404, "there is no such run, or no such figure")

    def _in_language(self, page: bytes) -> bytes:
        """The page in the first language that the browser accepts of the two that there are."""
        accepted = self.headers.get("Accept-Language", "").lower()
        first = next((part for part in accepted.split(",") if part.strip()[:2] in ("en", "zh")), "")
        return page.replace(b'lang="en"', b'lang="zh"', 1) if "zh" in first else page

    def _send_json(
        self, value: Any, status: int = 200, extra: Mapping[str, str] | None = None
    ) -> None:
        text = json.dumps(value, allow_nan=False, separators=(",", ":"))
        self._send(text.encode(), _JSON, status, extra)

    def _send(
        self, body: bytes, kind: str, status: int = 200, extra: Mapping[str, str] | None = None
    ) -> None:
        tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
        if status == 200 and self.headers.get("If-None-Match") == tag:
            status, body = 304, b""
        self.send_response(status)
        headers = {**_HEADERS, "Content-Type": kind, "ETag": tag, **(extra or {})}
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse a request that is not HTTP as we speak it; called by the base class."""
        self.close_connection = True
        self._send_json({"error": "this server answers GET and HEAD of HTTP/1.1"}, code)

    def log_message(self, format: str, *args: Any) -> None:
        log.debug("%s %s", self.address_string(), shown(format % args))


def new_token() -> str:
    """Return a random token."""
    return secrets.token_urlsafe(24)
