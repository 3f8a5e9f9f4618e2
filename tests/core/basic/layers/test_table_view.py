"""A table of `embed_dict` reads, writes, freezes and has gradients as an `nn.Embedding` does."""

import copy
import io

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from torch_rechub.basic.features import SequenceFeature, SparseFeature
from torch_rechub.basic.initializers import Pretrained, RandomNormal
from torch_rechub.basic.layers import EmbeddingLayer
from torch_rechub.models.ranking import WideDeep
from torch_rechub.trainers import CTRTrainer

N01 = RandomNormal(0, 1)
A, B, C = (SparseFeature(name, 5, 4, initializer=N01) for name in "abc")
H = SequenceFeature("h", 5, 4, "sum", shared_with="b", padding_idx=0)
WIDE = SparseFeature("wide", 5, 3, initializer=N01)
X = {
    "a": torch.tensor([1, 2, 2]),
    "b": torch.tensor([0, 0, 4]),
    "c": torch.tensor([3, 3, 3]),
    "h": torch.tensor([[1, 4, 0], [4, 0, 0], [0, 0, 0]]),
    "wide": torch.tensor([1, 1, 0]),
}
FEATURES = [A, B, C, H, WIDE]


@pytest.fixture
def layer():
    return EmbeddingLayer(FEATURES)


def plain_tables(layer):
    """The tables as `nn.Embedding`, and the layer's output computed from them."""
    weights = {name: table.weight.data.clone() for name, table in layer.embed_dict.items()}
    tables = {name: nn.Embedding.from_pretrained(w, False) for name, w in weights.items()}
    pooled = (tables["b"](X["h"]) * (X["h"] != 0).unsqueeze(2)).sum(dim=1)
    parts = [tables["a"](X["a"]), tables["b"](X["b"]), tables["c"](X["c"]), pooled]
    return tables, torch.cat([*parts, tables["wide"](X["wide"])], dim=1)


# Gradients


@pytest.mark.parametrize("sparse", [False, True])
def test_the_gradient_of_a_table_is_its_rows_of_the_stacks(layer, sparse):
    if sparse:
        layer.use_sparse_gradients(["stack_4", "stack_3"])
    assert all(table.weight.grad is None for table in layer.embed_dict.values())
    tables, expected = plain_tables(layer)
    factor = torch.randn_like(expected)
    (expected * factor).sum().backward()
    (layer(X, FEATURES, squeeze_dim=True) * factor).sum().backward()
    for name, table in tables.items():
        grad = layer.embed_dict[name].weight.grad
        assert grad.is_sparse == sparse
        assert grad.shape == (5, table.embedding_dim)
        torch.testing.assert_close(grad.to_dense(), table.weight.grad)
    layer.zero_grad()
    assert all(table.weight.grad is None for table in layer.embed_dict.values())


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("value", ["none", "zero_grad", "half", "new", "sparse"])
def test_a_gradient_that_is_written_is_what_the_optimizer_gets(layer, sparse, value):
    if sparse:
        layer.use_sparse_gradients(["stack_4", "stack_3"])
    layer(X, FEATURES, squeeze_dim=True).sum().backward()
    before = {n: t.weight.grad.to_dense().clone() for n, t in layer.embed_dict.items()}
    new = torch.zeros(5, 4)
    if value == "none":
        layer.embed_dict["b"].weight.grad = None
    elif value == "zero_grad":
        layer.embed_dict["b"].zero_grad()
    elif value == "half":
        layer.embed_dict["b"].weight.grad *= 0.5
        new = before["b"] / 2
    else:
        new[2:4] = torch.randn(2, 4)
        layer.embed_dict["b"].weight.grad = new.to_sparse(1) if value == "sparse" else new
    after = {n: t.weight.grad.to_dense() for n, t in layer.embed_dict.items()}
    torch.testing.assert_close(after, {**before, "b": new})
    assert layer.stack_4.grad.is_sparse == sparse


def test_a_dense_gradient_is_a_view(layer):
    layer(X, FEATURES, squeeze_dim=True).sum().backward()
    layer.embed_dict["a"].weight.grad.mul_(3)
    assert layer.embed_dict["a"].weight.grad[:, 0].tolist() == [0, 3, 6, 0, 0]


def test_a_gradient_may_be_given_before_there_is_one(layer):
    layer.embed_dict["b"].weight.grad = torch.ones(5, 4)
    assert layer.embed_dict["b"].weight.grad.sum() == 20
    assert layer.embed_dict["a"].weight.grad.sum() == 0


def test_a_loss_of_the_weights_themselves_has_gradients(layer):
    table = layer.embed_dict["b"]
    (table.weight.norm() ** 2 / 2).backward()
    torch.testing.assert_close(table.weight.grad, table.weight.data)
    layer.zero_grad()
    F.linear(torch.ones(1, 4), table.weight).sum().backward()
    torch.testing.assert_close(table.weight.grad, torch.ones(5, 4))


def test_a_hook_belongs_to_the_stack(layer):
    with pytest.raises(NotImplementedError, match=r"'stack_4': .* 'b' are its rows 5 to 9"):
        layer.embed_dict["b"].weight.register_hook(print)


# Weights


def test_loops_over_the_tables_initialize_them(layer):
    for table in layer.embed_dict.values():
        nn.init.constant_(table.weight, 3.0)
        assert (layer.table("a") == 3).all()
    for name, table in layer.embed_dict.items():
        nn.init.xavier_uniform_(table.weight)
        assert layer.table(name).abs().max() <= (6 / (5 + table.embedding_dim)) ** 0.5
    for p in layer.embed_dict["a"].parameters():
        p.data.fill_(1.0)
    assert (layer.table("a") == 1).all()
    assert (layer.table("b") != 1).all()


@pytest.mark.parametrize(
    "write",
    [
        lambda tables, new: tables["b"].weight.data.copy_(new),
        lambda tables, new: tables["b"].weight.data.__setitem__(slice(None), new),
        lambda tables, new: setattr(tables["b"].weight, "data", new),
        lambda tables, new: setattr(tables["b"], "weight", nn.Parameter(new)),
        lambda tables, new: tables.__setitem__("b", nn.Embedding.from_pretrained(new, False)),
    ],
    ids=["copy", "index", "data", "weight", "table"],
)
def test_every_way_to_write_a_table_changes_the_model(layer, write):
    new, others = torch.randn(5, 4), layer.table("a").clone()
    write(layer.embed_dict, new)
    assert torch.equal(layer(X, [B])[:, 0], new[X["b"]])
    assert torch.equal(layer.table("a"), others)
    assert layer.stack_4.requires_grad


def test_a_table_of_another_shape_is_refused(layer):
    with pytest.raises(ValueError, match=r"feature 'b' has the shape \(5, 4\), .* given \(5, 3\)"):
        layer.embed_dict["b"].weight = nn.Parameter(torch.ones(5, 3))
    with pytest.raises(ValueError, match="given"):
        layer.embed_dict["b"].weight.data = torch.ones(4)
    with pytest.raises(KeyError, match="no feature 'z' has a table here"):
        layer.embed_dict["z"] = nn.Embedding(5, 4)


def test_what_is_computed_from_a_table_is_a_plain_tensor(layer):
    weight = layer.embed_dict["b"].weight
    assert type(weight * 2) is type(weight[1]) is type(weight.detach()) is torch.Tensor
    assert weight.shape == (5, 4)
    assert weight.detach().numpy().shape == (5, 4)


def test_a_table_saved_or_copied_by_itself_is_a_parameter_of_its_rows(layer):
    weight = layer.embed_dict["b"].weight
    file = io.BytesIO()
    torch.save(weight, file)
    assert len(file.getvalue()) < 4000
    file.seek(0)
    for found in (torch.load(file, weights_only=True), copy.deepcopy(weight)):
        assert isinstance(found, nn.Parameter)
        assert torch.equal(found, weight)
    torch.nn.init.zeros_(found)
    assert (weight != 0).any()


# Freezing


def frozen(layer):
    return {n for n, table in layer.embed_dict.items() if not table.weight.requires_grad}


def step(layer, optimizer):
    optimizer.zero_grad()
    layer(X, FEATURES, squeeze_dim=True).square().sum().backward()
    optimizer.step()


FREEZE = {
    "attribute": lambda table: setattr(table.weight, "requires_grad", False),
    "method": lambda table: table.weight.requires_grad_(False),
    "module": lambda table: table.requires_grad_(False),
    "loop": lambda table: [setattr(p, "requires_grad", False) for p in table.parameters()],
    "parameter": lambda table: setattr(
        table, "weight", nn.Parameter(table.weight.data.clone(), requires_grad=False)
    ),
}


@pytest.mark.parametrize("how", FREEZE)
@pytest.mark.parametrize("names", [["a", "b"], ["c"], ["a", "c"], ["wide"], [*"abc", "wide"]])
def test_a_frozen_table_stays_and_the_others_move(layer, how, names):
    output = layer(X, FEATURES, squeeze_dim=True).detach()
    for name in names:
        FREEZE[how](layer.embed_dict[name])
    assert frozen(layer) == set(names)
    torch.testing.assert_close(layer(X, FEATURES, squeeze_dim=True), output)
    before = copy.deepcopy(layer.state_dict())
    if len(names) < 4:
        optimizer = torch.optim.AdamW(layer.parameters(), lr=0.1, weight_decay=0.5)
        for _ in range(2):
            step(layer, optimizer)
    for name in layer.embed_dict:
        same = layer.table(name) == before[f"embed_dict.{name}.weight"]
        assert same.all() if name in names else not same.any()


def test_freezing_and_releasing_keeps_keys_and_weights(layer):
    keys, output = list(layer.state_dict()), layer(X, FEATURES, squeeze_dim=True).detach()
    for name, flag in [("a", 0), ("c", 0), ("a", 1), ("b", 0), ("a", 0), ("c", 1), ("b", 1)]:
        layer.embed_dict[name].requires_grad_(bool(flag))
        assert (name in frozen(layer)) != flag
        assert list(layer.state_dict()) == keys
        torch.testing.assert_close(layer(X, FEATURES, squeeze_dim=True), output)
    other = EmbeddingLayer(FEATURES)
    other.load_state_dict(copy.deepcopy(layer).state_dict())
    torch.testing.assert_close(other(X, FEATURES, squeeze_dim=True), output)


def test_a_table_that_started_frozen_is_released():
    given = [
        SparseFeature(n, 5, 4, initializer=Pretrained(torch.ones(5, 4) * i))
        for i, n in enumerate("ab")
    ]
    layer = EmbeddingLayer([*given, C])
    layer.embed_dict["b"].weight.requires_grad = True
    assert frozen(layer) == {"a"}
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    layer(X, [*given, C]).sum().backward()
    optimizer.step()
    assert (layer.table("a") == 0).all()
    assert layer.table("b")[4, 0].item() == pytest.approx(1 - 0.1)


def test_rows_that_are_held_follow_their_table(layer):
    held = {name: table.weight for name, table in layer.embed_dict.items()}
    held["b"].requires_grad = False
    for name, weight in held.items():
        with torch.no_grad():
            weight.fill_(len(name))
        assert (layer.table(name) == len(name)).all()
        assert weight.requires_grad == (name != "b")
    (torch.cat([held["a"], held["c"]]) * 2).sum().backward()
    assert held["c"].grad.tolist() == [[2.0] * 4] * 5


def test_a_graph_that_is_alive_keeps_a_table_where_it_is(layer):
    before = copy.deepcopy(layer.state_dict())
    output = layer(X, FEATURES, squeeze_dim=True)
    with pytest.raises(RuntimeError, match=r"feature 'b' cannot be frozen .* torch.no_grad"):
        layer.embed_dict["b"].requires_grad_(False)
    output.sum().backward()
    assert layer.embed_dict["b"].weight.grad.abs().sum() > 0
    torch.testing.assert_close(layer.state_dict(), before)
    del output
    layer.embed_dict["b"].requires_grad_(False)
    layer.embed_dict["c"].requires_grad_(False)
    output = layer(X, FEATURES, squeeze_dim=True)
    with pytest.raises(RuntimeError, match="feature 'b' cannot be frozen or released"):
        layer.embed_dict["b"].requires_grad_(True)
    output.sum().backward()
    assert frozen(layer) == {"b", "c"}
    torch.testing.assert_close(layer.state_dict(), before)


def test_the_parameters_of_all_tables_are_those_of_the_layer(layer):
    assert set(layer.embed_dict.parameters()) == set(layer.parameters())
    for p in layer.embed_dict.parameters():
        p.requires_grad = False
    assert frozen(layer) == {"a", "b", "c", "wide"}


@pytest.mark.parametrize("update", ["dense", "lazy"])
def test_a_trainer_trains_what_is_not_frozen(update, tmp_path):
    torch.manual_seed(0)
    model = WideDeep([A, B, C], [A, B, C], {"dims": [4]})
    batch = ({n: X[n] for n in "abc"}, torch.tensor([0.0, 1.0, 1.0]))
    settings = {"n_epoch": 1, "model_path": tmp_path, "embedding_update": update}
    trainer = CTRTrainer(model, **settings)
    model.embedding.embed_dict["b"].weight.requires_grad = False  # before the first step, in time
    before = copy.deepcopy(model.embedding.state_dict())
    trainer.fit([batch])
    moved = {
        n: not torch.equal(before[f"embed_dict.{n}.weight"], t.weight)
        for n, t in model.embedding.embed_dict.items()
    }
    assert moved == {"a": True, "b": False, "c": True}
    model.embedding.embed_dict["a"].weight.requires_grad = False
    with pytest.raises(RuntimeError, match=r"frozen or released .* make a new trainer"):
        trainer.fit([batch])
    CTRTrainer(model, **settings).fit([batch])
    assert frozen(model.embedding) == {"a", "b"}
