"""Every model's ONNX file: onnxruntime computes the same as torch and refuses the same inputs."""

import logging
import warnings

import numpy as np
import onnxruntime
import pytest
import torch
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

from core.export.export_table import FILES, GENERATIVE, NOT_EXPORTED
from core.models.test_every_generative_model import V, events
from torch_rechub.basic.features import DenseFeature
from torch_rechub.export.inputs import columns_of, vocabulary_sizes
from torch_rechub.models import matching, multi_task, ranking
from torch_rechub.trainers import CTRTrainer, SeqTrainer
from torch_rechub.utils.onnx_export import ONNXExporter

FAST = ("DIN", "DSSM, user", "FaceBookDSSM, item")
CASES = [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in FILES]


def randomized(model):
    """A model whose weights and running statistics are large enough to show in the output."""
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                value.uniform_(0.5, 2.0) if "running_var" in name else value.normal_(0, 0.5)
    return model.eval()


def session(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # the tests ask for errors
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def outputs(model, *x):
    with torch.no_grad():
        found = model(*x)
    return [found] if isinstance(found, torch.Tensor) else list(found)


def check_equal(file, x, expected):
    found = file.run(None, {i.name: x[i.name].numpy() for i in file.get_inputs()})
    assert [o.name for o in file.get_outputs()] == [
        "output",
        *(f"output_{i}" for i in range(1, len(expected))),
    ]
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs.numpy(), rtol=1e-4, atol=1e-5)


def check_refused(file, x, name, size, refused_by_torch):
    """Ids at both sides of the vocabulary, in the last place of a column."""
    for bad in (-1, size, size + 3, 2**40, -(2**40)):
        ids = x[name].clone()
        ids.view(-1)[-1] = bad
        with pytest.raises(InvalidArgument, match=f"'ids_of_{name}_outside_0_to_{size - 1}'"):
            file.run(None, {i.name: {**x, name: ids}[i.name].numpy() for i in file.get_inputs()})
        with pytest.raises(IndexError):
            refused_by_torch({**x, name: ids})
    ids = x[name].clone()
    ids.view(-1)[-1] = size - 1  # the last one is fine
    file.run(None, {i.name: {**x, name: ids}[i.name].numpy() for i in file.get_inputs()})


@pytest.fixture
def quiet(caplog, capfd):
    """Asserts that the block gives no output: no warning, no log record, nothing printed."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        caplog.set_level(logging.INFO)
        yield
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", CASES)
@pytest.mark.usefixtures("quiet")
def test_the_file_is_the_model(name, tmp_path):
    make, inputs, mode, lengths = FILES[name]
    model = randomized(make())
    assert ONNXExporter(model).export(tmp_path / "model.onnx", mode) is True
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    file, columns = session(tmp_path / "model.onnx"), columns_of(model, mode)
    model.mode = mode
    for rows, length in ((5, lengths[0]), (1, lengths[0]), (4, lengths[1])):
        x = inputs(rows, length)
        check_equal(file, x, outputs(model, x))
    sizes = vocabulary_sizes(model)
    for given in file.get_inputs():
        feature = columns[given.name]
        if isinstance(feature, DenseFeature):
            assert len(given.shape) == x[given.name].dim()
        else:
            check_refused(file, x, given.name, sizes[given.name], model)
    longest = getattr(model, "longest_history", None)
    if longest is not None and mode != "item":
        history = "steps" if "steps" in columns else "history"
        x = {**inputs(4, longest + 1), history: torch.ones(4, longest + 1, dtype=torch.int64)}
        with pytest.raises(ValueError, match="more than"):
            model(x)
        with pytest.raises(Exception, match="ONNXRuntimeError"):
            file.run(None, {i.name: x[i.name].numpy() for i in file.get_inputs()})


@pytest.mark.slow
@pytest.mark.parametrize("name", ["HSTUModel", "HLLMModel"])
@pytest.mark.usefixtures("quiet")
def test_the_file_of_a_model_of_tokens_is_the_model(name, tmp_path):
    model = randomized(GENERATIVE[name]())
    SeqTrainer(model, model_path=tmp_path, progress=False).export_onnx(tmp_path / "model.onnx")
    file = session(tmp_path / "model.onnx")
    for rows, length in ((5, 5), (1, 5), (4, 3)):
        x = dict(zip(("seq_tokens", "seq_time_diffs"), events(rows, length), strict=True))
        check_equal(file, x, outputs(model, *x.values()))
    check_refused(file, x, "seq_tokens", V, lambda x: model(*x.values()))


def test_every_model_has_a_file_or_a_reason():
    names = {name.split(",")[0] for name in FILES} | set(GENERATIVE)
    rooms = (*ranking.__all__, *matching.__all__, *multi_task.__all__)
    assert set(rooms) <= names
    assert set(NOT_EXPORTED) <= {*names, *GENERATIVE}


def test_a_model_that_is_not_exported_says_why(tmp_path):
    for name, why in NOT_EXPORTED.items():
        model = (GENERATIVE.get(name) or FILES[f"{name}, user"].make)()
        reason = f"{name} cannot be exported to ONNX: {why}"
        with pytest.raises(RuntimeError, match=reason):
            CTRTrainer(model, model_path=tmp_path).export_onnx(tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []
