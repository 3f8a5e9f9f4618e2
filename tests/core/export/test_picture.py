"""Pictures of models: which modules and shapes they show, and what is left of the model."""

import sys

import pytest
import torch

from torch_rechub.basic.features import SparseFeature
from torch_rechub.models.generative import HSTUModel
from torch_rechub.models.ranking import DeepFM
from torch_rechub.trainers import CTRTrainer, SeqTrainer
from torch_rechub.utils.visualization import TORCHVIEW_AVAILABLE, display_graph, visualize_model

FIELDS = [SparseFeature("user", 10, embed_dim=4), SparseFeature("item", 7, embed_dim=4)]


@pytest.fixture
def model():
    return DeepFM(FIELDS, FIELDS, {"dims": [8]})


def test_a_picture_shows_modules_and_shapes(model):
    assert TORCHVIEW_AVAILABLE
    graph = visualize_model(model, batch_size=3, graph_name="mine", dpi=80)
    source = graph.visual_graph.source
    assert "digraph mine" in source
    assert all(name in source for name in ("FirstOrder", "Linear", "BatchNorm"))
    assert "(3, 8)" in source
    assert "dpi=80" in source
    assert "Linear" not in visualize_model(model, depth=1).visual_graph.source
    assert "(3, 8)" not in visualize_model(model, show_shapes=False).visual_graph.source


def test_a_picture_can_be_of_given_inputs(model):
    x = {"user": torch.zeros(5).long(), "item": torch.zeros(5).long()}
    assert "(5, 8)" in visualize_model(model, x).visual_graph.source
    linear = visualize_model(torch.nn.Linear(4, 6), (torch.zeros(2, 4),))
    assert "(2, 6)" in linear.visual_graph.source
    with pytest.raises(ValueError, match="Linear is built of no features"):
        visualize_model(torch.nn.Linear(4, 6))


def test_trainers_draw_their_model(model, tmp_path):
    trainer = CTRTrainer(model, model_path=tmp_path)
    trainer.model.train()
    assert "(2, 8)" in trainer.visualization().visual_graph.source
    assert trainer.model.training
    sequences = SeqTrainer(HSTUModel(20, 8, 2, 1, 4, 4, max_seq_len=12), model_path=tmp_path)
    assert "(2, 12, 20)" in sequences.visualization().visual_graph.source
    assert "(2, 6, 20)" in sequences.visualization(seq_length=6).visual_graph.source


@pytest.mark.parametrize("library", ["torchview", "graphviz"])
def test_without_its_libraries_the_extra_is_named(library, model, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)  # as if it were not installed
    command = rf'visualization needs {library}: pip install "rechub-core\[visualization\]"'
    with pytest.raises(ImportError, match=command):
        visualize_model(model)


def test_a_graph_is_shown_as_png_or_svg(model):
    with pytest.raises(ValueError, match="format must be 'png' or 'svg', got 'pdf'"):
        display_graph(visualize_model(model), "pdf")
