"""Models with larger vocabularies: the old ids as before, the new ones as the unknown id."""

import numpy as np
import pytest
import torch

from core.models import matching_table, test_every_generative_model, test_every_ranking_model
from core.models.multi_task import test_contract
from torch_rechub.basic.features import DenseFeature, SequenceFeature, SparseFeature
from torch_rechub.basic.initializers import Pretrained
from torch_rechub.basic.layers.embedding import input_columns
from torch_rechub.bundles.growth import grown_model
from torch_rechub.models import matching
from torch_rechub.models.arguments import arguments_of
from torch_rechub.models.multi_class import MultiClass
from torch_rechub.models.ranking import LR
from torch_rechub.testing import ModelContract
from torch_rechub.testing.tensors import flat

MORE = 3
RANKING, MATCHING = test_every_ranking_model, matching_table.MODELS


def _rows():
    """How models are made, and their inputs."""
    for name, make in RANKING.MODELS.items():
        yield name, make, RANKING.inputs
    for name, make in test_contract.MODELS.items():
        yield name, lambda make=make: make(3), test_contract.inputs
    for name in sorted(set(MATCHING) - {"LightGCN", "SINE"}):
        yield name, MATCHING[name].make, matching_table.inputs
    yield "MultiClass", lambda: MultiClass(RANKING.MODELS["DeepFM"](), 3), RANKING.inputs


ROWS = {name: row for name, *row in _rows()}


def id_columns(model):
    """The number of ids of each column of the model."""
    return {name: size for name, (_, size) in input_columns(model).items() if size is not None}


def outputs(model, x):
    towers = isinstance(getattr(model, "user_tower", None), type(model.forward))
    return [model.user_tower(x), model.item_tower(x)] if towers else flat(model(x))


@pytest.mark.parametrize("name", ROWS)
def test_old_ids_are_as_before_to_the_bit_and_new_ids_as_the_unknown_one(name):
    make, inputs = ROWS[name]
    model = ModelContract().randomize(make()).eval()
    sizes = id_columns(model)
    grown = grown_model(model, {name: size + MORE for name, size in sizes.items()})
    assert id_columns(grown) == {name: size + MORE for name, size in sizes.items()}
    assert not grown.training

    x = inputs(5)
    for found, right in zip(outputs(grown, x), outputs(model, x), strict=True):
        assert torch.equal(found, right)
    new = x | {name: torch.where(x[name] > 4, size + MORE - 1, x[name]) for name, size in
               sizes.items() if name in x}  # fmt: skip
    unknown = x | {name: torch.where(x[name] > 4, 1, x[name]) for name in sizes if name in x}
    for found, right in zip(outputs(grown, new), outputs(model, unknown), strict=True):
        torch.testing.assert_close(found, right)


def test_a_grown_model_grows_again_and_leaves_the_first_as_it_is():
    model = ModelContract().randomize(RANKING.MODELS["FM"]())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    twice = grown_model(grown_model(model, {"item": 20}), {"item": 30, "user": 40})
    assert id_columns(twice) == {**id_columns(model), "item": 30, "user": 40}
    assert {f.vocab_size for f in arguments_of(twice)["features"] if f.name == "item"} == {30}
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
        assert torch.equal(twice.state_dict()[name][: len(value)], value)


def test_sizes_of_nothing_and_smaller_ones_are_refused():
    model = RANKING.MODELS["FM"]()
    with pytest.raises(KeyError, match="no feature and no argument city"):
        grown_model(model, {"city": 5})
    with pytest.raises(ValueError, match="'item' has 12 ids, which cannot become 11"):
        grown_model(model, {"item": 11})


def test_the_random_state_types_and_frozen_tables_stay():
    weights = torch.randn(4, 3)
    table = SparseFeature("city", 4, 3, initializer=Pretrained(weights, freeze=True))
    model = RANKING.R.FM([table, SparseFeature("user", 5, 3)]).double()
    state = torch.random.get_rng_state()
    grown = grown_model(model, {"city": 6, "user": 7})
    assert torch.equal(torch.random.get_rng_state(), state)
    assert {p.dtype for p in grown.parameters()} == {torch.float64}
    frozen = [[n for n, p in m.named_parameters() if not p.requires_grad] for m in (model, grown)]
    assert frozen[0] == frozen[1] != []
    tables = [v for v in grown.state_dict().values() if v.shape == (6, 3)]
    assert any(torch.equal(t, torch.cat([weights, weights[[1, 1]]]).double()) for t in tables)


def test_new_rows_of_attributes_are_means_of_old_rows_that_share_them():
    model = LR([SparseFeature("item", 6), DenseFeature("age")])
    model = ModelContract().randomize(model)
    kind, brand = [-1, -1, 0, 0, 1, 1, 0, 2, -1], [-1, -1, 5, 6, 5, 7, 5, 7, -1]
    grown = grown_model(model, {"item": 9}, like={"item": np.stack([kind, brand], axis=1)})
    (old,) = [v for v in model.state_dict().values() if v.shape == (6, 1)]
    (new,) = [v for v in grown.state_dict().values() if v.shape == (9, 1)]
    assert torch.equal(new[:6], old)
    means = [((old[2] + old[3]) / 2 + (old[2] + old[4]) / 2) / 2, old[5], old[1]]
    torch.testing.assert_close(new[6:], torch.stack(means))
    with pytest.raises(ValueError, match=r"integers of shape \(9,\) or \(9, A\)"):
        grown_model(model, {"item": 9}, like={"item": kind[:8]})


def test_a_model_of_interactions_needs_those_of_the_new_ids():
    model = ModelContract().randomize(MATCHING["LightGCN"].make()).eval()
    sizes = {"user": 14, "item": 22}
    with pytest.raises(ValueError, match=r"LightGCN has the argument interactions.*arguments="):
        grown_model(model, sizes)
    users, items = arguments_of(model)["interactions"]
    grown = grown_model(model, sizes, arguments={"interactions": ((*users, 13), (*items, 21))})
    assert type(grown) is matching.LightGCN
    x = matching_table.inputs(5)
    for found, right in zip(outputs(grown, x), outputs(model, x), strict=True):
        torch.testing.assert_close(found, right)


@pytest.mark.parametrize("name", ["narm", "stamp", "bert4rec"])
def test_scores_of_the_whole_vocabulary_have_columns_of_new_items(name):
    model = ModelContract().randomize(getattr(matching_table, name)(item=False)).eval()
    grown = grown_model(model, {"history": 25})
    x = matching_table.inputs(4)
    before, after = model(x), grown(x)
    torch.testing.assert_close(after[:, :20], before)
    torch.testing.assert_close(after[:, 20:], before[:, [1]].expand(4, 5))


def test_sizes_of_arguments():
    make = MATCHING["SINE"].make
    model = ModelContract().randomize(make()).eval()
    grown = grown_model(model, {"num_items": 25})
    x = matching_table.inputs(4)
    for found, right in zip(outputs(grown, x), outputs(model, x), strict=True):
        assert torch.equal(found, right)

    row = test_every_generative_model.TABLE["HSTUModel"]
    model = ModelContract().randomize(row.make()).eval()
    grown = grown_model(model, {"vocab_size": 15})
    tokens, times = row.inputs(3)
    before, after = model(tokens, times), grown(tokens, times)
    torch.testing.assert_close(after[..., :12], before)
    torch.testing.assert_close(after[..., 12:], before[..., [1]].expand(*before.shape[:-1], 3))


def test_given_embeddings_are_needed_for_new_items_too():
    model = test_every_generative_model.hllm()
    with pytest.raises(ValueError, match="HLLMModel has the argument item_embeddings"):
        grown_model(model, {"vocab_size": 15})
    more = torch.cat([model.item_embeddings, torch.randn(3, 8)])
    grown = grown_model(model, {"vocab_size": 15}, arguments={"item_embeddings": more})
    assert grown.item_embeddings.shape == (15, 8)
    torch.testing.assert_close(grown.item_embeddings[:12], model.item_embeddings)


@pytest.mark.parametrize("name", sorted(set(MATCHING) - {"LightGCN", "SINE"}))
def test_inputs_that_a_model_makes_share_a_table_grow_with_it(name):
    model = ModelContract().randomize(MATCHING[name].make()).eval()
    shared = {f.shared_with for f, _ in input_columns(model).values() if
              getattr(f, "shared_with", None)}  # fmt: skip
    sizes = {owner: id_columns(model)[owner] + MORE for owner in shared or {"user"}}
    grown = grown_model(model, sizes)
    assert {n: id_columns(grown)[n] for n in sizes} == sizes
    x = matching_table.inputs(3)
    for found, right in zip(outputs(grown, x), outputs(model, x), strict=True):
        assert torch.equal(found, right)


def test_steps_of_sasrec_that_share_the_history_grow_with_the_item_alone():
    steps = [SequenceFeature(f"{n}_item", 9, 4, "concat") for n in ("hist", "next", "neg")]
    model = matching.SASRec(steps, 3, item_feature=SparseFeature("item", 9, 4))
    for name in ("item", "hist_item", "neg_item"):
        grown = grown_model(model, {name: 12})
        assert id_columns(grown) == dict.fromkeys(
            ("hist_item", "next_item", "neg_item", "item"), 12
        )
        assert grown.state_dict().keys() == model.state_dict().keys()
