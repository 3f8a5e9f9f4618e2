"""From a raw log with text ids to trained models, with the inputs as they come."""

import numpy as np
import pandas as pd
import pytest
import torch

from torch_rechub.basic.features import SequenceFeature, SparseFeature
from torch_rechub.data.interactions import Interactions
from torch_rechub.models.generative import HSTUModel
from torch_rechub.models.matching import DSSM, SASRec
from torch_rechub.trainers import MatchTrainer, RetrievalData, SeqTrainer

LENGTH, DIM = 6, 8


@pytest.fixture(scope="module")
def split():
    """The split of users who walk around a circle of twelve items."""
    rng = np.random.default_rng(0)
    start, steps = rng.integers(12, size=150), rng.integers(5, 9, size=150)
    user = np.repeat(np.arange(150), steps)
    step = np.concatenate([np.arange(n) for n in steps])
    log = pd.DataFrame({"user": user, "item": (start[user] + step) % 12, "time": step * 60})
    log["user"], log["item"] = log["user"].map("u{}".format), log["item"].map("i{:02}".format)
    shuffled = log.sample(frac=1, random_state=0)
    return Interactions(shuffled, "user", "item", "time").k_core(2).leave_one_out().encode()


def sequence(name, size, pooling, shared_with):
    return SequenceFeature(name, size, DIM, pooling, shared_with, padding_idx=0)


def test_dssm_learns_the_next_item(split, tmp_path):
    torch.manual_seed(0)
    size, train = split.sizes["item"], split.train.samples(1)
    item = SparseFeature("item", size, DIM)
    model = DSSM(
        [sequence("hist_item", size, "mean", "item")], [item], {"dims": [16]}, {"dims": [16]}
    )
    trainer = MatchTrainer(
        model,
        in_batch_neg=True,
        item_frequency={"item": split.train.popularity()},
        retrieval=RetrievalData(**split.validation.retrieval(1), k=1),
        n_epoch=6,
        optimizer_params={"lr": 0.02},
        model_path=tmp_path,
    )
    trainer.fit(train.loader(64, shuffle=True))
    data = RetrievalData(**split.test.retrieval(1), k=1)
    assert trainer.evaluate_retrieval(model, data, ("hit@1",))["hit@1"] > 0.8  # by chance 0.1


def test_sasrec_learns_the_next_item(split, tmp_path):
    torch.manual_seed(0)
    size, item = split.sizes["item"], SparseFeature("item", split.sizes["item"], DIM)
    names = ("hist_item", "next_item", "neg_item")
    features = [sequence(name, size, "concat", None) for name in names[:1]]
    features += [sequence(name, size, "concat", "hist_item") for name in names[1:]]
    item = SparseFeature("item", size, DIM, shared_with="hist_item", padding_idx=0)
    model = SASRec(features, LENGTH, dropout_rate=0, num_blocks=1, item_feature=item)
    trainer = MatchTrainer(
        model, mode=1, n_epoch=25, optimizer_params={"lr": 0.03}, model_path=tmp_path
    )
    trainer.fit(split.train.pieces(LENGTH).with_negatives(seed=1).loader(32, shuffle=True))
    data = RetrievalData(**split.test.retrieval(LENGTH, exclude_seen=False), k=1)
    assert trainer.evaluate_retrieval(model, data, ("hit@1",))["hit@1"] > 0.8


def test_hstu_learns_the_next_item(split, tmp_path):
    torch.manual_seed(0)
    train = split.train.pieces(LENGTH).sequence_loader(32, shuffle=True)
    test = split.test.samples(LENGTH).sequence_loader(32)
    model = HSTUModel(
        split.sizes["item"], d_model=8, n_heads=1, n_layers=1, dqk=8, dv=8, max_seq_len=LENGTH
    )
    trainer = SeqTrainer(model, n_epoch=15, optimizer_params={"lr": 0.03}, model_path=tmp_path)
    trainer.fit(train)
    assert trainer.evaluate_topk(test, topKs=(1,))["hit@1"] > 0.8
