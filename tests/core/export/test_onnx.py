"""Models as ONNX files: onnxruntime computes from the file what torch computes from the model."""

import sys

import numpy as np
import onnxruntime
import pytest
import torch
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

from torch_rechub.basic.features import DenseFeature, SequenceFeature, SparseFeature
from torch_rechub.basic.layers import EmbeddingLayer
from torch_rechub.models.generative import HSTUModel, RQVAEModel
from torch_rechub.models.matching import DSSM, NARM, SASRec, YoutubeDNN
from torch_rechub.models.multi_task import SharedBottom
from torch_rechub.models.ranking import DCN, DIEN, DeepFM, WideDeep
from torch_rechub.trainers import CTRTrainer, MatchTrainer, MTLTrainer, SeqTrainer
from torch_rechub.trainers.rqvae_trainer import Trainer as RQVAETrainer
from torch_rechub.utils.model_utils import extract_feature_info, generate_dummy_input_dict
from torch_rechub.utils.onnx_export import ONNXExporter, ONNXWrapper
from torch_rechub.utils.quantization import quantize_model

USER, ITEM = SparseFeature("user", 9, embed_dim=4), SparseFeature("item", 20, embed_dim=4)
PRICE = DenseFeature("price")
MLP, TASKS = {"dims": [8, 4]}, ["classification", "classification"]
EXPERT, TOWERS = {"dims": [8]}, [{"dims": [4]}, {"dims": [4]}]


def sequence(name, pooling="concat", shared_with="item"):
    return SequenceFeature(name, 20, 4, pooling, shared_with, padding_idx=0)


SEEN, NEGATIVES = sequence("seen"), sequence("negatives")
STEPS = [sequence("seq", shared_with=None), sequence("pos", "concat", "seq")]
STEPS.append(sequence("neg", "concat", "seq"))

MODELS = {
    "DeepFM": lambda: DeepFM([USER, ITEM, PRICE], [USER, ITEM], MLP),
    "WideDeep": lambda: WideDeep([USER], [ITEM, PRICE], MLP),
    "DSSM": lambda: DSSM([USER, sequence("seen", "mean")], [ITEM], MLP, MLP),
    "YoutubeDNN": lambda: YoutubeDNN([USER, sequence("seen", "mean")], [ITEM], [NEGATIVES], MLP),
    "SASRec": lambda: SASRec(STEPS, max_len=6),
    "NARM": lambda: NARM(STEPS[0], 8, 0.1, 0.1),
    "DIEN": lambda: DIEN([USER], [SEEN], [NEGATIVES], [ITEM], MLP),
    "SharedBottom": lambda: SharedBottom([USER, ITEM], TASKS, EXPERT, TOWERS),
}


def model_of(name):
    """A model whose embeddings are large enough to show in the output."""
    model = MODELS[name]()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.5)
    return model.eval()


def columns(model, mode=None):
    """The names of what the model reads, and random inputs of `rows` rows and any length."""
    names = ONNXExporter(model).get_input_info(mode)["input_names"]
    features = {f.name: f for f in extract_feature_info(model)["features"]}
    return names, lambda rows, length: generate_dummy_input_dict(
        [features[name] for name in names], rows, length
    )


def run(path, x):
    """The outputs of a file, and the names of its inputs and outputs."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    found = session.run(None, {name: x[name].numpy() for name in names})
    return found, names, [o.name for o in session.get_outputs()]


def outputs(model, x, mode=None):
    if mode is not None:
        model.mode = mode
    with torch.no_grad():
        found = model(x)
    if mode is not None:
        model.mode = None
    return [found] if isinstance(found, torch.Tensor) else list(found)


@pytest.mark.slow
def test_every_trainer_writes_its_model(tmp_path):
    file, options = tmp_path / "model.onnx", {"n_epoch": 1, "model_path": tmp_path}
    ctr, match = model_of("WideDeep"), model_of("DSSM")
    tasks = model_of("SharedBottom")
    sequences = HSTUModel(20, 8, 2, 1, 4, 4, max_seq_len=12).eval()
    trainers = {
        CTRTrainer(ctr, **options): ({}, None),
        MatchTrainer(match, **options): ({"mode": "item"}, "item"),
        MTLTrainer(tasks, TASKS, **options): ({}, None),
    }
    for trainer, (arguments, mode) in trainers.items():
        trainer.model.train()
        assert trainer.export_onnx(file, **arguments) is True
        assert trainer.model.training
        trainer.model.eval()
        x = columns(trainer.model, mode)[1](3, 10)
        (found,), *_ = run(file, x)
        (expected,) = outputs(trainer.model, x, mode)
        np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-5)
    trainer = SeqTrainer(sequences, **options)
    assert trainer.export_onnx(file) is True  # of 12 tokens, the most that the model takes
    x = {
        "seq_tokens": torch.randint(0, 20, (3, 9)),
        "seq_time_diffs": torch.randint(0, 999, (3, 9)),
    }
    (found,), *_ = run(file, x)
    with torch.no_grad():
        expected = sequences(*x.values())
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sk_epsilons", [None, [0.0, 0.01]])
def test_the_file_of_an_rqvae_gives_its_nearest_codes(sk_epsilons, tmp_path):
    model = RQVAEModel(6, [8, 8], e_dim=3, layers=[5], bn=True, sk_epsilons=sk_epsilons)
    trainer = RQVAETrainer(model, n_epoch=1, model_path=tmp_path)
    assert trainer.export_onnx(tmp_path / "codes.onnx") is True
    model.eval()
    for rows in (1, 2, 7):
        x = torch.randn(rows, 6)
        found, read, _ = run(tmp_path / "codes.onnx", {"embeddings": x})
        assert read == ["embeddings"]
        with torch.no_grad():
            expected = model(x, use_sk=False)
        for mine, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(mine, theirs.numpy(), rtol=1e-4, atol=1e-5)
        assert found[2].tolist() == model.get_indices(x).tolist()


def test_the_model_goes_on_as_before(tmp_path):
    model = model_of("DSSM")
    x = columns(model)[1](4, 6)
    before = outputs(model, x)[0]
    model.train()
    ONNXExporter(model).export(tmp_path / "tower.onnx", "user", dummy_input=x)
    assert model.mode is None
    assert model.training
    model.eval()
    assert torch.equal(outputs(model, x)[0], before)


def test_rows_can_be_fixed(tmp_path):
    model = model_of("WideDeep")
    ONNXExporter(model).export(tmp_path / "m.onnx", batch_size=3, dynamic_batch=False)
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))
    assert [i.shape[0] for i in session.get_inputs()] == [3, 3, 3]


def test_a_tower_needs_its_own_columns_alone():
    info = ONNXExporter(model_of("YoutubeDNN")).get_input_info("user")
    assert info["input_names"] == ["user", "seen"]
    assert info["inputs"][0] == {
        "name": "user", "type": "SparseFeature", "embed_dim": 4, "vocab_size": 9
    }  # fmt: skip
    assert ONNXExporter(model_of("YoutubeDNN")).get_input_info("item")["input_names"] == ["item"]


def test_a_wrapper_gives_the_mode_back():
    model = model_of("DSSM")
    wrapper = ONNXWrapper(model, ["user", "seen"], "user")
    x = columns(model, "user")[1](2, 3)
    assert wrapper(x["user"], x["seen"]).shape == (2, 4)
    wrapper.restore_mode()
    assert model.mode is None


def test_what_cannot_be_exported_is_said(tmp_path, monkeypatch):
    model = model_of("WideDeep")
    file = tmp_path / "m.onnx"
    with pytest.raises(ValueError, match="WideDeep has no user tower"):
        ONNXExporter(model).export(file, "user")
    with pytest.raises(ValueError, match="mode must be 'user', 'item' or None, got 'both'"):
        ONNXExporter(model).export(file, "both")
    with pytest.raises(ValueError, match="Linear is built of no features"):
        ONNXExporter(torch.nn.Linear(2, 2)).export(file)
    with pytest.raises(ValueError, match="dummy_input lacks 'item', 'price'"):
        ONNXExporter(model).export(file, dummy_input={"user": torch.zeros(2)})
    monkeypatch.setitem(sys.modules, "onnxscript", None)  # as if it were not installed
    with pytest.raises(ImportError, match=r'pip install "rechub-core\[onnx\]"'):
        ONNXExporter(model).export(file)


class Branching(torch.nn.Module):
    """Asks for a value, which no graph can hold."""

    def __init__(self):
        super().__init__()
        self.inner = MODELS["WideDeep"]()

    def forward(self, x):
        return self.inner(x) if x["price"].sum() > 0.5 else x["price"]


def test_a_model_that_is_no_graph_is_a_runtime_error(tmp_path):
    with pytest.raises(RuntimeError, match="Branching cannot be exported to ONNX"):
        ONNXExporter(Branching()).export(tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("mode", "error"), [("int8", 0.05), ("fp16", 0.002)])
def test_a_quantized_file_is_smaller_and_nearly_as_good(mode, error, tmp_path):
    wide = {"dims": [128, 128]}
    model = DeepFM([USER, ITEM], [USER, ITEM], wide).eval()
    ONNXExporter(model).export(tmp_path / "m.onnx")
    small = quantize_model(tmp_path / "m.onnx", tmp_path / "made" / "small.onnx", mode)
    assert small == str(tmp_path / "made" / "small.onnx")
    x = columns(model)[1](50, 1)
    (found,), *_ = run(small, x)
    np.testing.assert_allclose(found, outputs(model, x)[0].numpy(), atol=error)
    sizes = [(tmp_path / name).stat().st_size for name in ("m.onnx", "made/small.onnx")]
    assert sizes[1] < 0.7 * sizes[0]
    check_refused(small, x, "item", 20)


# a sequence and a shared table, a GRU, and a recurrence of several sequences
@pytest.mark.slow
@pytest.mark.parametrize(("name", "mode"), [("DSSM", "user"), ("NARM", "user"), ("DIEN", None)])
def test_quantized_files_of_sequences_compute_and_refuse(name, mode, tmp_path):
    model = model_of(name)
    ONNXExporter(model).export(tmp_path / "m.onnx", mode)
    names, inputs = columns(model, mode)
    sequence = next(name for name in names if name in ("seen", "seq"))
    for kind, settings, error in (
        ("int8", {}, 0.15),
        ("int8", {"optimize_model": True, "per_channel": True}, 0.15),
        ("fp16", {}, 0.01),
    ):
        small = quantize_model(tmp_path / "m.onnx", tmp_path / "small.onnx", kind, **settings)
        for rows, length in ((4, 6), (1, 3)):
            x = inputs(rows, length)
            found, *_ = run(small, x)
            for mine, theirs in zip(found, outputs(model, x, mode), strict=True):
                np.testing.assert_allclose(mine, theirs.numpy(), atol=error)
        check_refused(small, x, sequence, 20)


def check_refused(path, x, name, size):
    for bad in (-1, size, size + 3):
        ids = x[name].clone()
        ids.view(-1)[-1] = bad
        with pytest.raises(InvalidArgument, match=f"ids_of_{name}_outside_0_to_{size - 1}"):
            run(path, {**x, name: ids})


def test_a_shared_table_bounds_the_ids_of_all_that_share_it(tmp_path):
    item = SparseFeature("item", 20, embed_dim=4)
    other = SparseFeature("other", 7, embed_dim=4, shared_with="item")  # reads the rows of 20 items
    model = DCN([item, other], 1, MLP).eval()
    ONNXExporter(model).export(tmp_path / "m.onnx")
    x = {"item": torch.tensor([3]), "other": torch.tensor([19])}
    (found,), *_ = run(tmp_path / "m.onnx", x)
    np.testing.assert_allclose(found, outputs(model, x)[0].numpy(), rtol=1e-4)
    check_refused(tmp_path / "m.onnx", x, "other", 20)


def test_inputs_have_the_types_and_shapes_of_those_given(tmp_path):
    model = model_of("DeepFM")
    x = {
        "user": torch.tensor([1, 8], dtype=torch.int32),
        "item": torch.tensor([2.0, 19.0]),  # ids as a data frame with gaps holds them
        "price": torch.rand(2, 1),
    }
    ONNXExporter(model).export(tmp_path / "m.onnx", dummy_input=x)
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))
    assert [(i.name, i.type, len(i.shape)) for i in session.get_inputs()] == [
        ("user", "tensor(int32)", 1), ("item", "tensor(float)", 1), ("price", "tensor(float)", 2)
    ]  # fmt: skip
    (found,), *_ = run(tmp_path / "m.onnx", x)
    np.testing.assert_allclose(found, outputs(model, x)[0].numpy(), rtol=1e-4)
    check_refused(tmp_path / "m.onnx", x, "user", 9)
    check_refused(tmp_path / "m.onnx", x, "item", 20)


def test_weights_in_a_second_file_stay_next_to_the_first(tmp_path):
    model = model_of("WideDeep")
    kwargs = {"external_data": True}
    ONNXExporter(model).export(tmp_path / "m.onnx", onnx_export_kwargs=kwargs)
    assert {file.name for file in tmp_path.iterdir()} >= {"m.onnx"}
    x = columns(model)[1](3, 1)
    (found,), *_ = run(tmp_path / "m.onnx", x)
    np.testing.assert_allclose(found, outputs(model, x)[0].numpy(), rtol=1e-4)
    check_refused(tmp_path / "m.onnx", x, "user", 9)


class Sharing(torch.nn.Module):
    """Looks up a column that its layer was not made of, in the table of another."""

    def __init__(self):
        super().__init__()
        self.embedding = EmbeddingLayer([ITEM])
        self.fields = [ITEM, SparseFeature("second", 20, embed_dim=4, shared_with="item")]

    def forward(self, x):
        return self.embedding(x, self.fields, squeeze_dim=True).sum(dim=1)


def test_a_column_that_only_shares_a_table_is_checked_too(tmp_path):
    ONNXExporter(Sharing()).export(tmp_path / "m.onnx")
    x = {"item": torch.tensor([3]), "second": torch.tensor([19])}
    run(tmp_path / "m.onnx", x)
    check_refused(tmp_path / "m.onnx", x, "second", 20)


class Doubled(torch.nn.Module):
    """A model of no features."""

    def forward(self, x):
        return 2 * x["a"] + x["b"]


def test_a_model_of_no_features_is_traced_with_a_dict(tmp_path):
    x = {"a": torch.rand(2), "b": torch.rand(2)}
    assert ONNXExporter(Doubled()).export(tmp_path / "m.onnx", dummy_input=x) is True
    (found,), *_ = run(tmp_path / "m.onnx", x)
    np.testing.assert_allclose(found, (2 * x["a"] + x["b"]).numpy())


def test_what_cannot_be_quantized_is_said(tmp_path):
    with pytest.raises(ValueError, match="mode must be 'int8', 'dynamic_int8' or 'fp16'"):
        quantize_model("a.onnx", "b.onnx", "int4")
    with pytest.raises(ValueError, match="weight_type must be 'qint8' or 'quint8'"):
        quantize_model("a.onnx", "b.onnx", weight_type="int8")
    with pytest.raises(FileNotFoundError, match="no ONNX file"):
        quantize_model(tmp_path / "none.onnx", tmp_path / "b.onnx")
