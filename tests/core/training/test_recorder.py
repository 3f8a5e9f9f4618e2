"""Records that loggers receive on request, in addition to the metrics of each epoch."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix, roc_curve

from torch_rechub.basic.features import SparseFeature
from torch_rechub.models.multi_task import SharedBottom
from torch_rechub.models.ranking import DeepFM
from torch_rechub.trainers import CTRTrainer, MTLTrainer, Recording
from torch_rechub.training.interruption import STATUS
from torch_rechub.training.reporting.plots import calibration, confusion, roc
from torch_rechub.utils.data import DataGenerator

ROWS, BATCH = 60, 10


class Full:
    """Has every optional method, and notes the calls."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        if not name.startswith(("log_", "define_", "resume_")) and name not in ("flush", "finish"):
            raise AttributeError(name)
        return lambda *args, **kwargs: self.calls.append((name, *args, *kwargs.values()))

    def of(self, method):
        return [call[1:] for call in self.calls if call[0] == method]


class Bare:
    """Has the three methods and no other."""

    def __init__(self):
        self.metrics = []

    def log_metrics(self, metrics, step=None):
        self.metrics.append((step, metrics))

    def log_hyperparams(self, params):
        pass

    def finish(self):
        pass


def fit(tmp_path, record=None, logger=None, resume=False, **settings):
    torch.manual_seed(0)
    ids = torch.arange(ROWS)
    x, y = {"user": ids % 9, "item": ids % 7}, (ids % 3 == 0).int()
    data = DataGenerator(x, y)
    train, val, _ = data.generate_dataloader(split_ratio=[0.5, 0.5], batch_size=BATCH)
    fields = [SparseFeature("user", 50, embed_dim=4), SparseFeature("item", 7, embed_dim=4)]
    logger = Full() if logger is None else logger
    trainer = CTRTrainer(
        DeepFM(fields, fields, {"dims": [4]}),
        model_path=tmp_path,
        model_logger=logger,
        record=record,
        **{"n_epoch": 3, **settings},
    )
    trainer.fit(train, val, resume=resume)
    return logger, trainer, val


def test_without_it_a_logger_gets_the_epochs_and_nothing_else(tmp_path):
    logger, trainer, _ = fit(tmp_path)
    assert [call[0] for call in logger.calls] == [
        "log_hyperparams",
        *["log_metrics", "flush"] * 3,
        "finish",
    ]
    assert list(trainer.steps._listeners) == []


def test_losses_of_every_n_th_step_have_an_axis_of_their_own(tmp_path):
    logger, trainer, _ = fit(tmp_path, Recording(every_n_steps=2))
    assert logger.calls[0] == ("define_axis", "global_step", ["train/loss_step"])
    rows = [row for row in logger.of("log_metrics") if "train/loss_step" in row[0]]
    assert [step for _, step in rows] == [2, 4, 6, 8]  # three batches an epoch, three epochs
    assert all(row.keys() == {"train/loss_step"} for row, _ in rows)
    every, trainer, _ = fit(tmp_path, Recording(every_n_steps=1))
    losses = [row["train/loss_step"] for row, _ in every.of("log_metrics") if len(row) == 1]
    means = np.reshape(losses, (3, 3)).mean(axis=1)
    assert means == pytest.approx([row["train/loss"] for row in trainer.history], rel=1e-5)
    assert [row["train/loss_step"] for row, _ in rows] == losses[1:8:2]


def test_a_step_of_several_batches_has_the_mean_of_their_losses(tmp_path):
    logger, trainer, _ = fit(tmp_path, Recording(every_n_steps=1), accumulate=3)
    rows = [row for row in logger.of("log_metrics") if len(row[0]) == 1]
    assert [step for _, step in rows] == [1, 2, 3]
    means = [row["train/loss"] for row in trainer.history]
    assert [row["train/loss_step"] for row, _ in rows] == pytest.approx(means, rel=1e-5)


def test_the_number_of_steps_goes_on_where_training_is_resumed(tmp_path):
    record = Recording(every_n_steps=1)
    fit(tmp_path, record, resume=True, n_epoch=2)
    logger, trainer, _ = fit(tmp_path, record, resume=True, n_epoch=3)
    assert logger.of("resume_at") == [(2, {"global_step": 7})]
    steps = [step for row, step in logger.of("log_metrics") if len(row) == 1]
    assert (steps, trainer.steps.count) == ([7, 8, 9], 9)


def test_the_best_value_so_far_is_recorded_with_its_epoch(tmp_path, monkeypatch):
    scores = iter([0.6, float("nan"), 0.8, 0.7])
    monkeypatch.setattr(CTRTrainer, "evaluate", lambda *_: next(scores))
    logger, _, _ = fit(tmp_path, Recording(best=True), n_epoch=4)
    found = [(r["best/val/auc"], r["best/epoch"]) for r, _ in logger.of("log_metrics")]
    assert found == [(0.6, 0), (0.6, 0), (0.8, 2), (0.8, 2)]


def test_a_first_epoch_of_nan_has_no_best_value(tmp_path, monkeypatch):
    monkeypatch.setattr(CTRTrainer, "evaluate", lambda *_: math.nan)
    logger, _, _ = fit(tmp_path, Recording(best=True), n_epoch=1)
    ((row, _),) = logger.of("log_metrics")
    assert "best/val/auc" not in row


@pytest.mark.parametrize("update", ["lazy", "dense"])
def test_embedding_tables_show_their_norms_and_the_rows_that_were_not_trained(tmp_path, update):
    settings = {"optimizer_params": {"lr": 0.01}, "embedding_update": update}
    logger, trainer, _ = fit(tmp_path, Recording(embeddings=True), **settings)
    row, _ = logger.of("log_metrics")[-1]
    tables = {n[len("embedding/") : -len("/norm")] for n in row if n.endswith("/norm")}
    user = next(name for name in tables if name.endswith("user") and "linear" not in name)
    # of 50 rows 9 occur in the data
    assert row[f"embedding/{user}/unchanged"] == pytest.approx(41 / 50)
    path, _, feature = user.rpartition(".")
    norms = trainer.model.get_submodule(path).table(feature).detach().norm(dim=1).numpy()
    assert trainer.early_stopper.best_weights is not None
    counts = [h for h in logger.of("log_histogram") if h[0] == f"embedding/{user}/norms"]
    assert [step for *_, step in counts] == [0, 1, 2]
    assert all(sum(h[1]) == 50 and len(h[2]) == len(h[1]) + 1 for h in counts)
    best = [h for h in counts if np.histogram(norms, h[2])[0].tolist() == h[1]]
    assert best  # the histogram of the epoch whose weights were kept


def test_the_architecture_and_the_best_weights_go_to_loggers_that_take_them(tmp_path):
    logger, trainer, _ = fit(tmp_path, Recording(architecture=True, checkpoint=True))
    assert logger.of("log_text") == [("model", str(trainer.model), 0)]
    assert logger.of("log_artifact") == [("DeepFM", str(tmp_path / "model.pth"), "model")]
    assert logger.calls[-1] == ("finish",)


def test_a_logger_of_three_methods_gets_what_it_can_take(tmp_path):
    everything = Recording(
        every_n_steps=1, best=True, figures=True, embeddings=True, architecture=True
    )
    logger, _, _ = fit(tmp_path, everything, Bare())
    assert len(logger.metrics) == 3 + 9


def test_figures_show_the_validation_of_the_best_weights(tmp_path):
    logger, trainer, val = fit(tmp_path, Recording(figures=True))
    drawn = {name: figure for name, figure, _ in logger.of("log_figure")}
    assert list(drawn) == ["val/roc", "val/calibration", "val/confusion"]
    y = np.concatenate([labels.numpy() for _, labels in val])
    p = np.array(trainer.predict(trainer.model, val))
    _, curve = drawn["val/roc"].axes[0].lines
    false, true, _ = roc_curve(y, p)
    assert curve.get_xdata() == pytest.approx(false)
    assert curve.get_ydata() == pytest.approx(true)
    texts = [text.get_text() for text in drawn["val/confusion"].axes[0].texts]
    assert [int(text) for text in texts] == confusion_matrix(y, p >= 0.5).ravel().tolist()


def test_a_calibration_has_a_point_for_each_tenth_of_the_rows():
    draw = np.random.default_rng(0)
    p = draw.random(1000)
    y = (draw.random(1000) < p).astype(float)
    _, points = calibration(y, p).axes[0].lines
    order = np.argsort(p)
    for i, (x, share) in enumerate(zip(points.get_xdata(), points.get_ydata(), strict=True)):
        rows = order[100 * i : 100 * (i + 1)]
        assert (x, share) == pytest.approx((p[rows].mean(), y[rows].mean()))


@pytest.mark.parametrize(
    ("labels", "counts"), [(np.zeros(3), [3, 0, 0, 0]), (np.ones(1), [0, 0, 1, 0])]
)
def test_plots_of_one_class_show_what_there_is(labels, counts):
    p = np.full(labels.size, 0.25)
    (diagonal,) = roc(labels, p).axes[0].lines  # no curve: a rate has no rows to count
    assert (list(diagonal.get_xdata()), list(diagonal.get_ydata())) == ([0, 1], [0, 1])
    _, points = calibration(labels, p).axes[0].lines
    assert set(points.get_xdata()) == {0.25}
    assert set(points.get_ydata()) == {labels[0]}
    assert [int(text.get_text()) for text in confusion(labels, p).axes[0].texts] == counts


def test_the_weights_of_balanced_tasks_are_drawn(tmp_path):
    ids = torch.arange(ROWS)
    x = {"user": ids % 9, "item": ids % 7}
    labels = torch.stack([ids % 2, ids % 3 == 0], dim=1).float()
    train, val, _ = DataGenerator(x, labels).generate_dataloader(
        split_ratio=[0.5, 0.5], batch_size=BATCH
    )
    fields = [SparseFeature("user", 9, embed_dim=4), SparseFeature("item", 7, embed_dim=4)]
    kinds = ["classification"] * 2
    model = SharedBottom(fields, kinds, {"dims": [4]}, [{"dims": [2]}] * 2)
    logger = Full()
    trainer = MTLTrainer(
        model,
        kinds,
        adaptive_params={"method": "uwl"},
        n_epoch=2,
        model_path=tmp_path,
        model_logger=logger,
        record=Recording(figures=True, every_n_steps=1),
    )
    trainer.fit(train, val)
    ((name, figure, step),) = logger.of("log_figure")
    assert (name, step) == ("loss_weight", 1)
    lines = {line.get_label(): list(line.get_ydata()) for line in figure.axes[0].lines}
    names = ["loss_weight/task_0", "loss_weight/task_1"]
    assert lines == {name: [row[name] for row in trainer.history] for name in names}
    names = {"train/task_0_loss_step", "train/task_1_loss_step"}
    assert {frozenset(r) for r, _ in logger.of("log_metrics") if len(r) == 2} == {frozenset(names)}


def test_nothing_is_drawn_when_training_dies(tmp_path):
    def fail(*_):
        raise SystemExit(STATUS)

    logger = Full()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit):  # noqa: PT012
        patch.setattr(CTRTrainer, "evaluate", fail)
        fit(tmp_path, Recording(figures=True, checkpoint=True), logger)
    assert [call[0] for call in logger.calls] == ["log_hyperparams", "log_failure", "finish"]


def test_it_needs_a_logger_whole_steps_and_matplotlib(tmp_path, monkeypatch):
    fields = [SparseFeature("user", 9, embed_dim=4)]
    with pytest.raises(ValueError, match="give model_logger too"):
        CTRTrainer(DeepFM(fields, fields, {"dims": [4]}), record=Recording(best=True))
    with pytest.raises(ValueError, match="every_n_steps must be at least 1, got 0"):
        Recording(every_n_steps=0)
    monkeypatch.setattr("torch_rechub.training.recording.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'rechub-core\[plot\]'"):
        Recording(figures=True)
