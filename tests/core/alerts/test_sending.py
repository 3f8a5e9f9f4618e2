"""Sending: servers that fail in many ways, limits of the rate, and the time that it may take."""

import copy
import logging
import os
import pickle
import ssl
import subprocess
import time

import pytest

from core.alerts.loopback import answer, babble, drip, flood, raw_server, refused, server, stall
from torch_rechub.alerts import Alerts, Fallen, NotFinite, PlainJSON, RunEnded, TrackerLost
from torch_rechub.alerts import outbox as outboxes
from torch_rechub.basic.tracking import LoggerClosedError, LoggerGroup

NAN = float("nan")


def end(hook, **options):
    """Report the end of a run; return the seconds that it took."""
    start = time.monotonic()
    with Alerts(RunEnded(), hook, **options):
        pass
    return time.monotonic() - start


def test_a_server_that_works_receives_each_alert_in_order():
    with server() as (url, received):
        with Alerts([NotFinite(), RunEnded()], PlainJSON(url), rule_interval=0) as alerts:
            for step in range(4):
                alerts.log_metrics({f"m{step}": NAN}, step=step)
        texts = [body["text"] for body in received.wait(5)]
    assert [text.split(": ", 1)[-1] for text in texts[:4]] == [
        f"[torch_rechub] m{step} is not finite (step {step})" for step in range(4)
    ]
    assert "the run has finished" in texts[4]


@pytest.mark.parametrize(
    ("statuses", "requests", "lost"),
    [
        ((200,), 1, 0),
        ((500, 200), 2, 0),
        ((429, 503, 200), 3, 0),
        ((500,), 3, 1),
        ((404,), 1, 1),
        ((302,), 1, 1),
        ((307,), 1, 1),
        ((400, 200), 1, 1),
    ],
)
def test_busy_servers_are_asked_three_times_and_others_once(statuses, requests, lost, caplog):
    with (
        server() as (target, redirected),
        server(*statuses, headers=[("Location", target)]) as (url, received),
    ):
        end(PlainJSON(url))
    assert len(received.requests) == requests
    assert redirected.requests == []
    messages = [record.getMessage() for record in caplog.records]
    assert sum("messages of alerts were not sent" in message for message in messages) == lost
    assert sum("did not take an alert (HTTP" in message for message in messages) == lost


def test_the_pause_that_a_server_asks_for_is_kept_up_to_a_bound(monkeypatch):
    pauses = []
    monkeypatch.setattr(outboxes, "_PAUSES", (1.0, 4.0))
    message = outboxes.Message("text", {})
    for asked in ("2", "9999", "soon", "-5"):
        with server(429, 429, 200, headers=[("Retry-After", asked)]) as (url, _):
            assert outboxes.deliver(PlainJSON(url), message, 5.0, pauses.append) is None
    assert pauses == [2.0, 4.0, 30.0, 30.0, 1.0, 4.0, 1.0, 4.0]


@pytest.mark.parametrize("talk", [stall, drip, flood, babble], ids=lambda talk: talk.__name__)
def test_a_server_that_never_ends_is_left_after_the_time_out(talk, caplog):
    with raw_server(talk) as (url, connections):
        seconds = end(PlainJSON(url), timeout=0.3, finish_timeout=10)
    assert seconds < 8  # the server would take a minute
    assert len(connections) >= 1
    if talk is not flood:  # its status is that of success, and of its body a part is read
        assert "did not take an alert" in caplog.text


def test_finish_waits_no_longer_than_its_own_time_out(caplog):
    with raw_server(stall) as (url, _), raw_server(stall) as (other, _):
        seconds = end([PlainJSON(url), PlainJSON(other)], timeout=30, finish_timeout=0.2)
    assert seconds < 5  # 30 seconds for a request
    assert "2 messages of alerts were not sent" in caplog.text


def test_a_server_that_refuses_connections_is_reported_without_its_url(caplog):
    with refused() as url:
        end(PlainJSON(f"{url}/k3yk3yk3y"))
    assert "<PlainJSON on 127.0.0.1> did not take an alert (ConnectionRefusedError" in caplog.text
    assert "k3y" not in caplog.text


def test_one_webhook_does_not_delay_another():
    with raw_server(stall) as (slow, _), server() as (url, received):
        with Alerts(RunEnded(), [PlainJSON(slow), PlainJSON(url)], finish_timeout=1):
            pass
        assert len(received.wait(1)) == 1


def test_a_queue_has_a_bound_and_training_does_not_wait_for_it(caplog):
    with raw_server(stall) as (url, _):
        hook = PlainJSON(url)
        start = time.process_time()
        options = {"rule_interval": 0, "per_hour": 10_000, "timeout": 30, "finish_timeout": 0.05}
        with Alerts(NotFinite(), hook, **options) as alerts:
            for step in range(200):
                alerts.log_metrics({"loss": NAN if step % 2 else 0.0}, step=step)
            assert len(alerts.reported) == 100
    assert time.process_time() - start < 5
    # 64 wait, and one is on its way
    assert "100 messages of alerts were not sent" in caplog.text


def test_limits_hold_and_the_next_message_counts_what_was_not_sent(caplog):
    rules = [NotFinite(), Fallen(by=0.1, metric="val/auc"), RunEnded()]
    with server() as (url, received):
        with Alerts(rules, PlainJSON(url), rule_interval=3600) as alerts:
            for step in range(7):
                alerts.log_metrics({"loss": NAN if step % 2 else 0.0}, step=step)
            alerts.log_metrics({"val/auc": 0.5}, step=7)
            alerts.log_metrics({"val/auc": 0.1}, step=8)
        bodies = received.wait(3)
    assert [(body["rule"], body["suppressed"]) for body in bodies] == [
        ("not_finite", 0), ("fallen", 2), ("run_ended", 0),
    ]  # fmt: skip
    assert "(rate limit: 2 earlier alerts were not sent)" in bodies[1]["text"]
    assert caplog.text.count("loss is not finite") == 3  # the log has all


def test_the_limit_of_an_hour_holds_over_all_rules_and_not_for_the_end():
    with server() as (url, received):
        with Alerts(
            [NotFinite(), RunEnded()], PlainJSON(url), rule_interval=0, per_hour=3
        ) as alerts:
            for step in range(10):
                alerts.log_metrics({f"m{step}": NAN}, step=step)
        bodies = received.wait(4)
    assert [(body["rule"], body["suppressed"]) for body in bodies] == [
        ("not_finite", 0), ("not_finite", 0), ("not_finite", 0), ("run_ended", 7),
    ]  # fmt: skip


def test_https_goes_through_the_proxy_of_the_environment_and_loopback_does_not(monkeypatch):
    asked = []

    def proxy(connection):
        asked.append(connection.recv(4096))
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")
        connection.close()

    with raw_server(proxy) as (at, _), server() as (url, received):
        monkeypatch.setenv("https_proxy", at)
        monkeypatch.setenv("http_proxy", at)
        end(PlainJSON(url))
        assert len(received.requests) == 1
        assert asked == []
        end(PlainJSON("https://hooks.example.com/x"))
    assert asked[0].startswith(b"CONNECT hooks.example.com:443 HTTP/1.")


@pytest.fixture
def certified(tmp_path):
    """A TLS context for localhost, and its certificate, which nobody signed."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        capture_output=True, check=False,
    )  # fmt: skip
    if made.returncode:
        pytest.skip("openssl is not installed")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate


@pytest.mark.parametrize(
    ("trusted", "talk", "expected"),
    [
        (False, answer, "CERTIFICATE_VERIFY_FAILED"),
        (True, answer, ""),
        (True, drip, "no answer within 0.3 s"),
        (True, stall, "no answer within 0.3 s"),
    ],
)
def test_certificates_are_checked_and_encrypted_answers_have_a_time_limit(
    trusted, talk, expected, certified, monkeypatch, caplog
):
    context, certificate = certified
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    spoken = []

    def encrypted(connection):
        with context.wrap_socket(connection, server_side=True) as secure:
            spoken.append(secure)
            talk(secure)

    with raw_server(encrypted) as (url, connections):
        hook = PlainJSON(url.replace("http://127.0.0.1", "https://localhost"))
        timeout = 0.3 if talk in (drip, stall) else 30
        seconds = end(hook, timeout=timeout, finish_timeout=30)
    assert seconds < 25
    assert len(connections) == 1
    assert len(spoken) == trusted
    if expected:
        assert expected in caplog.text
    else:
        assert "did not take an alert" not in caplog.text


def test_secrets_of_an_error_and_of_the_webhook_are_in_no_message(monkeypatch, caplog):
    monkeypatch.setenv("MY_API_KEY", "0123456789abcdef")
    caplog.set_level(logging.DEBUG)
    error = ValueError(
        "GET https://me:pa55word@db/x?token=t0k3n failed with 0123456789abcdef\n"
        "at hook k3yk3yk3y \x1b[2J"
    )
    with server() as (url, received):
        alerts = Alerts([RunEnded(), TrackerLost()], PlainJSON(url), name="password=hunter2")
        alerts.log_lost("Wandb", "api_key=abcdef123")
        alerts.log_failure(error)
        alerts.finish()
        bodies = received.wait(2)
    for text in (repr(bodies), caplog.text):
        for secret in ("pa55word", "t0k3n", "0123456789", "hunter2", "abcdef123", "k3yk3yk3y"):
            assert secret not in text
        assert "\x1b" not in text
    assert "failed with <redacted>" in bodies[1]["text"]


def test_a_forked_process_and_a_pickled_copy_report_nothing():
    with server() as (url, received):
        alerts = Alerts([NotFinite(), RunEnded()], PlainJSON(url))
        alerts.log_metrics({"loss": NAN}, step=0)
        received.wait(1)
        child = os.fork()
        if child == 0:
            alerts.log_metrics({"other": NAN}, step=1)
            alerts.finish()
            os._exit(0 if alerts.closed else 1)
        assert os.waitpid(child, 0)[1] == 0
        for closed in (pickle.loads(pickle.dumps(alerts)), copy.copy(alerts)):  # noqa: S301
            closed.log_metrics({"other": NAN}, step=1)
            closed.finish()
            with pytest.raises(LoggerClosedError, match="Alerts was finished already"):
                LoggerGroup(closed).__enter__()
        alerts.finish()
        assert [body["rule"] for body in received.wait(2)] == ["not_finite", "run_ended"]


def test_after_finish_there_is_no_other_call():
    alerts = Alerts()
    alerts.finish()
    alerts.finish()
    assert [alert.form for alert in alerts.reported] == ["finished"]
    with pytest.raises(LoggerClosedError, match="create a new one"):
        alerts.log_metrics({"loss": 1.0}, step=0)


def test_only_rank_0_reports(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    with server() as (url, received), LoggerGroup([Alerts(webhooks=PlainJSON(url))]) as group:
        group.log_hyperparams({"model": "DeepFM"})
        group.log_metrics({"loss": NAN}, step=0)
    assert received.requests == []


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"language": "fr"}, ValueError, "language must be one of 'en', 'zh', got 'fr'"),
        ({"timeout": 0}, ValueError, "timeout must be above 0"),
        ({"finish_timeout": -1}, ValueError, "finish_timeout must be at least 0"),
        ({"rule_interval": None}, TypeError, "rule_interval must be a number, got None"),
        ({"per_hour": 0}, ValueError, "per_hour must be at least 1"),
        ({"name": 7}, TypeError, "name must be a text or None"),
        ({"watchdog": True}, ValueError, "watchdog=True needs a webhook"),
        ({"watchdog": True, "rules": []}, ValueError, "watchdog=True needs a rule RunEnded"),
        ({"watchdog": "yes"}, ValueError, "watchdog must be True or False"),
    ],
)
def test_wrong_options_are_refused_at_once(options, error, message):
    with pytest.raises(error, match=message):
        Alerts(**options)
