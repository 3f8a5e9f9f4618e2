"""A server of a folder of runs, and a client of the standard library."""

import json
import threading
from contextlib import contextmanager
from http.client import HTTPConnection
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest

from torch_rechub.basic.tracking import JSONLLogger
from torch_rechub.ui import Answers, LiveRuns, UIServer


def record(folder, name, values=(0.5,), metric="val/auc", group=None, tags=None, **params):
    """Records a run with a value for each step."""
    with JSONLLogger("p", name, params, dir=folder, group=group, tags=tags) as logger:
        for step, value in enumerate(values):
            logger.log_metrics({metric: value}, step=step)


@contextmanager
def serving(folder, token=None, live=None):
    """Serves a folder at a free port; gives a client."""
    live = live or LiveRuns([folder])
    live.refresh()
    server = UIServer(Answers(live), "127.0.0.1", 0, token)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    port = server.server_address[1]

    def ask(path, headers=None, method="GET", **query):
        connection = HTTPConnection("127.0.0.1", port, timeout=20)
        text = f"?{urlencode(query, errors='surrogatepass')}" if query else ""
        connection.request(method, path + text, headers=headers or {})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return SimpleNamespace(status=answer.status, headers=answer.headers, body=body)

    def data(path, **query):
        answer = ask(f"/api/{path}", **query)
        assert answer.status == 200, answer.body
        return json.loads(answer.body, parse_constant=pytest.fail)

    try:
        yield SimpleNamespace(ask=ask, data=data, live=live, url=server.url, port=port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def served(tmp_path):
    """The client of a server of `tmp_path`, which may hold runs already."""
    with serving(tmp_path) as client:
        yield client
