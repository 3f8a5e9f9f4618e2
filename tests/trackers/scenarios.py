"""Trainings that meet a fault, each in a process of its own: ``python scenarios.py NAME ARGS…``.

What a scenario returns is printed as the last line, as JSON.
"""

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
from backends import BACKENDS, open_logger

from torch_rechub.basic.features import SparseFeature
from torch_rechub.models.ranking import LR
from torch_rechub.trainers import CTRTrainer
from torch_rechub.utils.data import DataGenerator


def open_loggers(folder, backends=BACKENDS):
    for backend in backends:
        (Path(folder) / backend).mkdir(parents=True)
    return [open_logger(backend, Path(folder) / backend) for backend in backends]


def trainer_and_loaders(folder, loggers, n_epoch=3, **options):
    """A small training: four batches and a validation an epoch."""
    draw = np.random.default_rng(0)
    x = {"item": draw.integers(0, 9, 64)}
    train, val, _ = DataGenerator(x, (x["item"] % 2).astype("float32")).generate_dataloader(
        split_ratio=[0.5, 0.5], batch_size=8, **options
    )
    model = LR([SparseFeature("item", 9, embed_dim=1)])
    trainer = CTRTrainer(
        model, n_epoch=n_epoch, model_path=f"{folder}/models", model_logger=loggers,
        earlystop_patience=n_epoch,
    )  # fmt: skip
    return trainer, train, val


def when(trainer, epoch, act):
    """Have `act` called in the forward pass of an epoch."""

    def hook(*_):
        if len(trainer.history) == epoch and trainer.model.training:
            act()

    trainer.model.register_forward_pre_hook(hook)


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def count_closings(loggers):
    closings = [0] * len(loggers)

    def counting(index, close):
        def wrapper(failure):
            closings[index] += 1
            close(failure)

        return wrapper

    for index, logger in enumerate(loggers):
        logger.close = counting(index, logger.close)
    return closings


def hooks():
    return (sys.excepthook, sys.exit, *map(signal.getsignal, (signal.SIGINT, signal.SIGTERM)))


PLACES = ("model", "loader", "evaluate", "optimizer", "callback")


def an_error(folder):
    """An error in each of `PLACES`, in the second epoch of a training of its own."""
    told = {}
    for place in PLACES:
        loggers = open_loggers(f"{folder}/{place}")
        closings = count_closings(loggers)
        trainer, train, val = trainer_and_loaders(folder, loggers)
        error = ValueError(f"in the {place}")
        fail_in(place, trainer, train, error)
        try:
            trainer.fit(train, val)
        except ValueError as raised:
            names = []
            traceback = raised.__traceback__
            while traceback is not None:
                names.append(traceback.tb_frame.f_code.co_name)
                traceback = traceback.tb_next
            told[place] = [raised is error, raised.__cause__ is None, names[-1], closings]
    return told


def fail_in(place, trainer, train, error):
    def failing(call):
        def fails(*args, **kwargs):
            if len(trainer.history) == 1:
                raise error
            return call(*args, **kwargs)

        return fails

    target, method = {
        "model": (trainer.model, "forward"),
        "loader": (train.dataset, "__getitem__"),
        "evaluate": (trainer, "evaluate"),
        "optimizer": (trainer.optimizer, "step"),
        "callback": (trainer.early_stopper, "stop_training"),
    }[place]
    if place == "loader":  # Python looks it up in the class
        kind = type(target)
        for name in ("__getitem__", "__getitems__"):
            if hasattr(kind, name):
                setattr(kind, name, failing(getattr(kind, name)))
    elif place == "callback":
        stop, count = target.stop_training, []

        def fails(*args):
            count.append(1)
            if len(count) == 2:
                raise error
            return stop(*args)

        target.stop_training = fails
    else:
        setattr(target, method, failing(getattr(target, method)))


if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    print(json.dumps(globals()[name](*arguments)))
