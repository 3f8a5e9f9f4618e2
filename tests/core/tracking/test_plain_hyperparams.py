import argparse
import dataclasses
import datetime
import enum
import json
import pathlib

import numpy as np
import pytest
import torch

from torch_rechub.basic.tracking.plain import is_secret_name, plain_hyperparams


class Loss(enum.Enum):
    BCE = "bce"


@dataclasses.dataclass
class Config:
    dim: int = 8
    loss: Loss = Loss.BCE


class Opaque:
    pass


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (None, None),
        (True, True),
        (3, 3),
        (0.5, 0.5),
        ("text", "text"),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (torch.tensor(0.5), 0.5),
        (torch.zeros(2, 3), "Tensor(shape=(2, 3), dtype=torch.float32)"),
        (np.zeros(4), "ndarray(shape=(4,), dtype=float64)"),
        ((1, [2]), [1, [2]]),
        ({"b", "a"}, ["a", "b"]),
        ({1: {"a": None}}, {"1": {"a": None}}),
        (Loss.BCE, "bce"),
        (Config(), {"dim": 8, "loss": "bce"}),
        (argparse.Namespace(lr=0.1), {"lr": 0.1}),
        (pathlib.PurePosixPath("a/b"), "a/b"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (torch.optim.Adam, "Adam"),
        (Opaque(), "Opaque"),
        (b"bytes", "bytes"),
    ],
)
def test_values_become_plain_data(value, plain):
    result = plain_hyperparams({"a": value})
    assert result == {"a": plain}
    assert json.loads(json.dumps(result)) == result


def test_nothing_is_called_and_no_address_is_told():
    def explode():
        raise AssertionError("called")

    plain = plain_hyperparams({"f": explode, "g": lambda: explode(), "o": Opaque()})
    assert plain["f"].endswith("explode")
    assert "0x" not in json.dumps(plain)


def test_cycles_depth_length_and_text_are_capped():
    loop = {"a": 1}
    loop["self"] = loop
    assert plain_hyperparams({"loop": loop}) == {"loop": {"a": 1, "self": "..."}}
    deep = []
    for _ in range(50):
        deep = [deep]
    assert "..." in json.dumps(plain_hyperparams({"deep": deep}))
    many = plain_hyperparams({"list": list(range(10_000)), "text": "x" * 10_000_000})
    assert len(many["list"]) == 201
    assert many["list"][-1] == "... 9800 more"
    assert len(many["text"]) < 3_000


@pytest.mark.parametrize(
    "name", ["password", "apiKey", "WANDB_API_KEY", "db-password", "clientSecret", "hf_token"]
)
def test_secrets_are_known_by_their_names(name):
    assert is_secret_name(name)
    assert plain_hyperparams({"a": {name: "s3cret"}}) == {"a": {name: "<redacted>"}}


@pytest.mark.parametrize("name", ["num_tokens", "token_dim", "use_cls_token", "key", "tokenizer"])
def test_what_only_sounds_like_a_secret_is_recorded(name):
    assert plain_hyperparams({name: "value"}) == {name: "value"}


def test_secrets_are_known_by_their_values_too(monkeypatch):
    monkeypatch.setenv("SWANLAB_API_KEY", "k-1234567890")
    plain = plain_hyperparams({"cmd": "train --login k-1234567890", "k-1234567890": [1]})
    assert "1234567890" not in json.dumps(plain)


def test_credentials_in_urls_are_removed():
    plain = plain_hyperparams({"remote": "https://user:pw@host/repo", "mail": "a@b.c"})
    assert plain == {"remote": "https://<redacted>@host/repo", "mail": "a@b.c"}


def test_the_users_dict_is_not_changed():
    params = {"api_key": "s3cret", "nested": {"password": "s3cret"}}
    plain_hyperparams(params)
    assert params == {"api_key": "s3cret", "nested": {"password": "s3cret"}}
