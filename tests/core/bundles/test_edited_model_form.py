"""Forms of models that were edited: each is refused, and takes neither memory nor time."""

import copy
import time

import pytest
import torch

from core.bundles.test_every_model_form import ROWS
from torch_rechub.basic.features import SparseFeature
from torch_rechub.bundles.errors import BundleError
from torch_rechub.bundles.model_form import build_model, describe_model
from torch_rechub.models import ranking

FIELDS = [SparseFeature("user", 10, 4), SparseFeature("item", 20, 4)]


def deep(levels):
    form = 1
    for _ in range(levels):
        form = [form]
    return form


MODEL = ranking.DeepFM(FIELDS, FIELDS, {"dims": [4]})
FORM, WEIGHTS = describe_model(MODEL)[0], MODEL.state_dict()
FEATURE = FORM["arguments"]["deep_features"][0]["feature"]
EDITED = {
    "no form": None,
    "a list": [FORM],
    "no class": {"arguments": {}},
    "a module of Python": {**FORM, "class": "os.system"},
    "a base class": {**FORM, "class": "matching.TwoTower"},
    "a room": {**FORM, "class": "ranking.__name__"},
    "an activation": {**FORM, "class": "torch.ReLU"},
    "no arguments": {**FORM, "arguments": [1]},
    "missing arguments": {**FORM, "arguments": {}},
    "a type of weights": {**FORM, "dtype": "int8"},
    "types of no weights": {**FORM, "dtypes": {"nothing": "float16"}},
    "settings": {**FORM, "settings": {"forward": 1}},
}
ARGUMENTS = {
    "an additional argument": {"_target_": "os.system"},
    "a number for features": {"deep_features": 3},
    "no features": {"deep_features": [None]},
    "a string for parameters": {"mlp_params": "relu"},
    "an unknown form": {"mlp_params": {"pickle": "gASVAA"}},
    "two kinds": {"mlp_params": {"tuple": [], "dict": {}}},
    "a tuple of no list": {"mlp_params": {"tuple": "abc"}},
    "a class": {"mlp_params": {"dict": {"dims": [4], "activation": {"name": "builtins.eval"}}}},
    "a tensor": {"mlp_params": {"tensor": "../weights"}},
    "numbers": {"mlp_params": {"numbers": ["eval", "x"]}},
    "an infinite width": {"mlp_params": {"dict": {"dims": [{"float": "inf"}]}}},
    "a float": {"mlp_params": {"dict": {"dims": [{"float": "0x1p3"}]}}},
    "a huge width": {"mlp_params": {"dict": {"dims": [10**12]}}},
    "many layers": {"mlp_params": {"dict": {"dims": [1] * 10**5}}},
    "deep nesting": {"mlp_params": deep(500)},
    "a module of itself": {"mlp_params": {"same module": 0}},
    "a feature of no kind": {"deep_features": [{"feature": {"type": "Feature", "name": "a"}}]},
    "a feature of no dict": {"deep_features": [{"feature": 1}]},
    **{
        f"a feature with {name}={value!r:.20}": {
            "deep_features": [{"feature": {**FEATURE, name: value}}]
        }
        for name, value in (
            ("vocab_size", 10**12), ("vocab_size", -1), ("vocab_size", True), ("vocab_size", 1e3),
            ("embed_dim", 2**62), ("embed_dim", "4"), ("name", 5), ("shared_with", ["a"]),
            ("initializer", 7), ("initializer", {"initializer": {"type": "Pretrained"}}),
            ("initializer", {"initializer": {"type": "RandomNormal", "std": "x"}}),
            ("padding_idx", 10**9), ("other", 1),
        )
    },
}  # fmt: skip
EDITED |= {
    name: {**FORM, "arguments": {**FORM["arguments"], **edit}} for name, edit in ARGUMENTS.items()
}


@pytest.mark.parametrize("name", EDITED)
def test_an_edited_form_is_refused_before_memory_is_allocated(name):
    seconds = time.process_time()
    with pytest.raises(BundleError) as error:
        build_model(EDITED[name], {}, weights=WEIGHTS)
    assert len(str(error.value)) < 600
    assert time.process_time() - seconds < 5


def test_tensors_that_nothing_refers_to_are_refused():
    with pytest.raises(BundleError, match="no argument refers to: left"):
        build_model(FORM, {"left": torch.ones(1)})


@pytest.mark.parametrize("table", [{"weights": [10**12, 8]}, {"weights": [-1]}, "/etc/hostname"])
def test_a_table_that_weights_bring_has_a_shape_and_no_file(table):
    form, tensors = describe_model(ROWS["HLLMModel"][0]())
    form["arguments"]["item_embeddings"] = table
    with pytest.raises(BundleError, match=r"item_embeddings|than the weights"):
        build_model(form, tensors)


def test_settings_of_t5_are_those_of_its_form():
    form, tensors = describe_model(ROWS["TIGERModel"][0]())
    for name, value in (
        ("_attn_implementation", "kernels-community/x"),
        ("vocab_size", 10**13),
        ("num_layers", 10**9),
    ):
        edited = copy.deepcopy(form)
        edited["arguments"]["config"]["t5"][name] = value
        with pytest.raises(BundleError):
            build_model(edited, tensors, weights={})


def numbers(form, found=()):
    """The ways to all whole numbers above 0 of a form."""
    if isinstance(form, dict | list):
        parts = form.items() if isinstance(form, dict) else enumerate(form)
        for key, part in parts:
            yield from numbers(part, (*found, key))
    elif type(form) is int and form > 0:
        yield found


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ROWS if "," not in name])
def test_any_number_of_a_form_may_be_huge(name):
    """Each is a clear error, or of no effect on memory, such as the number of iterations."""
    form, tensors = describe_model(ROWS[name][0]())
    for *way, last in numbers(form):
        edited = copy.deepcopy(form)
        part = edited
        for key in way:
            part = part[key]
        part[last] = 10**12
        try:
            model = build_model(edited, tensors, weights={})
        except BundleError:
            continue
        assert sum(p.numel() for p in model.state_dict().values()) < 10**5
