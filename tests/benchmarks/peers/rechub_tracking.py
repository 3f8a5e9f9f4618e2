"""The cost of recording: a training run with 0, 1 or 3 trackers; the import of tracking.

- fit_s: a training run of the click log without validation, from the call to the return.
- record_ms: the record of an epoch, four values, written to every tracker; mean of 200 in a row.
- step_us: the record of a step, one value, likewise; mean of 2,000.
- open_s, finish_s: creating the trackers, and finishing them.
- import_ms: `import torch_rechub.basic.tracking` in a new process; the least of five.
- tracking_calls: calls into the tracking module during `fit`, counted by the profiler in a second,
  shorter training. Without a logger there must be none.
"""

import cProfile
import os
import pstats
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from torch_rechub.basic.features import DenseFeature, SparseFeature
from torch_rechub.basic.tracking import (
    LoggerGroup,
    SwanLabLogger,
    TensorBoardXLogger,
    WandbLogger,
)
from torch_rechub.models.ranking import DeepFM
from torch_rechub.trainers import CTRTrainer
from torch_rechub.utils.data import DataGenerator
from workloads.ctr import CATEGORIES, DENSE, DIM, HIDDEN, LEARNING_RATE, ClickLog, load
from workloads.protocol import answer, parser, resolved, start, timed

RECORDS, STEPS = 200, 2_000
EPOCH = {"train/loss": 0.6, "val/auc": 0.7, "val/loss": 0.6, "learning_rate": 1e-3}
IMPORT = """
import time; began = time.perf_counter()
import torch_rechub.basic.tracking
print(time.perf_counter() - began)
"""


def loggers(count: int, folder: Path) -> list[Any] | None:
    """None, one tracker or all three, each writing to a folder of its own and to no network."""
    folder.mkdir(parents=True, exist_ok=True)
    if count == 0:
        return None
    made: list[Any] = [TensorBoardXLogger(folder / "tensorboard")]
    if count == 3:
        (folder / "wandb").mkdir()
        made.append(WandbLogger("bench", dir=folder / "wandb"))
        made.append(SwanLabLogger("bench", logdir=folder / "swanlab", mode="offline"))
    return made


def trainer_and_loader(log: ClickLog, args: Any, model_logger: Any) -> tuple[CTRTrainer, Any]:
    train, test = log.split()
    sparse = [SparseFeature(n, s, embed_dim=DIM) for n, s in zip(CATEGORIES, log.sizes)]
    dense = [DenseFeature(n) for n in DENSE]
    x_test = test.columns()
    loader, _, _ = DataGenerator(train.columns(), train.labels).generate_dataloader(
        x_val=x_test, y_val=test.labels, x_test=x_test, y_test=test.labels, batch_size=args.batch
    )
    trainer = CTRTrainer(
        DeepFM(sparse + dense, sparse, {"dims": HIDDEN, "dropout": 0.0}),
        optimizer_params={"lr": LEARNING_RATE, "weight_decay": 0.0},
        n_epoch=args.epochs,
        model_path=args.scratch,
        model_logger=model_logger,
        **resolved(args.options),
    )
    return trainer, loader


def recording(made: list[Any] | None) -> dict[str, float]:
    """Milliseconds of a record an epoch, microseconds of one a step, seconds to finish."""
    if made is None:
        return {"record_ms": 0.0, "step_us": 0.0, "finish_s": 0.0}
    with LoggerGroup(made) as group:
        epochs, _ = timed(lambda: [group.log_metrics(EPOCH, i) for i in range(RECORDS)])
        steps, _ = timed(
            lambda: [group.log_metrics({"step/loss": 0.6}, RECORDS + i) for i in range(STEPS)]
        )
        finishing = time.perf_counter()
    return {
        "record_ms": 1e3 * epochs / RECORDS,
        "step_us": 1e6 * steps / STEPS,
        "finish_s": time.perf_counter() - finishing,
    }


def tracking_calls(log: ClickLog, args: Any, made: list[Any] | None) -> int:
    """Calls into the tracking module while `fit` runs."""
    trainer, loader = trainer_and_loader(log, args, made)
    profile = cProfile.Profile()
    profile.runcall(trainer.fit, loader)
    part = os.path.join("torch_rechub", "basic", "tracking")
    calls = pstats.Stats(profile).stats.items()  # type: ignore[attr-defined]
    return sum(count for (file, _, _), (_, count, *_) in calls if part in file)


def import_ms() -> float:
    """The least of five imports in new processes, in milliseconds."""
    command = [sys.executable, "-c", IMPORT]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(5)]
    return 1e3 * min(float(run.stdout) for run in runs)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--trackers", type=int, choices=[0, 1, 3], required=True)
    args = arguments.parse_args()
    start(args)
    folder = Path(args.scratch)
    settings = {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}
    os.environ.update(settings, SWANLAB_ROOT=str(folder / "swanlab-home"))
    log = load(args.data)
    opening, made = timed(lambda: loggers(args.trackers, folder / "fit"))
    trainer, loader = trainer_and_loader(log, args, made)
    fit, _ = timed(lambda: trainer.fit(loader))
    answer(
        args,
        ["rechub-core", "tensorboardX", "wandb", "swanlab"],
        fit_s=fit,
        open_s=opening,
        **recording(loggers(args.trackers, folder / "records")),
        import_ms=import_ms(),
        tracking_calls=tracking_calls(log, args, loggers(args.trackers, folder / "profile")),
    )


if __name__ == "__main__":
    main()
