"""A run that continues a bundle is linked to its parent in every tracker."""

import pytest
from backends import BACKENDS, open_logger, read_run
from tiny_clicks import model_and_loaders

from torch_rechub.trainers import CTRTrainer
from torch_rechub.training.lineage import TrainingRun


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_parent_of_a_run_is_read_back(backend, tmp_path):
    """`continue_from` sets the parent so; bundles need libraries that trackers do not."""
    folders = [tmp_path / "first", tmp_path / "second"]
    trainers = []
    for folder in folders:
        folder.mkdir()
        model, train, _ = model_and_loaders()
        options = {"n_epoch": 1, "model_path": tmp_path, "progress": False}
        trainer = CTRTrainer(model, model_logger=open_logger(backend, folder), **options)
        if trainers:
            parent = trainers[0].run.run_id
            trainer.run = TrainingRun(parent_run_id=parent, parent_digest="5ca1ab1e")
        trainer.fit(train)
        trainers.append(trainer)

    first, second = (read_run(backend, folder) for folder in folders)
    assert (first.run_id, first.parent) == (trainers[0].run.run_id, None)
    assert (second.run_id, second.parent) == (trainers[1].run.run_id, first.run_id)
    assert second.hyperparams["parent_digest"] == "5ca1ab1e"
