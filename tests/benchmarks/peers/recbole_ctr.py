"""DeepFM of RecBole, on its trainer and loaders.

RecBole counts the ids it reads; here a file of three rows declares the columns, and the rows and
vocabulary sizes of the workload then take their place, so that tables are as large as everyone's.
It embeds numbers too, so its MLP reads 39 × 16 inputs where the others read 26 × 16 + 13, and its
MLP has no batch normalization. First-order weights: a number for each id. Evaluation is `predict`,
batch by batch, without RecBole's own sorting by user.
"""

import logging
from pathlib import Path

import numpy as np
import torch
from recbole.config import Config
from recbole.data import create_dataset
from recbole.data.dataloader import TrainDataLoader
from recbole.data.interaction import Interaction
from recbole.model.context_aware_recommender.deepfm import DeepFM
from recbole.trainer import Trainer
from sklearn.metrics import roc_auc_score

from workloads.ctr import CATEGORIES, DENSE, DIM, HIDDEN, LEARNING_RATE, ClickLog, load
from workloads.protocol import answer, parser, start, timed


def settings(folder: str, batch: int, epochs: int, seed: int) -> Config:
    """RecBole's configuration: our model size, its defaults otherwise."""
    return Config(
        model="DeepFM",
        dataset="log",
        config_dict={
            "data_path": folder,
            "checkpoint_dir": folder,
            "USER_ID_FIELD": "C1",
            "ITEM_ID_FIELD": "C2",
            "LABEL_FIELD": "label",
            "load_col": {"inter": [*CATEGORIES, *DENSE, "label"]},
            "numerical_features": DENSE,
            "normalize_all": False,
            "threshold": None,
            "embedding_size": DIM,
            "mlp_hidden_size": HIDDEN,
            "dropout_prob": 0.0,
            "learning_rate": LEARNING_RATE,
            "weight_decay": 0.0,
            "train_neg_sample_args": None,
            "eval_args": {
                "split": {"RS": [1, 0, 0]},
                "order": "RO",
                "group_by": None,
                "mode": "labeled",
            },
            "metrics": ["AUC"],
            "valid_metric": "AUC",
            "train_batch_size": batch,
            "epochs": epochs,
            "seed": seed,
            "use_gpu": False,
            "show_progress": False,
        },
    )


def declare_columns(folder: str) -> None:
    """Write the file that tells RecBole names and kinds of columns."""
    names = [f"{n}:token" for n in CATEGORIES] + [f"{n}:float" for n in [*DENSE, "label"]]
    rows = ["\t".join([str(i)] * len(names)) for i in range(3)]
    Path(folder, "log").mkdir()
    Path(folder, "log", "log.inter").write_text("\n".join(["\t".join(names), *rows]) + "\n")


def interaction(log: ClickLog) -> Interaction:
    """The rows of a log in RecBole's form, where a number comes with its embedding's index, 1."""
    columns = {name: torch.from_numpy(values) for name, values in log.columns().items()}
    for name in DENSE:
        columns[name] = torch.stack([columns[name], torch.ones(len(log))], dim=1)
    return Interaction({**columns, "label": torch.from_numpy(log.labels)})


def evaluate(model: DeepFM, rows: Interaction, labels: np.ndarray, batch: int) -> float:
    model.eval()
    with torch.no_grad():
        starts = range(0, len(labels), batch)
        scores = torch.cat([model.predict(rows[k : k + batch]) for k in starts])
    return float(roc_auc_score(labels, scores.numpy()))


def main() -> None:
    args = parser(__doc__).parse_args()
    start(args)
    logging.disable(logging.INFO)
    log = load(args.data)
    train, test = log.split()
    declare_columns(args.scratch)
    config = settings(args.scratch, args.batch, args.epochs, args.seed)
    dataset = create_dataset(config)
    dataset.inter_feat = interaction(train)
    for name, size in zip(CATEGORIES, log.sizes):
        dataset.field2id_token[name] = np.arange(size).astype(str)
    model = DeepFM(config, dataset)
    trainer = Trainer(config, model)
    loader = TrainDataLoader(config, dataset, None, shuffle=True)
    fit, _ = timed(lambda: trainer.fit(loader, verbose=False, saved=False))
    rows = interaction(test)
    evaluation, auc = timed(lambda: evaluate(model, rows, test.labels, args.batch))
    answer(
        args,
        ["recbole"],
        train_samples_per_s=len(train) * args.epochs / fit,
        eval_samples_per_s=len(test) / evaluation,
        auc=auc,
        best_auc=test.best_auc,
        parameters=sum(p.numel() for p in model.parameters()),
    )


if __name__ == "__main__":
    main()
