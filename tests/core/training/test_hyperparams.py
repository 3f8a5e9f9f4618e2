"""What is recorded of a training's settings, by itself: all that decides its result."""

import platform
from importlib.metadata import version

import torch

from torch_rechub.basic.features import SparseFeature
from torch_rechub.basic.tracking.plain import plain_hyperparams
from torch_rechub.models.ranking import LR
from torch_rechub.trainers import CTRTrainer

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
    n_parameters = sum(p.numel() for p in LR(FIELDS).parameters())
    expected = {
        "model": "LR",
        "n_parameters": n_parameters,
        "trainer": "CTRTrainer",
        "n_epoch": 3,
        "learning_rate": 0.01,
        "optimizer": "Adam",
        "weight_decay": 0.0,
        "regularization_params": {"embedding_l2": 0.1},
        "scheduler": "StepLR",
        "scheduler_params": {"step_size": 2, "gamma": 0.5},
        "earlystop_patience": 4,
        "metrics": ["auc"],
        "monitor": "val/auc",
        "monitor_direction": "max",
        "min_delta": 0.0,
        "group_column": None,
        "device": "cpu",
        "gpus": None,
        "loss_mode": True,
        "accumulate": 2,
        "max_grad_norm": 1.5,
        "mixed_precision": None,
        "on_nan": "warn",
        "compile": False,
        "embedding_update": "dense",
        "eval_batch_size": None,
        "scheduler_step": "epoch",
        "torch_seed": 11,
        "versions": {
            "python": platform.python_version(),
            "rechub-core": version("rechub-core"),
            "torch": version("torch"),
            "numpy": version("numpy"),
        },
    }
    others = found.pop("optimizer_params")
    assert found == expected
    assert (others["betas"], others["eps"]) == ([0.8, 0.9], 1e-8)


def test_nothing_is_recorded_twice_or_of_how_torch_computes(tmp_path):
    found = recorded(
        tmp_path, scheduler_fn=torch.optim.lr_scheduler.StepLR, scheduler_params={"step_size": 1}
    )
    assert not {"lr", "initial_lr", "weight_decay", "fused", "params"} & set(
        found["optimizer_params"]
    )
