"""`rechub serve` as a process: signals, the log, and no lost request."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

from torch_rechub.bundles import load_bundle
from torch_rechub.cli import main
from torch_rechub.server import Settings, serve
from warm_python import Script

COMMAND = "import sys; from torch_rechub.cli import main; sys.exit(main(sys.argv[1:]))"
ROW = {"city": "a", "age": 1}


class Server:
    """The command in a process of its own."""

    def __init__(self, *arguments, before="", **env):
        self.script = Script(
            ["-c", before + COMMAND, "serve", *arguments], env={**os.environ, **env}
        )
        self.pid = self.script.process.pid
        (address,) = self.logged(r"at http://\S+:(\d+)")
        self.port = int(address)

    def logged(self, pattern, seconds=60):
        """The groups of the first match in the log, which may be still to come."""
        end, log = time.monotonic() + seconds, Path(self.script.files[1])
        while not (found := re.search(pattern, log.read_text() if log.exists() else "")):
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.01)
        return found.groups()

    def signal(self, number):
        os.kill(self.pid, number)

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    def end(self):
        return self.script.end(20)


@pytest.fixture
def start():
    """Starts servers; one that a test leaves is stopped."""
    servers = []

    def make(*arguments, **env):
        servers.append(Server(*arguments, "--port", "0", **env))
        return servers[-1]

    yield make
    for server in servers:
        if hasattr(server.script.process, "pid") and Path(f"/proc/{server.pid}/exe").exists():
            server.signal(signal.SIGKILL)


def ask(connection, rows=ROW):
    connection.request("POST", "/predict", json.dumps({"rows": rows}))
    response = connection.getresponse()
    return response.status, response.headers, json.loads(response.read())


class Load:
    """Clients of one connection each, which send one request after the other."""

    def __init__(self, server, clients=4):
        self.server, self.results, self.lost, self.stopped = server, [], [], False
        self.threads = [threading.Thread(target=self.work) for _ in range(clients)]
        for thread in self.threads:
            thread.start()
        self.wait_for(20)

    def wait_for(self, responses, seconds=20):
        end = time.monotonic() + seconds
        while len(self.results) < responses:
            assert time.monotonic() < end, self.lost
            time.sleep(0.005)

    def work(self):
        connection = self.server.connect()
        try:
            while not self.stopped:
                status, headers, body = ask(connection)
                self.results.append((status, headers["rechub-bundle"], body["predictions"][0]))
                if headers["connection"] == "close":
                    return
        except Exception as error:
            self.lost.append(error)

    def end(self):
        self.stopped = True
        for thread in self.threads:
            thread.join(20)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_under_load_loses_no_request_and_ends_with_0(start, bundle_folders, number):
    server = start(bundle_folders[0])
    load = Load(server)
    server.signal(number)
    done = server.end()
    load.end()
    assert (load.lost, {status for status, _, _ in load.results}) == ([], {200})
    assert done.returncode == 0, done.stderr
    assert "rechub: stopped" in done.stderr
    with pytest.raises(ConnectionRefusedError):
        server.connect().connect()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGHUP")
def test_sighup_loads_a_new_bundle_under_load(start, bundle_folders, folder):
    server = start(folder)
    load = Load(server)
    shutil.rmtree(folder)
    shutil.copytree(bundle_folders[1], folder)
    server.signal(signal.SIGHUP)
    (digest,) = server.logged(r"loaded \S+ again: (\w+)")
    load.wait_for(len(load.results) + 20)
    load.end()
    assert (load.lost, {status for status, _, _ in load.results}) == ([], {200})
    expected = [load_bundle(one).predict([ROW])[0] for one in bundle_folders[:2]]
    for _, answered_by, prediction in load.results:
        assert prediction == pytest.approx(expected[answered_by == digest], abs=1e-6)
    assert {answered_by == digest for _, answered_by, _ in load.results} == {False, True}
    server.signal(signal.SIGTERM)
    assert server.end().returncode == 0


@pytest.mark.slow
def test_the_watch_loads_a_replaced_bundle_and_the_token_comes_from_a_file(
    start, bundle_folders, folder, tmp_path
):
    (tmp_path / "token").write_text("the token of the file\n")
    server = start(folder, "--watch", "--token-file", tmp_path / "token", "--host", "0.0.0.0")
    connection = server.connect()
    assert ask(connection)[0] == 401
    shutil.rmtree(folder)
    shutil.copytree(bundle_folders[1], folder)
    (digest,) = server.logged(r"loaded \S+ again: (\w+)")
    connection.request("GET", "/health")
    assert json.loads(connection.getresponse().read())["digest"] == digest
    headers = {"authorization": "Bearer the token of the file"}
    connection.request("POST", "/predict", json.dumps({"rows": ROW}), headers)
    assert connection.getresponse().status == 200
    server.signal(signal.SIGTERM)
    done = server.end()
    assert done.returncode == 0
    assert "from other machines" not in done.stderr


def test_an_open_address_without_a_token_is_warned_of(start, bundle_folders):
    server = start(bundle_folders[0], "--host", "0.0.0.0", RECHUB_TOKEN="")
    server.logged("0.0.0.0 is reached from other machines, and requests need no token")
    connection = server.connect()
    connection.putrequest("POST", "/predict")
    connection.putheader("content-length", str(10**12))
    connection.endheaders()
    assert connection.getresponse().status == 413  # before a byte of the body
    server.signal(signal.SIGTERM)
    assert server.end().returncode == 0


@pytest.mark.slow
def test_a_computation_without_an_end_is_given_up_after_the_grace(start, bundle_folders):
    sleeps = "from torch_rechub.server.answering import Predicting; import time; "
    sleeps += "Predicting.answer = lambda self, requests: time.sleep(600); "
    server = start(bundle_folders[0], "--grace", "1", before=sleeps)
    connection = server.connect()
    connection.request("POST", "/predict", json.dumps({"rows": ROW}))
    time.sleep(0.2)
    server.signal(signal.SIGTERM)
    assert server.end().returncode == 0


def test_a_missing_bundle_and_a_wrong_limit_are_errors_of_the_command(
    bundle_folders, capsys, tmp_path
):
    assert main(["serve", str(tmp_path / "none")]) == 1
    assert "none" in capsys.readouterr().err
    assert main(["serve", str(bundle_folders[0]), "--max-k", "0"]) == 1
    assert "max_k must be at least 1, got 0" in capsys.readouterr().err


def test_a_port_in_use_is_an_error_of_the_command(bundle_folders, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["serve", str(bundle_folders[0]), "--port", port]) == 1
    assert f"127.0.0.1:{port} cannot be listened at" in capsys.readouterr().err


@pytest.mark.parametrize("library", ["fastapi", "uvicorn", "httptools"])
def test_without_its_libraries_the_command_says_how_to_install_them(
    bundle_folders, monkeypatch, library
):
    for name in ("app", "running", "one_write"):
        monkeypatch.delitem(sys.modules, f"torch_rechub.server.{name}", raising=False)
    monkeypatch.setitem(sys.modules, library, None)  # as if it were not installed
    with pytest.raises(ImportError, match=rf'needs {library}: pip install "rechub-core\[serve\]"'):
        serve(bundle_folders[0].parent / "none", Settings())  # were it found, it would be served
