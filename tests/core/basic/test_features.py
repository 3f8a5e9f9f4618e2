"""Features: plain data with early checks and clear messages."""

import copy
import dataclasses
import pickle
from math import isqrt

import numpy as np
import pytest
import torch

from torch_rechub.basic.features import (
    DenseFeature,
    SequenceFeature,
    SparseFeature,
    flat_width,
    get_auto_embedding_dim,
)
from torch_rechub.basic.initializers import Pretrained, RandomNormal, RandomUniform

ID_FEATURES = [SparseFeature, SequenceFeature]


def test_the_width_given_to_a_vocabulary_is_6_times_its_fourth_root():
    for v in [*range(1, 20_000), 10**6, 10**8, 2**40]:
        assert get_auto_embedding_dim(v) == isqrt(isqrt(1296 * v))  # ⌊(1296 v)^¼⌋ in whole numbers


@pytest.mark.parametrize("feature_class", ID_FEATURES)
def test_without_a_width_a_feature_takes_that_of_its_vocabulary(feature_class):
    feature = feature_class("user", 625)
    assert feature.embed_dim == 30
    assert feature.get_embedding_layer().weight.shape == (625, 30)


def test_arguments_are_attributes_in_the_order_of_0_9():
    start = RandomUniform(0, 1)
    sparse = SparseFeature("a", 9, 4, "b", 0, start)
    assert (sparse.name, sparse.vocab_size, sparse.embed_dim) == ("a", 9, 4)
    assert (sparse.shared_with, sparse.padding_idx, sparse.initializer) == ("b", 0, start)
    sequence = SequenceFeature("a", 9, 4, "sum", "b", 0, start)
    assert (sequence.name, sequence.vocab_size, sequence.embed_dim) == ("a", 9, 4)
    assert (sequence.pooling, sequence.shared_with) == ("sum", "b")
    assert (sequence.padding_idx, sequence.initializer) == (0, start)
    assert (DenseFeature("a", 3).name, DenseFeature("a", 3).embed_dim) == ("a", 3)


def test_embeddings_start_with_a_standard_deviation_of_two_hundredths():
    assert SparseFeature("a", 9).initializer == RandomNormal(0, 0.02)
    assert SequenceFeature("a", 9).initializer == RandomNormal(0, 0.02)
    torch.manual_seed(0)
    table = SparseFeature("a", 5000, 16).get_embedding_layer()
    assert float(table.weight.detach().std()) == pytest.approx(0.02, rel=0.01)


def test_other_defaults_are_those_of_0_9():
    assert SequenceFeature("a", 9).pooling == "mean"
    assert SequenceFeature("a", 9).padding_idx is None
    assert DenseFeature("a").embed_dim == 1


@pytest.mark.parametrize("feature_class", ID_FEATURES)
@pytest.mark.parametrize("size", [0, -3, 2.5, 10.0, True, None, "10"])
def test_an_impossible_vocabulary_is_refused(feature_class, size):
    with pytest.raises(ValueError, match=r"'user'.*vocab_size.*at least 1 \(the largest id \+ 1\)"):
        feature_class("user", size)
    with pytest.raises(ValueError, match=f"got {size!r}"):
        feature_class("user", size)


@pytest.mark.parametrize("feature_class", [*ID_FEATURES, DenseFeature])
@pytest.mark.parametrize("width", [0, -1, 1.5, True, "8"])
def test_an_impossible_width_is_refused(feature_class, width):
    sizes = {} if feature_class is DenseFeature else {"vocab_size": 10}
    with pytest.raises(ValueError, match=f"'user'.*embed_dim.*at least 1, got {width!r}"):
        feature_class("user", **sizes, embed_dim=width)


@pytest.mark.parametrize("feature_class", ID_FEATURES)
@pytest.mark.parametrize("padding", [-1, 10])
def test_a_padding_id_outside_the_vocabulary_is_refused(feature_class, padding):
    with pytest.raises(ValueError, match=f"'user'.*padding_idx.*0 to 9, got {padding}"):
        feature_class("user", 10, padding_idx=padding)


def test_an_unknown_pooling_is_refused():
    with pytest.raises(ValueError, match=r"'user'.*one of mean, sum, concat, got 'max'"):
        SequenceFeature("user", 10, pooling="max")


def test_numpy_integers_are_whole_numbers():
    feature = SparseFeature("user", np.array([3, 8]).max() + 1, np.int32(4))
    assert (feature.vocab_size, feature.embed_dim) == (9, 4)
    assert type(feature.vocab_size) is int


def test_padding_is_0_where_no_padding_id_is_given():
    assert SequenceFeature("a", 9).padding_id == 0
    assert SequenceFeature("a", 9, padding_idx=3).padding_id == 3


@pytest.mark.parametrize(
    "feature",
    [
        SparseFeature("a", 9, 4, padding_idx=0),
        SequenceFeature("a", 9, 4, "sum", shared_with="b"),
        DenseFeature("a", 3),
    ],
    ids=lambda f: type(f).__name__,
)
def test_features_are_plain_data(feature):
    for twin in (
        copy.deepcopy(feature),
        pickle.loads(pickle.dumps(feature)),  # noqa: S301
        dataclasses.replace(feature),
    ):
        assert twin is not feature
        assert twin == feature
        assert len({twin, feature}) == 1
    other = dataclasses.replace(feature, embed_dim=feature.embed_dim + 1)
    assert other != feature
    assert len({other, feature}) == 2


def test_features_of_different_kinds_differ():
    assert SparseFeature("a", 9, 4) != SequenceFeature("a", 9, 4)
    assert SparseFeature("a", 9, 4) != "a"


@pytest.mark.parametrize("feature_class", ID_FEATURES)
def test_each_call_makes_a_new_table(feature_class):
    # in 0.9: the table was kept on the feature, so two models trained the same weights
    feature = feature_class("user", 10, 4, initializer=RandomNormal(0, 1))
    before = vars(feature).copy()
    first, second = feature.get_embedding_layer(), feature.get_embedding_layer()
    assert first.weight.data_ptr() != second.weight.data_ptr()
    assert not torch.equal(first.weight, second.weight)
    assert vars(feature) == before


def test_the_table_is_the_initializers():
    weight = torch.arange(6.0).reshape(3, 2)
    table = SparseFeature("a", 3, 2, padding_idx=1, initializer=Pretrained(weight))
    made = table.get_embedding_layer()
    assert torch.equal(made.weight, weight)
    assert made.padding_idx == 1


def test_flat_width_adds_up():
    fields = [SparseFeature("a", 9, 4), SequenceFeature("b", 9, 3, "sum"), DenseFeature("c", 5)]
    assert flat_width(fields) == 4 + 3 + 5
    assert flat_width([]) == 0


def test_a_sequence_that_is_not_pooled_has_no_flat_width():
    with pytest.raises(ValueError, match=r"'b'.*pooling='concat'.*'mean' or 'sum'"):
        flat_width([SparseFeature("a", 9, 4), SequenceFeature("b", 9, 4, "concat")])
