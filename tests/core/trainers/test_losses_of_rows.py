"""CTRTrainer with losses of every kind, against their formulas on the model's own logits."""

import math

import numpy as np
import pytest
import torch
from scipy.special import expit, log_softmax, softmax
from sklearn import metrics as sklearn_metrics
from torch import nn

from torch_rechub.basic.features import SparseFeature
from torch_rechub.losses import FocalLoss, ListNet
from torch_rechub.models.multi_class import MultiClass
from torch_rechub.models.ranking import FM, DeepFM
from torch_rechub.trainers import CTRTrainer
from torch_rechub.utils.data import DataGenerator

FIELDS = [SparseFeature("user", 12, embed_dim=4), SparseFeature("item", 10, embed_dim=4)]
N = 240
SGD = {"optimizer_fn": torch.optim.SGD, "optimizer_params": {"lr": 0.0}}


def columns(seed=0):
    rng = np.random.default_rng(seed)
    return {"user": rng.integers(0, 12, N), "item": rng.integers(0, 10, N)}


def fm():
    """A model without batch normalization: in training its logits are those of evaluation."""
    return scattered(FM(FIELDS))


def scattered(model):
    """The model with logits of either sign, not all near 0."""
    with torch.no_grad():
        for p in model.parameters():
            p.normal_(0, 0.7)
    return model


def loaders(y, batch_size=60, **options):
    x = columns()
    given = DataGenerator(x, y).generate_dataloader(x, y, x, y, batch_size=batch_size, **options)
    return given[0], given[1]


def logits(model):
    model.eval()
    x = {name: torch.as_tensor(column) for name, column in columns().items()}
    with torch.no_grad():
        return model.logits(x).double().numpy()


def ln_sigmoid(z):
    return -np.logaddexp(0, -z)


# name: (arguments, labels, the loss of each row, the predictions), of logits z and labels y
RATES = np.random.default_rng(1).random(N).astype(np.float32)
CLICKS = (RATES > 0.7).astype(np.float32)
STARS = np.random.default_rng(2).integers(1, 6, N).astype(np.float32)
COUNTS = np.random.default_rng(3).poisson(2, N).astype(np.float32)


def huber(e, delta):
    small = np.abs(e) <= delta
    return np.where(small, e**2 / 2, delta * (np.abs(e) - delta / 2))


LOSSES = {
    "binary_cross_entropy": (
        {}, CLICKS, lambda z, y: -y * ln_sigmoid(z) - (1 - y) * ln_sigmoid(-z), expit,
    ),
    "binary_cross_entropy, weighted": (
        {"pos_weight": 4.0, "label_smoothing": 0.1}, CLICKS,
        lambda z, y: -4 * (0.9 * y + 0.05) * ln_sigmoid(z) - (0.95 - 0.9 * y) * ln_sigmoid(-z),
        expit,
    ),
    "binary_cross_entropy, soft": (
        {}, RATES, lambda z, y: -y * ln_sigmoid(z) - (1 - y) * ln_sigmoid(-z), expit,
    ),
    "focal": (
        {"gamma": 1.5, "alpha": 0.3}, CLICKS,
        lambda z, y: -0.3 * y * expit(-z) ** 1.5 * ln_sigmoid(z)
        - 0.7 * (1 - y) * expit(z) ** 1.5 * ln_sigmoid(-z),
        expit,
    ),
    "mse": ({}, STARS, lambda z, y: (z - y) ** 2, lambda z: z),
    "mae": ({}, STARS, lambda z, y: np.abs(z - y), lambda z: z),
    "huber": ({"delta": 0.8}, STARS, lambda z, y: huber(z - y, 0.8), lambda z: z),
    "log_cosh": ({}, STARS, lambda z, y: np.log(np.cosh(z - y)), lambda z: z),
    "quantile": (
        {"q": 0.9}, STARS, lambda z, y: np.maximum(0.9 * (y - z), -0.1 * (y - z)), lambda z: z,
    ),
    "poisson": ({}, COUNTS, lambda z, y: np.exp(z) - y * z, np.exp),
}  # fmt: skip
rows_of_losses = pytest.mark.parametrize("name", LOSSES)


def trained(name, tmp_path, fit=True, **options):
    arguments, y, formula, link = LOSSES[name]
    options = {"metrics": ("mse",), **SGD, "n_epoch": 1, **options}
    given = {"loss": name.split(",")[0], "loss_params": arguments}
    trainer = CTRTrainer(fm(), model_path=tmp_path, **given, **options)
    if fit:
        trainer.fit(*loaders(y))
    return trainer, y, formula, link


@rows_of_losses
def test_the_loss_of_an_epoch_is_that_of_its_formula(name, tmp_path):
    trainer, y, formula, _ = trained(name, tmp_path)
    wanted = formula(logits(trainer.model), y.astype(float)).mean()
    assert trainer.history[0]["train/loss"] == pytest.approx(wanted, rel=1e-5)


@rows_of_losses
def test_predictions_and_metrics_are_of_its_kind(name, tmp_path):
    trainer, y, _, link = trained(name, tmp_path)
    wanted = link(logits(trainer.model))
    x = [{key: torch.as_tensor(column) for key, column in columns().items()}]
    assert trainer.predict(trainer.model, x) == pytest.approx(wanted.tolist(), rel=1e-5)
    mse = np.mean((wanted - y) ** 2)
    assert trainer.history[0]["val/mse"] == pytest.approx(mse, rel=1e-5)
    assert trainer.evaluate(trainer.model, loaders(y)[1]) == pytest.approx(mse, rel=1e-5)


@pytest.mark.parametrize("name", ["huber", "poisson", "softmax"])
def test_an_exported_file_predicts_what_the_trainer_predicts(name, tmp_path):
    import onnxruntime

    model = scattered(MultiClass(fm(), 3)) if name == "softmax" else fm()
    trainer = CTRTrainer(model, loss=name, group_column="user", model_path=tmp_path)
    trainer.export_onnx(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    (found,) = session.run(None, columns())
    x = {key: torch.as_tensor(column) for key, column in columns().items()}
    predicted = trainer.predict(model, [x])
    assert np.allclose(found, predicted, rtol=1e-4)


@pytest.mark.parametrize("name", ["mse", "huber", "log_cosh", "mae", "quantile"])
def test_ratings_are_learned_by_a_ranking_model(name, tmp_path):
    rng = np.random.default_rng(0)
    item = rng.integers(0, 10, 1500)
    stars = (1 + 0.4 * item).astype(np.float32)
    x = {"user": rng.integers(0, 12, 1500), "item": item}
    train, _, _ = DataGenerator(x, stars).generate_dataloader(batch_size=100)
    torch.manual_seed(0)
    trainer = CTRTrainer(
        DeepFM(FIELDS, FIELDS, {"dims": [16]}),
        loss=name, optimizer_params={"lr": 0.03}, n_epoch=5, model_path=tmp_path,
    )  # fmt: skip
    trainer.fit(train, train)
    assert list(trainer.history[0])[-2:] == ["val/mse", "seconds"]
    assert trainer.monitor == "val/mse"
    assert trainer.early_stopper.mode == "min"
    items = {"user": torch.arange(10), "item": torch.arange(10)}
    found = trainer.predict(trainer.model, [items])
    assert found == pytest.approx((1 + 0.4 * np.arange(10)).tolist(), abs=0.4)


def test_soft_labels_are_learned_and_validated_by_metrics_of_probabilities(tmp_path):
    x, rate = columns(), (0.05 + 0.09 * columns()["item"]).astype(np.float32)
    train, val, _ = DataGenerator(x, rate).generate_dataloader(x, rate, batch_size=24)
    torch.manual_seed(0)
    trainer = CTRTrainer(
        DeepFM(FIELDS, FIELDS, {"dims": [16]}), metrics=("log_loss", "calibration_error"),
        optimizer_params={"lr": 0.03}, n_epoch=30, model_path=tmp_path,
    )  # fmt: skip
    trainer.fit(train, val)
    items = {"user": torch.arange(10), "item": torch.arange(10)}
    found = np.array(trainer.predict(trainer.model, [items]))
    assert np.abs(found - (0.05 + 0.09 * np.arange(10))).max() < 0.08
    p = np.array(trainer.predict(trainer.model, val))
    wanted = -np.mean(rate * np.log(p) + (1 - rate) * np.log(1 - p))
    best = min(row["val/log_loss"] for row in trainer.history)
    assert best == pytest.approx(wanted, rel=1e-5)


def test_soft_labels_are_no_labels_to_validate_by_auc(tmp_path):
    train, val = loaders(RATES)
    trainer = CTRTrainer(fm(), n_epoch=1, model_path=tmp_path)
    with pytest.raises(ValueError, match=r"auc is defined on labels 0 and 1.*metrics=\(\"log_loss"):
        trainer.fit(train, val)
    assert trainer.history == []
    trainer.fit(train)  # without validation there is nothing to refuse
    assert len(trainer.history) == 1


# several classes


def of_classes(tmp_path, model=None, **options):
    model = MultiClass(fm(), 4) if model is None else model
    options = {"n_epoch": 1, "model_path": tmp_path, "loss": "softmax", **options}
    return CTRTrainer(model, **options)


CLASSES = np.random.default_rng(4).integers(0, 4, N)


def test_a_loss_of_classes_is_cross_entropy_of_their_softmax(tmp_path):
    model = scattered(MultiClass(fm(), 4))
    trainer = of_classes(tmp_path, model, **SGD)
    trainer.fit(*loaders(CLASSES))
    z = logits(model)
    wanted = -log_softmax(z, axis=1)[np.arange(N), CLASSES].mean()
    row = trainer.history[0]
    assert row["train/loss"] == pytest.approx(wanted, rel=1e-5)
    p = softmax(z, axis=1)
    assert row["val/log_loss"] == pytest.approx(
        sklearn_metrics.log_loss(CLASSES, p, labels=range(4)), rel=1e-5
    )
    assert row["val/accuracy"] == pytest.approx(np.mean(p.argmax(1) == CLASSES))
    x = [{key: torch.as_tensor(column) for key, column in columns().items()}]
    assert np.allclose(trainer.predict(model, x), p, rtol=1e-4)
    assert trainer.monitor == "val/accuracy"


def test_classes_are_learned(tmp_path):
    y = columns()["item"] % 4
    torch.manual_seed(0)
    trainer = of_classes(
        tmp_path, MultiClass(DeepFM(FIELDS, FIELDS, {"dims": [16]}), 4),
        optimizer_params={"lr": 0.03}, n_epoch=12,
    )  # fmt: skip
    trainer.fit(*loaders(y))
    assert trainer.history[-1]["val/accuracy"] == 1


@pytest.mark.parametrize("wrong", [4, -1, 1.5])
def test_labels_that_are_no_classes_are_refused(tmp_path, wrong):
    y = CLASSES.astype(float)
    y[N - 1] = wrong
    with pytest.raises(ValueError, match=f"classes 0 to 3, but holds {wrong:g}: number your"):
        of_classes(tmp_path).fit(*loaders(y))


# within groups


def test_a_loss_within_groups_is_its_formula_over_all_users(tmp_path):
    trainer = CTRTrainer(
        fm(), loss="ranknet", group_column="user", n_epoch=1, model_path=tmp_path, **SGD
    )
    trainer.fit(*loaders(STARS, group_column="user"))
    z, user, terms = logits(trainer.model), columns()["user"], []
    for i in range(N):
        for j in range(N):
            if user[i] == user[j] and STARS[i] > STARS[j]:
                terms.append(math.log(1 + math.exp(z[j] - z[i])))
    assert trainer.history[0]["train/loss"] == pytest.approx(np.mean(terms), rel=1e-5)
    ndcg = []
    for u in set(user.tolist()):
        rows = np.flatnonzero(user == u)
        gains = 2 ** STARS[rows] - 1
        order = np.argsort(-z[rows], kind="stable")
        discounts = 1 / np.log2(np.arange(2, len(rows) + 2)) * (np.arange(len(rows)) < 10)
        ndcg.append(gains[order] @ discounts / (np.sort(gains)[::-1] @ discounts))
    assert trainer.history[0]["val/ndcg@10"] == pytest.approx(np.mean(ndcg), rel=1e-5)
    assert "val/gauc" not in trainer.history[0]  # the labels are graded


@pytest.mark.parametrize("name", ["bpr", "ranknet", "lambdarank", "listnet"])
def test_the_order_within_groups_is_learned(name, tmp_path):
    y = (columns()["item"] > 5).astype(int)
    torch.manual_seed(0)
    trainer = CTRTrainer(
        DeepFM(FIELDS, FIELDS, {"dims": [16]}), loss=name, group_column="user",
        optimizer_params={"lr": 0.03}, n_epoch=12, model_path=tmp_path,
    )  # fmt: skip
    trainer.fit(*loaders(y, group_column="user"))
    assert trainer.history[-1]["val/gauc"] > 0.99
    assert trainer.history[-1]["val/ndcg@10"] > 0.99
    assert trainer.history[-1]["train/loss"] < trainer.history[0]["train/loss"]


def test_rows_of_groups_that_no_batch_holds_together_are_an_error(tmp_path):
    y = (columns()["item"] > 5).astype(int)
    trainer = CTRTrainer(fm(), loss=ListNet(), group_column="user", n_epoch=1, model_path=tmp_path)
    with pytest.raises(ValueError, match=r"no batch holds two rows of one 'user' with different.*"
                       r"generate_dataloader\(group_column='user'\)"):  # fmt: skip
        trainer.fit(loaders(y, batch_size=1)[0])


def test_a_loss_within_groups_needs_groups(tmp_path):
    with pytest.raises(ValueError, match="RankNet orders the rows of a group: give group_column="):
        CTRTrainer(fm(), loss="ranknet", model_path=tmp_path)


# weights


@rows_of_losses
def test_a_row_of_weight_two_counts_as_two_rows(name, tmp_path):
    trainer, y, formula, _ = trained(name, tmp_path, fit=False)
    w = np.random.default_rng(5).integers(0, 4, N)
    data = DataGenerator(columns(), y, weights=w.astype(float))
    trainer.fit(data.generate_dataloader(batch_size=60)[0])
    wanted = np.repeat(formula(logits(trainer.model), y.astype(float)), w).mean()
    assert trainer.history[0]["train/loss"] == pytest.approx(wanted, rel=1e-5)


# the choice of a loss


class Brier(nn.Module):
    """A loss of a user: of probabilities, since it does not say another kind."""

    def forward(self, predictions, labels):
        return (predictions - labels).square().mean()


def test_a_loss_may_be_an_object_and_one_of_your_own(tmp_path):
    for loss, formula in (
        (FocalLoss(gamma=0.0), lambda p, y: -y * np.log(p) - (1 - y) * np.log(1 - p)),
        (Brier(), lambda p, y: (p - y) ** 2),
    ):
        trainer = CTRTrainer(fm(), loss=loss, n_epoch=1, model_path=tmp_path, **SGD)
        trainer.fit(*loaders(CLICKS))
        wanted = formula(expit(logits(trainer.model)), CLICKS).mean()
        assert trainer.history[0]["train/loss"] == pytest.approx(wanted, rel=1e-5)
        assert trainer.hyperparams()["loss"] == type(loss).__name__


def test_the_loss_and_its_arguments_are_recorded(tmp_path):
    trainer = CTRTrainer(fm(), loss="focal", loss_params={"gamma": 1.0}, model_path=tmp_path)
    recorded = trainer.hyperparams()
    assert (recorded["loss"], recorded["loss_params"]) == ("focal", {"gamma": 1.0})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "mse", "metrics": ("auc",)}, r"auc is a metric of probabilities, .*.mse., .mae"),
        ({"loss": "focl"}, "unknown loss 'focl' of CTRTrainer; give one of"),
        ({"loss": nn.MSELoss(reduction="none")}, "MSELoss has reduction='none'"),
        ({"loss": "softmax"}, None),
    ],
)  # fmt: skip
def test_a_choice_that_does_not_fit_is_refused(options, message, tmp_path):
    if message is not None:
        with pytest.raises(ValueError, match=message):
            CTRTrainer(fm(), model_path=tmp_path, **options)
        return
    trainer = CTRTrainer(fm(), model_path=tmp_path, **options)
    with pytest.raises(
        ValueError, match=r"a logit for each class.*wrap a ranking model in .*Multi"
    ):
        trainer.fit(*loaders(CLASSES))


def test_metrics_of_one_prediction_a_row_do_not_suit_classes(tmp_path):
    with pytest.raises(ValueError, match="auc is a metric of one prediction a row, and the loss"):
        of_classes(tmp_path, metrics=("auc",))


def test_labels_below_zero_are_no_counts(tmp_path):
    y = COUNTS.copy()
    y[7] = -1
    trainer = CTRTrainer(fm(), loss="poisson", n_epoch=1, model_path=tmp_path)
    with pytest.raises(ValueError, match="labels from 0 to inf for PoissonLoss, but holds -1"):
        trainer.fit(*loaders(y))


def test_ratings_without_a_loss_of_values_are_refused_with_the_remedy(tmp_path):
    trainer = CTRTrainer(fm(), n_epoch=1, model_path=tmp_path)
    with pytest.raises(ValueError, match=r"0 and 1, but holds \d: map your labels.*loss=\"mse\""):
        trainer.fit(*loaders(STARS))
