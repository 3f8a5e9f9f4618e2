import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch

from torch_rechub.basic.tracking.plain import plain_metrics


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (1, 1.0),
        (True, 1.0),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3.0),
        (np.bool_(False), 0.0),
        (np.array([[0.25]]), 0.25),
        (torch.tensor(0.5), 0.5),
        (torch.tensor([0.5], requires_grad=True), 0.5),
        (torch.tensor(0.5, dtype=torch.bfloat16), 0.5),
        (Fraction(1, 4), 0.25),
        (Decimal("0.5"), 0.5),
        (10**400, math.inf),
        (-(10**400), -math.inf),
    ],
    ids=repr,
)
def test_numbers_of_any_kind_become_floats(value, number):
    plain = plain_metrics({"a": value})
    assert plain == {"a": number}
    assert type(plain["a"]) is float


def test_nan_stays_nan():
    assert math.isnan(plain_metrics({"a": float("nan")})["a"])


class Broken:
    def item(self):
        raise KeyError("no such item")


@pytest.mark.parametrize(
    "value", [None, "0.5", b"1", [1.0], torch.ones(2), np.ones(0), object(), 1j, Broken()]
)
def test_what_is_no_number_is_left_out_with_one_warning(value, caplog):
    name = f"metric of {type(value)}"
    assert plain_metrics({name: value, "b": 1}) == {"b": 1.0}
    assert plain_metrics({name: value}) == {}
    assert [record.getMessage() for record in caplog.records if name in record.getMessage()] == [
        f"The metric {name!r} is not a number ({type(value).__name__}) and was not recorded."
    ]


def test_a_dict_that_holds_itself_is_no_endless_metric():
    metrics = {"b": 1}
    metrics["again"] = metrics
    numbers = plain_metrics(metrics)
    assert set(numbers.values()) == {1.0}
    assert numbers["again/b"] == 1.0


def test_nested_names_are_joined():
    assert plain_metrics({"val": {"auc": 1, "task": {1: 2}}}) == {"val/auc": 1.0, "val/task/1": 2.0}
