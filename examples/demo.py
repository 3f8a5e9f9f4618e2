"""Train DeepFM on MovieLens-100K, recorded by every tracker that is installed.

Label: rating >= 4. Split: random 8:1:1. The test AUC is printed next to that of a logistic
regression on the same columns and rows. Without a network the data are a synthetic click log, which
comes with the best AUC that any model can reach on it.

    hatch run demo            # or: python examples/demo.py --seed 1 --epochs 5
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from scipy.sparse import csr_array, hstack
from sklearn.linear_model import LogisticRegression

from torch_rechub.basic.features import DenseFeature, SequenceFeature, SparseFeature
from torch_rechub.basic.metric import auc_score, log_loss
from torch_rechub.basic.tracking import JSONLLogger, available_loggers
from torch_rechub.data.public import DatasetUnavailableError, movielens_100k
from torch_rechub.data.synthetic import synthetic_clicks
from torch_rechub.models.ranking import DeepFM
from torch_rechub.trainers import CTRTrainer
from torch_rechub.utils.data import DataGenerator


def load_data():
    """Return the columns, the labels, and a description of the data."""
    try:
        x, y = movielens_100k().clicks(min_rating=4)
        return x, y, "MovieLens-100K (rating >= 4 is a click)"
    except DatasetUnavailableError as error:
        print(
            f"MovieLens-100K cannot be reached, so this run uses a synthetic click log.\n{error}\n"
        )
        data = synthetic_clicks(n_rows=100_000, vocab_sizes=[943, 1682, 61, 2, 21, 72], n_dense=2)
        return data.x, data.y, f"synthetic click log (best possible AUC {data.best_auc:.4f})"


def describe(x, embed_dim=16):
    """Return a feature for each column: integers are ids, integer matrices are padded sequences."""
    return [
        DenseFeature(name)
        if values.dtype.kind == "f"
        else SparseFeature(name, int(values.max()) + 1, embed_dim)
        if values.ndim == 1
        else SequenceFeature(name, int(values.max()) + 1, embed_dim, padding_idx=0)
        for name, values in x.items()
    ]


def logistic_regression(x, y, train, test):
    """The baseline: logistic regression on one-hot columns; returns probabilities of test rows."""

    def one_hot(values):
        columns = values.reshape(len(values), -1)
        if values.dtype.kind == "f":
            return csr_array(columns)
        ends = np.arange(0, columns.size + 1, columns.shape[1])
        return csr_array((np.ones(columns.size), columns.ravel(), ends))

    inputs = hstack([one_hot(values) for values in x.values()], format="csr")
    model = LogisticRegression(max_iter=1000).fit(inputs[train], y[train])
    return model.predict_proba(inputs[test])[:, 1]


def open_trackers(out, name, config, project="rechub-demo"):
    """Open a JSON lines file and all installed trackers, offline; return commands to view them."""
    installed = available_loggers()
    loggers = [JSONLLogger(project, name, config, dir=out / "jsonl")]
    views = [f"rechub compare {out / 'jsonl'}"]
    if "TensorBoardXLogger" in installed:
        from torch_rechub.basic.tracking import TensorBoardXLogger

        loggers.append(TensorBoardXLogger(str(out / "tensorboard" / name)))
        loggers[-1].log_hyperparams(config)
        views.append(f"tensorboard --logdir {out / 'tensorboard'}")
    if "WandbLogger" in installed:
        from torch_rechub.basic.tracking import WandbLogger

        quiet = {"silent": True}
        loggers.append(
            WandbLogger(project, name, config, dir=str(out), mode="offline", settings=quiet)
        )
        views.append(f"wandb sync {out / 'wandb'}/offline-run-*")
    if "SwanLabLogger" in installed:
        from torch_rechub.basic.tracking import SwanLabLogger

        folder = str(out / "swanlog")
        loggers.append(SwanLabLogger(project, name, None, config, folder, mode="offline"))
        views.append(f"swanlab sync {folder}/run-*")
    return loggers, views


def print_epochs(history):
    """Print one line per epoch."""
    print(f"\n{'epoch':>5}  {'train loss':>10}  {'val AUC':>8}  {'rate':>8}  {'seconds':>7}")
    for row in history:
        print(
            f"{row['epoch']:>5}  {row['train/loss']:>10.4f}  {row['val/auc']:>8.4f}  "
            f"{row['learning_rate']:>8.1e}  {row['seconds']:>7.2f}"
        )


def main():
    """Load, train, test, and print where the run is recorded."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--out", type=Path, default=Path("runs/demo"))
    args = parser.parse_args()

    x, y, what = load_data()
    print(f"Data: {len(y):,} rows of {what}")
    torch.manual_seed(args.seed)
    train, val, test = DataGenerator(x, y).generate_dataloader(
        split_ratio=[0.8, 0.1], batch_size=512
    )
    features = describe(x)
    fields = [f for f in features if not isinstance(f, DenseFeature)]
    model = DeepFM(features, fields, {"dims": [64, 32], "dropout": 0.5, "activation": "relu"})

    args.out.mkdir(parents=True, exist_ok=True)
    name = f"deepfm-seed{args.seed}-{time.strftime('%Y%m%d-%H%M%S')}"
    loggers, views = open_trackers(args.out, name, {"seed": args.seed, "data": what})
    trainer = CTRTrainer(
        model,
        optimizer_params={"lr": args.lr, "weight_decay": 1e-5},
        n_epoch=args.epochs,
        earlystop_patience=3,
        model_path=args.out / "models" / name,
        model_logger=loggers,
        progress=True,
    )
    started = time.perf_counter()
    trainer.fit(train, val, test_dataloader=test)
    seconds = time.perf_counter() - started

    print_epochs(trainer.history)
    predictions = trainer.predict(trainer.model, test)
    rows = test.dataset.indices.numpy()
    baseline = logistic_regression(x, y, train.dataset.indices.numpy(), rows)
    print(f"\nTest AUC {auc_score(y[rows], predictions):.4f}, log loss ", end="")
    print(f"{log_loss(y[rows], predictions):.4f}, trained in {seconds:.1f} s")
    print(f"Logistic regression: AUC {auc_score(y[rows], baseline):.4f}, log loss ", end="")
    print(f"{log_loss(y[rows], baseline):.4f}")
    print(f"Model:  {trainer.model_path / trainer.weights_file}")
    for view in views:
        print(f"Look at the run:  {view}")
    if len(views) == 1:
        print('No tracker is installed: pip install "torch-rechub[tracking]"')


if __name__ == "__main__":
    main()
