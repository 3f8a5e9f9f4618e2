import json
import logging
import re
import socket

import pytest

from core.ui.conftest import record, serving
from torch_rechub.ui.server import UIServer

FILES = ["/", "/main.js", "/texts.js", "/table.js", "/base.css", "/icon.svg"]


def test_the_page_and_its_files_are_served(served):
    for path in FILES:
        answer = served.ask(path)
        assert (answer.status, len(answer.body)) == (200, int(answer.headers["Content-Length"]))
    assert served.ask("/").headers["Content-Type"] == "text/html; charset=utf-8"
    assert served.ask("/main.js").headers["Content-Type"] == "text/javascript; charset=utf-8"


def test_the_page_names_no_other_host(served):
    for path in served_files():
        text = served.ask(path).body.decode().replace("http://www.w3.org/2000/svg", "")
        assert re.findall(r"https?:|//[a-z]+\.", text) == []


def served_files():
    from torch_rechub.ui.server import _pages

    return list(_pages())


def test_scripts_never_parse_markup(served):
    for path in served_files():
        text = served.ask(path).body.decode()
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", text), (
            path
        )
        if path == "/":
            assert not re.search(r"<script(?![^>]*src=)|style=|\son\w+=", text)


def test_the_browser_may_load_and_connect_to_nothing_else(served):
    policy = served.ask("/").headers["Content-Security-Policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules.pop("default-src") == "'none'"
    assert {rules[name] for name in ("base-uri", "form-action", "frame-ancestors")} == {"'none'"}
    assert {rules[f"{kind}-src"] for kind in ("script", "style", "img", "connect")} == {"'self'"}
    for path in ("/", "/api/state", "/api/nothing", "/main.js"):
        headers = served.ask(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in headers
        assert headers["Content-Security-Policy"] == policy


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1", "", "["])
def test_a_name_that_was_made_to_lead_here_is_refused(host, tmp_path):
    record(tmp_path, "secret")
    with serving(tmp_path) as served:
        for path in ("/", "/api/runs"):
            answer = served.ask(path, headers={"Host": f"{host}:{served.port}" if host else ""})
            assert answer.status == 403
            assert b"secret" not in answer.body


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"])
def test_the_names_of_this_machine_are_answered(host, served):
    assert served.ask("/", headers={"Host": f"{host}:{served.port}"}).status == 200


def test_requests_that_a_page_of_another_site_makes_are_refused(served):
    for site in ("cross-site", "same-site"):
        assert served.ask("/api/runs", headers={"Sec-Fetch-Site": site}).status == 403
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert served.ask("/", headers=link).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_it_is_read_only(method, served):
    answer = served.ask("/api/runs", method=method)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
    answer = served.ask("/", method="<b>")
    assert (answer.status, answer.headers["Content-Type"][:16]) == (501, "application/json")
    assert b"<b>" not in answer.body


def test_head_answers_without_a_body(served):
    answer = served.ask("/", method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["Content-Length"]) > 0


@pytest.mark.parametrize(
    "path",
    [
        "/../../../../etc/passwd", "/..%2f..%2fetc/passwd", "//etc/passwd", "/server.py", "/page/",
        "/index.html", "/%00", "/api", "/api/", "/api/run/", "/api/run/../../etc", "/api/run/x/y/z",
        "/api/run/0/figure/-1", "/api/run/0/figure/99999999999999999999", "/main.js/", "/.",
        "/api/run/a.run.jsonl", "/a.run.jsonl", "/api/run/%2e%2e%2fa.run.jsonl",
    ],
)  # fmt: skip
def test_no_other_path_leads_anywhere(path, tmp_path):
    (tmp_path / "a.run.jsonl").write_text("")
    with serving(tmp_path) as served:
        answer = served.ask(path)
    assert answer.status == 404
    assert json.loads(answer.body)["error"]


@pytest.mark.parametrize(
    ("path", "query", "message"),
    [
        ("runs", {"filter": "lr>x"}, "must be a number"),
        ("runs", {"offset": "-1"}, "offset must be a whole number, got '-1'"),
        ("runs", {"limit": "9" * 99}, "limit must be a whole number"),
        ("curves", {"by": "moon"}, "by must be one of run, seed, group, got 'moon'"),
        ("runs", dict.fromkeys(map(str, range(60)), "1"), "Max number of fields exceeded"),
    ],
)
def test_mistakes_in_a_question_say_what_is_wrong(path, query, message, served):
    answer = served.ask(f"/api/{path}", **query)
    assert answer.status == 400
    assert message in json.loads(answer.body)["error"]


def test_an_answer_that_the_browser_has_is_not_sent_again(served):
    tag = served.ask("/main.js").headers["ETag"]
    again = served.ask("/main.js", headers={"If-None-Match": tag})
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("en-US,en;q=0.9,zh;q=0.8", "en"), ("fr,zh;q=0.5", "zh"),
        ("", "en"), ("de", "en"), ("ZH-tw", "zh"),
    ],
)  # fmt: skip
def test_the_page_has_the_language_that_the_browser_asks_for(accepted, language, served):
    page = served.ask("/", headers={"Accept-Language": accepted}).body.decode()
    assert f'<html lang="{language}">' in page


def test_a_token_opens_the_page_and_moves_to_a_cookie(tmp_path):
    record(tmp_path, "secret")
    with serving(tmp_path, token='a "token"; of ours') as served:
        for headers in (
            {},
            {"Cookie": f"rechub_ui_{served.port}=x"},
            {"Authorization": "Bearer x"},
        ):
            for path in ("/", "/api/runs", "/main.js"):
                answer = served.ask(path, headers=headers)
                assert answer.status == 401
                assert b"secret" not in answer.body
        assert served.ask("/", token="another").status == 401
        first = served.ask("/", token='a "token"; of ours')
        assert (first.status, first.headers["Location"], first.body) == (303, "/", b"")
        cookie, *attributes = first.headers["Set-Cookie"].split("; ")
        assert {*attributes} == {"HttpOnly", "SameSite=Strict", "Path=/"}
        assert "token" not in cookie
        assert served.ask("/api/runs", headers={"Cookie": cookie}).status == 200
        bearer = {"Authorization": 'Bearer a "token"; of ours'}
        assert served.ask("/api/runs", headers=bearer).status == 200
        # whoever has the token may come by any name
        assert served.ask("/", headers={"Cookie": cookie, "Host": "gpu-7:80"}).status == 200


def test_a_client_that_goes_away_or_sends_nonsense_does_not_end_the_server(served, caplog):
    for text in (b"", b"\0\0\0", b"GET", b"GET / HTTP/9.9\r\n\r\n", b"GET /api/runs HTTP/1.1\r\n"):
        with socket.create_connection(("127.0.0.1", served.port)) as connection:
            connection.sendall(text)
    assert served.ask("/api/state").status == 200
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


def test_an_error_of_ours_is_logged_and_tells_the_client_nothing(served, caplog, monkeypatch):
    monkeypatch.setattr(served.live, "asked", lambda: 1 / 0)
    answer = served.ask("/api/state")
    assert (answer.status, json.loads(answer.body)) == (500, {"error": "see the log of the server"})
    assert "ZeroDivisionError" in caplog.text


def test_a_port_that_is_in_use_is_an_error(served):
    with pytest.raises(OSError):
        UIServer(None, "127.0.0.1", served.port, None)
