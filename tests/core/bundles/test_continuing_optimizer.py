"""Training that continues with the state of the optimizer, as if it had not been interrupted."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from torch_rechub.bundles import BundleError, load_bundle
from torch_rechub.bundles.document import BundleDocument
from torch_rechub.bundles.folder import files_in
from torch_rechub.data.preprocessing import Categorical, Numeric, Preprocessor
from torch_rechub.models.ranking import DeepFM
from torch_rechub.trainers import CTRTrainer

ADAM = torch.optim.Adam


def clicks(first, n=200):
    draw = np.random.default_rng(first)
    item, user = draw.integers(first, first + 6, n), draw.integers(first, first + 4, n)
    rows = {"user": user, "item": item, "age": draw.random(n), "click": item % 2}
    return pd.DataFrame(rows)


OLD = clicks(0)


def made(folder, n_epoch, update="dense", kind=ADAM, **params):
    torch.manual_seed(0)
    columns = [Categorical("user"), Categorical("item"), Numeric("age")]
    preprocessor = Preprocessor(columns, targets=["click"])
    data = preprocessor.fit_transform(OLD)
    features = preprocessor.features(embed_dim=4)
    trainer = CTRTrainer(
        DeepFM(features, features[:2], {"dims": [8]}), model_path=folder, progress=False,
        n_epoch=n_epoch, optimizer_fn=kind, optimizer_params={"lr": 0.01, **params},
        embedding_update=update,
    )  # fmt: skip
    trainer.fit(data.loader(64))
    return trainer, preprocessor


def moments(model, optimizer, key):
    """The moments by name of the weight, read through the state dict of a copy of the model."""
    weights = {n: p.detach().clone() for n, p in model.named_parameters()}
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(optimizer.state[p][key].expand_as(p))
        buffers = dict(model.named_buffers())
        found = {n: v.clone() for n, v in model.state_dict().items() if n not in buffers}
        for n, p in model.named_parameters():
            p.copy_(weights[n])
    return found


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("adam")
    trainer, preprocessor = made(folder, 1)
    return trainer, trainer.save(folder / "b", preprocessor=preprocessor, optimizer=True)


@pytest.mark.parametrize(
    ("update", "kind", "params"),
    [
        ("dense", ADAM, {}),
        ("lazy", ADAM, {}),
        ("row_wise", ADAM, {}),
        ("dense", torch.optim.SGD, {"momentum": 0.9}),
        ("lazy", torch.optim.Adagrad, {"initial_accumulator_value": 0.1}),
    ],
)
def test_two_epochs_equal_one_saved_and_one_continued(tmp_path, update, kind, params):
    whole, _ = made(tmp_path, 2, update, kind, **params)
    first, preprocessor = made(tmp_path, 1, update, kind, **params)
    bundle = first.save(tmp_path / "b", preprocessor=preprocessor, optimizer=True)
    new = CTRTrainer.continue_from(bundle, OLD, optimizer=True, n_epoch=1, model_path=tmp_path)
    new.fit(64, shuffle=False)
    right = whole.model.state_dict()
    assert all(torch.equal(v, right[n]) for n, v in new.trainer.model.state_dict().items())
    assert (bundle / "optimizer.safetensors").exists()


@pytest.mark.parametrize("update", ["dense", "lazy", "row_wise"])
def test_moments_of_old_rows_are_the_old_ones_and_of_new_rows_zero(tmp_path, update):
    old, preprocessor = made(tmp_path, 1, update)
    bundle = old.save(tmp_path / "b", preprocessor=preprocessor, optimizer=True)
    new = CTRTrainer.continue_from(bundle, clicks(3), optimizer=True, model_path=tmp_path).trainer
    grown = 0
    for key in ("exp_avg", "exp_avg_sq"):
        before, after = (moments(t.model, t.optimizer, key) for t in (old, new))
        for name, value in before.items():
            assert torch.equal(after[name][: len(value)], value)
            assert not after[name][len(value) :].any()
            grown += len(after[name]) > len(value)
    assert grown >= 4
    grown_preprocessor = preprocessor.grown(clicks(3))
    new.fit(grown_preprocessor.transform(clicks(3)).loader(64))
    again = new.save(tmp_path / "b", preprocessor=grown_preprocessor, optimizer=True)
    last = CTRTrainer.continue_from(again, OLD, optimizer=True, model_path=tmp_path).trainer
    for name, value in moments(new.model, new.optimizer, "exp_avg").items():
        assert torch.equal(moments(last.model, last.optimizer, "exp_avg")[name], value)


def test_by_default_the_optimizer_starts_anew(saved, tmp_path):
    _, bundle = saved
    assert not CTRTrainer.continue_from(bundle, OLD, model_path=tmp_path).trainer.optimizer.state


def test_bundles_without_a_state_or_of_another_optimizer_are_refused(saved, tmp_path):
    trainer, bundle = saved
    options = {"optimizer": True, "model_path": tmp_path}
    preprocessor = load_bundle(bundle).preprocessor
    bare = trainer.save(tmp_path / "bare", preprocessor=preprocessor)
    with pytest.raises(BundleError, match=r"no state of the optimizer: save it with"):
        CTRTrainer.continue_from(bare, OLD, **options)
    with pytest.raises(BundleError, match=r"state of the optimizer Adam, not SGD"):
        CTRTrainer.continue_from(bundle, OLD, optimizer_fn=torch.optim.SGD, **options)
    with pytest.raises(BundleError, match=r"settings, such as embedding_update"):
        CTRTrainer.continue_from(bundle, OLD, embedding_update="row_wise", **options)


def shorter(tensors, _):
    name = next(n for n in tensors if n.endswith("item.weight/exp_avg"))
    tensors[name] = tensors[name][:-1].clone()


def scalar(tensors, _):
    tensors[next(n for n in tensors if n.endswith("bias/exp_avg"))] = torch.tensor(0.0)


def missing(tensors, _):
    del tensors[next(n for n in tensors if n.endswith("exp_avg_sq"))]


def text(_, numbers):
    next(iter(numbers.values()))["step"] = "many"


@pytest.mark.parametrize("edit", [shorter, scalar, missing, text])
def test_edited_states_are_refused_before_use(saved, tmp_path, edit):
    trainer, bundle = saved
    preprocessor = load_bundle(bundle).preprocessor
    path = trainer.save(tmp_path / "b", preprocessor=preprocessor, optimizer=True)
    file, document = path / "optimizer.safetensors", json.loads((path / "bundle.json").read_bytes())
    tensors = load_file(file)
    edit(tensors, document["trainer"]["optimizer_state"]["numbers"])
    save_file(tensors, file)
    del document["digest"], document["format"], document["version"]
    edited = BundleDocument(**{**document, "files": files_in(path)})
    (path / "bundle.json").write_bytes(edited.to_json())
    with pytest.raises(BundleError, match=r"was edited, or is of an optimizer"):
        CTRTrainer.continue_from(path, OLD, optimizer=True, model_path=tmp_path)
