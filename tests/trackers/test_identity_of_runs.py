"""The fingerprint of data in every tracker: read back equal, and what `difference` makes of it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from backends import BACKENDS, open_logger, read_run

from core.runs.planted import Plan, named, table
from torch_rechub.basic.features import SparseFeature
from torch_rechub.basic.tracking import LoggerGroup
from torch_rechub.models.ranking import LR
from torch_rechub.runs import difference
from torch_rechub.runs.identity import data_of, section
from torch_rechub.trainers import CTRTrainer, Recording

SECRETS = ("user_token", "password", "api_key", "密码", "google-auth", "a b\nc\x1b[31m<b>")
ALL = ("train", "val", "test")
VALUE = ("data", "password", "other values", ALL)


def named_like_secrets(x):
    return {**x, **{name: x["item"] + number for number, name in enumerate(SECRETS)}}


BASE = Plan(split_seed=1).everywhere(named_like_secrets)
PLANS = {
    "base": BASE,
    "again": BASE,
    "value": BASE.with_x("train", lambda x: x | {"password": x["password"] + 1}),
    "type": BASE.with_x("train", lambda x: x | {"user_token": x["item"].astype(np.int32)}),
    "split": replace(BASE, split_seed=2),
    "value and split": replace(
        BASE.with_x("train", lambda x: x | {"password": x["password"] + 1}), split_seed=2
    ),
    "setting": replace(BASE, settings={"optimizer_params": {"lr": 0.5, "weight_decay": 1e-5}}),
    "two columns": Plan(parts={part: ({"token": x["user"], "user": x["item"]}, y)
                               for part, (x, y) in ((p, table(3)) for p in ALL)}, users=9),
}  # fmt: skip


def names_of(run):
    return [column.name for column in data_of(run)["train"].columns]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Records a plan by one training run in every backend, once; returns its run of a backend."""
    found = {}

    def run_of(plan, backend):
        if plan not in found:
            folder = tmp_path_factory.mktemp(plan.replace(" ", "-"))
            found[plan] = record(PLANS[plan], folder)
        return found[plan][backend]

    return run_of


def record(plan, folder):
    folders = {backend: folder / backend for backend in BACKENDS}
    opened = [open_logger(backend, path) for backend, path in folders.items()]
    train, val, test = plan.make_loaders()
    torch.manual_seed(0)
    trainer = CTRTrainer(
        LR([SparseFeature("user", plan.users, embed_dim=1)]), n_epoch=1, progress=False,
        model_path=folder / "models", model_logger=LoggerGroup(opened, on_error="raise"),
        record=Recording(environment=True), **plan.settings,
    )  # fmt: skip
    trainer.fit(train, val, test_dataloader=test)
    return {backend: read_run(backend, path) for backend, path in folders.items()}


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_gives_the_same_fingerprints_back(recorded, backend):
    expected, found = recorded("base", "jsonl"), recorded("base", backend)
    assert data_of(found) == data_of(expected)
    assert set(data_of(found)) == set(ALL)
    for name in ("data", "environment"):
        assert section(found.hyperparams, name) == section(expected.hyperparams, name)


@pytest.mark.parametrize("backend", BACKENDS)
def test_columns_named_like_secrets_keep_their_names_and_digests(recorded, backend):
    columns = data_of(recorded("base", backend))["train"].columns
    assert [c.name for c in columns] == ["user", "item", "price", "constant", *SECRETS, "y"]
    assert all(len(c.ordered or "") == 16 for c in columns)
    assert names_of(recorded("two columns", backend)) == ["token", "user", "y"]


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (
            "value and split",
            [("data", "password", "other values", ALL), ("split", "seed", "", ALL)],
        ),
        slow("again", []),
        slow("value", [VALUE]),
        slow("type", [("data", "user_token", "type", ALL)]),
        slow("split", [("split", "seed", "", ALL)]),
        slow("setting", [("settings", "learning_rate", "", ())]),
    ],
)
def test_the_difference_is_named_by_what_each_backend_recorded(recorded, backend, plan, expected):
    found = named(difference(recorded("base", backend), recorded(plan, backend)))
    assert set(expected) <= set(found)
    assert plan == "value and split" or found == expected  # other rows have other values, too
    assert named(difference(recorded("base", "jsonl"), recorded("base", backend))) == []
