"""Clients over keep-alive connections, in a process of their own: raw sockets and one epoll loop.

python tests/benchmarks/serving_load.py PORT CLIENTS SECONDS BODIES [REQUESTS]

BODIES is a file of request bodies, one a line, which the clients send to ``/predict`` in turns,
each the next one when it has its response. It ends after SECONDS, or REQUESTS responses, or when
the server has closed all connections. The answer is one JSON line: requests and those of each
status, lost requests (sent, and without a whole response), seconds, and latencies in ms.
"""

import json
import select
import socket
import sys
import time
from collections import Counter
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np


class Client:
    """One connection with one request at a time."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received, self.length, self.sent_at = b"", 0, 0.0

    def send(self, request: bytes) -> None:
        """Send a request."""
        self.sent_at, self.received, self.length = time.perf_counter(), b"", 0
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Read; whether the response is whole.

        Raises:
            ConnectionError: The server has closed the connection before that.
        """
        data = self.socket.recv(1 << 18)
        if not data:
            raise ConnectionResetError("closed without a response")
        self.received += data
        if not self.length:
            head = self.received.find(b"\r\n\r\n")
            if head < 0:
                return False
            start = self.received.find(b"content-length: ") + 16
            self.length = head + 4 + int(self.received[start : self.received.index(b"\r", start)])
        return len(self.received) >= self.length

    @property
    def status(self) -> str:
        """The status of the response."""
        return self.received[9:12].decode()

    @property
    def closes(self) -> bool:
        """Whether the response says that the server closes the connection."""
        return b"connection: close" in self.received[: self.length]


class Load:
    """The clients, and the counts of their responses."""

    def __init__(self, port: int, clients: int, bodies: list[bytes]) -> None:
        head = b"POST /predict HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        whole = (head + b"content-length: %d\r\n\r\n" % len(body) + body for body in bodies)
        self.requests = cycle(list(whole))
        self.clients = {one.socket.fileno(): one for one in (Client(port) for _ in range(clients))}
        self.epoll = select.epoll()
        self.statuses: Counter[str] = Counter()
        self.latencies: list[float] = []
        self.lost = 0

    def run(self, seconds: float, requests: float) -> float:
        """Send requests until an end; returns the seconds."""
        started = time.perf_counter()
        for number, client in self.clients.items():
            self.epoll.register(number, select.EPOLLIN)
            client.send(next(self.requests))
        waiting = len(self.clients)
        while waiting:
            for number, _ in self.epoll.poll(20) or self._none_answered():
                client = self.clients[number]
                try:
                    if not client.receive():
                        continue
                except ConnectionError:
                    self.lost += 1
                    waiting -= 1
                    self.epoll.unregister(number)
                    continue
                now = time.perf_counter()
                self.latencies.append(now - client.sent_at)
                self.statuses[client.status] += 1
                if client.closes:
                    waiting -= 1
                    self.epoll.unregister(number)
                elif now - started < seconds and len(self.latencies) + waiting <= requests:
                    client.send(next(self.requests))
                else:
                    waiting -= 1
        return time.perf_counter() - started

    def _none_answered(self) -> Any:
        raise TimeoutError("no response for 20 s")

    def report(self, seconds: float) -> dict[str, Any]:
        """The counts, and quantiles of the latencies in ms."""
        quantiles = np.quantile(self.latencies, (0.5, 0.99)) * 1000 if self.latencies else (0, 0)
        return {
            "requests": len(self.latencies),
            "statuses": dict(self.statuses),
            "lost": self.lost,
            "seconds": seconds,
            "p50": float(quantiles[0]),
            "p99": float(quantiles[1]),
        }


def main(port: str, clients: str, seconds: str, bodies: str, requests: str = "inf") -> None:
    """Run the clients; see the top of the file."""
    load = Load(int(port), int(clients), Path(bodies).read_bytes().splitlines())
    print(json.dumps(load.report(load.run(float(seconds), float(requests)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
