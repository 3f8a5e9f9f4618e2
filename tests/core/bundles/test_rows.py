"""Bundles of ranking and multi-task models: raw rows in, the trainer's predictions out."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from torch_rechub.bundles import load_bundle
from torch_rechub.data.preprocessing import Categorical, Numeric, Preprocessor, Target
from torch_rechub.models.multi_class import MultiClass
from torch_rechub.models.multi_task import MMOE
from torch_rechub.models.ranking import DeepFM
from torch_rechub.trainers import CTRTrainer, MTLTrainer


@pytest.fixture(scope="module")
def log():
    rng = np.random.default_rng(0)
    return {
        "city": rng.choice(list("abcdef"), 120),
        "age": rng.normal(size=120),
        "click": rng.integers(0, 2, 120),
        "stars": rng.integers(0, 3, 120),
        "user": np.arange(120) // 4,
    }


def encoded(log, *targets):
    columns = [Categorical("city", embed_dim=4), Numeric("age")]
    preprocessor = Preprocessor(columns, targets=list(targets))
    return preprocessor, preprocessor.fit_transform(log)


def deepfm(preprocessor):
    return DeepFM(preprocessor.features(), preprocessor.features("city"), {"dims": [8]})


def trained(trainer, train):
    trainer.fit(train.loader(30, shuffle=True))
    return trainer


def saved(trainer, folder, preprocessor):
    trainer.save(folder / "bundle", preprocessor=preprocessor)
    return load_bundle(folder / "bundle")


@pytest.mark.parametrize(
    ("loss", "target"),
    [(None, "click"), ("focal", "click"), ("mse", "stars"), ("poisson", "stars")],
)
def test_predictions_of_raw_rows_are_those_of_the_trainer_to_the_bit(tmp_path, log, loss, target):
    preprocessor, train = encoded(log, target)
    trainer = CTRTrainer(deepfm(preprocessor), n_epoch=1, model_path=tmp_path, loss=loss)
    bundle = saved(trained(trainer, train), tmp_path, preprocessor)
    rows = {name: log[name] for name in ("city", "age")}
    expected = trainer.predict(trainer.model, train.loader(256))
    assert bundle.predict(rows).tolist() == expected
    assert bundle.targets == (target,)


def test_a_bundle_of_classes_predicts_the_probability_of_each(tmp_path, log):
    preprocessor, train = encoded(log, "stars")
    model = MultiClass(deepfm(preprocessor), 3)
    trainer = CTRTrainer(model, n_epoch=1, model_path=tmp_path, loss="softmax")
    bundle = saved(trained(trainer, train), tmp_path, preprocessor)
    found = bundle.predict(log)
    assert found.tolist() == trainer.predict(model, train.loader(256))
    assert found.shape == (120, 3)


def test_a_bundle_of_ranks_predicts_scores(tmp_path, log):
    columns = [Categorical("city", embed_dim=4), Categorical("user", embed_dim=4)]
    preprocessor = Preprocessor(columns, targets=["click"])
    train, features = preprocessor.fit_transform(log), preprocessor.features()
    model = DeepFM(features, features, {"dims": [8]})
    settings = {"loss": "bpr", "group_column": "user", "n_epoch": 1, "model_path": tmp_path}
    trainer = CTRTrainer(model, **settings)
    trainer.fit(train.loader(120))
    bundle = saved(trainer, tmp_path, preprocessor)
    assert bundle.predict(log).tolist() == trainer.predict(model, train.loader(256))


def test_a_bundle_of_tasks_predicts_a_column_for_each(tmp_path, log):
    preprocessor, train = encoded(log, "click", Target("stars", name="rating"))
    tasks = ["classification", "regression"]
    model = MMOE(preprocessor.features(), tasks, 2, {"dims": [8]}, [{}, {}])
    trainer = trained(MTLTrainer(model, tasks, n_epoch=1, model_path=tmp_path), train)
    bundle = saved(trainer, tmp_path, preprocessor)
    assert bundle.predict(log).tolist() == trainer.predict(model, train.loader(256))
    assert bundle.targets == ("click", "rating")


def test_one_row_a_list_of_rows_and_a_table_are_predicted_alike(tmp_path, log):
    preprocessor, train = encoded(log, "click")
    trainer = trained(CTRTrainer(deepfm(preprocessor), n_epoch=1, model_path=tmp_path), train)
    bundle = saved(trainer, tmp_path, preprocessor)
    alone = bundle.predict({"city": "a", "age": 0.5})
    assert bundle.predict([{"city": "a", "age": 0.5}]).tolist() == alone.tolist()
    assert bundle.predict({"city": ["a"], "age": [0.5]}).tolist() == alone.tolist()
    with pytest.raises(KeyError, match="row 1 has no 'age'"):
        bundle.predict([{"city": "a", "age": 0.5}, {"city": "b"}])


def test_unknown_values_are_predicted_as_the_unknown_id(tmp_path, log):
    preprocessor, train = encoded(log, "click")
    trainer = trained(CTRTrainer(deepfm(preprocessor), n_epoch=1, model_path=tmp_path), train)
    bundle = saved(trainer, tmp_path, preprocessor)
    x = {"city": torch.tensor([1]), "age": torch.tensor([0.5 - np.mean(log["age"])])}
    encoded_row = preprocessor.transform({"city": ["nowhere"], "age": [0.5]})
    assert encoded_row["city"].tolist() == x["city"].tolist()
    expected = trainer.predict(trainer.model, encoded_row.loader(1))
    assert bundle.predict({"city": "nowhere", "age": 0.5}).tolist() == expected


def test_without_a_preprocessor_rows_are_the_inputs(tmp_path, log):
    preprocessor, train = encoded(log, "click")
    trainer = trained(CTRTrainer(deepfm(preprocessor), n_epoch=1, model_path=tmp_path), train)
    bundle = saved(trainer, tmp_path, None)
    assert bundle.preprocessor is None
    expected = trainer.predict(trainer.model, train.loader(256))
    assert bundle.predict(dict(train)).tolist() == expected


def test_the_document_names_metrics_targets_and_versions(tmp_path, log):
    preprocessor, train = encoded(log, "click")
    trainer = CTRTrainer(deepfm(preprocessor), n_epoch=2, model_path=tmp_path)
    trainer.fit(train.loader(30), train.loader(120))
    bundle = saved(trainer, tmp_path, preprocessor)
    best = max(trainer.history, key=lambda row: row["val/auc"])
    assert bundle.metrics["val/auc"] == best["val/auc"]
    written = json.loads((tmp_path / "bundle" / "bundle.json").read_text())
    assert written["format"] == "torch_rechub bundle"
    assert written["data"]["rows"] == 120
    assert written["versions"]["torch"] == torch.__version__
    assert written["trainer"]["learning_rate"] == 0.001


def test_a_new_process_with_nothing_but_the_bundle_predicts_in_five_lines(tmp_path, log):
    preprocessor, train = encoded(log, "click")
    trainer = trained(CTRTrainer(deepfm(preprocessor), n_epoch=1, model_path=tmp_path), train)
    trainer.save(tmp_path / "empty" / "bundle", preprocessor=preprocessor)
    code = """
from torch_rechub.bundles import load_bundle
bundle = load_bundle("bundle")
print(bundle.predict([{"city": "a", "age": 1.0}, {"city": "unknown", "age": None}]).tolist())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "empty", capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    x = preprocessor.transform({"city": ["a", "unknown"], "age": [1.0, None]})
    assert json.loads(done.stdout) == trainer.predict(trainer.model, x.loader(2))


def test_of_several_processes_the_first_one_writes(tmp_path, log, monkeypatch):
    preprocessor, _ = encoded(log, "click")
    trainer = CTRTrainer(deepfm(preprocessor), n_epoch=1, model_path=tmp_path)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert trainer.save(tmp_path / "bundle", preprocessor=preprocessor) == tmp_path / "bundle"
    assert not (tmp_path / "bundle").exists()
    monkeypatch.setenv("RANK", "0")
    trainer.save(tmp_path / "bundle", preprocessor=preprocessor)
    assert (tmp_path / "bundle" / "bundle.json").exists()
