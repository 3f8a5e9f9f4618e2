"""The messages of each service, by its documentation, and what is in no text."""

import base64
import copy
import hashlib
import hmac
import pickle
from urllib.parse import parse_qs, urlsplit

import pytest

from core.alerts.loopback import server
from torch_rechub.alerts import Alerts, DingTalk, Feishu, PlainJSON, RunEnded, Slack, Webhook, WeCom
from torch_rechub.alerts.http import Answer

KINDS = [Feishu, DingTalk, WeCom, Slack, PlainJSON]
URL = "https://hooks.example.com/services/T0AAAA/B0BBBB/abcdEFGH1234ijkl?access_token=0a1b2c3d4e5f"


def send(hook, name='ctr <at user_id="all"> & 精排'):
    with Alerts(RunEnded(), hook, name=name):
        pass


def hmac_of(key, text):
    return base64.b64encode(hmac.new(key.encode(), text.encode(), hashlib.sha256).digest())


def test_feishu_receives_a_text_and_a_signature():
    with server(body=b'{"code": 0, "msg": "success"}') as (url, received):
        send(Feishu(url, secret="a-secret"))
        (body,) = received.wait(1)
    assert body["msg_type"] == "text"
    assert body["content"]["text"] == (
        '[torch_rechub] ctr ＜at user_id="all"> & 精排: the run has finished'
    )
    key = f"{body['timestamp']}\na-secret"
    assert body["sign"].encode() == hmac_of(key, "")
    assert len(body["timestamp"]) == 10


def test_dingtalk_receives_a_text_and_a_signature_in_the_url():
    with server(body=b'{"errcode": 0, "errmsg": "ok"}') as (url, received):
        send(DingTalk(url, secret="SECa-secret"))
        (body,) = received.wait(1)
        ((path, headers, _),) = received.requests
    assert body == {
        "msgtype": "text",
        "text": {"content": '[torch_rechub] ctr <at user_id="all"> & 精排: the run has finished'},
        "at": {"isAtAll": False},
    }
    query = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
    assert query["key"] == "s3cr3ts3cr3t"
    assert len(query["timestamp"]) == 13
    assert query["sign"].encode() == hmac_of("SECa-secret", f"{query['timestamp']}\nSECa-secret")
    assert headers["Content-Type"] == "application/json; charset=utf-8"


def test_wecom_receives_at_most_2048_bytes():
    with server(body=b'{"errcode": 0}') as (url, received):
        send(WeCom(url), "长" * 2000 + "<@all>")
        (body,) = received.wait(1)
    text = body["text"]["content"]
    assert 2040 < len(text.encode()) <= 2048
    assert text.endswith("长…")
    assert WeCom(url).payload("<@all>", {})["text"]["content"] == "＜@all>"


def test_slack_receives_a_text_without_mentions():
    with server() as (url, received):
        send(Slack(url), "<!channel> & co")
        (body,) = received.wait(1)
    assert body["text"] == "[torch_rechub] &lt;!channel&gt; &amp; co: the run has finished"
    assert body["mrkdwn"] is False


def test_plain_json_holds_the_values():
    with server() as (url, received):
        alerts = Alerts(RunEnded(), PlainJSON(url), name="ctr", language="zh")
        alerts.log_hyperparams({"monitor": "val/auc", "monitor_direction": "max"})
        alerts.log_metrics({"val/auc": 0.75}, step=2)
        alerts.log_failure(ValueError("loss is nan"))
        alerts.finish()
        (body,) = received.wait(1)
    assert body["text"].startswith("[torch_rechub] ctr: 运行失败，用时 ")
    assert body["text"].endswith("：ValueError: loss is nan")
    assert (body["run"], body["rule"], body["status"]) == ("ctr", "run_ended", "failed")
    data = body["data"]
    assert (data["metric"], data["best"], data["best_step"]) == ("val/auc", 0.75, 2)
    assert data["error"] == "ValueError: loss is nan"
    assert body["time"].endswith("+00:00")


@pytest.mark.parametrize(
    ("hook", "status", "body", "again"),
    [
        (Feishu, 200, b'{"code": 19021, "msg": "sign match fail"}', False),
        (Feishu, 200, b'{"code": 11232, "msg": "frequency limited"}', True),
        (Feishu, 400, b'{"code": 9499, "msg": "too many request"}', True),
        (DingTalk, 200, b'{"errcode": 310000, "errmsg": "keywords not in content"}', False),
        (DingTalk, 200, b'{"errcode": 130101, "errmsg": "send too fast"}', True),
        (WeCom, 200, b'{"errcode": 45009, "errmsg": "api freq out of limit"}', True),
        (WeCom, 200, b'{"errcode": 93000, "errmsg": "invalid webhook url"}', False),
        (WeCom, 200, b"<html>log in</html>", False),
        (Feishu, 200, b"[" * 100_000, False),
        (Slack, 403, b"invalid_token", False),
        (Slack, 429, b"rate_limited", True),
        (PlainJSON, 503, b"", True),
        (PlainJSON, 302, b"", False),
    ],
)
def test_an_answer_of_a_service_is_understood(hook, status, body, again):
    refusal = hook(URL).refusal(Answer(status, body))
    assert refusal is not None
    assert refusal.again is again


@pytest.mark.parametrize(
    ("hook", "status", "body"),
    [
        (Feishu, 200, b'{"code": 0, "msg": "success", "StatusCode": 0}'),
        (DingTalk, 200, b'{"errcode": 0, "errmsg": "ok"}'),
        (WeCom, 200, b'{"errcode": 0, "errmsg": "ok"}'),
        (Slack, 200, b"ok"),
        (PlainJSON, 204, b""),
    ],
)
def test_success_is_understood(hook, status, body):
    assert hook(URL).refusal(Answer(status, body)) is None


@pytest.mark.parametrize("kind", KINDS)
def test_the_url_is_in_no_text_and_no_pickle(kind):
    hook = kind(URL)
    alerts = Alerts(webhooks=hook)
    for text in (repr(hook), str(hook), repr(alerts), repr([hook])):
        assert "abcd" not in text
        assert "0a1b" not in text
    pickled = pickle.dumps([hook, alerts])
    assert b"abcd" not in pickled
    assert b"0a1b" not in pickled
    restored, closed = pickle.loads(pickled)  # noqa: S301
    assert closed.closed
    with pytest.raises(ValueError, match="pickled copy has no URL"):
        _ = restored.url
    with pytest.raises(ValueError, match="is a pickled copy without its URL"):
        Alerts(webhooks=restored)
    assert copy.deepcopy(hook) is hook


def test_keys_are_removed_from_texts_and_words_of_the_url_are_kept():
    hook = Feishu(URL, secret="sign-me-please")
    text = f"services {URL} at abcdEFGH1234ijkl with 0a1b2c3d4e5f and sign-me-please"
    assert hook.scrub(text) == ("services <redacted> at <redacted> with <redacted> and <redacted>")


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        ("http://hooks.example.com/x", ValueError, "must begin with https://.* hooks.example.com"),
        ("ftp://127.0.0.1/x", ValueError, "must begin with https://"),
        ("hooks.example.com/x", ValueError, "must begin with https://"),
        ("https:///x", ValueError, "must begin with https://"),
        ("https://me:s3cret@hooks.example.com/x", ValueError, "must not hold a user name"),
        ("https://hooks.example.com:99999/x", ValueError, "no URL"),
        ("https://[::1/x", ValueError, "no URL"),
        ("https://hooks.example.com/a b", ValueError, "a space"),
        ("https://hooks.example.com/a\r\nX: y", ValueError, "a control"),
        ("https://钩子.example.com/", ValueError, "non-ASCII"),
        (b"https://hooks.example.com/x", TypeError, "url must be a text, got a bytes"),
        (None, TypeError, "url must be a text"),
    ],
)
def test_a_wrong_url_is_refused_without_being_shown(url, error, message):
    with pytest.raises(error, match=f"Slack: url .*{message}|Slack: {message}") as raised:
        Slack(url)
    assert "/x" not in str(raised.value)
    assert "s3cret" not in str(raised.value)


def test_http_is_accepted_on_this_machine_and_where_it_is_allowed():
    for host in ("localhost", "127.0.0.1", "127.9.9.9", "[::1]"):
        assert Slack(f"http://{host}:8080/x").local
    assert not Slack("http://hooks.example.com/x", allow_http=True).local


@pytest.mark.parametrize("kind", [Feishu, DingTalk])
def test_a_secret_is_a_text(kind):
    with pytest.raises(ValueError, match="secret is empty"):
        kind(URL, "")
    with pytest.raises(TypeError, match="secret must be a text or None, got a int"):
        kind(URL, 7)


def test_webhooks_are_webhooks():
    with pytest.raises(TypeError, match=r"webhooks must be Feishu, .* got a str"):
        Alerts(webhooks=URL)
    with pytest.raises(TypeError, match=r"webhooks must be Feishu, .* got a int"):
        Alerts(webhooks=7)
    with pytest.raises(NotImplementedError):
        Webhook(URL).payload("", {})
