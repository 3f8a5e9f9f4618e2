"""Models as ONNX files: onnxruntime computes from the file what torch computes from the model."""

import sys

import numpy as np
import onnxruntime
import pytest
import torch

from torch_rechub.basic.features import DenseFeature, SequenceFeature, SparseFeature
from torch_rechub.models.generative import HSTUModel, RQVAEModel
from torch_rechub.models.matching import (
    DSSM,
    MIND,
    NARM,
    SINE,
    STAMP,
    BERT4Rec,
    ComirecDR,
    ComirecSA,
    FaceBookDSSM,
    GRU4Rec,
    LightGCN,
    NeuMF,
    SASRec,
    YoutubeDNN,
)
from torch_rechub.models.multi_task import AITM, ESCM2, ESMM, MMOE, PLE, SharedBottom
from torch_rechub.models.ranking import DCN, DeepFM, WideDeep
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
    "DCN": lambda: DCN([USER, ITEM, PRICE], 2, MLP),
    "DSSM": lambda: DSSM([USER, sequence("seen", "mean")], [ITEM], MLP, MLP),
    "FaceBookDSSM": lambda: FaceBookDSSM(
        [USER], [ITEM], [SparseFeature("negative", 20, embed_dim=4)], MLP, MLP
    ),
    "YoutubeDNN": lambda: YoutubeDNN([USER, sequence("seen", "mean")], [ITEM], [NEGATIVES], MLP),
    "GRU4Rec": lambda: GRU4Rec([], [SEEN], [ITEM], [NEGATIVES], {"dims": [4], "num_layers": 1}),
    "SASRec": lambda: SASRec(STEPS, max_len=10),
    "MIND": lambda: MIND([], [SEEN], [ITEM], [NEGATIVES], 10),
    "ComirecSA": lambda: ComirecSA([], [SEEN], [ITEM], [NEGATIVES]),
    "ComirecDR": lambda: ComirecDR([], [SEEN], [ITEM], [NEGATIVES], 10),
    "SINE": lambda: SINE(["seen"], ["item"], ["negatives"], 20, 4, 8, 5, 2, 10),
    "NARM": lambda: NARM(STEPS[0], 8, 0.1, 0.1),
    "STAMP": lambda: STAMP(STEPS[0], 0.1, 0.1),
    "NeuMF": lambda: NeuMF(USER, ITEM, MLP),
    "LightGCN": lambda: LightGCN(
        USER, ITEM, SparseFeature("negative", 20, embed_dim=4), ([0, 1, 1], [3, 3, 5])
    ),
    "BERT4Rec": lambda: BERT4Rec(STEPS[0], max_len=10),
    "SharedBottom": lambda: SharedBottom([USER, ITEM], TASKS, EXPERT, TOWERS),
    "MMOE": lambda: MMOE([USER, ITEM, PRICE], TASKS, 2, EXPERT, TOWERS),
    "PLE": lambda: PLE([USER, ITEM], TASKS, 1, 1, 1, EXPERT, TOWERS),
    "ESMM": lambda: ESMM([USER], [ITEM], MLP, MLP),
    "ESCM2": lambda: ESCM2([USER], [ITEM], MLP, MLP, MLP),
    "AITM": lambda: AITM([USER, ITEM], 2, EXPERT, TOWERS),
}
FAST = [("DeepFM", None), ("DSSM", "user"), ("DSSM", "item"), ("FaceBookDSSM", "item")]
SLOW = [(name, None) for name in MODELS if name != "DeepFM"]
SLOW += [
    (name, "user")
    for name in (
        *("YoutubeDNN", "GRU4Rec", "SASRec", "MIND", "ComirecSA", "ComirecDR", "SINE"),
        "BERT4Rec",
    )
]
CASES = [*FAST, *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW)]


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


@pytest.mark.parametrize(("name", "mode"), CASES)
def test_the_file_computes_what_the_model_does_for_any_number_of_rows(name, mode, tmp_path):
    model = model_of(name)
    names, inputs = columns(model, mode)
    assert ONNXExporter(model).export(tmp_path / "made" / "model.onnx", mode) is True
    for rows, length in ((5, 10), (1, 10), (5, 7)):
        x = inputs(rows, length)
        expected = outputs(model, x, mode)
        found, read, given = run(tmp_path / "made" / "model.onnx", x)
        assert set(read) <= set(names)  # torch leaves out what does not matter
        assert given == ["output", *(f"output_{i}" for i in range(1, len(expected)))]
        for mine, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(mine, theirs.numpy(), rtol=1e-4, atol=1e-5)
    assert [file.name for file in (tmp_path / "made").iterdir()] == ["model.onnx"]


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


def test_what_cannot_be_quantized_is_said(tmp_path):
    with pytest.raises(ValueError, match="mode must be 'int8', 'dynamic_int8' or 'fp16'"):
        quantize_model("a.onnx", "b.onnx", "int4")
    with pytest.raises(ValueError, match="weight_type must be 'qint8' or 'quint8'"):
        quantize_model("a.onnx", "b.onnx", weight_type="int8")
    with pytest.raises(FileNotFoundError, match="no ONNX file"):
        quantize_model(tmp_path / "none.onnx", tmp_path / "b.onnx")
