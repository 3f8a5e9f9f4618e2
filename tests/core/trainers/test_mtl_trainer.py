"""MTLTrainer: what it trains on, records, keeps, evaluates and predicts."""

import copy
import inspect
import logging
import math

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_squared_error, roc_auc_score
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

from core.stop_once import StopOnce
from core.training.batch_losses import loss_of
from torch_rechub.basic.features import DenseFeature, SparseFeature
from torch_rechub.data.loader import PredictDataset, TableLoader, TorchDataset
from torch_rechub.models.multi_task import AITM, ESMM, MMOE, PLE, SharedBottom
from torch_rechub.trainers import CheckpointError, MTLTrainer
from torch_rechub.training.settings import Settings
from torch_rechub.utils.data import DataGenerator

MIXED = ["classification", "regression"]
FEATURES = [SparseFeature("user", 10, 4), SparseFeature("item", 8, 3), DenseFeature("price")]
TOWERS = [{"dims": [4]}, {"dims": [4]}]
METHODS = [None, {"method": "uwl"}, {"method": "gradnorm", "alpha": 0.5}, {"method": "metabalance"}]


def inputs(n):
    generator = torch.Generator().manual_seed(5)
    return {
        "user": torch.randint(0, 10, (n,), generator=generator),
        "item": torch.randint(0, 8, (n,), generator=generator),
        "price": torch.randn(n, generator=generator),
    }


def labels(x, types=tuple(MIXED)):
    click = (x["user"] < 5).float()
    buy = click * (x["item"] < 4)
    spent = click * 2 - x["item"] * 0.25 + x["price"]
    return torch.stack({
        tuple(MIXED): [click, spent],
        ("classification",): [click],
        ("classification",) * 2: [click, buy],
        ("classification",) * 3: [buy, click, buy],
    }[types], dim=1)  # fmt: skip


def loaders_of(types=tuple(MIXED), n=61, batch_size=20, n_val=30):
    """Training in order, the last batch of one row; validation."""
    x = inputs(n + n_val)
    y = labels(x, types)

    def part(rows):
        return TableLoader(TorchDataset({k: v[rows] for k, v in x.items()}, y[rows]), batch_size)

    return part(slice(0, n)), part(slice(n, None))


@pytest.fixture
def loaders():
    return loaders_of()


def make_model():
    torch.manual_seed(1)
    return SharedBottom(FEATURES, MIXED, {"dims": [6]}, TOWERS)


@pytest.fixture
def make(tmp_path):
    def make(model=None, task_types=MIXED, **kwargs):
        settings = {
            "optimizer_params": {"lr": 0.02},
            "n_epoch": 2,
            "model_path": tmp_path / "model",
            "progress": False,
            **kwargs,
        }
        return MTLTrainer(make_model() if model is None else model, task_types, **settings)

    return make


def same(first, second):
    assert list(first) == list(second)
    return all(torch.equal(first[name], second[name]) for name in first)


# The signature


def test_the_arguments_of_0_9_by_position_and_default():
    found = inspect.signature(MTLTrainer.__init__).parameters
    old = [(n, p.default) for n, p in found.items() if p.kind is p.POSITIONAL_OR_KEYWORD][3:]
    assert old == [
        ("optimizer_fn", torch.optim.Adam),
        ("optimizer_params", None),
        ("regularization_params", None),
        ("scheduler_fn", None),
        ("scheduler_params", None),
        ("adaptive_params", None),
        ("n_epoch", 10),
        ("earlystop_taskid", 0),
        ("earlystop_patience", 10),
        ("device", "cpu"),
        ("gpus", None),
        ("model_path", "./"),
        ("model_logger", None),
        ("earlystop_mode", "max"),
    ]


# Losses


def binary_cross_entropy(p, y):
    return -(y * p.log() + (1 - y) * (1 - p).log()).mean()


def squared(p, y):
    return ((p - y) ** 2).mean()


def train_by_hand(model, batches, loss_of, lr=0.1, n_epoch=2):
    """Plain SGD on what `loss_of` makes of predictions and labels."""
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for _ in range(n_epoch):
        model.train()
        for x, y in batches:
            optimizer.zero_grad()
            loss_of(model(x), y).backward()
            optimizer.step()


def check_against(trainer, train, loss_of):
    by_hand = copy.deepcopy(trainer.model)
    trainer.fit(train)
    train_by_hand(by_hand, list(train), loss_of)
    for name, value in trainer.model.state_dict().items():
        torch.testing.assert_close(value, by_hand.state_dict()[name], rtol=1e-4, atol=1e-5)


SGD = {"optimizer_fn": torch.optim.SGD, "optimizer_params": {"lr": 0.1}}


def test_the_mean_of_the_tasks_losses_by_default(make, loaders):
    def loss(p, y):
        return (binary_cross_entropy(p[:, 0], y[:, 0]) + squared(p[:, 1], y[:, 1])) / 2

    check_against(make(**SGD), loaders[0], loss)


def test_clicks_and_conversions_after_clicks_of_everything_shown(make):
    train, _ = loaders_of(("classification",) * 3)
    model = ESMM(FEATURES[:1], FEATURES[1:], {"dims": [5]}, {"dims": [5]})

    def loss(p, y):
        return binary_cross_entropy(p[:, 1], y[:, 1]) + binary_cross_entropy(p[:, 2], y[:, 2])

    check_against(make(model, ["classification"] * 3, **SGD), train, loss)


def test_what_a_model_says_of_itself_counts_on_several_gpus_too(make, monkeypatch):
    # there, what is called is a wrapper, which is no ESMM and has none of its attributes
    monkeypatch.setattr(Settings, "parallel", lambda self, module: nn.Sequential(module))
    test_clicks_and_conversions_after_clicks_of_everything_shown(make)
    test_the_calibrator_is_trained_on(make, 0.6)


@pytest.mark.parametrize("weight", [0.6, 3.0])
def test_the_calibrator_is_trained_on(make, weight):
    types = ["classification"] * 2
    train, _ = loaders_of(tuple(types))
    model = AITM(FEATURES, 2, {"dims": [5]}, TOWERS, calibrator_weight=weight)

    def loss(p, y):
        parts = [binary_cross_entropy(p[:, i], y[:, i]) for i in range(2)]
        return sum(parts) + weight * (p[:, 1] - p[:, 0]).relu().mean()

    trainer = make(model, types, **SGD)
    check_against(trainer, train, loss)
    assert list(trainer.history[0]) == [
        "epoch",
        "train/task_0_loss",
        "train/task_1_loss",
        "learning_rate",
        "seconds",
    ]


@pytest.mark.parametrize("params", METHODS, ids=str)
def test_the_penalty_counts_with_every_method(make, loaders, params):
    strong = make(adaptive_params=params, regularization_params={"dense_l2": 1e3}, n_epoch=4)
    weak = make(adaptive_params=params, n_epoch=4)
    sizes = []
    for trainer in (strong, weak):
        trainer.fit(loaders[0])
        sizes.append(trainer.model.bottom_mlp.mlp[0].weight.abs().max().item())
    assert sizes[0] < 0.6 * sizes[1]


@pytest.mark.parametrize("params", METHODS[1:], ids=str)
def test_the_calibrator_counts_with_every_method(make, params):
    types = ["classification"] * 2
    train, _ = loaders_of(tuple(types))
    weights = []
    for weight in (0.0, 50.0):
        torch.manual_seed(2)
        model = AITM(FEATURES, 2, {"dims": [5]}, TOWERS, calibrator_weight=weight)
        make(model, types, adaptive_params=params).fit(train)
        weights.append(model.towers[1].mlp[0].weight.detach())
    assert not torch.allclose(*weights)


class Constant(nn.Module):
    """Gives every row the same two logits."""

    def __init__(self, logit):
        super().__init__()
        self.w = nn.Parameter(torch.tensor([logit, 0.0]))

    def logits(self, x):
        return self.w.expand(len(x["user"]), 2)

    def forward(self, x):
        return torch.stack([self.logits(x)[:, 0].sigmoid(), self.logits(x)[:, 1]], dim=1)


@pytest.mark.parametrize(("logit", "label"), [(200.0, 0.0), (-200.0, 1.0)])
def test_a_logit_that_is_far_off_keeps_its_gradient(make, logit, label):
    batch = ({"user": torch.zeros(4).long()}, torch.full((4, 2), label))
    trainer = make(Constant(logit))
    losses = loss_of(trainer, batch)
    assert losses[0].item() == 200.0
    losses[0].backward()
    assert abs(trainer.model.w.grad[0].item()) == 1.0


def test_a_replaced_loss_gets_predictions(make, loaders):
    trainer = make()
    seen = []

    def absolute(p, y):
        seen.append(p.detach())
        return (p - y).abs().mean()

    trainer.loss_fns[0] = absolute
    rows = trainer.fit(loaders[0])
    assert all(((p > 0) & (p < 1)).all() for p in seen)
    assert len(seen) == 8
    assert rows[0][0] < 1


class Plain(nn.Module):
    """A model that says nothing of itself."""

    def __init__(self):
        super().__init__()
        self.inner = make_model()

    def forward(self, x):
        return self.inner(x)


def test_a_model_of_ones_own_needs_nothing_but_forward(make, loaders):
    own, known = make(Plain(), **SGD), make(**SGD)
    for trainer in (own, known):
        trainer.fit(*loaders)
    for name, value in known.model.state_dict().items():
        torch.testing.assert_close(own.model.inner.state_dict()[name], value, rtol=1e-3, atol=1e-4)


# Records and results


@pytest.mark.parametrize("params", METHODS, ids=str)
def test_exactly_these_metrics_are_recorded(make, loaders, fake_logger, params):
    trainer = make(adaptive_params=params, model_logger=fake_logger, n_epoch=3)
    rows = trainer.fit(*loaders)
    losses = ["train/task_0_loss", "train/task_1_loss"]
    scores = ["val/task_0_score", "val/task_1_score"]
    weights = ["loss_weight/task_0", "loss_weight/task_1"] if params else []
    assert fake_logger.steps == [0, 1, 2]
    for row in fake_logger.metrics:
        assert list(row) == [*losses, "learning_rate", *weights, *scores]
        assert all(type(v) is float and math.isfinite(v) for v in row.values())
    assert rows == [[row[name] for name in (*losses, *scores)] for row in trainer.history]
    assert fake_logger.order == ["log_hyperparams", *["log_metrics"] * 3, "finish"]
    settings = fake_logger.calls[0][1]
    assert settings["adaptive_method"] == (params and params["method"])
    assert (settings["n_epoch"], settings["learning_rate"]) == (3, 0.02)
    if params:
        found = trainer.loss_weight.tolist()
        assert found == [fake_logger.metrics[-1][name] for name in weights]
        assert found != [1.0, 1.0]
    else:
        assert trainer.loss_weight is None


def test_a_column_without_a_loss_has_the_weight_0(make):
    train, val = loaders_of(("classification",) * 3)
    model = ESMM(FEATURES[:1], FEATURES[1:], {"dims": [5]}, {"dims": [5]})
    trainer = make(model, ["classification"] * 3, adaptive_params={"method": "gradnorm"})
    (*_, row) = trainer.fit(train, val)
    assert trainer.loss_weight[0] == 0
    assert trainer.loss_weight.sum().item() == pytest.approx(2)
    assert len(row) == 6


def test_without_validation_a_row_has_losses_alone(make, loaders):
    trainer = make()
    rows = trainer.fit(loaders[0])
    assert [len(row) for row in rows] == [2, 2]
    assert (trainer.early_stopper.best_weights, trainer.model_path.name) == (None, "model")
    assert trainer.best.path.exists()


def test_the_losses_are_means_over_rows(make, loaders):
    trainer = make(optimizer_fn=torch.optim.SGD, optimizer_params={"lr": 0.0})
    trainer.model.eval()
    trainer.model.train = lambda mode=True: trainer.model  # normalize by the running statistics
    found = trainer.train_one_epoch(loaders[0])
    dataset = loaders[0].dataset
    p = trainer.model(dataset.x)
    y = dataset.y
    expected = [binary_cross_entropy(p[:, 0], y[:, 0]), squared(p[:, 1], y[:, 1])]
    assert found == pytest.approx([value.item() for value in expected], rel=1e-5)


@pytest.mark.parametrize("mode", [("base", 0), ("run", 7)])
def test_the_file_of_weights(make, loaders, mode, tmp_path):
    trainer = make(n_epoch=1)
    trainer.fit(*loaders, *(() if mode == ("base", 0) else mode))
    (file,) = (tmp_path / "model").iterdir()
    assert file.name == f"model_{mode[0]}_{mode[1]}.pth"
    fresh = make_model()
    fresh.load_state_dict(torch.load(file, weights_only=True), strict=True)
    assert same(fresh.state_dict(), trainer.model.state_dict())


@pytest.mark.parametrize("params", METHODS[1:], ids=str)
def test_the_weights_of_losses_are_no_part_of_the_model(make, loaders, params, tmp_path):
    trainer = make(adaptive_params=params)
    trainer.fit(*loaders)
    names = list(make_model().state_dict())
    assert list(trainer.model.state_dict()) == names
    saved = torch.load(tmp_path / "model/model_base_0.pth", weights_only=True)
    make_model().load_state_dict(saved, strict=True)


# Early stopping


def scripted(trainer, scores, task=0):
    """Makes a task's score a script, and keeps the weights of each epoch."""
    scores, weights = iter(scores), []

    def score(y, p):
        weights.append(copy.deepcopy(trainer.model.state_dict()))
        value = next(scores)
        if isinstance(value, BaseException):
            raise value
        return value

    trainer.evaluate_fns[task] = score
    return weights


@pytest.mark.parametrize(
    ("task", "mode", "best"),
    [
        (0, {}, 1),  # larger is better
        (1, {}, 2),  # of a regression, smaller
        (0, {"earlystop_mode": "min"}, 2),
        (1, {"earlystop_mode": "max"}, 1),  # as the user says
        (1, {"earlystop_mode": "min"}, 2),
    ],
)
@pytest.mark.parametrize("ending", ["patience", "epochs", "error"])
def test_the_best_epoch_of_the_chosen_task_is_kept(make, loaders, task, mode, best, ending):
    trainer = make(n_epoch=6, earlystop_taskid=task, earlystop_patience=4, **mode)
    # the best by "max" is epoch 1, by "min" epoch 2
    script = [0.5, 0.9, 0.1, 0.6, 0.7, 0.8]
    if ending == "epochs":
        trainer.n_epoch = 5
    if ending == "error":
        script[4] = KeyboardInterrupt()
    weights = scripted(trainer, script, task)
    if ending == "error":
        with pytest.raises(KeyboardInterrupt):
            trainer.fit(*loaders)
    else:
        trainer.fit(*loaders)
        if ending == "patience":
            assert len(trainer.history) == min(6, best + 5)
    assert same(trainer.model.state_dict(), weights[best])
    assert same(torch.load(trainer.best.path, weights_only=True), weights[best])


def test_the_direction_of_a_regression_is_logged(make, caplog):
    caplog.set_level(logging.INFO)
    make()
    make(earlystop_taskid=1, earlystop_mode="max")
    assert caplog.text == ""
    assert make(earlystop_taskid=1).early_stopper.mode == "min"
    assert "Task 1 is a regression: early stopping takes less as better" in caplog.text


# Evaluation and prediction


def test_the_score_of_each_task_of_the_model_given(make, loaders):
    trainer = make()
    trainer.fit(*loaders)
    other = make_model()
    for model in (trainer.model, other):
        p = model.eval()(loaders[1].dataset.x).detach()
        y = loaders[1].dataset.y
        expected = [roc_auc_score(y[:, 0], p[:, 0]), mean_squared_error(y[:, 1], p[:, 1])]
        assert trainer.evaluate(model, loaders[1]) == pytest.approx(expected)
    assert trainer.evaluate(other, loaders[1]) != trainer.evaluate(trainer.model, loaders[1])


def test_predictions_with_labels_and_without(make, loaders):
    trainer = make()
    x = loaders[1].dataset.x
    expected = trainer.model.eval()(x).tolist()
    unknown = [(x, torch.full((30, 2), math.nan))]
    for loader in (loaders[1], TableLoader(PredictDataset(x), 7), unknown):
        found = trainer.predict(trainer.model, loader)
        assert type(found) is list
        assert type(found[0]) is list
        assert np.allclose(found, expected, atol=1e-6)
    assert trainer.predict(trainer.model, []) == []
    with pytest.raises(ValueError, match="evaluation needs labels"):
        trainer.evaluate(trainer.model, TableLoader(PredictDataset(x), 7))


def test_evaluation_of_nothing_is_undefined(make):
    trainer = make()
    assert all(math.isnan(score) for score in trainer.evaluate(trainer.model, []))


def test_a_single_task_with_labels_as_a_vector(make):
    types = ("classification",)
    train, val = loaders_of(types)
    model = MMOE(FEATURES, types, 2, {"dims": [5]}, [{}])
    flat = [[(x, y.reshape(-1)) for x, y in loader] for loader in (train, val)]
    trainer = make(model, list(types))
    assert [len(row) for row in trainer.fit(*flat)] == [2, 2]
    assert len(trainer.evaluate(model, flat[1])) == 1
    assert np.shape(trainer.predict(model, val)) == (30, 1)
    assert len(trainer.train_one_epoch(train)) == 1


def test_streams_without_a_length_may_train_and_validate(make, loaders):
    class Stream(IterableDataset):
        def __init__(self, loader):
            self.loader = loader

        def __iter__(self):
            return iter(self.loader)

    streams = [DataLoader(Stream(loader), batch_size=None) for loader in loaders]
    from_streams, from_tables = make(), make()
    assert from_streams.fit(*streams) == from_tables.fit(*loaders)


@pytest.mark.parametrize("scheduler", [torch.optim.lr_scheduler.ExponentialLR])
def test_any_schedule(make, loaders, scheduler):
    trainer = make(scheduler_fn=scheduler, scheduler_params={"gamma": 0.5}, n_epoch=3)
    trainer.fit(*loaders)
    rates = [row["learning_rate"] for row in trainer.history]
    assert rates == pytest.approx([0.02, 0.01, 0.005])


# Inputs refused before the first step


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y: y[:, :1], r"a column for each of the 2 tasks.*\(61, 1\)"),
        (lambda y: y[:, 0], r"shape \(N, 2\), but has shape \(61,\)"),
        (lambda y: y + torch.tensor([2.0, 0.0]), r"y\[:, 0\] must hold the labels 0 and 1"),
        (lambda y: y / torch.tensor([1.0, 0.0]), r"y\[:, 1\] has 61 infinite values"),
    ],
)
def test_labels_that_do_not_suit_their_task_are_refused(make, loaders, change, message):
    x, y = loaders[0].dataset.x, loaders[0].dataset.y
    trainer = make()
    before = copy.deepcopy(trainer.model.state_dict())
    bad = TableLoader(TorchDataset(x, change(y)), 20)
    for arguments in ((bad,), (loaders[0], bad), (list(bad),)):
        with pytest.raises(ValueError, match=message.replace("61", r"\d+")):
            trainer.fit(*arguments)
        assert same(trainer.model.state_dict(), before)


def test_conversions_without_a_click(make):
    good, _ = loaders_of(("classification",) * 3)
    trainer = make(
        ESMM(FEATURES[:1], FEATURES[1:], {"dims": [5]}, {"dims": [5]}), ["classification"] * 3
    )
    before = copy.deepcopy(trainer.model.state_dict())
    y = good.dataset.y.clone()
    y[-1] = torch.tensor([1.0, 0.0, 1.0])  # in the last batch: the table is looked at first
    with pytest.raises(ValueError, match=r"but row 60 is \[1, 0, 1\]"):
        trainer.fit(TableLoader(TorchDataset(good.dataset.x, y), 20))
    assert same(trainer.model.state_dict(), before)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"task_types": ["classification"] * 2}, "SharedBottom's tasks are"),
        ({"task_types": ["classification", "ranking"]}, "got 'ranking'"),
        ({"earlystop_taskid": 2}, "earlystop_taskid must be 0 to 1, got 2"),
        ({"earlystop_taskid": -1}, "earlystop_taskid must be at least 0, got -1"),
        ({"earlystop_mode": "best"}, "'max' or 'min'"),
        ({"adaptive_params": {"method": "dwa"}}, "must be one of uwl, gradnorm, metabalance"),
    ],
)
def test_settings_that_contradict_each_other(make, kwargs, message):
    with pytest.raises(ValueError, match=message):
        make(**kwargs)


@pytest.mark.parametrize("weights", [(1.0,), (0.0, 0.0), (1.0, -1.0)])
def test_a_model_with_impossible_weights(make, weights):
    model = Plain()
    model.loss_weights = weights
    with pytest.raises(ValueError, match=r"Plain\.loss_weights must be a number of at least 0"):
        make(model)


def test_a_model_of_another_number_of_tasks(make, loaders):
    with pytest.raises(ValueError, match=r"the model's output must have a column for each"):
        make(nn.Sequential(Plain(), nn.Linear(2, 3))).fit(loaders[0])


def test_validation_labels_of_one_class_are_logged(make, loaders, caplog):
    x, y = loaders[1].dataset.x, loaders[1].dataset.y.clone()
    y[:, 0] = 1
    make(n_epoch=1).fit(loaders[0], TableLoader(TorchDataset(x, y), 20))
    assert "Every validation label is 1" in caplog.text


def test_labels_in_another_order_than_the_funnel_train_without_the_calibrator(make, caplog):
    types = ("classification",) * 2
    train, val = loaders_of(types)
    turned = [
        TableLoader(TorchDataset(loader.dataset.x, loader.dataset.y.flip(1)), 20)
        for loader in (train, val)
    ]
    torch.manual_seed(1)
    model = AITM(FEATURES, 2, {"dims": [5]}, TOWERS)
    make(model, list(types)).fit(*turned)
    assert model.calibrator_weight == 0
    assert caplog.text.count("do not follow the funnel") == 1


# Going on after an interruption


class PowerCutError(Exception):
    pass


@pytest.mark.parametrize("params", METHODS, ids=str)
def test_an_interrupted_training_ends_in_the_very_same_weights(params, tmp_path):
    def make(folder):
        torch.manual_seed(3)
        x = inputs(91)
        train, val, _ = DataGenerator(x, labels(x)).generate_dataloader(
            split_ratio=[0.7, 0.3], batch_size=20
        )
        model = PLE(FEATURES, MIXED, 1, 1, 1, {"dims": [5], "dropout": 0.3}, TOWERS)
        trainer = MTLTrainer(
            model,
            MIXED,
            optimizer_params={"lr": 0.02},
            adaptive_params=params,
            n_epoch=4,
            model_path=tmp_path / folder,
            progress=False,
        )
        return trainer, train, val

    unbroken, train, val = make("unbroken")
    unbroken.fit(train, val, resume=True)
    broken, train, val = make("broken")
    scripted(broken, [0.1, 0.2, PowerCutError()], task=1)
    with pytest.raises(PowerCutError):
        broken.fit(train, val, resume=True)
    again, train, val = make("broken")
    again.fit(train, val, resume=True)

    assert len(again.history) == 4
    assert again.history[-1]["train/task_1_loss"] == unbroken.history[-1]["train/task_1_loss"]
    for part in ("task_0_score", "task_1_score"):
        assert again.history[-1][f"val/{part}"] == unbroken.history[-1][f"val/{part}"]
    if params:
        assert torch.equal(again.loss_weight, unbroken.loss_weight)
    found, expected = again.tasks.balancing.state_dict(), unbroken.tasks.balancing.state_dict()
    assert str(found) == str(expected)


def test_the_checkpoint_of_another_method_is_refused(make, loaders):
    make(adaptive_params={"method": "gradnorm"}).fit(loaders[0], resume=True)
    with pytest.raises(CheckpointError):
        make().fit(loaders[0], resume=True)


# Learning


def learn(make, params, n_epoch=10):
    train, val = loaders_of(n=1000, batch_size=50, n_val=300)
    torch.manual_seed(4)
    model = MMOE(FEATURES, MIXED, 3, {"dims": [16]}, TOWERS)
    spread = val.dataset.y[:, 1].var()

    def learned(row):
        return row["val/task_0_score"] > 0.95 and row["val/task_1_score"] < 0.15 * spread

    trainer = make(
        model, adaptive_params=params, n_epoch=n_epoch, earlystop_taskid=1,
        callbacks=[StopOnce(learned)],
    )  # fmt: skip
    trainer.fit(train, val)
    return trainer, trainer.evaluate(trainer.model, val), val


@pytest.mark.parametrize("params", METHODS, ids=str)
def test_every_task_is_learned(make, params):
    _, (clicks, spent), val = learn(make, params)
    assert clicks > 0.93
    assert spent < 0.2 * val.dataset.y[:, 1].var()


def test_a_seed_trains_the_same_model(make):
    first, second = (learn(make, {"method": "gradnorm"}, n_epoch=2)[0] for _ in range(2))
    assert same(first.model.state_dict(), second.model.state_dict())
