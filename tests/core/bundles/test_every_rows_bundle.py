"""Training and serving agree for every model of rows, from raw rows to predictions."""

import numpy as np
import pytest

from core.models import test_every_ranking_model
from core.models.multi_task import test_contract
from torch_rechub.bundles import load_bundle
from torch_rechub.data.preprocessing import (
    Categorical,
    Embedding,
    MultiCategorical,
    Numeric,
    Preprocessor,
    Target,
)
from torch_rechub.models.multi_class import MultiClass
from torch_rechub.testing import ModelContract
from torch_rechub.trainers import CTRTrainer, MTLTrainer

RANKING = {
    **test_every_ranking_model.MODELS,
    "MultiClass": lambda: MultiClass(test_every_ranking_model.MODELS["DeepFM"](), 3),
}
TASKS = {name: lambda make=make: make(3) for name, make in test_contract.MODELS.items()}
# exported to ONNX here; the files of all models are tested in tests/core/export
GRAPHS = ["BST", "DIEN", "DIN", "MultiClass", "MMOE"]
# those of variants of one model take long in total
EVERY = [
    pytest.param(name, marks=pytest.mark.slow) if "," in name else name
    for name in [*RANKING, *TASKS]
]


def raw(n, seed, unknown=False):
    """Raw rows; among those of serving are values that training did not know, and missing ones."""
    rng = np.random.default_rng(seed)
    users, items = ([f"{kind}{i}" for i in range(k)] for kind, k in (("u", 18), ("i", 10)))
    if unknown:
        users, items = [*users, "new", None], [*items, "new"]
    sequence = lambda: [list(rng.choice(items, rng.integers(0, 4))) for _ in range(n)]  # noqa: E731
    return {
        "user": rng.choice(np.array(users, object), n),
        "item": rng.choice(items, n),
        "h": sequence(),
        "steps": sequence(),
        "negatives": sequence(),
        "age": np.where(rng.random(n) < 0.1, np.nan, rng.normal(30, 9, n)),
        "pair": [rng.normal(size=2).astype("float32") for _ in range(n)],
        **{target: rng.integers(0, 2, n) for target in ("a", "b", "c")},
    }


@pytest.fixture(scope="module")
def preprocessor():
    of_item = {"shared_with": "item", "pooling": "concat", "max_length": 3}
    columns = [
        Categorical("user"), Categorical("item"), MultiCategorical("h", max_length=3),
        MultiCategorical("steps", **of_item), MultiCategorical("negatives", **of_item),
        Numeric("age"), Embedding("pair"),
    ]  # fmt: skip
    return Preprocessor(columns, targets=[Target(name) for name in "abc"]).fit(raw(400, seed=0))


@pytest.fixture(scope="module")
def rows():
    return raw(50, seed=1, unknown=True)


def trainer_of(name, model, folder, **options):
    if name in TASKS:
        return MTLTrainer(model, list(model.task_types), model_path=folder, **options)
    if name == "DIEN":
        options["loss_mode"] = False  # the model returns its auxiliary loss as well
    loss = "softmax" if name == "MultiClass" else None
    return CTRTrainer(model, model_path=folder, loss=loss, **options)


def saved(name, folder, preprocessor, **options):
    """A trainer with a model of random weights, and its bundle."""
    model = ModelContract().randomize({**RANKING, **TASKS}[name]())
    trainer = trainer_of(name, model, folder)
    if name in RANKING:
        preprocessor = preprocessor.select(*preprocessor.encoders)  # without the targets
    trainer.save(folder / "bundle", preprocessor=preprocessor, **options)
    return trainer, load_bundle(folder / "bundle")


@pytest.mark.parametrize("name", EVERY)
def test_a_bundle_predicts_raw_rows_as_the_trainer_does_to_the_last_bit(
    name, tmp_path, preprocessor, rows
):
    trainer, bundle = saved(name, tmp_path, preprocessor)
    encoded = preprocessor.transform(rows)
    assert {1} < {*encoded["user"]}
    assert 1 in encoded["item"]
    assert 1 in encoded["steps"]
    expected = trainer.predict(trainer.model, encoded.loader(16))
    assert bundle.predict(rows).tolist() == expected
    trainer = trainer_of(name, trainer.model, tmp_path, eval_batch_size=16)
    expected = trainer.predict(trainer.model, encoded.loader(16))
    assert bundle.predict(rows, batch_size=16).tolist() == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", GRAPHS)
def test_onnx_runtime_predicts_raw_rows_as_torch_does(name, tmp_path, preprocessor, rows):
    trainer, bundle = saved(name, tmp_path, preprocessor, onnx=True)
    found = bundle.predict(rows, engine="onnx")
    expected = np.array(trainer.predict(trainer.model, preprocessor.transform(rows).loader(50)))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    inputs = dict(bundle.inputs(rows))
    for bad in (-1, 2**31 - 1):
        outside = {**inputs, "item": np.full_like(inputs["item"], bad)}
        with pytest.raises(IndexError, match=r"feature 'item' has an id outside its vocabulary"):
            bundle.predict_inputs(outside, engine="onnx")
        with pytest.raises(IndexError):
            bundle.predict_inputs(outside)
