"""Where the tensors of a training step are made: next to the model, wherever that is."""

from functools import partial

import numpy as np
import pytest
import torch

from torch_rechub.basic.features import SequenceFeature, SparseFeature
from torch_rechub.data.batch import Batch
from torch_rechub.models.generative import HSTUModel
from torch_rechub.models.matching import BPRMF, DSSM, BERT4Rec, YoutubeDNN
from torch_rechub.models.multi_task import AITM, ESCM2, SharedBottom
from torch_rechub.models.ranking import DeepFM
from torch_rechub.objectives.balancing.choice import STRATEGIES
from torch_rechub.trainers import CTRTrainer, MatchTrainer, MTLTrainer, SeqTrainer

USER, ITEM, NEG = (SparseFeature(name, 9, 4) for name in ("user", "item", "neg"))
HISTORY = SequenceFeature("history", 9, 4, "concat")
NEGATIVES = SequenceFeature("negatives", 9, 4, "concat", shared_with="item")
PARAMS = {"dims": [4]}
IDS = torch.arange(8) % 8 + 1
ROWS = {
    **{name: IDS.roll(i) for i, name in enumerate(("user", "item", "neg"))},
    **{name: torch.stack([IDS, IDS.flip(0)], dim=1) for name in ("history", "negatives")},
}
CLICKS = torch.tensor([0.0, 1.0] * 4)


@pytest.fixture
def step(tmp_path):
    """A training step where a tensor whose device is not said goes to another device."""

    def step(trainer, model, batch, **kwargs):
        trainer = trainer(model, model_path=tmp_path, progress=False, **kwargs)
        before = [p.detach().clone() for p in trainer.trained_parameters()]
        with torch.device("meta"):
            loss = trainer.losses(Batch.unpacked(batch))
            losses = loss.scalars()
            trainer.steps.reset()
            trainer.steps(partial(trainer.backward, losses, loss.auxiliary), losses)
        assert {loss.device.type for loss in losses} == {"cpu"}
        moved = [not torch.equal(a, b) for a, b in zip(trainer.trained_parameters(), before)]
        assert any(moved)

    return step


def test_clicks(step):
    penalty = {"embedding_l1": 0.1, "embedding_l2": 0.1, "dense_l1": 0.1, "dense_l2": 0.1}
    model = DeepFM([USER, ITEM], [USER, ITEM], PARAMS)
    step(CTRTrainer, model, (ROWS, CLICKS), regularization_params=penalty, max_grad_norm=0.1)


def dssm():
    return DSSM([USER], [ITEM], PARAMS, PARAMS, temperature=0.1)


@pytest.mark.parametrize(
    ("make", "mode", "y"),
    [
        (dssm, 0, CLICKS),
        (lambda: BPRMF(USER, ITEM, NEG), 1, CLICKS),
        (lambda: YoutubeDNN([USER], [ITEM], [NEGATIVES], PARAMS), 2, torch.zeros(8)),
        (lambda: BERT4Rec(HISTORY), 2, IDS),
    ],
)
def test_retrieval(step, make, mode, y):
    step(MatchTrainer, make(), (ROWS, y), mode=mode)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"in_batch_neg_ratio": 3},
        {"in_batch_neg_ratio": 3, "hard_negative": True},
        {"in_batch_neg_ratio": 3, "sampler_seed": 1},
        {"item_frequency": {"item": np.ones(9)}},
    ],
)
@pytest.mark.parametrize("mode", [0, 1, 2])
def test_retrieval_among_the_items_of_a_batch(step, mode, options):
    step(MatchTrainer, dssm(), (ROWS, CLICKS), mode=mode, in_batch_neg=True, **options)


@pytest.mark.parametrize("method", [None, *STRATEGIES])
@pytest.mark.parametrize(
    "make",
    [
        lambda: SharedBottom([USER], ["classification", "regression"], PARAMS, [{}, {}]),
        lambda: AITM([USER], 2, PARAMS, [{}, {}]),
        lambda: ESCM2([USER], [ITEM], PARAMS, PARAMS, PARAMS),
    ],
)
def test_tasks(step, make, method):
    model = make()
    y = torch.ones(8, len(model.task_types))
    params = None if method is None else {"method": method}
    batch = (ROWS, y)
    step(MTLTrainer, model, batch, task_types=model.task_types, adaptive_params=params)


@pytest.mark.parametrize("loss_type", ["cross_entropy", "nce"])
def test_next_items(step, loss_type):
    model = HSTUModel(9, d_model=8, n_heads=2, n_layers=1, dqk=4, dv=4, max_seq_len=2)
    tokens = ROWS["history"]
    step(SeqTrainer, model, (tokens, tokens, tokens, IDS), loss_type=loss_type)
