import argparse
import dataclasses
import datetime
import enum
import json
import pathlib

import numpy as np
import pytest
import torch

from torch_rechub.basic.tracking import plain
from torch_rechub.basic.tracking.plain import plain_hyperparams


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


def test_nothing_is_called_and_no_address_is_recorded():
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
    "value",
    ["x" * 3_000, list(range(500)), {str(n): n for n in range(500)}, {"deep": ["y" * 3_000]}],
    ids=["text", "list", "dict", "within"],
)
def test_what_is_cut_is_reported_once_by_name(value, caplog, monkeypatch):
    monkeypatch.setattr(plain, "_warned_of_cut", set())
    for _ in range(2):
        plain_hyperparams({"large": value, "small": 1})
    (record,) = caplog.records
    assert "hyper-parameter 'large' is too large to be recorded whole" in record.getMessage()


def test_what_is_kept_whole_is_not_reported(caplog):
    plain_hyperparams({"text": "x" * 2_000, "list": list(range(200)), "dict": {"a": {"b": [1]}}})
    assert caplog.records == []
