"""A run that continues a bundle is linked to its parent in every tracker."""

import pytest
from backends import BACKENDS, open_logger, read_run

from torch_rechub.data.preprocessing import Categorical, Preprocessor
from torch_rechub.models.ranking import LR
from torch_rechub.trainers import CTRTrainer

MONDAY = {"city": ["a", "b"] * 4, "click": [1, 0] * 4}
TUESDAY = {"city": ["a", "c"] * 4, "click": [1, 0] * 4}


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_parent_of_a_run_is_read_back(backend, tmp_path):
    preprocessor = Preprocessor([Categorical("city")], targets=["click"])
    train = preprocessor.fit_transform(MONDAY)
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    options = {"n_epoch": 1, "model_path": tmp_path, "progress": False}
    logger = open_logger(backend, folders[0])
    trainer = CTRTrainer(LR(preprocessor.features()), model_logger=logger, **options)
    trainer.fit(train.loader(batch_size=4))
    bundle = trainer.save(tmp_path / "bundle", preprocessor=preprocessor)
    logger = open_logger(backend, folders[1])
    continued = CTRTrainer.continue_from(bundle, TUESDAY, model_logger=logger, **options)
    continued.fit(batch_size=4)

    first, second = (read_run(backend, folder) for folder in folders)
    assert (first.run_id, first.parent) == (trainer.run.run_id, None)
    assert (second.run_id, second.parent) == (continued.trainer.run.run_id, first.run_id)
    assert second.hyperparams["parent_digest"] == continued.parent.document.digest
