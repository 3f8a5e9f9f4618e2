"""The forms of arguments of all kinds."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from core.bundles.test_every_model_form import rebuilt
from torch_rechub.basic.activation import Dice
from torch_rechub.basic.features import DenseFeature, SequenceFeature, SparseFeature
from torch_rechub.basic.initializers import (
    Pretrained,
    RandomUniform,
    XavierNormal,
    XavierUniform,
)
from torch_rechub.bundles.errors import BundleError
from torch_rechub.bundles.known import ACTIVATIONS, register
from torch_rechub.bundles.model_form import build_model, describe_model
from torch_rechub.models import RecordsArguments, arguments_of, matching, ranking
from torch_rechub.models.links import Linked

FIELDS = [SparseFeature("user", 10, 4), SparseFeature("item", 20, 4)]


class Holder(RecordsArguments, nn.Module):
    """A model of the user with one argument of any kind."""

    def __init__(self, value, *others, **options):
        super().__init__()
        self.linear = nn.Linear(2, 1)


def through_json(value, *others, models=(Holder,), **options):
    form, tensors = describe_model(Holder(value, *others, **options))
    return build_model(json.loads(json.dumps(form, allow_nan=False)), tensors, models)


def returned(value, **options):
    return arguments_of(through_json(value, **options))["value"]


@pytest.mark.parametrize(
    "value",
    [
        None, True, 3, -(10**30), 0.1, 1e-320, "ü\n", [], (), {}, [1, (2.5, [None])],
        {"a": {"b": (1,), "tuple": 3}}, {"tensor": "x"}, [math.inf, -math.inf],
        list(range(3000)), tuple(float(i) / 7 for i in range(3000)), [1, 2.0, True] * 500,
        [2**70] * 2000,
        DenseFeature("age", 3), RandomUniform(-0.5, 0.25), XavierNormal(0.5), XavierUniform(),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_a_value_comes_back_as_it_was(value):
    found = returned(value)
    assert found == value
    assert type(found) is type(value)
    assert repr(found) == repr(value)  # of the same types inside


def test_values_of_libraries_come_back():
    assert returned(np.int64(7)) == 7
    assert returned(np.float32(0.1)) == float(np.float32(0.1))
    assert math.isnan(returned(math.nan))
    table = np.arange(6, dtype=">i2").reshape(2, 3)[:, ::2]
    np.testing.assert_array_equal(returned(table), table)
    assert returned(pd.Series([3, 1])).tolist() == [3, 1]
    for tensor in (torch.randn(3, 2).t(), torch.tensor(True), nn.Parameter(torch.ones(2).half())):
        found = returned({"table": [tensor]})["table"][0]
        assert torch.equal(found, tensor)
        assert found.dtype == tensor.dtype
    rest = arguments_of(through_json(1, 2, (3,), deep={"x": 4}))
    assert rest == {"value": 1, "others": (2, (3,)), "deep": {"x": 4}}


def test_all_settings_of_features_come_back():
    for feature in (
        SparseFeature("a", 9, 3, "b", 2, RandomUniform(-1, 1)),
        SequenceFeature("c", 9, None, "sum", None, 0, XavierNormal(2.0)),
    ):
        assert vars(returned(feature)) == vars(feature)


@pytest.mark.parametrize("freeze", [True, False])
def test_a_pretrained_table_is_stored_once_and_stays_frozen(freeze):
    table = torch.randn(10, 4)
    field = SparseFeature("user", 10, 4, initializer=Pretrained(table, freeze=freeze))
    model = ranking.FM([field, FIELDS[1]])
    form, tensors = describe_model(model)
    assert tensors == {}
    assert len(json.dumps(form)) < 1500
    twin = rebuilt(rebuilt(model))
    assert torch.equal(twin.embedding.embed_dict["user"].weight, table)
    assert twin.embedding.embed_dict["user"].weight.requires_grad is not freeze


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_come_back_as_classes_and_as_modules(name):
    kind = ACTIVATIONS[name]
    made = kind(0.3, 0.2) if name == "torch.Threshold" else kind()
    for value in (kind, made):
        found = returned(value)
        assert found is kind if value is kind else repr(found) == repr(made)


@pytest.mark.parametrize(
    "function", [torch.tanh, torch.relu, nn.functional.relu, nn.functional.gelu]
)
def test_activation_functions_of_torch_come_back(function):
    assert returned(function) is function


def test_modules_with_settings_come_back():
    for module in (nn.LeakyReLU(0.3), nn.PReLU(3, 0.1), nn.Softmax(dim=-1), nn.Softplus(2, 10)):
        assert repr(returned(module)) == repr(module)
    field = [SparseFeature("user", 10, 4)]
    for dice in (Dice(0.01), Dice(0.01, num_features=8)):
        params = {"dims": [8, 8], "activation": dice, "dropout": 0.0}
        model = ranking.WideDeep(field, field, params)
        x = {"user": torch.arange(10)}
        if dice.alpha.numel() == 1:
            with pytest.raises(BundleError, match="has no width before the model has seen a batch"):
                describe_model(model)
        model(x)
        assert torch.equal(rebuilt(model).eval()(x), model.eval()(x))
    shared = nn.PReLU()
    first, second = returned([shared, {"b": shared}])
    assert second["b"] is first is not shared


def test_a_model_among_the_arguments_is_described_with_it():
    inner = ranking.FM(FIELDS)
    found = returned([inner])[0]
    assert arguments_of(found) == arguments_of(inner)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_rebuilt_model_has_the_types_of_the_weights(dtype):
    model = matching.LightGCN(*FIELDS, SparseFeature("neg", 20, 4), ([1, 2], [3, 4])).to(dtype)
    twin = rebuilt(model)
    assert {p.dtype for p in twin.parameters()} == {dtype}
    x = {"user": torch.tensor([1, 2]), "item": torch.tensor([3, 4]), "neg": torch.tensor([5, 6])}
    assert all(torch.equal(*pair) for pair in zip(twin.eval()(x), model.eval()(x)))
    model.embedding.float()
    assert {p.dtype for p in rebuilt(model).parameters()} == {torch.float32}


def test_wrapped_models_and_later_settings():
    model = matching.DSSM(FIELDS[:1], FIELDS[1:], {"dims": [4]}, {"dims": [4]})
    model.temperature = 0.25
    form, _ = describe_model(torch.compile(nn.DataParallel(Linked(model)), backend="eager"))
    assert form == describe_model(model)[0]
    assert rebuilt(model).temperature == 0.25


def test_building_a_model_changes_no_random_number():
    form, tensors = describe_model(ranking.FM(FIELDS))
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    build_model(form, tensors)
    assert torch.equal(torch.rand(3), expected)


class Squared(nn.Module):
    def forward(self, x):
        return x * x


class Net(ranking.DeepFM):
    def __init__(self, fields, *, width=4):
        super().__init__(fields, fields, {"dims": [width], "activation": Squared})


def twice(x):
    return 2 * x


def test_classes_and_functions_of_the_user_are_given_by_the_caller():
    form, tensors = describe_model(Net(FIELDS, width=6))
    with pytest.raises(BundleError, match=r"models=\(Net,\)"):
        build_model(form, tensors)
    assert arguments_of(build_model(form, tensors, [Net])) == {"fields": FIELDS, "width": 6}
    assert arguments_of(build_model(form, tensors, Net))["width"] == 6
    assert returned([Squared, twice], models=(Holder, Squared, twice)) == [Squared, twice]
    params = {"dims": [4], "activation": Squared}
    form, tensors = describe_model(ranking.DeepFM(FIELDS, FIELDS, params))
    with pytest.raises(BundleError, match=r"'Squared'.*models=\(Squared,\)"):
        build_model(form, tensors)

    def cubed(x):
        return x**3

    with pytest.raises(BundleError, match=r"Holder cannot be saved: its argument value.f, .*form"):
        describe_model(Holder({"f": cubed}))
    register(cubed)
    assert returned(cubed) is cubed
    other = type("cubed", (), {"__module__": "elsewhere"})
    with pytest.raises(BundleError, match="the name 'cubed' is registered"):
        register(other)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (lambda x: x, r"<lambda>.*has no form in a file; give another value .*arguments={'value'"),
        (object(), "has no form in a file"),
        ({1: 2}, "keys that are no strings"),
        (nn.Linear(1, 1), "without a record of its arguments"),
        (np.array(["a"]), "is an array of <U1, not numbers"),
        (torch.ones(2).to_sparse(), "is a tensor of a form"),
        (iter([1]), "ConsumedIterator"),
    ],
    ids=lambda v: str(v)[:20],
)
def test_a_value_that_cannot_be_written_is_refused_with_the_remedy(value, message):
    with pytest.raises(BundleError, match=message):
        describe_model(Holder(value))
    # the remedy of the message
    form, tensors = describe_model(Holder(value), {"value": "instead"})
    assert arguments_of(build_model(form, tensors, [Holder]))["value"] == "instead"


def test_an_unknown_argument_in_place_of_a_recorded_one_is_refused():
    with pytest.raises(BundleError, match=r"LR has no arguments 'width'; it has features"):
        describe_model(ranking.LR(FIELDS), {"width": 3})
