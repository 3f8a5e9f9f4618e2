"""A search whose objective notes each begin and end of a run in a file, as a script.

python counted_search.py KIND JOURNAL NOTES RUNS N_TRIALS N_SEEDS

KIND is "wait", which sleeps for some milliseconds, or "train", which trains a model of clicks.
"""

import os
import random
import sys
import time
from pathlib import Path

from torch_rechub.basic.tracking import JSONLLogger
from torch_rechub.tune import Choice, Float, Int, tune

assert "optuna" not in sys.modules  # it is imported when a search starts

SPACE = {
    "lr": Float(1e-4, 1e-1, log=True),
    "width": Int(8, 64, step=8),
    "act": Choice(["relu", "dice"]),
}


def note(notes, *words):
    """Append a line to the notes in one write, which no other process interrupts."""
    line = " ".join(map(str, [*words, os.getpid()])) + "\n"
    descriptor = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, line.encode())
    os.close(descriptor)


def pass_gate(notes):
    """Wait while more runs have begun than the file `gate` allows, if there is one."""
    gate = notes.with_name("gate")
    while gate.exists() and notes.read_text().count("begin") > int(gate.read_text()):
        time.sleep(0.005)


def wait(trial, folder):
    """A loss that falls over three steps."""
    loss = trial.params["lr"] + trial.params["width"] + trial.seed
    for step in range(3):
        time.sleep(random.uniform(0, 0.01))
        trial.loggers.log_metrics({"val/log_loss": loss - step}, step=step)
    return loss - 2


def train(trial, folder):
    """A model of 300 clicks, trained for two epochs."""
    import torch

    from torch_rechub.basic.features import SparseFeature
    from torch_rechub.models.ranking import DeepFM
    from torch_rechub.trainers import CTRTrainer
    from torch_rechub.utils.data import DataGenerator

    ids, params = torch.arange(300), trial.params
    data = DataGenerator({"user": ids % 9, "item": ids % 7}, (ids % 3 == 0).int())
    loaders = data.generate_dataloader(split_ratio=[0.5, 0.5], batch_size=50)[:2]
    fields = [SparseFeature("user", 9, embed_dim=4), SparseFeature("item", 7, embed_dim=4)]
    model = DeepFM(fields, fields, {"dims": [params["width"]], "activation": params["act"]})
    trainer = CTRTrainer(
        model, optimizer_params={"lr": params["lr"]}, n_epoch=2, metrics=["log_loss"],
        model_path=folder / trial.name, model_logger=trial.loggers, progress=False,
    )  # fmt: skip
    trainer.fit(*loaders)
    return trainer


def main(kind, journal, notes, runs, n_trials, n_seeds):
    def objective(trial):
        note(notes, "begin", trial.number, trial.seed, sorted(trial.params.items()))
        pass_gate(notes)
        result = {"wait": wait, "train": train}[kind](trial, runs / "models")
        note(notes, "end", trial.number, trial.seed)
        return result

    tune(
        objective, SPACE, n_trials, monitor="val/log_loss", seeds=range(n_seeds), storage=journal,
        loggers=lambda trial: [JSONLLogger("p", trial.name, group=trial.study, dir=runs)],
    )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:5]), *map(int, sys.argv[5:7]))
