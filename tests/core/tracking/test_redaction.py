"""Which texts and names hold a secret; `secret_examples` has more than 200 of each kind."""

import argparse
import copy
import json
import logging
import time
from collections import namedtuple

import pytest

from core.tracking.secret_examples import (
    HARMLESS_NAMES,
    HARMLESS_TEXTS,
    LONG,
    SECRET_NAMES,
    SECRET_TEXTS,
    S,
)
from torch_rechub.basic.tracking import BaseLogger, LoggerGroup
from torch_rechub.basic.tracking.plain import plain_hyperparams
from torch_rechub.basic.tracking.redaction import redact

R = "<redacted>"


def test_there_are_two_hundred_examples_of_each_kind():
    assert len({*SECRET_NAMES, *(text for text, _ in SECRET_TEXTS)}) >= 300
    assert len({*HARMLESS_NAMES, *HARMLESS_TEXTS}) >= 400


def kept(text):
    """The secrets of `secret_examples` that are left in a text."""
    return [part for part in (S[:10], S[-10:], LONG.upper()[:16], "wJ4/") if part in text]


def test_a_text_of_a_secret_name_is_redacted():
    for name in SECRET_NAMES:
        assert plain_hyperparams({"a": {name: "hidden"}}) == {"a": {name: R}}
        assert not kept(str(plain_hyperparams({name: ["first", S]}))), name
        for nothing in (None, True, ""):
            assert plain_hyperparams({name: nothing}) == {name: nothing}


def test_a_value_of_a_harmless_name_is_recorded():
    for value in ("value", "x7f3q9ab21", 512, 0.5, True, [1, "two"], {"a": "b"}):
        for name in HARMLESS_NAMES:
            assert plain_hyperparams({name: value}) == {name: value}


def test_a_secret_in_a_text_is_redacted_and_the_rest_stays():
    for text, rest in SECRET_TEXTS:
        safe = redact(text)
        assert R in safe, text
        assert not kept(safe), text
        assert [part for part in rest if part not in safe] == [], safe
        assert redact(safe) == safe


def test_a_text_without_secrets_stays():
    assert [text for text in HARMLESS_TEXTS if redact(text) != text] == []


def test_a_number_is_a_secret_where_the_name_leaves_no_doubt():
    assert plain_hyperparams({"password": 73733737, "pin": 1234}) == {"password": R, "pin": R}
    assert plain_hyperparams({"token": 5, "tokens": 9}) == {"token": 5, "tokens": 9}


@pytest.mark.parametrize("name", ["key", "model_key", "token_prefix", "password_len", "tokens"])
def test_where_the_name_is_in_doubt_the_value_decides(name):
    assert plain_hyperparams({name: S}) == {name: R}
    for value in ("user_id", "<s>", "item_2", 7, "https://host/oauth2/x1y2"):
        assert plain_hyperparams({name: value}) == {name: value}


def test_secrets_in_rows_records_and_objects_are_known_by_what_is_before_them():
    login = namedtuple("login", "user password")
    params = {
        "argv": ["fit.py", "--api-key", S, f"--password={S}", "-u", f"me:{S}", "--lr", "0.1"],
        "pairs": [["api_key", S], ["lr", 0.1], ("token", "item")],
        "environment": [{"name": "API_KEY", "value": S}, {"name": "LR", "value": "0.1"}],
        "login": login("me", S),
        "nested": argparse.Namespace(deep=[{"passwords": {"db": S}}]),
    }
    before = copy.deepcopy(params)
    assert plain_hyperparams(params) == {
        "argv": ["fit.py", "--api-key", R, f"--password={R}", "-u", f"me:{R}", "--lr", "0.1"],
        "pairs": [["api_key", R], ["lr", 0.1], ["token", "item"]],
        "environment": [{"name": "API_KEY", "value": R}, {"name": "LR", "value": "0.1"}],
        "login": ["me", R],
        "nested": {"deep": [{"passwords": R}]},
    }
    assert params == before


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        *((name, S) for name in ("DB_PASS", "HF_TOKEN_2", "GITHUB_PAT", "CREDENTIALS", "KEYFILE")),
        ("SLACK_WEBHOOK", f"https://host/{S}"),
        ("API_KEYS", f"first,{S}"),
        ("DATABASE_URL", f"postgres://me:{S}@host/db"),
    ],
)
def test_the_secrets_of_the_environment_are_redacted_wherever_they_occur(
    monkeypatch, variable, value
):
    monkeypatch.setenv(variable, value)
    params = {f"in {S}": [f"run/{S}/x", {f"a{S}b"}]}
    assert plain_hyperparams(params) == {f"in {R}": [f"run/{R}/x", [f"a{R}b"]]}


def test_a_secret_of_the_environment_is_found_as_json_and_urls_write_it(monkeypatch):
    secret = f'{S}"/ü@'
    monkeypatch.setenv("DB_PASS", secret)
    for text in (json.dumps(secret), f"{S}%22%2F%C3%BC%40"):
        assert S not in redact(text)


def test_other_variables_of_the_environment_are_recorded(monkeypatch):
    for name, value in {
        "PWD": "/home/me/project",
        "GOOGLE_APPLICATION_CREDENTIALS": "/home/me/credentials.json",
        "TOKENIZERS_PARALLELISM": "something",
        "SORT_KEY": "created_at",
        "MAX_TOKENS": "10000000",
        "SHORT_TOKEN": "abc",
    }.items():
        monkeypatch.setenv(name, value)
        assert redact(f"x {value} y") == f"x {value} y"


def test_a_secret_at_the_place_where_a_text_is_cut_leaves_no_part():
    for length in range(1_980, 2_010):
        plain = plain_hyperparams({"a": "x" * length + f" https://u:{S}@host " + "y" * 9_000})["a"]
        assert "Fak3" not in plain
        assert plain.endswith(" characters)")


def test_plain_data_stays_as_it_is():
    params = {"text": "x" * 5_000, "list": list(range(500)), "password": "x", "url": "s://a:b@c"}
    plain = plain_hyperparams(params | {"deep": {str(n): n for n in range(500)}})
    assert plain_hyperparams(plain) == plain


N = 100_000
REPEATED = (
    "<password>", "token is ", 'password="', "password=[", "password: x y ", "https://a:", "x://y:z@",
    "a:b@", "sk-", "eyJ", "-----BEGIN PRIVATE KEY", "AKIA0", "Basic ", "'a',", "--token ", "key=a;",
)  # fmt: skip
ADVERSARIAL = [
    *(text * (N // len(text)) for text in REPEATED),
    "password=" + ")" * N + "x",
    "token=a," + "b" * N,
    "x=" + "\\" * N + '"',
    "http://a:b@" + "?" * N,
]


@pytest.mark.parametrize("text", ADVERSARIAL, ids=lambda text: text[:12])
def test_time_grows_with_the_length_of_a_text_and_no_faster(text):
    started = time.process_time()
    redact(text)
    assert time.process_time() - started < 2  # a tenth; a quadratic pattern takes tens of seconds


def test_loggers_that_are_not_ours_receive_plain_hyperparams_without_secrets():
    class Kept(BaseLogger):
        def log_hyperparams(self, params):
            self.params = params

    logger = Kept()
    given = {"api_key": S, "betas": (0.9, 0.999)}
    with LoggerGroup([logger]) as group:
        group.log_hyperparams(given)
    assert logger.params == {"api_key": R, "betas": [0.9, 0.999]}
    assert given == {"api_key": S, "betas": (0.9, 0.999)}


def test_messages_of_the_library_hold_no_secret(caplog):
    class Broken(BaseLogger):
        def log_metrics(self, metrics, step=None):
            raise OSError(f"no answer from https://me:{S}@host")

    with LoggerGroup([Broken()]) as group:
        group.log_metrics({"a": 1.0}, step=0)
    for name in ("", ".runs", ".data", ".tracking"):
        logging.getLogger(f"torch_rechub{name}").warning("token=%s of %d", S, 3)
    messages = [record.getMessage() for record in caplog.records]
    assert messages[0].startswith("Broken failed in log_metrics (OSError('no answer from https://<")
    assert messages[-4:] == [f"token={R} of 3"] * 4
    assert S not in caplog.text
