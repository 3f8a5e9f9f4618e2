"""The form of every model: written, read, rebuilt, and equal to the last bit with its weights."""

import json

import pytest
import torch

from core.models import (
    complexity_table,
    matching_table,
    test_every_generative_model,
    test_every_ranking_model,
)
from core.models.multi_task import test_contract
from torch_rechub.bundles.model_form import build_model, describe_model
from torch_rechub.models.multi_class import MultiClass
from torch_rechub.testing import ModelContract
from torch_rechub.testing.tensors import flat


def _rows():
    """How every model of the tables is made, its inputs, and its outputs for them."""
    for name, make in test_every_ranking_model.MODELS.items():
        yield name, make, test_every_ranking_model.inputs, outputs
    for name, row in matching_table.MODELS.items():
        yield name, row.make, matching_table.inputs, of_towers if row.towers else outputs
        if row.trained:
            yield f"{name}, trained", row.trained, matching_table.inputs, outputs
    for name, make in test_contract.MODELS.items():
        yield name, lambda make=make: make(3), test_contract.inputs, outputs
    for name, row in test_every_generative_model.TABLE.items():
        yield name, row.make, row.inputs, lambda m, x, row=row: [row.outputs(m, *x)]
    for name in ("DeepFM", "DIEN"):
        make = test_every_ranking_model.MODELS[name]
        inputs = test_every_ranking_model.inputs
        yield f"MultiClass, {name}", lambda make=make: MultiClass(make(), 3), inputs, outputs


def outputs(model, x):
    return flat(model(x))


def of_towers(model, x):
    return [*flat(model(x)), model.user_tower(x), model.item_tower(x)]


ROWS = {name: row for name, *row in _rows()}


def rebuilt(model):
    """The model of the form, which has been written as JSON and read again."""
    form, tensors = describe_model(model)
    twin = build_model(
        json.loads(json.dumps(form, allow_nan=False)), tensors, weights=model.state_dict()
    )
    assert describe_model(twin)[0] == form
    states = twin.state_dict(), model.state_dict()
    kinds = [{k: (v.shape, v.dtype) for k, v in state.items()} for state in states]
    assert kinds[0] == kinds[1]
    twin.load_state_dict(model.state_dict())
    return twin


@pytest.mark.parametrize("name", ROWS)
def test_a_rebuilt_model_computes_the_same_to_the_last_bit(name):
    make, inputs, compute = ROWS[name]
    model = ModelContract().randomize(make()).eval()
    x = inputs(5)
    twin = rebuilt(model).eval()
    assert type(twin) is type(model)
    for found, right in zip(compute(twin, x), compute(model, x), strict=True):
        assert torch.equal(found, right)


@pytest.mark.slow
@pytest.mark.parametrize("case", complexity_table.CASES)
def test_models_of_other_sizes_have_the_same_form(case):
    sizes, make, _ = complexity_table.CASES[case]
    rebuilt(make(**sizes))
