"""The recorded constructor arguments of every model."""

import copy
import inspect
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from core.models import matching_table, test_every_generative_model, test_every_ranking_model
from core.models.multi_task import test_contract
from torch_rechub.basic.features import SparseFeature
from torch_rechub.models import RecordsArguments, arguments_of, ranking
from torch_rechub.models.arguments import ConsumedIterator, create
from torch_rechub.models.links import Linked
from torch_rechub.models.multi_class import MultiClass

FIELDS = [SparseFeature("user", 10, 4), SparseFeature("item", 20, 4)]


def _classes():
    """How every model of the tables is made."""
    yield from test_every_ranking_model.MODELS.items()
    for name, row in matching_table.MODELS.items():
        yield name, row.make
        if row.trained:
            yield f"{name}, trained", row.trained
    for name, make in test_contract.MODELS.items():
        yield name, lambda make=make: make(3)
    for name, row in test_every_generative_model.TABLE.items():
        yield name, row.make
    yield "MultiClass", lambda: MultiClass(ranking.DeepFM(FIELDS, FIELDS, {"dims": [4]}), 3)
    yield "MultiClass, DIEN", lambda: MultiClass(test_every_ranking_model.MODELS["DIEN"](), 2)


EVERY = dict(_classes())


def forms(model):
    return {name: (value.shape, value.dtype) for name, value in model.state_dict().items()}


@pytest.mark.parametrize("name", [name for name in EVERY if "," not in name])
def test_a_model_of_the_recorded_arguments_has_the_same_form(name):
    model = EVERY[name]()
    arguments = arguments_of(model)
    parameters = inspect.signature(type(model)).parameters
    assert list(arguments) == [p.name for p in parameters.values() if p.kind is not p.VAR_KEYWORD]
    twin = type(model)(**arguments)
    assert forms(twin) == forms(model)
    # recorded once more, with the same names: a rebuilt model can be saved as well
    assert list(arguments_of(twin)) == list(arguments)


@pytest.mark.parametrize("name", ["DeepFM", "LightGCN", "MultiClass", "HLLMModel", "TIGERModel"])
# unpickles what it has pickled itself, as loaders with several processes do
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])  # noqa: S301
def test_a_copy_has_the_record_of_the_original(name, copied):
    model = EVERY[name]()
    found = type(model)(**arguments_of(copied(model)))
    assert forms(found) == forms(model)


def test_defaults_are_recorded_and_later_changes_are_not():
    fields, params = [*FIELDS], {"dims": [8], "activation": "relu"}
    model = ranking.DCNv2(fields, 2, params, low_rank=4)
    fields[0].vocab_size = 999
    params["dims"].append(7)
    params["dropout"] = 0.5
    fields.clear()
    arguments = arguments_of(model)
    fields_of_then = [SparseFeature("user", 10, 4), SparseFeature("item", 20, 4)]
    assert [vars(f) for f in arguments["features"]] == [vars(f) for f in fields_of_then]
    assert arguments["mlp_params"] == {"dims": [8], "activation": "relu"}
    defaults = inspect.signature(ranking.DCNv2).parameters
    assert arguments["num_experts"] == defaults["num_experts"].default
    # what is returned is a copy too
    arguments["mlp_params"]["dims"].append(7)
    assert arguments_of(model)["mlp_params"]["dims"] == [8]
    FIELDS[0].vocab_size = 10


@pytest.mark.parametrize(
    "wrap",
    [
        nn.DataParallel,
        lambda model: torch.compile(model, backend="eager"),
        lambda model: Linked(torch.compile(nn.DataParallel(model), backend="eager")),
    ],
    ids=["DataParallel", "compile", "Linked"],
)
def test_wrapped_models_have_the_arguments_of_the_model(wrap):
    model = ranking.LR(FIELDS)
    assert arguments_of(wrap(model)) == arguments_of(model)


class Mine(ranking.DeepFM):
    """A model of the user, whose constructor has other arguments."""

    def __init__(self, fields, *widths, scale=1.0, **options):
        super().__init__(fields, fields, {"dims": list(widths), **options})
        self.scale = scale


class Own(nn.Module, RecordsArguments):
    """In either order of the bases."""

    def __init__(self, width, /, table=None):
        super().__init__()
        self.linear, self.table = nn.Linear(width, 1), None if table is None else [*table]


def test_models_of_the_user_record_their_own_arguments():
    model = Mine(FIELDS, 8, 4, dropout=0.1)
    expected = {"fields": FIELDS, "widths": (8, 4), "scale": 1.0, "dropout": 0.1}
    assert arguments_of(model) == expected
    assert forms(create(Mine, arguments_of(model))) == forms(model)
    table = np.ones(3)
    assert arguments_of(Own(2, table)) == {"width": 2, "table": table}
    assert forms(create(Own, {"width": 2, "table": table})) == forms(Own(2))


def test_a_module_without_a_record_is_refused_with_the_remedy():
    class Plain(nn.Module):
        pass

    for model in (Plain(), torch.compile(Plain(), backend="eager"), nn.DataParallel(Plain())):
        with pytest.raises(ValueError, match=r"class Plain\(RecordsArguments, torch.nn.Module\)"):
            arguments_of(model)


def test_an_iterator_is_consumed_by_the_constructor_alone():
    model = Own(2, iter([1, 2]))
    assert model.table == [1, 2]
    # an iterator in the record could not be copied
    assert isinstance(arguments_of(copy.deepcopy(model))["table"], ConsumedIterator)


def test_wrong_arguments_raise_the_error_of_the_constructor():
    with pytest.raises(TypeError, match=r"LR.__init__\(\) got an unexpected keyword argument"):
        ranking.LR(FIELDS, widths=3)
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        ranking.LR()


def test_weights_that_a_model_holds_are_not_held_twice_by_the_record():
    base = ranking.DeepFM(FIELDS, FIELDS, {"dims": [4]})
    model = MultiClass(base, 2)
    assert arguments_of(model)["model"] is model.models[0] is not base
    hllm = test_every_generative_model.hllm()
    assert arguments_of(hllm)["item_embeddings"] is hllm.item_embeddings
