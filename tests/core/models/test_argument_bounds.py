"""Every number that a model, a layer or a feature takes is refused by name where it is impossible.

The constructors are those that run while every model of the tables is made, with the arguments that
they were given there: a new model or layer is tested without a line here.
"""

import dataclasses
import functools
import importlib
import inspect
import math
import pkgutil

import pytest

import torch_rechub.basic.layers
import torch_rechub.models
from core.models.matching_table import MODELS as MATCHING
from core.models.multi_task.test_contract import MODELS as MULTI_TASK
from core.models.test_every_generative_model import TABLE as GENERATIVE
from core.models.test_every_ranking_model import MODELS as RANKING
from torch_rechub.basic.initializers import (
    RandomNormal,
    RandomUniform,
    XavierNormal,
    XavierUniform,
)

WHOLE = [-1, 1.5, math.nan, True, "3"]
FRACTION = [-1.0, math.nan, True, "3"]
WHOLE_OR_FRACTION = {"temperature", "tau", "power", "ratio"}  # 1 means 1.0 there


def modules():
    for room in ("basic.layers", "models"):
        package = importlib.import_module(f"torch_rechub.{room}")
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            yield importlib.import_module(found.name)
    yield importlib.import_module("torch_rechub.basic.activation")


def public_classes():
    found = {
        cls: None
        for module in modules()
        for name, cls in vars(module).items()
        if inspect.isclass(cls)
        and cls.__module__.startswith("torch_rechub.")
        and "__init__" in vars(cls)
        and not name.startswith("_")
        and not dataclasses.is_dataclass(cls)
    }
    return list(found)


def recorded_arguments():
    """For each class, the arguments by which the tables' models made one of it first."""
    seen = {}

    def watch(cls):
        original, signature = cls.__init__, inspect.signature(cls.__init__)

        @functools.wraps(original)
        def init(self, *args, **kwargs):
            if type(self) is cls and cls not in seen:
                bound = signature.bind(self, *args, **kwargs)
                bound.apply_defaults()
                seen[cls] = dict(list(bound.arguments.items())[1:])
            original(self, *args, **kwargs)

        return original, init

    with pytest.MonkeyPatch.context() as patch:
        for cls in public_classes():
            patch.setattr(cls, "__init__", watch(cls)[1])
        for make in [*RANKING.values(), *MATCHING.values()]:
            (make if callable(make) else make.make)()
        for make in MULTI_TASK.values():
            make(3)
        for row in GENERATIVE.values():
            row.make()
    return seen


ARGUMENTS = recorded_arguments()
NUMBERS = [
    pytest.param(cls, name, id=f"{cls.__name__}.{name}")
    for cls, arguments in sorted(ARGUMENTS.items(), key=lambda item: item[0].__qualname__)
    for name, value in arguments.items()
    if isinstance(value, int | float) and not isinstance(value, bool)
]


@pytest.mark.parametrize(("cls", "name"), NUMBERS)
def test_an_impossible_number_is_refused_by_name(cls, name):
    whole = isinstance(ARGUMENTS[cls][name], int) and name not in WHOLE_OR_FRACTION
    for value in WHOLE if whole else FRACTION:
        arguments = {**ARGUMENTS[cls], name: value}
        positional = arguments.pop("args", ())
        others = arguments.pop("kwargs", {})
        with pytest.raises((ValueError, TypeError), match=rf"\b{name}\b"):
            cls(*positional, **arguments, **others)


def test_all_models_and_most_layers_are_among_them():
    names = {cls.__name__ for cls in ARGUMENTS}
    for room in ("ranking", "matching", "multi_task", "generative"):
        models = set(importlib.import_module(f"torch_rechub.models.{room}").__all__)
        assert models - names <= {"TIGERModel"}  # it takes a configuration of transformers
    assert len(names & set(torch_rechub.basic.layers.__all__)) > 30


@pytest.mark.parametrize("width", WHOLE)
def test_the_place_of_an_impossible_width_in_a_list_is_named(width):
    with pytest.raises((ValueError, TypeError), match=r"dims\[1\] must be"):
        torch_rechub.basic.layers.MLP(4, dims=[8, width])
    with pytest.raises((ValueError, TypeError), match=r"layers\[0\] must be"):
        torch_rechub.models.generative.RQVAEModel(4, layers=[width])
    with pytest.raises((ValueError, TypeError), match=r"n_e_list\[0\] must be"):
        torch_rechub.models.generative.RQVAEModel(4, num_emb_list=[width])


@pytest.mark.parametrize(
    ("make", "values"),
    [
        (lambda v: RandomNormal(mean=v), [math.nan, math.inf, "3"]),
        (lambda v: RandomNormal(std=v), FRACTION),
        (lambda v: RandomUniform(minval=v), [math.nan, math.inf, "3"]),
        (lambda v: RandomUniform(minval=0.5, maxval=v), [0.4, math.nan, "3"]),
        (lambda v: XavierNormal(gain=v), FRACTION),
        (lambda v: XavierUniform(gain=v), FRACTION),
    ],
)
def test_initializers_are_bounded_too(make, values):
    for value in values:
        with pytest.raises((ValueError, TypeError), match=r"^(mean|std|minval|maxval|gain) must"):
            make(value)
