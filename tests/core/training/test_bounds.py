"""The numbers that trainers, schedules and batches may not have: refused before training starts."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from torch_rechub.basic.features import SparseFeature
from torch_rechub.basic.tracking import BaseLogger, LoggerGroup
from torch_rechub.models.generative import HSTUModel, RQVAEModel
from torch_rechub.models.matching import DSSM
from torch_rechub.models.multi_task import SharedBottom
from torch_rechub.models.ranking import LR
from torch_rechub.trainers import CTRTrainer, MatchTrainer, MTLTrainer, Recording, SeqTrainer
from torch_rechub.trainers.rqvae_trainer import Trainer as RQVAETrainer
from torch_rechub.utils.data import DataGenerator, SequenceDataGenerator

USER, ITEM = SparseFeature("user", 9, embed_dim=4), SparseFeature("item", 9, embed_dim=4)


def ctr(**kwargs):
    return CTRTrainer(LR([USER]), **kwargs)


def match(**kwargs):
    model = DSSM([USER], [ITEM], {"dims": [4]}, {"dims": [4]})
    return MatchTrainer(model, in_batch_neg=True, **kwargs)


def mtl(**kwargs):
    tasks = ["classification", "regression"]
    model = SharedBottom([USER], tasks, {"dims": [4]}, [{"dims": [4]}, {"dims": [4]}])
    return MTLTrainer(model, tasks, **kwargs)


def seq(**kwargs):
    model = HSTUModel(9, d_model=8, n_heads=1, n_layers=1, dqk=4, dv=4, max_seq_len=5)
    return SeqTrainer(model, **kwargs)


def rqvae(**kwargs):
    return RQVAETrainer(RQVAEModel(4, num_emb_list=[2], e_dim=2, layers=[3]), **kwargs)


EVERY = pytest.mark.parametrize("make", [ctr, match, mtl, seq, rqvae])
WHOLE = [-1, 1.5, math.nan, math.inf, True, "3", torch.tensor([2]), torch.tensor(1.5)]
AT_LEAST_1 = [0, *WHOLE]
IMPOSSIBLE = {
    "n_epoch": [*WHOLE, None],
    "accumulate": [*AT_LEAST_1, None],
    "eval_batch_size": AT_LEAST_1,
    "max_grad_norm": [0, -1.0, math.nan, True, "1"],
    "earlystop_patience": [0, -1, 1.5, math.nan, True, "3", None],
    "compile": ["no", 2, None],
    "prefetch": ["no", 2, None],
    "progress": ["no", 2],
}
OF_ONE = {
    (match, "mode"): [-1, 3, True, 1.5],
    (match, "in_batch_neg_ratio"): WHOLE,
    (match, "sampler_seed"): [1.5, True, "3"],
    (mtl, "earlystop_taskid"): [-1, 2, 1.5, True],
    (mtl, "earlystop_mode"): ["up", None, 1],
    (rqvae, "eval_step"): AT_LEAST_1,
}


OF_EVERY = [(make, name) for make in (ctr, match, mtl, seq, rqvae) for name in IMPOSSIBLE]
OF_EVERY.remove((rqvae, "earlystop_patience"))  # it never stops early


@pytest.mark.parametrize(("make", "name"), OF_EVERY)
def test_every_trainer_refuses_impossible_numbers_by_name(make, name):
    for value in IMPOSSIBLE[name]:
        with pytest.raises((ValueError, TypeError), match=f"^{name} must be .*got"):
            make(**{name: value})


@pytest.mark.parametrize(("make", "name"), OF_ONE)
def test_what_one_trainer_takes_is_bounded_as_well(make, name):
    for value in OF_ONE[make, name]:
        with pytest.raises((ValueError, TypeError), match=f"^{name} must be .*got"):
            make(**{name: value})


@EVERY
def test_numbers_of_numpy_are_numbers(make):
    trainer = make(n_epoch=np.int64(2), accumulate=np.int32(2), max_grad_norm=np.float32(0.5))
    assert trainer.n_epoch == 2


@EVERY
@pytest.mark.parametrize(
    "kind", [np.int64, np.uint8, np.array, torch.tensor], ids=["int64", "uint8", "array", "tensor"]
)
def test_whole_numbers_of_any_type_become_ints(make, kind):
    options = {"n_epoch": 2, "accumulate": 3, "eval_batch_size": 50}
    trainer = make(**{name: kind(value) for name, value in options.items()})
    found = {name: getattr(trainer.settings, name) for name in options}
    assert found == options
    assert {type(value) for value in (*found.values(), trainer.n_epoch)} == {int}
    assert type(Recording(every_n_steps=kind(5)).every_n_steps) is int


def test_patience_may_be_endless():
    assert ctr(earlystop_patience=math.inf).early_stopper.patience == math.inf


def test_steps_and_balancing_are_bounded_too():
    for steps in AT_LEAST_1:
        with pytest.raises((ValueError, TypeError), match=r"^every_n_steps must be"):
            Recording(every_n_steps=steps)
    for alpha in (-0.1, math.nan, math.inf):
        with pytest.raises(ValueError, match=r"^alpha must be at least 0"):
            mtl(adaptive_params={"method": "gradnorm", "alpha": alpha})


@EVERY
def test_parameters_of_the_optimizer_are_bounded(make):
    for name in ("lr", "weight_decay"):
        for value in (-0.1, math.nan, math.inf, "fast"):
            with pytest.raises((ValueError, TypeError), match=f"^{name} must be .*got"):
                make(optimizer_params={name: value})
    rate = make(optimizer_params={"lr": torch.tensor(0.5)}).optimizer.param_groups[0]["lr"]
    assert float(rate) == 0.5


@pytest.mark.parametrize("name", ["embedding_l1", "embedding_l2", "dense_l1", "dense_l2"])
def test_weights_of_the_penalty_are_bounded(name):
    for make in (ctr, match, mtl):
        for value in (-0.1, math.nan, math.inf, "x"):
            with pytest.raises((ValueError, TypeError), match=f"^{name} must be .*got"):
                make(regularization_params={name: value})


def test_what_is_recorded_is_true_or_false_in_a_recording():
    for name in ("best", "figures", "embeddings", "architecture", "checkpoint"):
        with pytest.raises(ValueError, match=f"^{name} must be True or False, got 'no'"):
            Recording(**{name: "no"})
    with pytest.raises(TypeError, match="record must be a Recording, got"):
        ctr(model_logger=[BaseLogger()], record={"best": True})


def test_one_logger_twice_is_refused():
    logger = BaseLogger()
    with pytest.raises(ValueError, match="holds the same BaseLogger twice"):
        LoggerGroup([logger, BaseLogger(), logger])
    with pytest.raises(ValueError, match="holds the same BaseLogger twice"):
        ctr(model_logger=[logger, logger])


# A schedule that waits for a plateau


PLATEAU = {"scheduler_fn": ReduceLROnPlateau, "scheduler_params": {"patience": 0, "factor": 0.5}}
X, Y = {"user": np.arange(80) % 9}, (np.arange(80) % 9 > 4).astype("float32")


def rates(trainer, values, validate=True):
    """The learning rate of each epoch, validation having scored `values`."""
    train, val, _ = DataGenerator(X, Y).generate_dataloader(split_ratio=[0.5, 0.4], batch_size=16)
    values = iter(values)
    trainer.evaluate_fn = lambda *_: next(values)
    trainer.fit(train, val if validate else None)
    return [row["learning_rate"] for row in trainer.history]


def of(tmp_path, **kwargs):
    return ctr(
        n_epoch=4, optimizer_params={"lr": 1.0, "weight_decay": 0}, model_path=tmp_path, **kwargs
    )


def test_the_rate_stays_while_a_score_grows_and_falls_when_it_does_not(tmp_path):
    assert rates(of(tmp_path, **PLATEAU), [0.6, 0.7, 0.8, 0.9]) == [1, 1, 1, 1]
    assert rates(of(tmp_path, **PLATEAU), [0.6, 0.5, 0.7, 0.6]) == [1, 1, 0.5, 0.5]


def test_without_validation_the_rate_stays_while_the_loss_falls(tmp_path):
    trainer = of(tmp_path, **PLATEAU)
    held = trainer.scheduler
    losses = iter([0.9, 0.8, 0.7, 0.6])
    trainer._train_pass = lambda *_: [next(losses)]
    assert rates(trainer, [], validate=False) == [1, 1, 1, 1]
    assert trainer.scheduler is held


def test_a_falling_score_keeps_the_rate_where_smaller_is_better(tmp_path):
    trainer = seq(
        n_epoch=3, monitor="val/loss", optimizer_params={"lr": 1e-3}, model_path=tmp_path, **PLATEAU
    )
    losses = iter([0.9, 0.8, 0.7])
    trainer.validate = lambda _: {"val/loss": next(losses), "val/accuracy": 0.5}
    tokens = np.ones((8, 5), int)
    data = SequenceDataGenerator(tokens, tokens, np.ones(8, int), tokens)
    trainer.fit(*[data.generate_dataloader(batch_size=4)[0]] * 2)
    assert [row["learning_rate"] for row in trainer.history] == [1e-3] * 3


@pytest.mark.parametrize(
    "schedule",
    [
        {"scheduler_fn": ReduceLROnPlateau, "scheduler_params": {"mode": "min"}},
        {"scheduler_fn": lambda optimizer: ReduceLROnPlateau(optimizer)},
    ],
)
def test_a_schedule_made_for_the_contrary_is_refused_before_training(tmp_path, schedule):
    trainer = of(tmp_path, **schedule)
    with pytest.raises(ValueError, match=r"mode='min'.*larger is better: set mode='max'"):
        rates(trainer, [0.5])
    assert trainer.history == []


def test_a_direction_that_is_right_is_left_alone(tmp_path):
    schedule = {"scheduler_fn": ReduceLROnPlateau, "scheduler_params": {"mode": "max"}}
    assert rates(of(tmp_path, **schedule), [0.6, 0.7, 0.8, 0.9]) == [1, 1, 1, 1]


# Batches without rows


def without_rows(batch):
    if isinstance(batch, torch.Tensor):
        return batch[:0]
    if isinstance(batch, dict):
        return {name: value[:0] for name, value in batch.items()}
    return tuple(without_rows(part) for part in batch)


ONES = torch.ones(4, 5, dtype=torch.long)
BATCHES = {
    ctr: ({"user": torch.arange(4)}, torch.tensor([0.0, 1, 0, 1])),
    match: {"user": torch.arange(4), "item": torch.arange(4)},
    mtl: ({"user": torch.arange(4)}, torch.tensor([[0.0, 1], [1, 2], [0, 3], [1, 4]])),
    seq: (ONES, ONES, ONES, torch.ones(4, dtype=torch.long)),
    rqvae: torch.randn(4, 4),
}


@pytest.mark.parametrize("make", BATCHES)
def test_a_batch_without_rows_has_no_loss_and_changes_nothing(make, tmp_path):
    results = []
    for name, batches in (("with", [without_rows, None]), ("alone", [None])):
        torch.manual_seed(0)
        trainer = make(n_epoch=1, model_path=tmp_path / name)
        loader = [BATCHES[make] if cut is None else cut(BATCHES[make]) for cut in batches]
        trainer.fit(loader)
        losses = [trainer.history[0][loss] for loss in trainer.loss_names]
        assert all(math.isfinite(loss) for loss in losses)
        results.append((losses, trainer.model.state_dict()))
    (losses, weights), (expected, others) = results
    assert losses == expected
    assert all(torch.equal(value, others[name]) for name, value in weights.items())


def test_rows_without_anything_to_predict_have_no_loss(tmp_path):
    padding = torch.zeros(4, 5, dtype=torch.long)
    nothing = (padding, padding, padding, torch.zeros(4, dtype=torch.long))
    trainer = seq(n_epoch=1, model_path=tmp_path)
    trainer.fit([nothing, BATCHES[seq]])
    assert math.isfinite(trainer.history[0]["train/loss"])
    assert all(p.isfinite().all() for p in trainer.model.parameters())


def test_epochs_without_any_row_are_an_error(tmp_path):
    with pytest.raises(ValueError, match="no batch with anything to learn from"):
        ctr(n_epoch=1, model_path=tmp_path).fit([without_rows(BATCHES[ctr])])


def test_modules_that_return_no_finite_loss_for_no_row_do_not_spoil_the_mean(tmp_path):
    class Mean(nn.Module):
        def forward(self, prediction, label):
            return (prediction - label).square().sum() / len(label)

    trainer = ctr(n_epoch=1, model_path=tmp_path)
    trainer.criterion = Mean()
    trainer.fit([without_rows(BATCHES[ctr]), BATCHES[ctr]])
    assert math.isfinite(trainer.history[0]["train/loss"])
