"""LightGCN against the sums over neighbors of its paper, and what it keeps between batches."""

import copy
import math

import pandas as pd
import pytest
import torch

from torch_rechub.basic.features import SparseFeature
from torch_rechub.models import arguments_of
from torch_rechub.models.matching import LightGCN
from torch_rechub.trainers import MatchTrainer

USERS, ITEMS = (
    [0, 0, 1, 1, 1, 3, 0],
    [0, 2, 2, 3, 0, 3, 2],
)  # one twice; user 2 and item 1 have none


def make(interactions=(USERS, ITEMS), num_layers=2, **kwargs):
    user, item, neg = (SparseFeature(n, size, 3) for n, size in sizes(**kwargs).items())
    return LightGCN(user, item, neg, interactions, num_layers)


def sizes(neg=5):
    return {"user": 4, "item": 5, "neg": neg}


def columns(**ids):
    return {name: torch.tensor(values) for name, values in ids.items()}


def convolved(parts, num_layers):
    """The vectors of users and of items, edge by edge."""
    edges = set(zip(USERS, ITEMS))
    degree = {("user", u): sum(a == u for a, _ in edges) for u in range(4)}
    degree |= {("item", i): sum(b == i for _, b in edges) for i in range(5)}
    layer = {node: parts.row(*node) for node in degree}
    layers = [layer]
    for _ in range(num_layers):
        following = {node: [0.0] * 3 for node in degree}
        for u, i in edges:
            for node, other in (
                (("user", u), ("item", i)),
                (("item", i), ("user", u)),
            ):
                scale = math.sqrt(degree[node] * degree[other])
                following[node] = [a + b / scale for a, b in zip(following[node], layer[other])]
        layer = following
        layers.append(layer)
    return {
        node: [sum(column) / (num_layers + 1) for column in zip(*(each[node] for each in layers))]
        for node in degree
    }


@pytest.mark.parametrize("num_layers", [0, 1, 3])
def test_the_scores_are_the_formula(num_layers, randomized, naive):
    model = randomized(make(num_layers=num_layers))
    parts = naive(model)
    e = convolved(parts, num_layers)
    users, items, others = [0, 1, 2, 3], [0, 1, 3, 4], [2, 4, 1, 0]
    found = model(columns(user=users, item=items, neg=others))
    for scores, ids in zip(found, (items, others)):
        expected = [parts.dot(e["user", u], e["item", i]) for u, i in zip(users, ids)]
        assert scores.tolist() == pytest.approx(expected, abs=1e-5)


def test_only_the_tables_are_in_the_state_and_the_graph_is_made_anew(randomized):
    model = randomized(make())
    names = {f"embedding.embed_dict.{name}.weight" for name in ("user", "item")}
    assert set(model.state_dict()) == names
    x = columns(user=[0, 2], item=[1, 2], neg=[3, 3])
    same, other = make(), make(interactions=([3], [4]))
    for loaded in (same, other):
        loaded.load_state_dict(model.state_dict())
    assert torch.equal(same(x)[0], model(x)[0])
    assert not torch.allclose(other(x)[0], model(x)[0])


def test_interactions_may_be_columns_of_a_table(randomized):
    frame = pd.DataFrame({"u": USERS, "i": ITEMS}).iloc[::-1]
    model = randomized(make())
    other = make(interactions=(frame["u"], frame["i"]))
    other.load_state_dict(model.state_dict())
    x = columns(user=[0], item=[1], neg=[3])
    torch.testing.assert_close(other(x), model(x))


@pytest.mark.parametrize(
    ("interactions", "error", "says"),
    [
        (([0, 1], [0]), ValueError, r"\(users, items\).* got 2 of the shapes \[\(2,\), \(1,\)\]"),
        (([], []), ValueError, "at least one, got 2"),
        (([[0, 1]], [[0, 1]]), ValueError, r"got 2 of the shapes \[\(1, 2\)"),
        (([0],), ValueError, "got 1 of the shapes"),
        (([0, 4], [0, 1]), IndexError, "feature 'user': id 4 .* allows ids 0 to 3"),
        (([0, 1], [0, -1]), IndexError, "feature 'item': id -1 .* allows ids 0 to 4"),
        (([0.0, 1.0], [0, 1]), ValueError, "feature 'user' must be whole numbers, got .*float32"),
    ],
)
def test_interactions_that_make_no_graph_are_refused(interactions, error, says):
    with pytest.raises(error, match=says):
        make(interactions)


def test_fewer_than_no_layers_are_refused():
    with pytest.raises(ValueError, match="num_layers must be at least 0, got -1"):
        make(num_layers=-1)


def test_negatives_with_another_table_are_refused():
    with pytest.raises(ValueError, match=r"'neg' must look into the table of 'item': .* 5 .* 6"):
        make(neg=6)


def test_an_id_outside_its_vocabulary_is_named():
    with pytest.raises(IndexError, match="feature 'item': id 5 is outside its vocabulary"):
        make()(columns(user=[0], item=[5], neg=[1]))


def test_padding_is_never_trained():
    user, neg = SparseFeature("user", 4, 3), SparseFeature("neg", 5, 3)
    item = SparseFeature("item", 5, 3, padding_idx=0)
    model = LightGCN(user, item, neg, ([0, 1], [1, 2]))
    sum(model(columns(user=[0, 1], item=[0, 1], neg=[2, 0]))).sum().backward()
    table = model.embedding.embed_dict["item"].weight
    assert not table[0].any()
    grad = model.embedding.get_parameter("stack_3").grad
    assert grad[:2].any(dim=1).all()
    assert not grad[4].any()  # of item 0, behind 4 users


# Convolving no more often than needed


@pytest.fixture
def counted(randomized):
    """A model, and a list that grows with each convolution."""
    model, calls = randomized(make()), []
    model.convolve.register_forward_hook(lambda *_: calls.append(1))
    return model.eval(), calls


X = columns(user=[0, 1], item=[0, 1], neg=[2, 4])


def test_a_batch_of_training_is_convolved_once(counted):
    model, calls = counted
    model.train()(X)
    assert len(calls) == 1
    with torch.no_grad():
        model(X)
        model(X)
    assert len(calls) == 3


@pytest.mark.parametrize("without", [torch.no_grad, torch.inference_mode])
def test_evaluation_convolves_once_and_again_when_weights_changed(counted, without):
    model, calls = counted

    def scores():
        with without():
            return model(X)[0].tolist()

    def changed(change):
        before, n = scores(), len(calls)
        change()
        assert scores() != before
        assert scores() == copy.deepcopy(model).train()(X)[0].tolist()
        return len(calls) - n

    def load():
        model.load_state_dict({k: v + 1 for k, v in model.state_dict().items()})

    def step():  # whose fused form tells no version counter
        (parameter,) = model.parameters()
        optimizer = torch.optim.Adam([parameter], lr=0.1, fused=True)
        model(X)[0].sum().backward()
        optimizer.step()

    def edit_while_training():
        model.train()
        next(model.parameters()).data.mul_(2)
        model.eval()

    scores()
    with without():
        model.user_tower(X)
        model.item_tower(X)
    assert len(calls) == 1
    assert changed(load) == 2
    assert changed(step) == 3
    assert changed(edit_while_training) == 2


@pytest.mark.parametrize("update", ["dense", "lazy"])
def test_a_step_moves_whoever_is_near_a_batch_whatever_the_update(update, randomized, tmp_path):
    torch.manual_seed(0)
    model = randomized(make())
    before = {name: table.clone() for name, table in model.state_dict().items()}
    adam = {"optimizer_params": {"lr": 0.1, "weight_decay": 0}, "embedding_update": update}
    trainer = MatchTrainer(model, 1, n_epoch=1, model_path=tmp_path, progress=False, **adam)
    trainer.fit([columns(user=[0], item=[2], neg=[4])])
    moved = {
        name.split(".")[2]: (table != before[name]).any(dim=1).tolist()
        for name, table in model.state_dict().items()
    }
    # up to two steps from user 0 and the items; user 2 and item 1 are alone, user 3 is too far
    assert moved == {"user": [True, True, False, False], "item": [True, False, True, True, True]}


def test_the_graph_is_read_back_from_the_layer_whatever_becomes_of_the_arrays():
    users, items = torch.tensor(USERS), torch.tensor(ITEMS)
    model = make((users, items))
    users.zero_()
    found = arguments_of(model)["interactions"]
    assert sorted(zip(*(ids.tolist() for ids in found))) == sorted({*zip(USERS, ITEMS)})
    twin = make(found).convolve
    for name, buffer in model.convolve.named_buffers():
        assert torch.equal(twin.get_buffer(name), buffer)
