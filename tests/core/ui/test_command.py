"""`rechub ui` as a process."""

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from core.ui.conftest import record
from torch_rechub.cli import main


@contextmanager
def running(*arguments, **environment):
    """`rechub ui`, and the address that it prints."""
    code = "import sys; from torch_rechub.cli import main; code = main(['ui', *sys.argv[1:]])\n"
    code += "print(code, {'torch', 'numpy', 'pandas'} & set(sys.modules))"
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments, "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    ) as child:
        try:
            line = child.stdout.readline()
            yield child, re.search(r"http://\S+", line)[0]
        finally:
            child.kill()


@pytest.mark.skipif(os.name == "nt", reason="sends a signal of Unix")
def test_it_serves_until_ctrl_c_and_imports_neither_torch_nor_numpy(tmp_path):
    record(tmp_path, "a")
    with running(str(tmp_path)) as (child, url):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", url)
        with urlopen(url, timeout=20) as page:
            assert b"<title>Runs</title>" in page.read()
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=20)
    assert out == "stopped\n0 set()\n"
    assert err == ""


def test_another_address_needs_a_token_and_is_warned_of(tmp_path):
    with running(str(tmp_path), "--host", "0.0.0.0", RECHUB_TOKEN="") as (child, url):
        port = re.search(r":(\d+)/\?token=[\w-]{32}$", url)[1]
        with pytest.raises(HTTPError, match="401"):
            urlopen(f"http://127.0.0.1:{port}/", timeout=20)
        child.kill()
        assert "other machines can reach this page" in child.stderr.read()


def test_a_token_of_the_environment_or_of_a_file_is_needed_here_too(tmp_path):
    with running(str(tmp_path), RECHUB_TOKEN="from the environment") as (_, url):
        assert url.endswith("/?token=from%20the%20environment")
    (tmp_path / "token").write_text("from-a-file\n")
    with running(str(tmp_path), "--token-file", str(tmp_path / "token")) as (_, url):
        assert url.endswith("/?token=from-a-file")


def refused(capsys, *arguments):
    assert main(["ui", *arguments]) == 1
    return capsys.readouterr().err


def test_it_refuses_what_it_cannot_serve_and_says_why(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("RECHUB_TOKEN", raising=False)
    folder = str(tmp_path)
    assert "no file or folder" in refused(capsys, f"{folder}/nothing")
    assert "--port must be in [0, 65535], got 70000" in refused(capsys, folder, "--port", "70000")
    (tmp_path / "short").write_text("short")
    short = refused(capsys, folder, "--token-file", f"{folder}/short")
    assert "the token must have at least 8 characters" in short
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        message = refused(capsys, folder, "--port", port)
    assert f"cannot listen at 127.0.0.1:{port}: " in message
    assert "or 0 for a free one" in message
