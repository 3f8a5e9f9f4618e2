"""Ids in ONNX files: those that torch refuses, the file refuses as well."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument
from torch import nn

from torch_rechub.basic.features import SparseFeature
from torch_rechub.export.bounds import refuse_rounding
from torch_rechub.models.ranking import LR
from torch_rechub.utils.onnx_export import ONNXExporter
from torch_rechub.utils.quantization import quantize_model

V = 5000


def run(path, **columns):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # the tests ask for errors
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(None, {name: np.asarray(column) for name, column in columns.items()})[0]


@pytest.fixture(scope="module")
def of_floats(tmp_path_factory):
    """A model of two stacked tables, and its file with a column of floats, as gaps make them."""
    model = LR([SparseFeature("a", V), SparseFeature("b", V)]).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_()
    path = tmp_path_factory.mktemp("floats") / "m.onnx"
    x = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([1, 2])}
    ONNXExporter(model).export(path, dummy_input=x)
    return model, path


def test_a_column_of_floats_is_read_exactly_and_holds_whole_numbers_in_range(of_floats):
    model, path = of_floats
    ids = [0, 17, 2049, 4097, V - 1]
    found = run(path, a=np.float32(ids), b=ids)
    with torch.no_grad():
        expected = model({"a": torch.tensor(ids), "b": torch.tensor(ids)})
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5)
    for bad in (-1, V, V + 3, 2.0**31, -(2.0**40)):
        with pytest.raises(InvalidArgument, match="ids_of_a_outside_0_to_4999"):
            run(path, a=np.float32([3, bad]), b=[3, 3])
    for bad in (2.5, -0.5, 1e-6, np.nan, np.inf):
        with pytest.raises(InvalidArgument, match="ids_of_a_not_whole"):
            run(path, a=np.float32([3, bad]), b=[3, 3])
        with pytest.raises(ValueError, match=r"no whole number|NaN|inf"):
            model({"a": torch.tensor([3, bad]), "b": torch.tensor([3, 3])})


def test_half_precision_is_refused_where_it_would_round_ids(of_floats, tmp_path):
    # 4097 would read the row of 4096
    with pytest.raises(ValueError, match=r"'a' has ids up to 4999.*float16 holds.* 2048 only"):
        quantize_model(of_floats[1], tmp_path / "half.onnx", "fp16")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("kind", "most"), [("FLOAT", 2**24), ("FLOAT16", 2**11)])
def test_a_type_that_rounds_ids_of_the_vocabulary_is_refused(kind, most):
    number = onnx.TensorProto.DataType.Value(kind)
    dtype = {"FLOAT": np.float32, "FLOAT16": np.float16}[kind]
    assert dtype(most) == most != dtype(most + 1) - 1
    refuse_rounding(onnx, "user", number, most + 1)
    with pytest.raises(ValueError, match=f"input 'user' has ids up to {most + 1}, but its type"):
        refuse_rounding(onnx, "user", number, most + 2)
    refuse_rounding(onnx, "user", onnx.TensorProto.INT32, 2**31 - 1)


class Own(nn.Module):
    """A model of the user with plain tables, one of them read by two columns."""

    def __init__(self):
        super().__init__()
        self.table, self.small = nn.Embedding(10, 4), nn.Embedding(7, 4)

    def forward(self, x):
        history = self.table(x["history"]).sum(dim=1)
        return (self.table(x["a"]) + history + self.small(x["b"].unsqueeze(1)).squeeze(1)).sum(1)


def test_tables_of_the_user_refuse_negative_ids_as_torch_does(tmp_path):
    # of ONNX itself, −1 is the last row of a table
    model = Own().eval()
    x = {"a": torch.tensor([1, 9]), "history": torch.tensor([[1, 2], [3, 9]]),
         "b": torch.tensor([0, 6])}  # fmt: skip
    ONNXExporter(model).export(tmp_path / "m.onnx", dummy_input=x)
    found = run(tmp_path / "m.onnx", **{name: ids.numpy() for name, ids in x.items()})
    np.testing.assert_allclose(found, model(x).detach().numpy(), rtol=1e-5)
    for name, size in (("a", 10), ("history", 10), ("b", 7)):
        for bad in (-1, size, -(2**63)):
            ids = x[name].clone()
            ids.view(-1)[-1] = bad
            given = {key: column.numpy() for key, column in {**x, name: ids}.items()}
            with pytest.raises(InvalidArgument, match=f"ids_of_{name}_outside_0_to_{size - 1}"):
                run(tmp_path / "m.onnx", **given)
            with pytest.raises(IndexError):
                model({**x, name: ids})
