"""Labels that are missing for one task: left out of its loss and of its metrics, and counted."""

import copy
import logging
import math

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from core.trainers.weighted_cases import (
    FIELDS,
    SGD,
    TYPES,
    columns,
    escm2,
    funnel,
    mmoe,
    of_funnel,
    two_tasks,
)
from torch_rechub.models.multi_task import AITM, ESMM
from torch_rechub.trainers import CTRTrainer, MTLTrainer
from torch_rechub.utils.data import DataGenerator

N = 24
METHODS = [None, "uwl", "gradnorm", "metabalance"]
NAN = math.nan


def labels():
    """Of 24 rows, 8 lack the first label and 6 the second; 10 have both."""
    y = torch.stack([torch.arange(N) * 5 % 7 < 3, torch.arange(N) % 4 + 0.5], dim=1).float()
    y[:8, 0] = NAN
    y[18:, 1] = NAN
    return y


def part(y, rows):
    return {name: column[rows] for name, column in columns().items()}, y[rows]


def trainer_of(folder, method=None, **options):
    torch.manual_seed(0)
    params = None if method is None else {"method": method}
    return two_tasks(mmoe(), model_path=folder, adaptive_params=params, **(SGD | options))


def row_losses(predictions, y):
    """The losses of the rows that have a label, by task, from the definitions."""
    found = [[], []]
    for (p, value), (label, truth) in zip(predictions, y.tolist(), strict=True):
        if not math.isnan(label):
            found[0].append(-math.log(p if label else 1 - p))
        if not math.isnan(truth):
            found[1].append((value - truth) ** 2)
    return found


def test_the_loss_of_a_task_is_the_mean_over_the_rows_with_a_label_of_it(tmp_path):
    trainer = trainer_of(tmp_path, optimizer_params={"lr": 0.0}, n_epoch=1)
    trainer.model.train()
    predictions = copy.deepcopy(trainer.model)(columns()).tolist()
    history = trainer.fit([(columns(), labels())])
    expected = [sum(losses) / len(losses) for losses in row_losses(predictions, labels())]
    assert [len(losses) for losses in row_losses(predictions, labels())] == [16, 18]
    assert history[0] == pytest.approx(expected, rel=1e-5)


def test_the_loss_of_an_epoch_is_the_mean_over_all_its_labels(tmp_path):
    trainer = trainer_of(tmp_path, optimizer_params={"lr": 0.0}, n_epoch=1)
    trainer.model.train()
    batches = [part(labels(), slice(i, i + 8)) for i in (0, 8, 16)]  # the first lacks task 0
    model = copy.deepcopy(trainer.model)
    found = [row_losses(model(x).tolist(), y) for x, y in batches]
    history = trainer.fit(batches)
    for task in (0, 1):
        losses = [loss for of_batch in found for loss in of_batch[task]]
        assert history[0][task] == pytest.approx(sum(losses) / len(losses), rel=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_a_label_that_is_missing_is_no_label_whatever_stands_elsewhere(
    method, tmp_path, same_weights
):
    """The same steps by hand: the losses of the rows that have labels, balanced as they are."""
    trainer = trainer_of(tmp_path, method, n_epoch=1)
    by_hand = trainer_of(tmp_path, method, n_epoch=1)
    trainer.fit([(columns(), labels())])
    y, model = labels(), by_hand.model
    model.train()
    output = model.logits(columns())
    first, second = ~y[:, 0].isnan(), ~y[:, 1].isnan()
    bce, mse = torch.nn.BCEWithLogitsLoss(), torch.nn.MSELoss()
    losses = [bce(output[first, 0], y[first, 0]), mse(output[second, 1], y[second, 1])]
    by_hand.optimizer.zero_grad()
    by_hand.tasks.balancing.backward(losses, 0.0)
    by_hand.optimizer.step()
    assert same_weights(trainer.model.state_dict(), model.state_dict())


@pytest.mark.parametrize("method", METHODS)
def test_a_batch_without_labels_of_a_task_leaves_its_tower_and_its_weight_alone(method, tmp_path):
    trainer = trainer_of(tmp_path, method)
    first = [part(labels(), slice(8, 18))]  # both labels, so that the strategies have begun
    trainer.fit(first)
    tower = {n: p.clone() for n, p in trainer.model.named_parameters() if "towers" in n}
    trainer.model.train()
    before = None if method is None else trainer.tasks.balancing.state_dict()
    before = copy.deepcopy(before)
    batch = part(labels(), slice(0, 8))
    given = next(iter(trainer.batches([batch], [batch])))
    found = trainer.losses(given)
    assert found.count.tolist() == [0, 8]
    assert found.losses[0] == 0
    trainer.optimizer.zero_grad()
    trainer.backward(found.scalars(), 0.0)
    gradients = {n: p.grad for n, p in trainer.model.named_parameters()}
    changed = [n for n in tower if gradients[n] is not None and gradients[n].any()]
    assert changed
    only_second = copy.deepcopy(trainer.model)
    only_second.zero_grad()
    output = only_second.logits(batch[0])
    torch.nn.functional.mse_loss(output[:, 1], batch[1][:, 1]).backward()
    scale = 1.0 if method in ("gradnorm", "metabalance") else 0.5
    reached = {n for n, p in only_second.named_parameters() if p.grad is not None and p.grad.any()}
    assert set(changed) == {n for n in reached if "towers" in n}
    if method == "uwl":
        s = trainer.tasks.balancing.s
        assert s.grad[0] == 0
        assert s.grad[1] != 0
        scale = float(0.5 * torch.exp(-s[1].detach()))
    if method == "gradnorm":
        after = trainer.tasks.balancing.state_dict()
        assert after["w.0"] == before["w.0"]
        assert after["w.0"] + after["w.1"] == pytest.approx(2)
        scale = float(before["w.1"])
    if method == "metabalance":
        for state, other in zip(
            trainer.tasks.balancing.optimizer.state_dict()["state"].values(),
            before["_extra_state"]["state"].values(),
            strict=True,
        ):
            assert state["norms"][0] == other["norms"][0]
            assert state["updates"] == [other["updates"][0], other["updates"][1] + 1]
    for name in changed:
        expected = scale * only_second.get_parameter(name).grad
        torch.testing.assert_close(gradients[name], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_training_stays_finite_if_some_batches_lack_a_task(method, tmp_path):
    trainer = trainer_of(tmp_path, method, on_nan="raise", n_epoch=4)
    batches = [part(labels(), slice(i, i + 6)) for i in range(0, N, 6)]
    trainer.fit(batches, batches)
    assert all(p.isfinite().all() for p in trainer.model.parameters())
    weights = trainer.loss_weight
    assert weights is None or weights.isfinite().all()


def test_metrics_leave_out_the_rows_that_lack_a_label(tmp_path):
    y = labels()
    for options in ({}, {"metrics": ("auc", "mse")}):
        trainer = trainer_of(tmp_path, n_epoch=1, **options)
        trainer.fit([(columns(), y)], [(columns(), y)])
        p = np.array(trainer.predict(trainer.model, [columns()]))
        row = trainer.history[-1]
        names = ("task_0_auc", "task_1_mse") if options else ("task_0_score", "task_1_score")
        auc = roc_auc_score(y[8:, 0], p[8:, 0])
        mse = np.mean((p[:18, 1] - y[:18, 1].numpy()) ** 2)
        assert [row[f"val/{name}"] for name in names] == pytest.approx([auc, mse], rel=1e-5)


def test_metrics_leave_them_out_of_weights_and_groups_too(tmp_path):
    y, w = labels(), torch.arange(N) % 3 + 0.5
    trainer = trainer_of(tmp_path, metrics=[["auc", "gauc"], ["mse"]], group_column="item")
    found = trainer.measure(trainer.model, [(columns(), y, w)])
    p = np.array(trainer.predict(trainer.model, [columns()]))
    assert found["task_0_auc"] == pytest.approx(
        roc_auc_score(y[8:, 0], p[8:, 0], sample_weight=w[8:])
    )
    expected = np.average((p[:18, 1] - y[:18, 1].numpy()) ** 2, weights=w[:18])
    assert found["task_1_mse"] == pytest.approx(expected, rel=1e-5)


def test_weights_of_rows_weigh_the_labels_that_are_there(tmp_path):
    w = torch.arange(N) % 3 + 0.5
    trainer = trainer_of(tmp_path, optimizer_params={"lr": 0.0}, n_epoch=1)
    trainer.model.train()
    predictions = copy.deepcopy(trainer.model)(columns()).tolist()
    history = trainer.fit([(columns(), labels(), w)])
    first, second = row_losses(predictions, labels())
    expected = [np.average(first, weights=w[8:]), np.average(second, weights=w[:18])]
    assert history[0] == pytest.approx(expected, rel=1e-5)


# Before the first step


def test_missing_labels_are_counted_and_recorded(tmp_path, caplog, fake_logger):
    trainer = trainer_of(tmp_path, model_logger=fake_logger)
    train, val, _ = DataGenerator(columns(), labels()).generate_dataloader(columns(), labels())
    with caplog.at_level(logging.INFO, "torch_rechub"):
        trainer.fit(train, val)
    for name in ("Training data", "Validation or test data"):
        assert f"{name}, task 0: 8 of 24 labels are missing." in caplog.messages
        assert f"{name}, task 1: 6 of 24 labels are missing." in caplog.messages
    assert trainer.hyperparams()["missing_labels"] == [8, 6]
    whole = trainer_of(tmp_path)
    whole.fit([part(labels(), slice(8, 18))])
    assert "missing_labels" not in whole.hyperparams()


def test_a_row_without_any_label_is_refused(tmp_path):
    y = labels()
    y[[3, 20]] = NAN
    train, _, _ = DataGenerator(columns(), y).generate_dataloader()
    message = r"no label of any task in 2 of 24 rows, the first of them row 3: leave such rows out"
    for data in (train, [(columns(), y)]):
        trainer = trainer_of(tmp_path)
        with pytest.raises(ValueError, match=message):
            trainer.fit(data)
        assert not trainer.history


def test_a_task_without_labels_to_validate_on_has_no_score(tmp_path):
    y = labels()
    y[:, 0] = NAN
    y[:, 1] = 1.0
    train, val, _ = DataGenerator(columns(), labels()).generate_dataloader(columns(), y)
    trainer = trainer_of(tmp_path, earlystop_taskid=1)
    trainer.fit(train, val)
    assert math.isnan(trainer.history[0]["val/task_0_score"])
    assert math.isfinite(trainer.history[0]["val/task_1_score"])


def test_a_task_without_any_label_is_refused(tmp_path):
    y = labels()
    y[:, 0] = NAN
    y[:, 1] = 1.0
    train, _, _ = DataGenerator(columns(), y).generate_dataloader()
    with pytest.raises(ValueError, match="train_dataloader has no label of task 0: every value of"):
        trainer_of(tmp_path).fit(train)
    with pytest.raises(ValueError, match="yielded no label of task 0: leave the task out"):
        trainer_of(tmp_path).fit([(columns(), y)])


@pytest.mark.parametrize("task", [0, 1])
def test_infinity_is_no_label_that_is_missing(task, tmp_path):
    y = labels()
    y[12, task] = math.inf
    with pytest.raises(ValueError, match=rf"y\[:, {task}\] has 1 infinite value, first in row 12"):
        trainer_of(tmp_path).fit([(columns(), y)])


def test_a_single_task_needs_all_its_labels(tmp_path):
    y = labels()[:, 0]
    with pytest.raises(ValueError, match="y has 8 missing values"):
        CTRTrainer(mmoe(), model_path=tmp_path).fit([(columns(), y)])
    trainer = MTLTrainer(AITM(FIELDS, 1, {"dims": [4]}, [{}]), TYPES[:1], model_path=tmp_path)
    with pytest.raises(ValueError, match="no label of any task in 8 of 24 rows"):
        trainer.fit([(columns(), y)])


# Models with a loss of their own


def test_a_conversion_that_is_unknown_without_a_click_is_no_contradiction(tmp_path):
    y = funnel()
    unknown = y[:, 1] == 0
    y[unknown, 0] = NAN
    model = ESMM(FIELDS[:1], FIELDS[1:], {"dims": [4]}, {"dims": [4]})
    of_funnel(model, model_path=tmp_path, **SGD).fit([(columns(), y)])
    y[0] = torch.tensor([1.0, 1.0, 0.0])
    with pytest.raises(ValueError, match="the last one the product of the others, but row 0 is"):
        of_funnel(model, model_path=tmp_path).fit([(columns(), y)])


def test_escm2_needs_no_conversion_where_there_was_no_click(tmp_path):
    # in evaluation, as batch normalization by the batch would differ with fewer rows
    model, y = escm2().eval(), funnel()
    p = model(columns()).detach()
    expected = model.auxiliary_loss(columns(), p, y)
    without_click = y.clone()
    without_click[y[:, 1] == 0, 0] = NAN
    torch.testing.assert_close(model.auxiliary_loss(columns(), p, without_click), expected)
    y[[2, 5], 1] = NAN
    kept = torch.arange(N)[(torch.arange(N) != 2) & (torch.arange(N) != 5)]
    x = {name: column[kept] for name, column in columns().items()}
    expected = model.auxiliary_loss(x, p[kept], y[kept])
    torch.testing.assert_close(model.auxiliary_loss(columns(), p, y), expected)
