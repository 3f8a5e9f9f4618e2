"""Training runs that inspect their own process: ``python process_scenarios.py NAME ARGS…``.

The return value of a scenario is printed as the last line, as JSON.
"""

import contextlib
import json
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import torch
from backends import TOGETHER, open_logger
from scenarios import open_loggers, trainer_and_loaders, when

from torch_rechub.basic.tracking import LoggerGroup

KEPT_BY_WANDB = ("wandb-AsyncioManager-main", "wandb-ServiceFinalizer")  # for its next run


def process_state():
    """All that a library may change in the process that uses it, by name."""
    streams = (sys.stdout, sys.stderr)
    return {
        "random": random.getstate(),
        "numpy": [str(part) for part in np.random.get_state()],  # noqa: NPY002
        "torch": torch.get_rng_state().tolist(),
        "environment": dict(os.environ),
        "directory": os.getcwd(),
        "hooks": [sys.excepthook, sys.exit, sys.displayhook, threading.excepthook],
        "streams": [*streams, *("write" in vars(stream) for stream in streams)],
        "signals": [signal.getsignal(number) for number in sorted(signal.valid_signals())],
        "start method": multiprocessing.get_start_method(allow_none=True),
        "threads": sorted(t.name for t in threading.enumerate() if t.name not in KEPT_BY_WANDB),
        "files": sorted(open_files()),
    }


def open_files():
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{descriptor}")
        except OSError:  # that of the listing itself
            continue
        if target.startswith("/"):
            yield target


def use(logger):
    logger.log_hyperparams({"lr": 0.1})
    for step in range(3):
        logger.log_metrics({"a": step}, step)
    logger.log_text("model", "LR()", 2)
    logger.finish()


def state(folder):
    """The process state that each tracker changed after two runs were opened, used and finished."""
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(7)
    changed = []
    for backend in TOGETHER:
        (Path(folder) / backend).mkdir()
        for _ in range(2):
            before = process_state()
            use(open_logger(backend, Path(folder) / backend))
            after = process_state()
            changed += [f"{backend}: {name}" for name in before if before[name] != after[name]]
    multiprocessing.set_start_method("spawn")  # which raises where another one was settled
    return changed


def fork(folder):
    """How forked processes end that do as Python programs do, while runs are open and later."""
    ends = {}
    with LoggerGroup(open_loggers(folder)) as group:
        for step, how in enumerate(("exit", "finish", "error")):
            group.log_metrics({"a": step / 8}, step)
            ends[how] = child(how, group)
        worker = multiprocessing.get_context("fork").Process(target=int)
        worker.start()
        worker.join(20)
        ends["worker"] = worker.exitcode
        group.log_metrics({"a": 3 / 8}, 3)
    ends["later"] = child("exit", group)
    return ends


def child(how, group):
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    signal.alarm(30)
    if how == "error":
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
        raise ValueError("in the child")
    if how == "finish":
        group.log_metrics({"a": 9.0}, 9)
        group.__exit__(None, None, None)
    sys.exit(3)


def signals(folder, first, second):
    """One signal in the second epoch, perhaps, and one while each logger is finished."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    loggers = open_loggers(folder)
    for logger in loggers[-1:]:
        close = logger.close

        def slowly(failure, close=close):
            os.kill(os.getpid(), getattr(signal, second))
            time.sleep(0.2)
            close(failure)

        logger.close = slowly
    trainer, train, val = trainer_and_loaders(folder, loggers, n_epoch=2)
    if first != "none":
        when(trainer, 1, lambda: os.kill(os.getpid(), getattr(signal, first)))
    trainer.fit(train, val)


def streams(folder):
    """A training run that prints nothing itself, while trackers print what they like."""
    os.environ["WANDB_SILENT"] = "false"
    with contextlib.suppress(OSError):
        print("x", flush=True)  # that a reader has what it wants, and goes
    trainer, train, val = trainer_and_loaders(folder, open_loggers(folder), 2)
    trainer.fit(train, val)
    (Path(folder) / "trained").touch()


class Unprintable(Exception):
    text = "raises"

    def __str__(self):
        if self.text == "raises":
            raise ValueError("no text")
        if self.text == "exits":
            raise SystemExit(3)
        return "caf\udce9" if self.text == "surrogates" else "x" * 1_000_000

    __repr__ = __str__


def unprintable(folder):
    """Training runs that end with errors without a text; whether these are what arrives."""
    arrived = []
    for text in ("raises", "exits", "surrogates", "long"):
        error = Unprintable()
        error.text = text
        trainer, train, val = trainer_and_loaders(folder, open_loggers(f"{folder}/{text}"), 1)

        def fail(error=error):
            raise error

        when(trainer, 0, fail)
        try:
            trainer.fit(train, val)
        except Unprintable as raised:
            arrived.append(raised is error)
    return arrived


if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    result = globals()[name](*arguments)
    if sys.stdout is not None and name != "streams":
        print(json.dumps(result))
