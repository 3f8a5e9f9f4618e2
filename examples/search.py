"""Search for the learning rate, the dropout and the layers of DeepFM on a synthetic click log.

Each trial and seed is a run of its own, recorded as JSON lines. Stop it with Ctrl-C and start it
again: it goes on where it was. Start it in two terminals: both work on one search.

    python examples/search.py --trials 20
    rechub compare runs/search --plot search.html
"""

import argparse
from pathlib import Path

import optuna

from torch_rechub.basic.features import SparseFeature
from torch_rechub.basic.tracking import JSONLLogger
from torch_rechub.data.synthetic import synthetic_clicks
from torch_rechub.models.ranking import DeepFM
from torch_rechub.trainers import CTRTrainer
from torch_rechub.tune import Choice, Float, tune
from torch_rechub.utils.data import DataGenerator

SPACE = {
    "learning_rate": Float(1e-4, 3e-2, log=True),
    "dropout": Float(0.0, 0.5),
    "dims": Choice([[16], [64, 32], [128, 64, 32]]),
}


def main():
    """Search, and print the best trial."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--out", type=Path, default=Path("runs/search"))
    args = parser.parse_args()

    data = synthetic_clicks(n_rows=args.rows, vocab_sizes=[200, 100, 20], n_dense=0, seed=0)
    fields = [SparseFeature(name, size, embed_dim=8) for name, size in data.vocab_sizes.items()]

    def objective(trial):
        params = trial.params
        train, val, _ = DataGenerator(data.x, data.y).generate_dataloader(
            split_ratio=[0.7, 0.15], batch_size=256
        )
        model = DeepFM(fields, fields, {"dims": params["dims"], "dropout": params["dropout"]})
        trainer = CTRTrainer(
            model,
            optimizer_params={"lr": params["learning_rate"]},
            n_epoch=args.epochs,
            earlystop_patience=2,
            model_path=args.out / "models" / trial.name,
            model_logger=trial.loggers,
            callbacks=[trial.pruning],
            progress=False,
        )
        trainer.fit(train, val)
        return trainer

    search = tune(
        objective,
        SPACE,
        args.trials,
        monitor="val/auc",
        seeds=range(args.seeds),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=1),
        loggers=lambda trial: [JSONLLogger("search", trial.name, group=trial.study, dir=args.out)],
        storage=args.out / "deepfm.journal",
    )
    columns = ["number", "state", "value", *(f"params/{name}" for name in SPACE)]
    print(search.to_frame()[columns].to_string(index=False))
    print(f"Best: trial {search.best.number}, AUC {search.best.value:.4f}, {search.best.params}")
    print(f"Look at the search:  rechub compare {args.out} --plot search.html")


if __name__ == "__main__":
    main()
