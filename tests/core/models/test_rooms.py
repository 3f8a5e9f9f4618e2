"""The rooms of models on disk: nothing lies there that no table of tests makes."""

import inspect
import pkgutil
from importlib import import_module

import pytest
from torch import nn

from core.models import (
    matching_table,
    test_every_generative_model,
    test_every_ranking_model,
)
from core.models.multi_task import test_contract
from torch_rechub import models

MAKERS = {
    "ranking": list(test_every_ranking_model.MODELS.values()),
    "matching": [row.make for row in matching_table.MODELS.values()],
    "multi_task": [lambda make=make: make(2) for make in test_contract.MODELS.values()],
    "generative": [row.make for row in test_every_generative_model.TABLE.values()],
}


def defined_in(room):
    """The module classes that the files of a room define, by the name of the file and their own."""
    package = import_module(f"{models.__name__}.{room}")
    for info in pkgutil.iter_modules(package.__path__):
        file = import_module(f"{package.__name__}.{info.name}")
        for name, made in inspect.getmembers(file, inspect.isclass):
            if made.__module__ == file.__name__ and issubclass(made, nn.Module):
                yield f"{info.name}.{name}", made


def test_there_are_tables_of_all_rooms():
    rooms = {info.name for info in pkgutil.iter_modules(models.__path__) if info.ispkg}
    assert rooms == set(MAKERS)


@pytest.mark.parametrize("room", MAKERS)
def test_every_module_of_a_room_is_in_a_model_with_a_row(room):
    tested = {
        base
        for make in MAKERS[room]
        for module in make().modules()
        for base in type(module).__mro__
    }
    assert [name for name, made in defined_in(room) if made not in tested] == []
