"""Relative folders of trainers and data sets are those of the moment in which they are given."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from torch_rechub.basic.features import SparseFeature
from torch_rechub.data.dataset import ParquetIterableDataset
from torch_rechub.data.loader import TableLoader
from torch_rechub.data.public import movielens_100k
from torch_rechub.data.table import PredictDataset
from torch_rechub.models.generative import HSTUModel, RQVAEModel
from torch_rechub.models.matching import DSSM
from torch_rechub.serving.index_files import write_index
from torch_rechub.trainers import CTRTrainer, MatchTrainer, SeqTrainer
from torch_rechub.trainers.rqvae_trainer import Trainer as RQVAETrainer
from torch_rechub.training.checkpoints.weights import save_weights


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Two folders; the first is the working directory."""
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "there"


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("moment", ["before fit", "the first batch", "an epoch", "the end"])
def test_a_training_run_writes_to_the_path_it_was_given(moment, elsewhere, make_trainer, loaders):
    trainer = make_trainer(model_path="models", n_epoch=3)
    if moment == "before fit":
        os.chdir(elsewhere)
    at = {"the first batch": (0, False), "an epoch": (1, False), "the end": (2, True)}.get(moment)
    logits = trainer.model.logits

    def moves(x):
        if (len(trainer.history), not trainer.model.training) == at:
            os.chdir(elsewhere)
        return logits(x)

    trainer.model.logits = moves
    trainer.fit(*loaders, resume=True)
    assert Path.cwd() == elsewhere
    assert files(elsewhere) == []
    assert files(elsewhere.parent / "here") == ["models/model.checkpoint", "models/model.pth"]


def test_a_training_run_resumes_from_the_path_it_was_given(elsewhere, make_trainer, loaders):
    make_trainer(model_path="models", n_epoch=1).fit(*loaders, resume=True)
    again = make_trainer(model_path="models", n_epoch=2)
    os.chdir(elsewhere)
    again.fit(*loaders, resume=True)
    assert [row["epoch"] for row in again.history] == [0, 1]
    assert files(elsewhere) == []


def test_the_default_folder_is_the_working_directory_of_the_constructor(
    elsewhere, make_model, loaders
):
    trainer = CTRTrainer(make_model(), n_epoch=1, progress=False)
    os.chdir(elsewhere)
    trainer.fit(*loaders)
    assert files(elsewhere.parent / "here") == ["model.pth"]


@pytest.mark.parametrize("given", ["./models/", "models", Path("models"), "~/models"])
def test_the_attribute_is_the_folder_as_given(given, make_trainer):
    assert make_trainer(model_path=given).model_path == given


def test_a_folder_that_is_set_later_is_that_of_then(elsewhere, make_trainer, loaders):
    trainer = make_trainer(model_path="models")
    os.chdir(elsewhere)
    trainer.model_path = "others"
    os.chdir(elsewhere.parent)
    trainer.fit(*loaders)
    assert files(elsewhere.parent) == ["there/others/model.pth"]


URL = "s3://bucket/models"
REFUSED = pytest.raises(ValueError, match=f"must be a local path, got the URL '{URL}'")


def test_trainers_refuse_a_url_at_once(elsewhere, make_trainer):
    trainer = make_trainer()
    with REFUSED:
        make_trainer(model_path=URL)
    with REFUSED:
        trainer.model_path = URL
    with REFUSED:
        SeqTrainer(HSTUModel(9, d_model=8, n_heads=2, n_layers=1, max_seq_len=4), model_path=URL)
    with REFUSED:
        RQVAETrainer(RQVAEModel(4, num_emb_list=[2], e_dim=2, layers=[2]), model_path=URL)
    assert files(elsewhere.parent / "here") == []


def test_other_files_are_written_to_local_paths_only(elsewhere, make_trainer, loaders):
    with REFUSED:
        make_trainer().export_onnx(URL)
    with REFUSED:
        write_index(URL, print)
    with REFUSED:
        movielens_100k(cache_dir=URL)
    assert files(elsewhere.parent / "here") == []


def test_embeddings_are_read_from_the_folder_of_a_home(elsewhere, loaders, monkeypatch):
    user, item = [SparseFeature(name, 9, embed_dim=4) for name in ("user", "item")]
    model = DSSM([user], [item], {"dims": [2]}, {"dims": [2]})
    monkeypatch.setenv("HOME", str(elsewhere))
    save_weights(model.state_dict(), elsewhere / "model.pth")
    users = PredictDataset({"user": torch.arange(9)})
    found = MatchTrainer(model).inference_embedding(model, "user", TableLoader(users, 4), "~")
    assert found.shape == (9, 2)


def test_parquet_files_are_those_of_the_constructor(elsewhere):
    pq.write_table(pa.table({"item": [7, 8]}), "clicks.parquet")
    dataset = ParquetIterableDataset(["clicks.parquet"])
    os.chdir(elsewhere)
    assert [batch["item"].tolist() for batch in dataset] == [[7, 8]]
