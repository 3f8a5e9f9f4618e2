"""Servers on the loopback interface that behave in many ways, for tests of webhooks."""

import json
import socket
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Received:
    """The requests that a server received: (path, headers, JSON)."""

    def __init__(self):
        self.requests = []
        self.came = threading.Condition()

    def add(self, *request):
        with self.came:
            self.requests.append(request)
            self.came.notify_all()

    def wait(self, number, seconds=20.0):
        """Wait for so many requests; return the JSON of all."""
        with self.came:
            assert self.came.wait_for(lambda: len(self.requests) >= number, seconds)
            return [body for _, _, body in self.requests]

    def texts(self):
        return [body["text"] for _, _, body in self.requests]


@contextmanager
def server(*answers, body=b"ok", headers=()):
    """A server that answers with these statuses in turn, the last one for all later requests.

    Yields:
        Its URL, and the requests it received.
    """
    received, statuses = Received(), list(answers or (200,))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            data = self.rfile.read(int(self.headers["Content-Length"]))
            received.add(self.path, dict(self.headers), json.loads(data))
            status = statuses.pop(0) if len(statuses) > 1 else statuses[0]
            with suppress(OSError):
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_port}/hook/k3yk3yk3y?key=s3cr3ts3cr3t", received
        finally:
            http.shutdown()
            thread.join()


@contextmanager
def raw_server(talk):
    """A server that calls `talk(connection)` for each connection.

    Yields:
        Its URL, and a list of its connections.
    """
    listening, connections, over = socket.create_server(("127.0.0.1", 0)), [], threading.Event()

    def serve():
        with suppress(OSError):
            while not over.is_set():
                connection, _ = listening.accept()
                connections.append(connection)
                threading.Thread(target=handle, args=(connection,), daemon=True).start()

    def handle(connection):
        with suppress(OSError):
            talk(connection)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/hook", connections
    finally:
        over.set()
        for one in (listening, *connections):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def answer(connection):
    """Answer as a server should."""
    data = b""
    while not data.endswith(b"}"):  # unread data would reset the connection
        data += connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def stall(connection):
    """Accept, and never answer."""
    time.sleep(60)


def drip(connection):
    """Answer with a byte from time to time."""
    connection.recv(4096)
    for character in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10_000:
        connection.sendall(bytes([character]))
        time.sleep(0.02)


def flood(connection):
    """Answer with a body without an end."""
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"x" * 65536)


def babble(connection):
    """Answer with something else than HTTP."""
    connection.recv(4096)
    connection.sendall(b"\x00\xff nothing of HTTP \r\n\r\n")
    connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def refused():
    """A URL at which no server listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    yield f"http://127.0.0.1:{port}/hook"
