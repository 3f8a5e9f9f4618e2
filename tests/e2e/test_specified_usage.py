"""How the tracking specification says loggers are used: each of its snippets, run offline.

Where a snippet leaves out the model and the loaders, they are those of the fixture; where it trains
on a GPU, it trains on the CPU here.
"""

import inspect
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from readers import swanlab_run, tensorboard_run, wandb_run

from torch_rechub.basic.features import SparseFeature
from torch_rechub.basic.tracking import (
    BaseLogger,
    LoggerClosedError,
    SwanLabLogger,
    TensorBoardXLogger,
    WandbLogger,
)
from torch_rechub.data.synthetic import synthetic_clicks
from torch_rechub.models.ranking import DeepFM
from torch_rechub.trainers import CTRTrainer
from torch_rechub.utils.data import DataGenerator
from warm_python import run_script

RECORDED = {"train/loss", "learning_rate", "val/auc"}


def new_model() -> DeepFM:
    fields = [SparseFeature(name, 30, embed_dim=4) for name in ("C1", "C2")]
    return DeepFM(fields, fields, {"dims": [8]})


@pytest.fixture
def given(monkeypatch) -> dict[str, Any]:
    """The names that the snippets take for granted."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    torch.manual_seed(0)
    data = synthetic_clicks(n_rows=600, vocab_sizes=[30, 30], n_dense=0, seed=0)
    train_dl, val_dl, test_dl = DataGenerator(data.x, data.y).generate_dataloader(
        split_ratio=[0.6, 0.2], batch_size=128
    )
    return {"model": new_model(), "train_dl": train_dl, "val_dl": val_dl, "test_dl": test_dl}


def run(code: str, names: dict[str, Any]) -> dict[str, Any]:
    exec(compile(inspect.cleandoc(code), "<snippet>", "exec"), names)
    return names


def the_only(pattern: str) -> Path:
    (path,) = Path().glob(pattern)
    return path


def test_quick_use(given):
    run(
        """
        from torch_rechub.trainers import CTRTrainer
        from torch_rechub.basic.tracking import WandbLogger

        logger = WandbLogger(project="my-ctr", name="exp1")

        trainer = CTRTrainer(
            model,
            optimizer_params={"lr": 1e-3},
            n_epoch=10,
            model_logger=logger,
        )

        trainer.fit(train_dl, val_dl)
        """,
        given,
    )
    recorded = wandb_run(the_only("wandb/offline-run-*"))
    assert recorded.metrics.keys() == RECORDED
    assert [step for step, _ in recorded.metrics["val/auc"]] == list(range(10))
    assert recorded.hyperparams["n_epoch"] == 10
    assert recorded.hyperparams["learning_rate"] == 1e-3
    assert recorded.hyperparams["loss_mode"] is True
    assert Path("model.pth").is_file()


def test_several_loggers_at_once(given):
    run(
        """
        from torch_rechub.trainers import CTRTrainer
        from torch_rechub.basic.tracking import TensorBoardXLogger, WandbLogger, SwanLabLogger

        tb = TensorBoardXLogger(log_dir="./runs/exp1")
        wb = WandbLogger(project="my-ctr", name="exp1")
        sb = SwanLabLogger(project="my-ctr")

        trainer = CTRTrainer(model, model_logger=[tb, wb, sb])
        trainer.fit(train_dl, val_dl)
        """,
        given,
    )
    runs = [
        tensorboard_run(Path("runs/exp1")),
        wandb_run(the_only("wandb/offline-run-*")),
        swanlab_run(the_only("swanlog/run-*")),
    ]
    history = given["trainer"].history
    for recorded in runs:
        assert recorded.metrics.keys() == RECORDED
        for name in RECORDED:
            expected = [(row["epoch"], pytest.approx(row[name], rel=1e-6)) for row in history]
            assert recorded.metrics[name] == expected


def test_keys_set_in_code(given):
    run(
        """
        import os
        os.environ['WANDB_API_KEY'] = "your API_KEY"
        os.environ['SWANLAB_API_KEY'] = "your API_KEY"
        """,
        given,
    )
    WandbLogger(project="my-ctr").finish()
    SwanLabLogger(project="my-ctr").finish()


def test_the_trainer_closes_the_logger_and_metrics_after_that_raise(given):
    run(
        """
        from torch_rechub.trainers import CTRTrainer
        from torch_rechub.basic.tracking import WandbLogger

        logger = WandbLogger(project="demo")
        trainer = CTRTrainer(model, model_logger=logger)

        trainer.fit(train_dl, val_dl)
        """,
        given,
    )
    with pytest.raises(LoggerClosedError, match="finish"):
        given["logger"].log_metrics({"test/auc": 0.5})
    given["logger"].finish()


def test_plan_a_a_logger_kept_out_of_the_trainer(given):
    run(
        """
        from torch_rechub.trainers import CTRTrainer
        from torch_rechub.basic.tracking import WandbLogger

        logger = WandbLogger(project="demo")

        trainer = CTRTrainer(model, model_logger=None)
        trainer.fit(train_dl, val_dl)

        test_auc = trainer.evaluate(trainer.model, test_dl)
        logger.log_metrics({"test/auc": test_auc})
        logger.finish()
        """,
        given,
    )
    recorded = wandb_run(the_only("wandb/offline-run-*"))
    assert recorded.metrics == {"test/auc": [(0, given["test_auc"])]}


def test_plan_b_a_second_logger_for_the_test(given):
    run(
        """
        from torch_rechub.trainers import CTRTrainer
        from torch_rechub.basic.tracking import WandbLogger

        logger = WandbLogger(project="demo", name="train-exp1")
        trainer = CTRTrainer(model, model_logger=logger)
        trainer.fit(train_dl, val_dl)

        test_logger = WandbLogger(project="demo", name="test-exp1")
        test_auc = trainer.evaluate(trainer.model, test_dl)
        test_logger.log_metrics({"test/auc": test_auc})
        test_logger.finish()
        """,
        given,
    )
    runs = [wandb_run(path) for path in Path("wandb").glob("offline-run-*")]
    assert len(runs) == 2
    assert {"test/auc": [(0, given["test_auc"])]} in [recorded.metrics for recorded in runs]


def test_the_interface_of_a_logger(given):
    run(
        """
        from typing import Any, Dict, Optional
        from torch_rechub.basic import tracking

        class BaseLogger:
            def log_metrics(self, metrics: Dict[str, Any], step: Optional[int] = None) -> None:
                pass

            def log_hyperparams(self, params: Dict[str, Any]) -> None:
                pass

            def finish(self) -> None:
                pass
        """,
        given,
    )
    specified = given["BaseLogger"]
    for method in ("log_metrics", "log_hyperparams", "finish"):
        ours = inspect.signature(getattr(BaseLogger, method)).parameters
        theirs = inspect.signature(getattr(specified, method)).parameters
        assert [(p.name, p.default) for p in ours.values()] == [
            (p.name, p.default) for p in theirs.values()
        ]
    # an object of this class, which does not inherit from ours, is accepted
    trainer = CTRTrainer(given["model"], n_epoch=1, model_logger=specified())
    trainer.fit(given["train_dl"], given["val_dl"])


@pytest.mark.parametrize(
    ("logger", "parameters"),
    [
        (
            WandbLogger,
            {
                "project": ...,
                "name": None,
                "config": None,
                "tags": None,
                "notes": None,
                "dir": None,
            },
        ),
        (
            SwanLabLogger,
            {
                "project": None,
                "experiment_name": None,
                "description": None,
                "config": None,
                "logdir": None,
            },
        ),
        (TensorBoardXLogger, {"log_dir": ..., "comment": ""}),
    ],
)
def test_the_constructors(logger, parameters):
    found = inspect.signature(logger).parameters
    named = [p for p in found.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert {p.name: ... if p.default is p.empty else p.default for p in named} == parameters
    assert [p.name for p in named] == list(parameters)
    assert any(p.kind is p.VAR_KEYWORD for p in found.values())


def test_the_complete_example(given, capsys):
    given["DeepFM"] = lambda *_: new_model()
    run(
        """
        import os
        import torch
        from torch_rechub.trainers import CTRTrainer
        from torch_rechub.basic.tracking import WandbLogger, SwanLabLogger, TensorBoardXLogger

        os.environ['WANDB_API_KEY'] = "your_key"
        os.environ['SWANLAB_API_KEY'] = "your_key"

        SEED = 2022
        EPOCH = 10
        LR = 1e-3
        BATCH_SIZE = 2048

        loggers = []
        loggers.append(TensorBoardXLogger(log_dir=f"./runs/deepfm-{SEED}"))
        loggers.append(WandbLogger(
            project="ctr-experiment",
            name=f"deepfm-{SEED}",
            config={"seed": SEED, "lr": LR, "batch_size": BATCH_SIZE},
            tags=["deepfm", "criteo"]
        ))

        model = DeepFM(...)

        trainer = CTRTrainer(
            model,
            optimizer_params={"lr": LR, "weight_decay": 1e-5},
            n_epoch=EPOCH,
            earlystop_patience=3,
            device="cpu",
            model_logger=loggers,
        )

        trainer.fit(train_dl, val_dl)

        test_auc = trainer.evaluate(trainer.model, test_dl)
        print(f"Test AUC: {test_auc}")
        """,
        given,
    )
    assert f"Test AUC: {given['test_auc']}" in capsys.readouterr().out
    recorded = wandb_run(the_only("wandb/offline-run-*"))
    assert recorded.hyperparams["seed"] == 2022
    assert recorded.hyperparams["batch_size"] == 128  # the loader's, which the trainer recorded
    assert tensorboard_run(Path("runs/deepfm-2022")).metrics.keys() == RECORDED


def test_nothing_is_imported_when_nothing_is_recorded(given):
    # in a process of its own: here, the imports above have done it already
    code = """
        import sys
        from torch_rechub.basic.features import SparseFeature
        from torch_rechub.models.ranking import DeepFM
        from torch_rechub.trainers import CTRTrainer
        from torch_rechub.utils.data import DataGenerator

        fields = [SparseFeature("a", 4, embed_dim=4)]
        train, _, _ = DataGenerator({"a": [0, 1, 2, 3]}, [0, 1, 0, 1]).generate_dataloader()
        CTRTrainer(DeepFM(fields, fields, {"dims": [4]}), n_epoch=1, model_logger=None).fit(train)
        trackers = ("wandb", "swanlab", "tensorboardX", "rechub_")
        print([m for m in sys.modules if m.startswith(trackers)])
    """
    done = run_script(["-c", inspect.cleandoc(code)])
    assert done.stdout == "[]\n", done.stderr
