"""The content of bundles of rows: own functions, names of targets, data, and the description."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from torch_rechub.bundles import BundleError, load_bundle
from torch_rechub.data.preprocessing import Categorical, Numeric, Preprocessor
from torch_rechub.models.multi_task import SharedBottom
from torch_rechub.models.ranking import LR
from torch_rechub.trainers import CTRTrainer, MTLTrainer

LOG = {
    "city": ["b", "a", "b", "c", "b", "a"],
    "age": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
    "click": [1, 0, 1, 0, 1, 0],
    "buy": [0, 0, 1, 0, 1, 0],
}


def halved(values):
    return values / 2


def fitted(log, *targets, transform=None):
    columns = [Categorical("city", embed_dim=2), Numeric("age", transform=transform)]
    return Preprocessor(columns, targets=targets or ["click"]).fit(log)


def trainer(preprocessor, folder):
    return CTRTrainer(LR(preprocessor.features()), n_epoch=1, model_path=folder)


def data_of(log, folder):
    preprocessor = fitted(log)
    path = trainer(preprocessor, folder).save(folder / "b", preprocessor=preprocessor)
    return load_bundle(path).document.data


def test_functions_of_the_preprocessor_are_given_by_the_caller(tmp_path):
    preprocessor = fitted(LOG, transform=halved)
    of_halves = trainer(preprocessor, tmp_path)
    of_halves.save(tmp_path / "b", preprocessor=preprocessor)
    with pytest.raises(BundleError, match=r"functions=.*halved"):
        load_bundle(tmp_path / "b")
    bundle = load_bundle(tmp_path / "b", functions={"halved": halved})
    expected = of_halves.predict(of_halves.model, preprocessor.transform(LOG).loader(6))
    assert bundle.predict(LOG).tolist() == expected


def test_a_function_without_a_name_is_refused_on_saving(tmp_path):
    preprocessor = fitted(LOG, transform=lambda values: values)
    with pytest.raises(BundleError, match="the preprocessor cannot be saved"):
        trainer(preprocessor, tmp_path).save(tmp_path / "b", preprocessor=preprocessor)
    assert not (tmp_path / "b").exists()


def test_data_are_known_by_their_content_in_any_order(tmp_path):
    order = np.random.default_rng(0).permutation(6)
    shuffled = {name: np.asarray(values)[order] for name, values in LOG.items()}
    found = data_of(LOG, tmp_path)
    assert found["rows"] == 6
    assert data_of(shuffled, tmp_path) == found
    assert data_of({**LOG, "city": [*"badbba"]}, tmp_path) != found
    assert data_of({**LOG, "age": [1.0, 2.0, 3.0, 4.0, 5.0, 7.0]}, tmp_path) != found


def test_targets_must_be_as_many_as_the_predictions(tmp_path):
    preprocessor = fitted(LOG, "click", "buy")
    with pytest.raises(BundleError, match=r"2 targets \(click, buy\), but the model predicts 1"):
        trainer(preprocessor, tmp_path).save(tmp_path / "b", preprocessor=preprocessor)
    tasks = ["classification"] * 3
    model = SharedBottom(preprocessor.features(), tasks, {"dims": [4]}, [{"dims": [4]}] * 3)
    with pytest.raises(BundleError, match="the model predicts 3"):
        MTLTrainer(model, tasks, model_path=tmp_path).save(
            tmp_path / "b", preprocessor=preprocessor
        )
    inputs = preprocessor.select("city", "age")
    path = trainer(inputs, tmp_path).save(tmp_path / "b", preprocessor=inputs)
    assert load_bundle(path).targets == ()


def test_the_preprocessor_must_be_that_of_the_model(tmp_path):
    of_cities = trainer(fitted(LOG), tmp_path)
    more = fitted({**LOG, "city": [*"abcdea"]})
    with pytest.raises(BundleError, match="column 'city' has ids 0 to 6, the model 0 to 4"):
        of_cities.save(tmp_path / "b", preprocessor=more)
    with pytest.raises(BundleError, match="no column 'age', which the model reads"):
        of_cities.save(tmp_path / "b", preprocessor=fitted(LOG).select("city"))
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    "labels",
    [
        {"click": [1, 0]},
        {"click": ["?", "-"], "buy": [0, 1]},
        {"click": [1, 0], "weight": ["-", 1]},
    ],
)
def test_labels_and_weights_among_the_rows_are_not_read(tmp_path, labels):
    columns = [Categorical("city"), Numeric("age")]
    log = {**LOG, "weight": [1.0] * 6}
    preprocessor = Preprocessor(columns, targets=["click", "buy"], weight="weight").fit(log)
    tasks = ["classification"] * 2
    model = SharedBottom(preprocessor.features(), tasks, {"dims": [4]}, [{"dims": [4]}] * 2)
    fit = MTLTrainer(model, tasks, model_path=tmp_path)
    bundle = load_bundle(fit.save(tmp_path / "b", preprocessor=preprocessor))
    rows = {"city": ["a", "new"], "age": [1.0, 2.0]}
    expected = fit.predict(model, preprocessor.transform(rows).loader(2))
    frame = pd.DataFrame({**rows, **labels})
    for given in ({**rows, **labels}, frame, frame.to_dict("records")):
        assert bundle.predict(given).tolist() == expected


def test_a_bundle_describes_itself(tmp_path):
    preprocessor = fitted(LOG)
    fit = trainer(preprocessor, tmp_path)
    train = preprocessor.transform(LOG)
    fit.fit(train.loader(6), train.loader(6))
    text = load_bundle(fit.save(tmp_path / "b", preprocessor=preprocessor)).describe()
    lines = dict(line.split(maxsplit=1) for line in text.splitlines())
    assert lines["RowsBundle:"].startswith("ranking by LR, ")
    assert lines["inputs"] == "city (Categorical), age (Numeric)"
    assert lines["predictions"] == "click"
    assert f"val/auc {fit.history[0]['val/auc']:.4g}" in lines["metrics"]
    assert lines["data"].startswith("6 rows, vocabulary ")
    assert "rechub-core" in lines["written"]


LIMITED = """
import json, resource, signal, sys
from torch_rechub.basic.features import SparseFeature
from torch_rechub.models.ranking import LR
from torch_rechub.trainers import CTRTrainer

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
folder = sys.argv[1]
CTRTrainer(LR([SparseFeature("user", 4)]), model_path=folder).save(folder + "/b")
large = CTRTrainer(LR([SparseFeature("user", 100_000)]), model_path=folder)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    large.save(folder + "/b")
except OSError as error:
    print(json.dumps(str(error)))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the limit of file sizes is one of Linux")
def test_a_file_that_cannot_be_written_is_named_and_the_earlier_bundle_stays(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "weights.safetensors" in json.loads(done.stdout)
    assert load_bundle(tmp_path / "b").predict({"user": [0, 3]}).shape == (2,)
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
