"""EmbeddingLayer against one `nn.Embedding` a table, looked up id by id and pooled by a loop."""

import copy
import itertools
import pickle
import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from torch_rechub.basic.features import DenseFeature, SequenceFeature, SparseFeature
from torch_rechub.basic.initializers import Pretrained, RandomNormal, XavierUniform
from torch_rechub.basic.layers import EmbeddingLayer, InputMask
from torch_rechub.basic.layers.embedding import input_columns

N01 = RandomNormal(0, 1)


def sparse(name, vocab_size=7, embed_dim=4, **kwargs):
    return SparseFeature(name, vocab_size, embed_dim, **{"initializer": N01, **kwargs})


def sequence(name, pooling="mean", vocab_size=7, embed_dim=4, **kwargs):
    return SequenceFeature(name, vocab_size, embed_dim, pooling, **{"initializer": N01, **kwargs})


# One feature of every sort. Tables of width 4: a, b, h, m, s, c; of width 3: n, t.
FEATURES = {
    f.name: f
    for f in (
        sparse("a"),
        sparse("b", 5, padding_idx=2),
        sparse("a2", shared_with="a"),
        sparse("a3", shared_with="a2"),
        sparse("b2", 5, shared_with="b"),
        sparse("n", 6, 3),
        sequence("m", "mean"),
        sequence("s", "sum", padding_idx=3),
        sequence("c", "concat", 9),
        sequence("cp", "concat", padding_idx=0),
        sequence("am", "mean", shared_with="a", padding_idx=0),
        sequence("bc", "concat", 5, shared_with="b"),
        sequence("t", "mean", 8, 3, padding_idx=0),
        DenseFeature("x1"),
        DenseFeature("x3", 3),
    )
}
X = {
    "a": torch.tensor([0, 6, 3]),
    "b": torch.tensor([2, 0, 4]),
    "a2": torch.tensor([6, 6, 1]),
    "a3": torch.tensor([5, 0, 0]),
    "b2": torch.tensor([1, 2, 2]),
    "n": torch.tensor([5, 5, 0]),
    "m": torch.tensor([[1, 2, 0, 0], [6, 0, 0, 0], [0, 0, 0, 0]]),
    "s": torch.tensor([[3, 3], [0, 1], [6, 3]]),
    "c": torch.tensor([[8, 1], [0, 0], [4, 0]]),
    "cp": torch.tensor([[6, 1], [0, 0], [4, 0]]),
    "am": torch.tensor([[1, 1, 0], [0, 0, 0], [6, 5, 4]]),
    "bc": torch.tensor([[1, 2], [2, 2], [4, 0]]),
    "t": torch.tensor([[7, 0, 1, 2, 3], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]]),
    "x1": torch.tensor([0.5, -1.0, 2.0]),
    "x3": torch.arange(9.0).reshape(3, 3),
}


def with_owners(features):
    """The features, behind those whose tables they share."""
    needed = []
    for feature in features:
        while feature not in needed:
            needed.append(feature)
            feature = FEATURES.get(getattr(feature, "shared_with", None), feature)
    return needed


class OneByOne:
    """The reference: a dictionary of `nn.Embedding`, one lookup an id."""

    def __init__(self, features, state):
        self.owner = {}
        by_name = {f.name: f for f in features}
        for feature in features:
            owner = feature
            while getattr(owner, "shared_with", None):
                owner = by_name[owner.shared_with]
            self.owner[feature.name] = owner
        self.tables = {
            owner.name: nn.Embedding.from_pretrained(
                state[f"embed_dict.{owner.name}.weight"].clone(),
                freeze=False,
                padding_idx=owner.padding_idx,
            )
            for owner in self.owner.values()
            if not isinstance(owner, DenseFeature)
        }

    def one(self, feature, number):
        row = self.tables[self.owner[feature.name].name](torch.tensor(int(number)))
        return row.detach() if number == feature.padding_idx else row

    def lookup(self, feature, column):
        if isinstance(feature, DenseFeature):
            return column.float().reshape(len(column), -1)
        if isinstance(feature, SparseFeature):
            return torch.stack([self.one(feature, number) for number in column])
        if feature.pooling == "concat":
            return torch.stack([torch.stack([self.one(feature, n) for n in row]) for row in column])
        padding = 0 if feature.padding_idx is None else feature.padding_idx
        pooled = []
        for row in column.tolist():
            total, count = torch.zeros(feature.embed_dim), 0
            for number in row:
                if number != padding:
                    total, count = total + self.one(feature, number), count + 1
            pooled.append(total / max(count, 1) if feature.pooling == "mean" else total)
        return torch.stack(pooled)

    def flat(self, x, features):
        dense = [f for f in features if isinstance(f, DenseFeature)]
        ordered = [f for f in features if f not in dense] + dense
        return torch.cat([self.lookup(f, x[f.name]).flatten(1) for f in ordered], dim=1)

    def fields(self, x, features):
        return torch.stack([self.lookup(f, x[f.name]) for f in features], dim=1)


def check_against_reference(names, squeeze_dim):
    features = [FEATURES[name] for name in names]
    layer = EmbeddingLayer(with_owners(features))
    reference = OneByOne(layer.features, layer.state_dict())
    ours = layer(X, features, squeeze_dim)
    theirs = reference.flat(X, features) if squeeze_dim else reference.fields(X, features)
    assert ours.shape == theirs.shape
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)
    factor = torch.randn_like(theirs)
    if theirs.requires_grad:
        (theirs * factor).sum().backward()
        (ours * factor).sum().backward()
    for name, table in reference.tables.items():
        where = layer.slice_of(name)
        grad = layer.get_parameter(where.stack).grad
        grad = torch.zeros(1) if grad is None else grad[where.start : where.start + where.rows]
        expected = (
            torch.zeros_like(table.weight) if table.weight.grad is None else table.weight.grad
        )
        torch.testing.assert_close(grad.expand_as(expected), expected, rtol=1e-6, atol=1e-6)


FLAT = [(name,) for name in FEATURES] + list(itertools.combinations(FEATURES, 2))
FLAT += [tuple(FEATURES), tuple(reversed(FEATURES)), ("t", "x1", "a", "n", "m", "x3", "b")]


@pytest.mark.parametrize("names", FLAT, ids="-".join)
def test_flat_embeddings_and_gradients_are_those_of_single_tables(names):
    check_against_reference(names, squeeze_dim=True)


STACKED = [
    *[(name,) for name in FEATURES if not name.startswith("x")],
    *itertools.permutations(["a", "b", "a3", "m", "s", "am"], 2),
    ("s", "b2", "a", "m", "a3", "am", "b", "a2"),
    ("t", "n"),
    ("c", "cp", "bc"),
]


@pytest.mark.parametrize("names", STACKED, ids="-".join)
def test_stacked_embeddings_and_gradients_are_those_of_single_tables(names):
    check_against_reference(names, squeeze_dim=False)


def test_random_layouts_match_single_tables():
    rng = np.random.default_rng(0)
    for _ in range(60):
        names = rng.permutation(list(FEATURES))[: rng.integers(1, len(FEATURES))]
        check_against_reference(tuple(map(str, names)), squeeze_dim=True)


# Shapes


def test_shapes_are_those_that_are_promised():
    a, b, n, c, cp, m, x1, x3 = (FEATURES[k] for k in ("a", "b", "n", "c", "cp", "m", "x1", "x3"))
    layer = EmbeddingLayer([a, b, n, c, cp, m, x1, x3])
    assert layer(X, [a, b, m]).shape == (3, 3, 4)
    assert layer(X, [a, b, m], squeeze_dim=True).shape == (3, 12)
    assert layer(X, [c, cp]).shape == (3, 2, 2, 4)
    assert layer(X, [x1, x3], squeeze_dim=True).shape == (3, 4)
    assert layer(X, [x1, a, x3, n], squeeze_dim=True).shape == (3, 4 + 3 + 1 + 3)


def test_embeddings_come_first_and_dense_values_last_each_in_their_order():
    names = ["x3", "b", "x1", "a"]
    features = [FEATURES[name] for name in names]
    layer = EmbeddingLayer(features)
    flat = layer(X, features, squeeze_dim=True)
    assert torch.equal(flat[:, 0:4], layer.embed_dict["b"](X["b"]))
    assert torch.equal(flat[:, 4:8], layer.embed_dict["a"](X["a"]))
    assert torch.equal(flat[:, 8:11], X["x3"])
    assert torch.equal(flat[:, 11], X["x1"])


def test_features_of_several_shapes_do_not_stack():
    for names in (("a", "n"), ("a", "c"), ("m", "t")):
        features = [FEATURES[name] for name in names]
        with pytest.raises(ValueError, match=r"embed_dim.*or use squeeze_dim=True") as error:
            EmbeddingLayer(features)(X, features)
        assert all(f"{name} (" in str(error.value) for name in names)


def test_dense_features_have_no_place_among_stacked_ones():
    features = [FEATURES["a"], FEATURES["x1"]]
    with pytest.raises(ValueError, match=r"\(x1\).*squeeze_dim=True"):
        EmbeddingLayer(features)(X, features)


def test_no_features_have_no_shape():
    with pytest.raises(ValueError, match="no feature"):
        EmbeddingLayer([FEATURES["a"]])(X, [])


def test_a_batch_of_one_row():
    features = list(FEATURES.values())
    layer = EmbeddingLayer(features)
    whole = layer(X, features, squeeze_dim=True)
    for row in range(3):
        one = layer({k: v[row : row + 1] for k, v in X.items()}, features, squeeze_dim=True)
        torch.testing.assert_close(one, whole[row : row + 1])


@pytest.mark.parametrize(
    "dtype", [torch.int32, torch.int16, torch.uint8, torch.float32, torch.float64]
)
def test_ids_of_any_number_type(dtype):
    features = [FEATURES[name] for name in ("a", "b", "m", "s", "cp")]
    layer = EmbeddingLayer(features)
    cast = {name: X[name].to(dtype) for name in X}
    assert torch.equal(layer(cast, features, True), layer(X, features, True))


def test_dense_columns_of_any_number_type():
    layer = EmbeddingLayer([FEATURES["x1"]])
    for values in (torch.tensor([1, 2]), torch.tensor([[1.0], [2.0]], dtype=torch.float64)):
        out = layer({"x1": values}, layer.features, squeeze_dim=True)
        assert out.dtype == torch.float32
        assert out.tolist() == [[1.0], [2.0]]


# Padding


@pytest.mark.parametrize("pooling", ["mean", "sum"])
@pytest.mark.parametrize("padding_idx", [None, 0, 3])
def test_pooling_does_not_change_with_the_width_of_the_padding(pooling, padding_idx):
    # in 0.9: without padding_idx, zeros were averaged like any other id
    feature = sequence("h", pooling, padding_idx=padding_idx)
    layer = EmbeddingLayer([feature])
    ids = torch.tensor([[1, 2], [5, 5]])
    expected = layer({"h": ids}, [feature])
    for left, right in ((0, 1), (2, 0), (3, 4)):
        padded = F.pad(ids, (left, right), value=padding_idx or 0)
        torch.testing.assert_close(layer({"h": padded}, [feature]), expected)


@pytest.mark.parametrize("pooling", ["mean", "sum"])
@pytest.mark.parametrize("padding_idx", [None, 0, 3])
def test_a_sequence_of_nothing_but_padding_pools_to_0(pooling, padding_idx):
    feature = sequence("h", pooling, padding_idx=padding_idx)
    layer = EmbeddingLayer([feature])
    ids = torch.full((2, 5), padding_idx or 0)
    assert torch.equal(layer({"h": ids}, [feature]), torch.zeros(2, 1, 4))
    assert layer({"h": ids[:, :0]}, [feature]).tolist() == torch.zeros(2, 1, 4).tolist()


@pytest.mark.parametrize(
    "feature",
    [sparse("f", padding_idx=2), sequence("f", "concat", padding_idx=2)],
    ids=["sparse", "concat"],
)
def test_the_padding_row_is_0_and_stays_0(feature):
    layer = EmbeddingLayer([feature])
    x = {"f": torch.tensor([2, 2, 1]) if isinstance(feature, SparseFeature) else X["s"] % 4}
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        (layer(x, [feature]) + 1).square().sum().backward()
        optimizer.step()
    table = layer.embed_dict["f"].weight
    assert torch.equal(table[2], torch.zeros(4))
    assert (table[1] != 0).all()


def test_an_owners_padding_row_is_not_trained_through_its_sharers_either():
    owner = sparse("item", padding_idx=0)
    sharers = [sparse("last", shared_with="item"), sequence("h", "concat", shared_with="item")]
    layer = EmbeddingLayer([owner, *sharers])
    x = {"last": torch.tensor([0, 3]), "h": torch.tensor([[0, 1], [0, 0]])}
    layer(x, sharers, squeeze_dim=True).sum().backward()
    touched = (layer.get_parameter("stack_4").grad != 0).any(dim=1)
    assert touched.tolist() == [False, True, False, True, False, False, False]


# Tables


def test_two_layers_of_the_same_features_share_nothing():
    first, second = EmbeddingLayer([FEATURES["a"]]), EmbeddingLayer([FEATURES["a"]])
    before = second.table("a").clone()
    with torch.no_grad():
        first.table("a").add_(1)
    assert torch.equal(second.table("a"), before)


def test_each_table_starts_as_its_own_initializer_makes_it():
    given = torch.arange(14.0).reshape(7, 2)
    layer = EmbeddingLayer(
        [
            sparse("constant", 7, 2, initializer=Pretrained(given, freeze=False)),
            sparse("narrow", 5000, 2, initializer=RandomNormal(3, 0.1)),
            sparse("bounded", 5000, 2, initializer=XavierUniform()),
        ]
    )
    assert torch.equal(layer.table("constant"), given)
    assert layer.table("narrow").mean().item() == pytest.approx(3, abs=0.01)
    assert layer.table("narrow").std().item() == pytest.approx(0.1, rel=0.05)
    bound = (6 / 5002) ** 0.5
    assert layer.table("bounded").abs().max().item() == pytest.approx(bound, rel=0.01)


def test_a_frozen_table_stays_bit_identical_while_its_neighbors_move():
    given = torch.randn(7, 4)
    fields = [
        sparse("free"),
        sparse("frozen", initializer=Pretrained(given)),
        sequence("history", shared_with="frozen"),
    ]
    layer = EmbeddingLayer(fields)
    free = layer.table("free").clone()
    x = {"free": X["a"], "frozen": X["a"], "history": X["m"]}
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.1, weight_decay=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        layer(x, fields).square().sum().backward()
        optimizer.step()
    assert torch.equal(layer.table("frozen"), given)
    assert (layer.table("free") != free).all()


@pytest.mark.parametrize("first", [SparseFeature, SequenceFeature])
def test_a_shared_feature_reads_the_owners_rows(first):
    second = SequenceFeature if first is SparseFeature else SparseFeature
    fields = [first("own", 7, 4), second("child", 7, 4, shared_with="own")]
    layer = EmbeddingLayer(fields)
    assert list(layer.embed_dict) == ["own"]
    assert layer.slice_of("child") == layer.slice_of("own")
    assert layer.table("child").data_ptr() == layer.table("own").data_ptr()
    assert sum(p.numel() for p in layer.parameters()) == 28


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ([sparse("a", shared_with="z")], "'a' is shared with 'z', which is not among the features"),
        ([sparse("a", shared_with="a")], "'a' is shared with 'a', which is itself shared with it"),
        (
            [sparse("a", shared_with="b"), sparse("b", shared_with="a")],
            "shared with .*, which is itself shared with it",
        ),
        (
            [sparse("a"), sparse("b", embed_dim=3, shared_with="a")],
            "'b' has embed_dim=3, but shares the table of 'a', which has embed_dim=4",
        ),
        ([sparse("a"), sparse("a", 8)], "two different features are called 'a'"),
        ([sparse("a"), sparse("a", embed_dim=3)], "two different features are called 'a'"),
        ([DenseFeature("a"), DenseFeature("a", 2)], "two different features are called 'a'"),
        ([sparse("a"), sequence("a", vocab_size=8)], "called 'a': .*, as they use one table"),
        (
            [sparse("b"), sparse("a", shared_with="b"), sparse("a", 8, shared_with="b")],
            "two different features are called 'a'",
        ),
    ],
    ids=["unknown", "itself", "cycle", "widths", "sizes", "dims", "dense", "kinds", "sharers"],
)
def test_features_that_contradict_each_other_are_refused(features, message):
    with pytest.raises(ValueError, match=message):
        EmbeddingLayer(features)


def test_what_is_no_feature_is_refused():
    with pytest.raises(TypeError, match="got 'user'"):
        EmbeddingLayer(["user"])


def test_the_same_feature_may_be_listed_twice():
    given = sparse("a", initializer=Pretrained(torch.ones(7, 4)))
    layer = EmbeddingLayer([FEATURES["a"], FEATURES["a"], sparse("a"), given])
    assert sum(p.numel() for p in layer.parameters()) == 28


# Several features of one column, and features that the layer was not made of


VIEWS = [
    sparse("a"),
    DenseFeature("a"),
    sequence("h", "mean"),
    sequence("h", "sum"),
    sequence("h", "concat"),
    sparse("b", 9),
    sparse("a", shared_with="b"),  # the same ids, looked up in another table
    DenseFeature("h", 3),
]
VIEWED = {
    "a": torch.tensor([1, 6, 3]),
    "b": torch.tensor([8, 0, 7]),
    "h": torch.tensor([[1, 2, 2], [6, 0, 0], [0, 0, 0]]),
}


def test_each_feature_of_a_column_is_a_view_of_it():
    layer = EmbeddingLayer(VIEWS)
    assert list(layer.state_dict()) == [f"embed_dict.{name}.weight" for name in ("a", "h", "b")]
    a, h, b = (layer.embed_dict[name].weight for name in ("a", "h", "b"))
    rows = h[VIEWED["h"]] * (VIEWED["h"] != 0).unsqueeze(2)
    total, count = rows.sum(dim=1), torch.tensor([[3.0], [1.0], [1.0]])
    expected = [a[VIEWED["a"]], VIEWED["a"].float().unsqueeze(1), total / count, total]
    expected += [h[VIEWED["h"]].flatten(1), b[VIEWED["b"]], b[VIEWED["a"]], VIEWED["h"].float()]
    for feature, values in zip(VIEWS, expected, strict=True):
        torch.testing.assert_close(layer(VIEWED, [feature], squeeze_dim=True), values)
    ids = [v for f, v in zip(VIEWS, expected) if not isinstance(f, DenseFeature)]
    both = [*ids, expected[1], expected[7]]
    torch.testing.assert_close(layer(VIEWED, VIEWS, squeeze_dim=True), torch.cat(both, dim=1))


def test_fields_and_flat_values_may_be_other_views_of_the_same_columns():
    mean, total = VIEWS[2:4]
    layer = EmbeddingLayer([mean, total])
    fields, flat = layer.fields_and_flat(VIEWED, [mean], [total])
    torch.testing.assert_close(fields[:, 0], layer(VIEWED, [mean], squeeze_dim=True))
    torch.testing.assert_close(flat, layer(VIEWED, [total], squeeze_dim=True))
    assert not torch.equal(fields[:, 0], flat)
    fields, flat = layer.fields_and_flat(VIEWED, [mean], [sequence("h", "mean")])
    assert torch.equal(fields[:, 0], flat)


def test_views_learn_one_table():
    layer = EmbeddingLayer(VIEWS)
    layer(VIEWED, [VIEWS[0], VIEWS[3]], squeeze_dim=True).sum().backward()
    grad = layer.stack_4.grad
    start = layer.slice_of("h").start
    assert grad[start : start + 7, 0].tolist() == [0, 1, 2, 0, 0, 0, 1]
    assert grad[layer.slice_of("b").start :].abs().sum() == 0


def test_a_feature_that_the_layer_was_not_made_of_is_looked_up_in_a_table_that_it_has():
    layer = EmbeddingLayer([FEATURES["a"], FEATURES["a2"], FEATURES["b"]])
    x = {**X, "new": torch.tensor([[1, 1, 0], [2, 3, 0], [0, 0, 0]])}
    table = layer.embed_dict["a"].weight
    for name in ("a", "a2"):
        new = sequence("new", "sum", shared_with=name, padding_idx=0)
        expected = torch.stack([2 * table[1], table[2] + table[3], torch.zeros(4)])
        torch.testing.assert_close(layer(x, [new], squeeze_dim=True), expected)
    again = sequence("a", "concat")  # another view of a column that it knows
    assert torch.equal(layer({"a": x["new"]}, [again])[:, 0], table[x["new"]])
    mixed = [FEATURES["b"], sparse("other", shared_with="b"), DenseFeature("x9")]
    found = layer({**X, "other": X["b"], "x9": X["x1"]}, mixed, squeeze_dim=True)
    assert torch.equal(found[:, :4], found[:, 4:8])
    assert torch.equal(found[:, 8], X["x1"])
    mask = InputMask()(x, [sequence("new", shared_with="a", padding_idx=0)])
    assert mask.tolist() == [[[1, 1, 0]], [[1, 1, 0]], [[0, 0, 0]]]


@pytest.mark.parametrize(
    ("feature", "error", "message"),
    [
        (sparse("q"), KeyError, "'q' was not among those this EmbeddingLayer was made of: a, a2"),
        (sparse("q", shared_with="z"), ValueError, "'q' is shared with 'z', which is not among"),
        (sparse("q", embed_dim=3, shared_with="a"), ValueError, "'q' has embed_dim=3, but shares"),
    ],
)
def test_a_feature_that_no_table_fits_is_named(feature, error, message):
    layer = EmbeddingLayer([FEATURES["a"], FEATURES["a2"]])
    with pytest.raises(error, match=message):
        layer({**X, "q": X["a"]}, [feature])


def test_an_id_that_a_shared_table_does_not_have_is_named():
    layer = EmbeddingLayer([FEATURES["b"]])
    with pytest.raises(IndexError, match=r"'new': id 6 .* vocab_size=5"):
        layer({"new": torch.tensor([6])}, [sparse("new", 7, shared_with="b")])


def test_a_feature_unknown_to_the_layer_is_named():
    with pytest.raises(KeyError, match=r"'b' was not among .*: a, m"):
        EmbeddingLayer([FEATURES["a"], FEATURES["m"]])(X, [FEATURES["b"]])
    with pytest.raises(KeyError, match="no feature 'b' has a table here; those that do: a"):
        _ = EmbeddingLayer([FEATURES["a"]]).embed_dict["b"]


def test_embed_dict_is_read_like_a_dict_of_embeddings():
    layer = EmbeddingLayer([FEATURES["a"], FEATURES["b"], FEATURES["a2"]])
    assert sorted(layer.embed_dict) == ["a", "b"]
    assert len(layer.embed_dict) == 2
    assert "a2" not in layer.embed_dict
    table = layer.embed_dict["b"]
    assert (table.num_embeddings, table.embedding_dim, table.padding_idx) == (5, 4, 2)
    with torch.no_grad():
        table.weight.fill_(7.0)
    assert (layer({"b": torch.tensor([4])}, [FEATURES["b"]]) == 7).all()


# One gather for all tables of a width


@pytest.mark.parametrize(
    ("names", "gathers"),
    [
        (("a", "b", "a2", "a3", "b2"), 1),
        (("a", "n"), 2),
        (("m", "s", "am"), 1),
        (("a", "b", "m", "s", "n", "t"), 4),
    ],
)
def test_there_is_one_gather_for_each_width_and_kind(names, gathers, monkeypatch):
    features = [FEATURES[name] for name in names]
    layer = EmbeddingLayer(with_owners(features))
    calls = []
    real = F.embedding
    monkeypatch.setattr(F, "embedding", lambda *a, **k: calls.append(a) or real(*a, **k))
    layer(X, features, squeeze_dim=True)
    assert len(calls) == gathers


# Invalid batches


def bad_batch(name, change):
    return {**X, name: change(X[name].clone())}


def put(value):
    def change(ids):
        ids.view(-1)[1] = value
        return ids

    return change


@pytest.mark.parametrize("squeeze_dim", [True, False])
@pytest.mark.parametrize(
    ("name", "vocab_size"),
    [("a", 7), ("b", 5), ("a3", 7), ("m", 7), ("s", 7), ("am", 7)],
)
def test_an_id_outside_its_vocabulary_is_named(name, vocab_size, squeeze_dim):
    features = [FEATURES[k] for k in ("b", "a", "a2", "a3", "m", "s", "am")]
    layer = EmbeddingLayer(features)
    for wrong in (vocab_size, 10**12, -1):
        message = (
            rf"feature '{name}': id {wrong} is outside.*vocab_size={vocab_size} "
            rf"allows ids 0 to {vocab_size - 1}\. Set vocab_size"
        )
        with pytest.raises(IndexError, match=message):
            layer(bad_batch(name, put(wrong)), features, squeeze_dim)


@pytest.mark.parametrize(("owner", "child", "wrong"), [(9, 5, 9), (5, 9, 5)])
def test_the_owners_table_decides_which_ids_there_are(owner, child, wrong):
    fields = [sparse("own", owner), sparse("child", child, shared_with="own"), sparse("next", 9)]
    layer = EmbeddingLayer(fields)
    layer({"child": torch.tensor([wrong - 1])}, fields[1:2])
    with pytest.raises(IndexError, match=f"'child': id {wrong} .*vocab_size={owner}"):
        layer({"child": torch.tensor([wrong])}, fields[1:2])


def test_a_missing_column_is_named_with_those_there_are():
    features = [FEATURES["a"], FEATURES["b"], FEATURES["x1"]]
    layer = EmbeddingLayer(features)
    for name in ("a", "x1"):
        x = {k: X[k] for k in ("a", "b", "x1") if k != name}
        with pytest.raises(KeyError, match=re.escape(f"no column '{name}'")) as error:
            layer(x, features, squeeze_dim=True)
        assert ", ".join(x) in str(error.value)


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("a", (3, 1), "SparseFeature takes (batch,)"),
        ("a", (), "SparseFeature takes (batch,)"),
        ("m", (3,), "SequenceFeature takes (batch, length)"),
        ("m", (3, 1, 1), "SequenceFeature takes (batch, length)"),
        ("x1", (3, 2), "DenseFeature takes (batch, 1)"),
        ("x3", (3,), "DenseFeature takes (batch, 3)"),
        ("x3", (3, 3, 1), "DenseFeature takes (batch, 3)"),
    ],
)
def test_a_column_of_another_shape_is_named(name, shape, expected):
    feature = FEATURES[name]
    with pytest.raises(ValueError, match=re.escape(expected)) as error:
        EmbeddingLayer([feature])({name: torch.zeros(shape)}, [feature], squeeze_dim=True)
    assert f"column {name!r} has shape {shape}" in str(error.value)


# Weights on disk and in copies


@pytest.fixture
def layer():
    return EmbeddingLayer(list(FEATURES.values()))


def test_the_state_dict_has_one_entry_a_table(layer):
    owners = ["a", "b", "n", "m", "s", "c", "cp", "t"]
    state = layer.state_dict()
    assert sorted(state) == sorted(f"embed_dict.{name}.weight" for name in owners)
    for name in owners:
        feature = FEATURES[name]
        table = state[f"embed_dict.{name}.weight"]
        assert table.shape == (feature.vocab_size, feature.embed_dim)
        assert not table.requires_grad
    inside = nn.Sequential(layer).state_dict()
    assert sorted(inside) == sorted(f"0.embed_dict.{name}.weight" for name in owners)


def test_tables_saved_by_plain_embeddings_load(layer):
    plain = nn.ModuleDict(
        {
            name: nn.Embedding(FEATURES[name].vocab_size, FEATURES[name].embed_dim)
            for name in layer.embed_dict
        }
    )
    state = {f"embed_dict.{name}": value for name, value in plain.state_dict().items()}
    result = layer.load_state_dict(state)
    assert (result.missing_keys, result.unexpected_keys) == ([], [])
    for name, table in plain.items():
        assert torch.equal(layer.embed_dict[name].weight, table.weight)


def test_loading_tells_of_missing_unexpected_and_misshapen_tables(layer):
    state = layer.state_dict()
    missing = {k: v for k, v in state.items() if k != "embed_dict.b.weight"}
    with pytest.raises(RuntimeError, match=r'Missing key.*"embed_dict.b.weight"'):
        layer.load_state_dict(missing)
    with pytest.raises(RuntimeError, match=r'Unexpected key.*"embed_dict.zz.weight"'):
        layer.load_state_dict({**state, "embed_dict.zz.weight": torch.ones(2, 2)})
    with pytest.raises(RuntimeError, match=r"embed_dict.b.weight: .*\(5, 4\), .*\(6, 4\)"):
        layer.load_state_dict({**state, "embed_dict.b.weight": torch.ones(6, 4)})
    result = layer.load_state_dict({**missing, "embed_dict.zz.weight": torch.ones(1)}, strict=False)
    assert result.missing_keys == ["embed_dict.b.weight"]
    assert result.unexpected_keys == ["embed_dict.zz.weight"]


def test_weights_survive_a_file(layer, tmp_path):
    torch.save(layer.state_dict(), tmp_path / "w.pth")
    other = EmbeddingLayer(list(reversed(FEATURES.values())))
    features = list(FEATURES.values())
    assert not torch.equal(other(X, features, True), layer(X, features, True))
    other.load_state_dict(torch.load(tmp_path / "w.pth", weights_only=True))
    assert torch.equal(other(X, features, True), layer(X, features, True))


@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))],  # noqa: S301
    ids=["deepcopy", "pickle"],
)
def test_a_copy_is_equal_and_independent(layer, copied):
    features = list(FEATURES.values())
    before = layer(X, features, True)
    with torch.inference_mode():  # leaves what it caches usable for training
        layer(X, features[::-1], True)
    twin = copied(layer)
    assert torch.equal(twin(X, features, True), before)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.add_(1)
    assert torch.equal(layer(X, features, True), before)
    twin(X, features[::-1], True).sum().backward()


def test_the_columns_that_a_model_needs_with_the_smallest_of_their_tables():
    layer = EmbeddingLayer([FEATURES["a"], FEATURES["a2"], FEATURES["x1"]])
    smaller = EmbeddingLayer([sparse("a2", 3)])
    for layers, size in (([layer], 7), ([layer, smaller], 3), ([smaller, layer], 3)):
        columns = input_columns(nn.ModuleList(layers))
        sizes = {name: size for name, (_, size) in columns.items()}
        assert sizes == {"a": 7, "a2": size, "x1": None}


def test_of_several_features_of_a_column_one_of_ids_says_what_it_holds():
    layer = EmbeddingLayer([DenseFeature("a"), FEATURES["a"], FEATURES["x1"]])
    other = EmbeddingLayer([sparse("b", 5), sparse("a", shared_with="b"), DenseFeature("a")])
    columns = input_columns(nn.ModuleList([layer, other]))
    assert {name: (type(f).__name__, n) for name, (f, n) in columns.items()} == {
        "a": ("SparseFeature", 5),
        "x1": ("DenseFeature", None),
        "b": ("SparseFeature", 5),
    }
