"""The values of a test are an artifact in every tracker, and `significance` finds them there."""

import numpy as np
import pytest
from backends import BACKENDS, open_logger
from tiny_clicks import model_and_loaders

from torch_rechub.runs import details, read_runs, significance
from torch_rechub.significance import TestValues
from torch_rechub.trainers import CTRTrainer, Recording


def fitted(logger, folder, lr):
    model, train, val = model_and_loaders()
    trainer = CTRTrainer(
        model,
        optimizer_params={"lr": lr},
        n_epoch=1,
        model_path=folder / "models",
        model_logger=logger,
        record=Recording(test_values=True),
        metrics=("auc", "log_loss"),
        progress=False,
    )
    trainer.fit(train, val, test_dataloader=train.dataset)
    return trainer.test_metrics


@pytest.mark.parametrize("backend", BACKENDS)
def test_values_are_read_back_from_every_tracker_and_tested(backend, tmp_path):
    metrics = {}
    for lr in (1e-3, 0.5):
        folder = tmp_path / f"lr{lr}"
        metrics[lr] = fitted(open_logger(backend, folder), tmp_path, lr)
    runs = read_runs(tmp_path, [backend])
    for run in runs:
        values = TestValues.read(details(run).files["test_values"])
        units = values.units("test/log_loss").values
        recorded = run.last("test/log_loss")
        assert np.mean(units) == pytest.approx(recorded[1], rel=1e-4)
    found = significance(runs, "val/log_loss")
    gap = abs(metrics[0.5]["test/log_loss"] - metrics[1e-3]["test/log_loss"])
    assert abs(found.tests[1].difference) == pytest.approx(gap, rel=1e-3)
    assert found.tests[0].verdict == "baseline"
