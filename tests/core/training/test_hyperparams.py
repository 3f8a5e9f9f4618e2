"""The settings recorded of a training run: all that decide its result."""

import platform
from importlib.metadata import version
from inspect import signature

import torch

from torch_rechub.basic.features import SparseFeature
from torch_rechub.basic.tracking.plain import plain_hyperparams
from torch_rechub.models.ranking import LR
from torch_rechub.trainers import CTRTrainer
from torch_rechub.training.settings import TrainerOptions

FIELDS = [SparseFeature("user", 10, embed_dim=1), SparseFeature("item", 7, embed_dim=1)]


def recorded(tmp_path, **settings):
    torch.manual_seed(11)
    trainer = CTRTrainer(LR(FIELDS), model_path=tmp_path, **settings)
    return plain_hyperparams(trainer.hyperparams())


def test_the_model_and_how_it_is_trained(tmp_path):
    found = recorded(
        tmp_path,
        optimizer_fn=torch.optim.Adam,
        optimizer_params={"lr": 0.01, "betas": (0.8, 0.9)},
        scheduler_fn=torch.optim.lr_scheduler.StepLR,
        scheduler_params={"step_size": 2, "gamma": 0.5},
        regularization_params={"embedding_l2": 0.1},
        n_epoch=3,
        earlystop_patience=4,
        accumulate=2,
        max_grad_norm=1.5,
        embedding_update="dense",
    )
    given = {
        "model": "LR",
        "n_parameters": 10 + 7 + 1,  # a weight for each id, and the bias
        "trainer": "CTRTrainer",
        "n_epoch": 3,
        "learning_rate": 0.01,
        "optimizer": "Adam",
        "regularization_params": {"embedding_l2": 0.1},
        "scheduler": "StepLR",
        "scheduler_params": {"step_size": 2, "gamma": 0.5},
        "earlystop_patience": 4,
        "accumulate": 2,
        "max_grad_norm": 1.5,
        "embedding_update": "dense",
        "torch_seed": 11,
    }
    assert {name: found.get(name) for name in given} == given
    assert found["optimizer_params"]["betas"] == [0.8, 0.9]
    assert found["versions"]["torch"] == version("torch")
    assert found["versions"]["python"] == platform.python_version()


# what changes no result, or is a class that is recorded by its name
UNRECORDED = {
    "callbacks",
    "checkpoint_steps",
    "prefetch",
    "progress",
    "record",
    "model_path",
    "model_logger",
}
BY_NAME = {"optimizer_fn": "optimizer", "scheduler_fn": "scheduler"}


def test_every_argument_that_decides_the_result_is_recorded(tmp_path):
    arguments = {*signature(CTRTrainer).parameters, *TrainerOptions.__annotations__}
    decide = arguments - UNRECORDED - {"options"}
    assert {BY_NAME.get(name, name) for name in decide} - set(recorded(tmp_path)) == set()


def test_nothing_is_recorded_twice_or_of_how_torch_computes(tmp_path):
    found = recorded(
        tmp_path, scheduler_fn=torch.optim.lr_scheduler.StepLR, scheduler_params={"step_size": 1}
    )
    assert not {"lr", "initial_lr", "weight_decay", "fused", "params"} & set(
        found["optimizer_params"]
    )
