"""ONNX files of bundles: of models of sequences, of models without files, and of edited bundles."""

import numpy as np
import pandas as pd
import pytest
import torch

from core.models import matching_table, test_every_generative_model
from torch_rechub.bundles import BundleError, load_bundle
from torch_rechub.data.preprocessing import Categorical, Preprocessor
from torch_rechub.models.generative import HSTUModel
from torch_rechub.models.matching import BPRMF
from torch_rechub.models.ranking import LR
from torch_rechub.testing import ModelContract
from torch_rechub.trainers import CTRTrainer, MatchTrainer, SeqTrainer
from torch_rechub.trainers.rqvae_trainer import Trainer as RQVAETrainer

LOG = {
    "user": [f"u{i % 7}" for i in range(60)],
    "item": [f"p{i * i % 11}" for i in range(60)],
    "time": range(60),
}
COLUMNS = [Categorical("user", embed_dim=4), Categorical("item", embed_dim=4)]


@pytest.fixture(scope="module")
def preprocessor():
    return Preprocessor(COLUMNS).fit(LOG)


@pytest.fixture(scope="module")
def linear(tmp_path_factory, preprocessor):
    """The bundle of a linear model, and its trainer."""
    folder = tmp_path_factory.mktemp("linear")
    model = ModelContract().randomize(LR(preprocessor.features()))
    trainer = CTRTrainer(model, model_path=folder)
    trainer.save(folder / "bundle", preprocessor=preprocessor, onnx=True)
    return load_bundle(folder / "bundle"), trainer


@pytest.mark.slow
def test_onnx_runtime_recommends_the_next_items_of_torch(tmp_path, preprocessor):
    size = preprocessor.features("item")[0].vocab_size
    sizes = {"d_model": 8, "n_heads": 2, "n_layers": 1, "max_seq_len": 6}
    model = HSTUModel(size, **sizes, dqk=4, dv=4)
    trainer = SeqTrainer(ModelContract().randomize(model), model_path=tmp_path)
    names = {"item": "item", "user": "user", "time": "time"}
    trainer.save(tmp_path / "bundle", preprocessor=preprocessor, onnx=True, **names)
    bundle = load_bundle(tmp_path / "bundle")
    users = pd.concat(
        [pd.DataFrame(LOG), pd.DataFrame({"user": ["u1"], "item": ["new"], "time": [99]})]
    )
    found, expected = (bundle.recommend(users, k=4, engine=e) for e in ("onnx", "torch"))
    assert found["item"].tolist() == expected["item"].tolist()
    np.testing.assert_allclose(found["score"], expected["score"], rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_onnx_runtime_gives_the_codes_of_torch(tmp_path):
    trainer = RQVAETrainer(test_every_generative_model.rqvae(), model_path=tmp_path)
    bundle = load_bundle(trainer.save(tmp_path / "bundle", onnx=True))
    embeddings = torch.randn(40, 6)
    expected = bundle.codes(embeddings)
    assert len({*map(tuple, expected.tolist())}) > 1
    assert bundle.codes(embeddings, engine="onnx", batch_size=16).tolist() == expected.tolist()


def test_a_model_without_a_file_says_why_and_writes_no_bundle(tmp_path):
    tiger = test_every_generative_model.tiger()
    trainer = CTRTrainer(tiger, model_path=tmp_path)
    with pytest.raises(RuntimeError, match="TIGERModel cannot be exported to ONNX: it recommends"):
        trainer.save(tmp_path / "bundle", onnx=True)
    model = matching_table.youtube_sbc()
    with pytest.raises(RuntimeError, match="YoutubeSBC cannot be exported to ONNX: its scores"):
        CTRTrainer(model, model_path=tmp_path).save(tmp_path / "bundle", onnx=True)
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_without_the_file_and_an_unknown_engine_are_refused(tmp_path, preprocessor):
    trainer = CTRTrainer(LR(preprocessor.features()), model_path=tmp_path)
    trainer.save(tmp_path / "bundle", preprocessor=preprocessor)
    bundle = load_bundle(tmp_path / "bundle")
    with pytest.raises(BundleError, match=r"has no model.onnx: save it anew.*onnx=True"):
        bundle.predict(LOG, engine="onnx")
    with pytest.raises(ValueError, match="unknown engine 'tensorrt'; give 'torch' or 'onnx'"):
        bundle.predict(LOG, engine="tensorrt")


def test_a_file_that_was_replaced_after_loading_is_not_run(linear, tmp_path):
    bundle, trainer = linear
    again = load_bundle(bundle.path)
    file = bundle.path / "model.onnx"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    try:
        with pytest.raises(BundleError, match="was replaced since the bundle was loaded"):
            again.predict(LOG, engine="onnx")
    finally:
        file.write_bytes(whole)
    expected = trainer.predict(trainer.model, bundle.preprocessor.transform(LOG).loader(60))
    np.testing.assert_allclose(again.predict(LOG, engine="onnx"), expected, rtol=1e-5)


def test_unknown_raw_values_are_the_unknown_id_and_ids_outside_are_refused(linear):
    bundle, _ = linear
    rows = {"user": ["u1", "nobody", None], "item": ["p1", "nothing", "p4"]}
    inputs = bundle.inputs(rows)
    assert inputs["user"].tolist()[1:] == [1, 1]
    assert inputs["item"].tolist()[1] == 1
    found = bundle.predict(rows, engine="onnx")
    np.testing.assert_allclose(found, bundle.predict(rows), rtol=1e-5)
    size = bundle.preprocessor.features("item")[0].vocab_size
    for kind in (np.int8, np.int16, np.int32, np.int64):
        for bad in (-1, np.iinfo(kind).min, np.iinfo(kind).max, size):
            for engine in ("torch", "onnx"):
                with pytest.raises(IndexError, match="'item'"):
                    bundle.predict_inputs(
                        {**inputs, "item": np.array([2, 2, bad], kind)}, engine=engine
                    )
    with pytest.raises(ValueError, match="beyond int64"):
        bundle.predict_inputs({**inputs, "item": np.uint64([2, 2, 2**64 - 1])}, engine="onnx")
    with pytest.raises(KeyError, match="item"):
        bundle.predict_inputs({"user": inputs["user"]}, engine="onnx")


def test_a_changed_retrieval_bundle_keeps_its_files(tmp_path, preprocessor, monkeypatch):
    monkeypatch.setattr(MatchTrainer, "export_onnx", lambda _, path, mode: path.write_text(mode))
    user, item, other = (preprocessor.features(n, embed_dim=4)[0] for n in ("user", "item", "item"))
    other.name = "other"
    trainer = MatchTrainer(BPRMF(user, item, other), 1, model_path=tmp_path)
    trainer.save(tmp_path / "a", preprocessor=preprocessor, item="item", user="user", onnx=True)
    bundle = load_bundle(tmp_path / "a")
    bundle.remove_items(["p1"])
    bundle.save(tmp_path / "b")
    for tower in ("user", "item"):
        assert (tmp_path / "b" / f"{tower}.onnx").read_text() == tower
