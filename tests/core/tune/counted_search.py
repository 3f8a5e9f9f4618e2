"""A search whose objective notes each begin and end of a run in a file, as a script.

python counted_search.py JOURNAL NOTES RUNS N_TRIALS N_SEEDS
"""

import os
import random
import sys
import time
from pathlib import Path

from torch_rechub.basic.tracking import JSONLLogger
from torch_rechub.tune import Choice, Float, Int, tune

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


def main(journal, notes, runs, n_trials, n_seeds):
    def objective(trial):
        note(notes, "begin", trial.number, trial.seed, sorted(trial.params.items()))
        value = trial.params["lr"] + trial.params["width"] + trial.seed
        for step in range(3):
            time.sleep(random.uniform(0, 0.01))
            trial.loggers.log_metrics({"loss": value - step}, step=step)
        note(notes, "end", trial.number, trial.seed)
        return value - 2

    tune(
        objective, SPACE, n_trials, monitor="loss", mode="min", seeds=range(n_seeds),
        storage=journal,
        loggers=lambda trial: [JSONLLogger("p", trial.name, group=trial.study, dir=runs)],
    )  # fmt: skip


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]), *map(int, sys.argv[4:6]))
