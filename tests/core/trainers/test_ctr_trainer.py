"""CTRTrainer: the loss it trains on, and what it predicts and evaluates."""

import copy
import math

import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from core.training.batch_losses import loss_of
from torch_rechub.data.loader import PredictDataset, TableLoader
from torch_rechub.metrics import Metric


def binary_cross_entropy(probabilities, labels):
    """The losses of rows, from the definition, in Python floats."""
    return [-math.log(p if y == 1 else 1 - p) for p, y in zip(probabilities, labels)]


def train_by_hand(model, batches, n_epoch, lr, penalty=lambda model: 0.0):
    """Plain SGD on the mean loss of each batch; returns each epoch's mean loss of a row."""
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    means = []
    for _ in range(n_epoch):
        model.train()
        losses = []
        for x, y in batches:
            p = model(x)
            losses += binary_cross_entropy(p.tolist(), y.tolist())
            loss = -(y * p.log() + (1 - y) * (1 - p).log()).mean() + penalty(model)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        means.append(math.fsum(losses) / len(losses))
    return means


def close(first, second):
    for name, value in first.state_dict().items():
        torch.testing.assert_close(value, second.state_dict()[name], rtol=1e-4, atol=1e-5)


@pytest.fixture
def sgd(make_trainer):
    def make(model=None, **kwargs):
        return make_trainer(
            model, optimizer_fn=torch.optim.SGD, optimizer_params={"lr": 0.3}, n_epoch=3, **kwargs
        )

    return make


# Training


def test_the_loss_recorded_is_the_mean_over_rows_and_the_weights_follow_it(sgd, loaders):
    # batches of 10, 10, 10 and 5: a mean over batches would differ
    trainer = sgd()
    by_hand = copy.deepcopy(trainer.model)
    trainer.fit(loaders[0])
    means = train_by_hand(by_hand, list(loaders[0]), 3, 0.3)
    assert [row["train/loss"] for row in trainer.history] == pytest.approx(means, rel=1e-5)
    close(trainer.model, by_hand)


def test_a_replaced_criterion_gets_probabilities(sgd, loaders):
    trainer = sgd()
    by_hand = copy.deepcopy(trainer.model)
    seen = []

    class Spy(nn.BCELoss):
        def forward(self, prediction, labels):
            seen.append(prediction.detach())
            return super().forward(prediction, labels)

    trainer.criterion = Spy()
    trainer.fit(loaders[0])
    train_by_hand(by_hand, list(loaders[0]), 3, 0.3)
    close(trainer.model, by_hand)
    assert len(seen) == 12
    assert all(((p > 0) & (p < 1)).all() for p in seen)


class Constant(nn.Module):
    """Gives every row the logit w."""

    def __init__(self, w):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(float(w)))

    def logits(self, x):
        return self.w.expand(len(x["user"]))

    def forward(self, x):
        return self.logits(x).sigmoid()


@pytest.mark.parametrize(("logit", "label"), [(200.0, 0.0), (-200.0, 1.0)])
def test_a_logit_that_is_far_off_keeps_its_gradient(sgd, logit, label):
    batch = ({"user": torch.zeros(4, dtype=torch.long)}, torch.full((4,), label))
    on_logits, on_probabilities = sgd(Constant(logit)), sgd(Constant(logit))
    on_probabilities.criterion = nn.BCELoss()
    for trainer, gradient in ((on_logits, 1.0), (on_probabilities, 0.0)):
        loss = loss_of(trainer, batch)
        loss.backward()
        assert abs(trainer.model.w.grad.item()) == gradient
    assert loss_of(on_logits, batch).item() == 200.0


class WithoutLogits(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.inner = model

    def forward(self, x):
        return self.inner(x)


def test_a_model_without_logits_trains_on_its_probabilities(sgd, make_model, loaders):
    trainer = sgd(WithoutLogits(make_model()))
    trainer.fit(loaders[0])
    by_hand = make_model()
    means = train_by_hand(by_hand, list(loaders[0]), 3, 0.3)
    assert [row["train/loss"] for row in trainer.history] == pytest.approx(means, rel=1e-5)
    close(trainer.model.inner, by_hand)


class WithFurtherLoss(nn.Module):
    """Returns (prediction, 3 w²), as models trained with loss_mode=False do."""

    def __init__(self, w):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(float(w)))

    def forward(self, x):
        return (self.w * x["price"]).sigmoid(), 3 * self.w**2


def test_a_auxiliary_loss_is_added(sgd, loaders):
    trainer = sgd(WithFurtherLoss(0.7), loss_mode=False)
    x, y = next(iter(loaders[0]))
    p = [1 / (1 + math.exp(-0.7 * price)) for price in x["price"].tolist()]
    expected = math.fsum(binary_cross_entropy(p, y.tolist())) / 10 + 3 * 0.7**2
    assert loss_of(trainer, (x, y)).item() == pytest.approx(expected, rel=1e-5)
    trainer.fit(*loaders)
    assert trainer.model.w.item() < 0.7
    w = trainer.model.w.item()
    prices = loaders[1].dataset.x["price"]
    assert trainer.predict(trainer.model, loaders[1]) == pytest.approx(
        [1 / (1 + math.exp(-w * price)) for price in prices.tolist()], rel=1e-5
    )
    expected = roc_auc_score(loaders[1].dataset.y, w * prices)
    assert trainer.evaluate(trainer.model, loaders[1]) == pytest.approx(expected)


def test_the_penalty_is_trained_on_and_not_recorded(sgd, loaders):
    params = {"embedding_l2": 0.02, "dense_l2": 0.01}
    trainer = sgd(regularization_params=params)
    by_hand = copy.deepcopy(trainer.model)

    def penalty(model):
        embeddings = [p for name, p in model.named_parameters() if "embedding" in name]
        others = [model.linear.fc.weight, model.linear.fc.bias]
        others += [p for layer in (model.mlp.mlp[0], model.mlp.mlp[4]) for p in layer.parameters()]
        return 0.02 * sum((p**2).sum() for p in embeddings) + 0.01 * sum(
            (p**2).sum() for p in others
        )

    trainer.fit(loaders[0])
    means = train_by_hand(by_hand, list(loaders[0]), 3, 0.3, penalty)
    close(trainer.model, by_hand)
    assert [row["train/loss"] for row in trainer.history] == pytest.approx(means, rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.float64, torch.uint8])
@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_labels_of_any_type_and_shape(sgd, loaders, same_weights, dtype, shape):
    plain, cast = sgd(), sgd()
    plain.fit(*loaders)
    batches = [[(x, y.to(dtype).reshape(shape)) for x, y in loader] for loader in loaders]
    cast.fit(*batches)
    assert same_weights(plain.model.state_dict(), cast.model.state_dict())


def test_one_pass_alone_returns_its_mean_loss(sgd, loaders):
    trainer = sgd()
    (mean,) = train_by_hand(copy.deepcopy(trainer.model), list(loaders[0]), 1, 0.3)
    assert trainer.train_one_epoch(loaders[0]) == pytest.approx(mean, rel=1e-5)


def test_the_same_seed_trains_the_same_model(make_model, make_trainer, data, same_weights):
    from torch_rechub.utils.data import DataGenerator

    states = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        train, val, _ = DataGenerator(*data).generate_dataloader(
            split_ratio=[0.6, 0.4], batch_size=8
        )
        trainer = make_trainer()
        torch.manual_seed(seed)
        trainer.fit(train, val)
        states.append(trainer.model.state_dict())
    assert same_weights(states[0], states[1])
    assert not same_weights(states[0], states[2])


# Evaluation and prediction


def test_predictions_are_those_of_the_model_row_by_row(make_trainer, loaders):
    trainer = make_trainer()
    trainer.fit(*loaders)
    found = trainer.predict(trainer.model, loaders[1])
    assert type(found) is list
    assert {type(p) for p in found} == {float}
    x = loaders[1].dataset.x
    trainer.model.eval()
    alone = [trainer.model({k: v[i : i + 1] for k, v in x.items()}).item() for i in range(15)]
    assert found == pytest.approx(alone, abs=1e-6)


def test_predicting_needs_no_labels_and_looks_at_none(make_trainer, loaders):
    trainer = make_trainer()
    dataset = loaders[1].dataset
    expected = trainer.predict(trainer.model, loaders[1])
    unlabeled = TableLoader(PredictDataset(dataset.x), 4)
    unknown = [(x, torch.full((len(y),), -1.0)) for x, y in loaders[1]]
    for loader in (unlabeled, unknown, iter(unlabeled)):
        assert trainer.predict(trainer.model, loader) == pytest.approx(expected, abs=1e-6)
    assert trainer.predict(trainer.model, []) == []


def test_evaluation_is_of_the_model_it_is_given(make_trainer, make_model, loaders):
    trainer = make_trainer()
    trainer.fit(*loaders)
    other = Constant(0.0)
    other.forward = lambda x: -x["price"]
    x, y = loaders[1].dataset.x, loaders[1].dataset.y
    assert trainer.evaluate(other, loaders[1]) == pytest.approx(roc_auc_score(y, -x["price"]))
    own = trainer.predict(trainer.model, loaders[1])
    assert trainer.evaluate(trainer.model, loaders[1]) == pytest.approx(roc_auc_score(y, own))
    assert trainer.history[-1]["val/auc"] != trainer.evaluate(other, loaders[1])


def test_evaluation_leaves_the_model_as_it_is(make_trainer, make_model, loaders, same_weights):
    trainer = make_trainer()
    trainer.evaluate(trainer.model, loaders[0])
    trainer.predict(trainer.model, loaders[0])
    assert same_weights(trainer.model.state_dict(), make_model().state_dict())
    trainer.fit(*loaders)  # nothing left behind by evaluation keeps it from training
    assert not same_weights(trainer.model.state_dict(), make_model().state_dict())


def test_evaluation_of_nothing_is_undefined(make_trainer, caplog):
    trainer = make_trainer()
    assert math.isnan(trainer.evaluate(trainer.model, []))
    assert "AUC is undefined on no rows" in caplog.text


def test_a_validation_stream_without_batches_improves_nothing(make_trainer, loaders, saved):
    trainer = make_trainer()
    trainer.fit(loaders[0], iter([]))
    assert [math.isnan(row["val/auc"]) for row in trainer.history] == [True, True]
    assert trainer.early_stopper.best_weights is None
    assert saved()


def test_evaluation_needs_labels(make_trainer, loaders):
    trainer = make_trainer()
    with pytest.raises(ValueError, match=r"evaluation needs labels.*\(x, y\)"):
        trainer.evaluate(trainer.model, TableLoader(PredictDataset(loaders[1].dataset.x), 4))
    with pytest.raises(ValueError, match="labels 0 and 1, but holds 3"):
        trainer.evaluate(trainer.model, [(x, y * 3) for x, y in loaders[1]])


def test_another_metric_may_take_the_place_of_the_auc(make_trainer, loaders):
    trainer = make_trainer()
    trainer.evaluate_fn = Metric("right", lambda y, p: ((p > 0.5) == y).mean(), "max")
    trainer.fit(*loaders)
    p = trainer.predict(trainer.model, loaders[1])
    right = [(q > 0.5) == bool(y) for q, y in zip(p, loaders[1].dataset.y)]
    assert trainer.evaluate(trainer.model, loaders[1]) == sum(right) / 15
    assert max(row["val/right"] for row in trainer.history) == sum(right) / 15


def test_predictions_that_are_all_nan_are_logged_and_improve_nothing(make_trainer, loaders, caplog):
    trainer = make_trainer(Constant(math.nan), n_epoch=1, on_nan="warn")
    trainer.fit(*loaders)
    assert math.isnan(trainer.history[0]["val/auc"])
    assert "15 scores are NaN" in caplog.text
    assert trainer.early_stopper.best_weights is None
