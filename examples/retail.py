"""Retrieve the next product of each customer from a raw CSV of orders with text ids.

Protocol: of a customer's orders of one product the first counts; customers and products with fewer
than three orders are left out; each customer's last order is the test, the one before it the
validation. All products but those that the customer ordered before are ranked. Without a path, the
file is a synthetic log of customers who mostly stay in one category.

    python examples/retail.py dssm             # or: sasrec, hstu
    python examples/retail.py dssm orders.csv  # columns customer, product, time, category
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from torch_rechub.basic.features import SequenceFeature, SparseFeature
from torch_rechub.data.interactions import Interactions
from torch_rechub.data.preprocessing import Categorical, Preprocessor
from torch_rechub.data.synthetic_files import write_order_log
from torch_rechub.metrics.retrieval import evaluate_retrieval
from torch_rechub.models.generative import HSTUModel
from torch_rechub.models.matching import DSSM, SASRec
from torch_rechub.trainers import MatchTrainer, RetrievalData, SeqTrainer

LENGTH, DIM = 20, 32
WITH_CATEGORY = {"max_length": LENGTH, "attributes": ["category"]}
METRICS = ("ndcg@10", "hit@10")


def load(path):
    """Return the encoded split of a CSV file, and its preprocessor."""
    table = pd.read_csv(path, parse_dates=["time"], dtype={"customer": str, "product": str})
    log = Interactions(table, "customer", "product", "time", attributes=["category"])
    split = log.drop_duplicates().k_core(3).leave_one_out()
    names = ("customer", "product", "category")
    columns = [Categorical(name, embed_dim=DIM) for name in names]
    preprocessor = Preprocessor(columns).fit(split.train.frame())
    return split.encode(preprocessor), preprocessor


def trained(model, split, batches, options):
    """Train a model with `MatchTrainer`, validated by retrieval, and return the test metrics."""
    val, test = (
        RetrievalData(**p.retrieval(**WITH_CATEGORY)) for p in (split.validation, split.test)
    )
    trainer = MatchTrainer(model, retrieval=val, metrics=METRICS, monitor="val/ndcg@10", **options)
    trainer.fit(batches)
    return trainer.evaluate_retrieval(model, test, METRICS)


def dssm(split, preprocessor, options):
    """Train two towers: the customer's history, and the product with its category."""
    item = preprocessor.features("product", "category")
    user = [
        SequenceFeature(f"hist_{f.name}", f.vocab_size, DIM, "mean", f.name, padding_idx=0)
        for f in item
    ]
    model = DSSM(user, item, {"dims": [64, DIM]}, {"dims": [64, DIM]}, temperature=0.1)
    batches = split.train.samples(**WITH_CATEGORY).loader(256, shuffle=True)
    frequency = {"product": split.train.popularity()}
    options = {**options, "in_batch_neg": True, "item_frequency": frequency}
    return trained(model, split, batches, options)


def sasrec(split, preprocessor, options):
    """Train SASRec on every step, with one negative for each."""
    size = split.sizes["product"]
    names = ("hist_product", "next_product", "neg_product")
    steps = [SequenceFeature(name, size, DIM, "concat", padding_idx=0) for name in names]
    item = SparseFeature("product", size, DIM)
    model = SASRec(steps, LENGTH, dropout_rate=0.2, item_feature=item)
    batches = split.train.pieces(LENGTH).with_negatives().loader(64, shuffle=True)
    return trained(model, split, batches, {**options, "mode": 1})


def hstu(split, preprocessor, options):
    """Train HSTU with `SeqTrainer` on every step; its softmax is over all products."""
    train = split.train.pieces(LENGTH).sequence_loader(64, shuffle=True)
    val, test = (p.samples(LENGTH).sequence_loader(256) for p in (split.validation, split.test))
    model = HSTUModel(split.sizes["product"], DIM, n_heads=2, n_layers=2, max_seq_len=LENGTH)
    trainer = SeqTrainer(model, monitor="val/loss", **options)
    trainer.fit(train, val)
    return trainer.evaluate_topk(test, topKs=(10,), exclude_seen=True)


def most_popular(split):
    """Return the test metrics of a ranking by popularity in training."""
    data = split.test.retrieval(LENGTH)
    counts = split.train.popularity()[data["items"]["product"]]
    ones = np.ones((len(data["users"]["hist_product"]), 1))
    return evaluate_retrieval(ones, counts[:, None], data["relevant"], data["seen"], topKs=[10])


def main():
    """Train a model, and compare it with popularity."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    models = {"dssm": dssm, "sasrec": sasrec, "hstu": hstu}
    parser.add_argument("model", choices=models)
    parser.add_argument("path", nargs="?", help="the CSV file; a synthetic log by default")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="a temporary folder by default")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    out = args.out or Path(tempfile.mkdtemp())
    path = args.path
    if path is None:
        path = out / "orders.csv"
        out.mkdir(parents=True, exist_ok=True)
        write_order_log(path)

    split, preprocessor = load(path)
    preprocessor.save(out / "preprocessor")
    options = {
        "n_epoch": args.epochs,
        "earlystop_patience": 3,
        "optimizer_params": {"lr": 5e-3},
        "model_path": out / "model",
    }
    found = models[args.model](split, preprocessor, options)
    print(split)
    for name, metrics in ((args.model, found), ("popularity", most_popular(split))):
        print(f"{name:<11} test NDCG@10 {metrics['ndcg@10']:.4f}  HR@10 {metrics['hit@10']:.4f}")
    print(f"Model and preprocessor: {out}")


if __name__ == "__main__":
    main()
