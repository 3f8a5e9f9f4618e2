"""The inputs of a model: the features found in it, each once, and those of its towers."""

import pytest
import torch
from torch import nn

from torch_rechub.basic.features import DenseFeature, SequenceFeature, SparseFeature
from torch_rechub.basic.layers import EmbeddingLayer
from torch_rechub.models.matching import DSSM
from torch_rechub.models.multi_task import ESMM
from torch_rechub.utils import model_utils, onnx_export
from torch_rechub.utils.model_utils import extract_feature_info
from torch_rechub.utils.onnx_export import ONNXExporter, ONNXWrapper

USER, ITEM, PRICE = SparseFeature("user", 9, 4), SparseFeature("item", 20, 4), DenseFeature("price")
SEEN = SequenceFeature("seen", 20, 4, "mean", shared_with="item")


def names(features):
    return [feature.name for feature in features]


class Holds(nn.Module):
    """A module of a user's own, without an embedding layer."""

    def __init__(self, **attributes):
        super().__init__()
        for name, value in attributes.items():
            setattr(self, name, value)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"features": [USER, ITEM]}, ["user", "item"]),
        ({"user_features": [USER], "item_features": [ITEM]}, ["user", "item"]),
        ({"deep_features": (USER, PRICE), "fm_features": [USER]}, ["user", "price"]),
        ({"history_features": [SEEN], "target_features": [ITEM]}, ["seen", "item"]),
        ({"whatever": ITEM}, ["item"]),
        ({"by_name": {"a": USER, "b": [ITEM, PRICE]}}, ["user", "item", "price"]),
        ({"features": [USER, SparseFeature("user", 9, 4)]}, ["user"]),
        ({"inner": Holds(features=[USER])}, ["user"]),
        ({"parts": nn.ModuleList([Holds(f=ITEM), Holds(f=USER)])}, ["item", "user"]),
        ({"embedding": EmbeddingLayer([USER]), "dense": [PRICE, USER]}, ["user", "price"]),
        ({"count": 3, "dims": [4, 8], "text": "features"}, []),
    ],
)
def test_features_are_found_in_any_attribute_each_once(attributes, expected):
    info = extract_feature_info(Holds(**attributes))
    assert names(info["features"]) == info["input_names"] == list(info["input_types"]) == expected
    assert info["input_types"] == {f.name: type(f).__name__ for f in info["features"]}


def test_features_of_users_and_items_are_told_apart():
    model = Holds(user_features=[USER], history_features=[SEEN], item_features=[ITEM])
    for info in (
        extract_feature_info(model),
        extract_feature_info(DSSM([USER, SEEN], [ITEM], {"dims": [4]}, {"dims": [4]})),
    ):
        assert names(info["user_features"]) == ["user", "seen"]
        assert names(info["item_features"]) == ["item"]


class Towers(nn.Module):
    """A model of a user's own with two towers."""

    def __init__(self):
        super().__init__()
        self.user_features, self.item_features = [USER], [ITEM, PRICE]
        self.users, self.items = nn.Embedding(9, 4), nn.Embedding(20, 4)
        self.mode = None

    def forward(self, x):
        user, item = self.users(x["user"]), None
        if self.mode != "user":
            item = self.items(x["item"]) * x["price"].view(-1, 1)
        towers = {"user": user, "item": item}
        return towers[self.mode] if self.mode else (user * item).sum(dim=1).sigmoid()


def test_the_towers_of_a_users_own_model_are_known():
    exporter = ONNXExporter(Towers())
    assert exporter.get_input_info()["input_names"] == ["user", "item", "price"]
    assert exporter.get_input_info("user")["input_names"] == ["user"]
    assert exporter.get_input_info("item")["input_names"] == ["item", "price"]


@pytest.mark.slow
def test_a_tower_of_a_users_own_model_can_be_exported(tmp_path):
    assert ONNXExporter(Towers()).export(tmp_path / "user.onnx", mode="user") is True
    assert (tmp_path / "user.onnx").stat().st_size > 0


@pytest.mark.parametrize("mode", ["user", "item"])
def test_a_model_without_a_mode_has_no_towers(mode):
    with pytest.raises(ValueError, match=f"ESMM has no {mode} tower: it needs an attribute `mode`"):
        ONNXExporter(ESMM([USER], [ITEM], {"dims": [4]}, {"dims": [4]})).get_input_info(mode)


@pytest.mark.parametrize("given", [0, 1, 3])
def test_a_wrapper_refuses_more_or_fewer_inputs_than_it_has_names(given):
    wrapper = ONNXWrapper(DSSM([USER], [ITEM], {"dims": [4]}, {"dims": [4]}), ["user", "item"])
    assert wrapper.eval()(torch.tensor([1]), torch.tensor([2])).shape == (1,)
    message = f"DSSM takes 2 inputs, in this order: user, item; got {given}"
    with pytest.raises(ValueError, match=message):
        wrapper(*[torch.tensor([1])] * given)


def test_scripts_import_these_functions_from_either_module():
    for name in model_utils.__all__:
        assert getattr(onnx_export, name) is getattr(model_utils, name)
