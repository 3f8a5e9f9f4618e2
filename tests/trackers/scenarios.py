"""Training runs that meet a fault, each in its own process: ``python scenarios.py NAME ARGS…``.

The return value of a scenario is printed as the last line, as JSON.
"""

import json
import os
import pickle
import resource
import shutil
import signal
import sys
import threading
import time
from importlib import import_module
from pathlib import Path

import numpy as np
from backends import TOGETHER, open_logger
from torch.utils.data import DataLoader

from torch_rechub.basic.features import SparseFeature
from torch_rechub.basic.tracking import BaseLogger, LoggerGroup
from torch_rechub.models.ranking import LR
from torch_rechub.trainers import CTRTrainer
from torch_rechub.utils.data import DataGenerator


def open_loggers(folder, backends=TOGETHER):
    for backend in backends:
        (Path(folder) / backend).mkdir(parents=True, exist_ok=True)
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

    for module in trainer.model.children():  # whose methods a trainer may call directly
        module.register_forward_pre_hook(hook)


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
    """An error in each of `PLACES`, in the second epoch of a training run of its own."""
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
            if len(trainer.history) == 1 + (place == "callback"):  # which sees the epoch recorded
                raise error
            return call(*args, **kwargs)

        return fails

    if place == "loader":  # Python looks these up in the class
        kind = type(train.dataset)
        names = [n for n in ("__getitem__", "__getitems__") if hasattr(kind, n)]
        body = {name: failing(getattr(kind, name)) for name in names}
        train.dataset.__class__ = type("Failing", (kind,), body)
        return
    target, method = {
        "model": (trainer.model, "forward"),
        "evaluate": (trainer, "evaluate"),
        "optimizer": (trainer.optimizer, "step"),
        "callback": (trainer.early_stopper, "stop_training"),
    }[place]
    setattr(target, method, failing(getattr(target, method)))


class Impatient(BaseLogger):
    """The user presses Ctrl-C again while this one finishes."""

    def finish(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)


def ctrl_c(folder, again):
    """Ctrl-C in the second epoch, and again while the loggers finish."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell may have taken away
    before = hooks()
    loggers = open_loggers(folder)
    closings = count_closings(loggers)
    middle = [Impatient()] if again == "again" else []
    trainer, train, val = trainer_and_loaders(folder, [*loggers[:2], *middle, *loggers[2:]])
    when(trainer, 1, lambda: os.kill(os.getpid(), signal.SIGINT))
    try:
        trainer.fit(train, val)
    except KeyboardInterrupt:
        return [closings, hooks() == before]


def killed(folder):
    """``kill -9`` in the fourth epoch of a training run that keeps checkpoints."""
    trainer, train, val = trainer_and_loaders(folder, open_loggers(folder), n_epoch=9)

    def kill_later():
        time.sleep(1)  # the epoch takes longer than the trackers need to write
        kill()

    when(trainer, 3, kill_later)
    trainer.fit(train, val, resume=True)


def killed_while_saving(folder):
    """``kill -9`` when the third checkpoint is written and not yet in its place."""
    trainer, train, val = trainer_and_loaders(folder, [], n_epoch=9)
    replace = os.replace

    def kills(written, place):
        if len(trainer.history) == 3 and str(place).endswith(".checkpoint"):
            kill()
        replace(written, place)

    os.replace = kills
    trainer.fit(train, val, resume=True)


def limit_files(size):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def full_disk(folder):
    """No file can grow over 24 KiB, in the trackers' own processes neither."""
    limit_files(24 * 1024)
    if "wandb" in TOGETHER:  # no process is late here: the end will not come
        import_module("rechub_wandb.logger")._LONGEST_WRITING = 3.0
    with LoggerGroup(open_loggers(folder)) as group:
        for step in range(400):
            group.log_metrics({f"metric/{n}": step / 3 for n in range(5)}, step)
    return "trained"


def full_disk_for_checkpoints(folder):
    """From the third epoch on no file can be written that is larger than 1 KiB."""
    loggers = open_loggers(folder, ["jsonl"])
    trainer, train, val = trainer_and_loaders(folder, loggers, n_epoch=5)
    when(trainer, 2, lambda: limit_files(1024))
    try:
        trainer.fit(train, val, resume=True)
    except OSError as error:
        return [str(error), len(trainer.history)]


def folder_deleted(folder):
    """The folders of the runs disappear in the second epoch."""
    trainer, train, val = trainer_and_loaders(folder, open_loggers(folder))
    for backend in TOGETHER:
        when(trainer, 1, lambda b=backend: shutil.rmtree(f"{folder}/{b}", ignore_errors=True))
    trainer.fit(train, val)
    return len(trainer.history)


def workers(folder, method):
    """The batches are read in another process, forked or spawned while the loggers are open."""
    loggers = open_loggers(folder)
    trainer, train, val = trainer_and_loaders(folder, loggers, n_epoch=1)
    copy = pickle.loads(pickle.dumps(trainer))  # noqa: S301
    train = DataLoader(train.dataset, 8, num_workers=1, multiprocessing_context=method)
    trainer.fit(train, val)
    return [len(trainer.history), type(copy).__name__]


def together(folder):
    """Two training runs at once, each in a thread, with every tracker that can; then one more."""
    backends = [b for b in TOGETHER if b != "swanlab"]  # which keeps one run in a process
    before = hooks()
    ends, left = [], []

    def train_one(name, loggers):
        trainer, train, val = trainer_and_loaders(f"{folder}/{name}", loggers)
        trainer.fit(train, val)
        ends.append((name, [row["train/loss"] for row in trainer.history]))

    for names in (("a", "b"), ("c", "d")):
        threads = [
            threading.Thread(target=train_one, args=(n, open_loggers(f"{folder}/{n}", backends)))
            for n in names
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        train_one(f"{names[0]}{names[1]}", open_loggers(f"{folder}/{names[0]}{names[1]}"))
        left.append(sorted(thread.name for thread in threading.enumerate()))
    return [dict(ends), hooks() == before, left]


def distributed(folder):
    """The script that ``torchrun`` starts twice."""
    import torch.distributed as dist

    dist.init_process_group("gloo")
    trainer, train, val = trainer_and_loaders(folder, open_loggers(folder))
    trainer.fit(train, val, resume=True)
    dist.destroy_process_group()


def memory(folder, backend):
    """The peak of memory, in KiB, after each tenth of 100,000 steps."""
    peaks = []
    os.fsync = lambda descriptor: None  # of the disk nothing is measured
    with LoggerGroup(open_loggers(folder, [backend])) as group:
        for step in range(100_000):
            group.log_metrics({"train/loss": step / 7, "val/auc": step / 9}, step)
            if step % 10_000 == 9_999:
                peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return peaks


def server(folder, backend, url):
    """A training run on a server that cannot be used: how long opening took, and its messages."""
    started = time.monotonic()
    options = {
        "wandb": {"mode": "online", "settings": {"base_url": url, "init_timeout": 3}},
        "swanlab": {"mode": "online", "settings": {"api_host": url, "web_host": url}},
        "mlflow": {"dir": None, "tracking_uri": url},
    }[backend]
    try:
        logger = open_logger(backend, Path(folder), **options)
    except Exception as error:
        return [time.monotonic() - started, str(error)]
    opened = time.monotonic() - started
    trainer, train, val = trainer_and_loaders(folder, [logger])
    trainer.fit(train, val)
    return [opened, None]


if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    print(json.dumps(globals()[name](*arguments)))
