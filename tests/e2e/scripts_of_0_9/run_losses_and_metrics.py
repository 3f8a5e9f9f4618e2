"""Losses and metrics by hand."""

import argparse

import numpy as np
import torch

from torch_rechub.basic.loss_func import (
    BPRLoss,
    HingeLoss,
    InBatchNCELoss,
    NCELoss,
    RegularizationLoss,
)
from torch_rechub.basic.metric import (
    auc_score,
    coverage_score,
    diversity_score,
    gauc_score,
    get_user_pred,
    hit_score,
    log_loss,
    mrr_score,
    ndcg_score,
    novelty_score,
    precision_score,
    recall_score,
    topk_metrics,
)

parser = argparse.ArgumentParser()
parser.add_argument("--dataset_path", default="./data")
parser.parse_args()

y_true, y_pred = np.array([0, 1, 1, 0, 1, 0]), np.array([0.2, 0.6, 0.7, 0.65, 0.9, 0.1])
users = ["a", "a", "a", "b", "b", "b"]
print("auc", auc_score(y_true, y_pred), "log loss", log_loss(y_true, y_pred))
print("gauc", gauc_score(y_true, y_pred, users), get_user_pred(y_true, y_pred, users)["a"])

relevant, ranked = {"u1": [1, 2], "u2": [7]}, {"u1": [1, 9, 2], "u2": [8, 9, 7]}
for score in (ndcg_score, hit_score, mrr_score, recall_score, precision_score):
    print(score(relevant, ranked, topKs=[1, 3]))
metrics = topk_metrics(relevant, ranked, topKs=[1, 3])
assert metrics["Recall"] == ["Recall@1: 0.25", "Recall@3: 1.0"]
items = {item: torch.randn(4).numpy() for item in range(10)}
print(diversity_score(ranked, items, topKs=[3]))
print(coverage_score(ranked, all_items=list(range(10)), topKs=[3]))
print(novelty_score(ranked, {item: (item + 1) / 55 for item in range(10)}, topKs=[3]))

positive, negative = torch.tensor([1.0, 2.0]), torch.tensor([[0.0, 3.0], [1.0, 0.0]])
print("bpr", BPRLoss()(positive, negative), "hinge", HingeLoss(margin=2)(positive, negative))
print("weighted hinge", HingeLoss(margin=2, num_items=10)(positive, negative, in_batch_neg=True))
logits, targets = torch.randn(3, 5), torch.tensor([1, 0, 4])
print("nce", NCELoss(temperature=0.5, ignore_index=0, reduction="mean")(logits, targets))
embeddings, candidates = torch.randn(3, 4), torch.randn(5, 4)
print("in batch", InBatchNCELoss(temperature=0.1)(embeddings, candidates, targets))
model = torch.nn.Sequential(torch.nn.Embedding(5, 2), torch.nn.Linear(2, 1))
print("penalty", RegularizationLoss(0.1, 0.1, 0.1, 0.1)(model))
