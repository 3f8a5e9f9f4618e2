"""The fingerprint of data in every tracker: read back equal, and what `difference` makes of it."""

from dataclasses import replace

import numpy as np
import pytest
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


def named_like_secrets(x):
    return {**x, **{name: x["item"] + number for number, name in enumerate(SECRETS)}}


BASE = Plan(split_seed=1).everywhere(named_like_secrets)
PLANS = {
    "base": BASE,
    "again": BASE,
    "value": BASE.with_x("train", lambda x: x | {"password": x["password"] + 1}),
    "type": BASE.with_x("train", lambda x: x | {"user_token": x["item"].astype(np.int32)}),
    "split": replace(BASE, split_seed=2),
    "setting": replace(BASE, settings={"optimizer_params": {"lr": 0.5, "weight_decay": 1e-5}}),
    "two columns": Plan(parts={part: ({"token": x["user"], "user": x["item"]}, y)
                               for part, (x, y) in ((p, table(3)) for p in ALL)}, users=9),
}  # fmt: skip


def names_of(run):
    return [column.name for column in data_of(run)["train"].columns]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Each plan, recorded by one training in every backend: plan to backend to run."""
    import torch

    found = {}
    for name, plan in PLANS.items():
        folder = tmp_path_factory.mktemp(name.replace(" ", "-"))
        loggers = LoggerGroup(
            [open_logger(backend, folder / backend) for backend in BACKENDS], on_error="raise"
        )
        train, val, test = plan.make_loaders()
        torch.manual_seed(0)
        trainer = CTRTrainer(
            LR([SparseFeature("user", plan.users, embed_dim=1)]), n_epoch=1, progress=False,
            model_path=folder / "models", model_logger=loggers,
            record=Recording(environment=True), **plan.settings,
        )  # fmt: skip
        trainer.fit(train, val, test_dataloader=test)
        found[name] = {backend: read_run(backend, folder / backend) for backend in BACKENDS}
    return found


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_gives_the_same_fingerprints_back(runs, backend):
    for plan in PLANS:
        expected, found = runs[plan]["jsonl"], runs[plan][backend]
        assert data_of(found) == data_of(expected)
        assert set(data_of(found)) == set(ALL)
        assert section(found.hyperparams, "data") == section(expected.hyperparams, "data")
        environment = section(expected.hyperparams, "environment")
        assert section(found.hyperparams, "environment") == environment


@pytest.mark.parametrize("backend", BACKENDS)
def test_columns_named_like_secrets_keep_their_names_and_digests(runs, backend):
    columns = data_of(runs["base"][backend])["train"].columns
    assert [c.name for c in columns] == ["user", "item", "price", "constant", *SECRETS, "y"]
    assert all(len(c.ordered or "") == 16 for c in columns)
    assert names_of(runs["two columns"][backend]) == ["token", "user", "y"]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        ("again", []),
        ("value", [("data", "password", "other values", ALL)]),
        ("type", [("data", "user_token", "type", ALL)]),
        ("split", [("split", "seed", "", ALL)]),
        ("setting", [("settings", "learning_rate", "", ())]),
    ],
)
def test_the_difference_is_named_by_what_each_backend_recorded(runs, backend, plan, expected):
    assert named(difference(runs["base"][backend], runs[plan][backend])) == expected


@pytest.mark.parametrize("backend", BACKENDS)
def test_runs_of_two_backends_are_compared(runs, backend):
    assert named(difference(runs["base"]["jsonl"], runs["again"][backend])) == []
