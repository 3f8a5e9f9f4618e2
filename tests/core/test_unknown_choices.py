"""Where 0.9 raised NotImplementedError, handlers of it and of ValueError work."""

import pytest

from torch_rechub.basic.activation import activation_layer
from torch_rechub.basic.features import SparseFeature
from torch_rechub.basic.layers import BiLinearInteractionLayer
from torch_rechub.models.ranking import FiBiNet
from torch_rechub.utils.data import TigerSeqDataset

FIELDS = [SparseFeature("user", 5, 4), SparseFeature("item", 5, 4)]


@pytest.mark.parametrize("caught", [NotImplementedError, ValueError])
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TigerSeqDataset({}, {}, 5, "dev"), "mode must be 'train', 'valid' or 'test'"),
        (lambda: TigerSeqDataset({}, {}, 5, None), "got None"),
        (lambda: BiLinearInteractionLayer(4, 2, "all"), "bilinear_type must be 'field_all'"),
        (lambda: FiBiNet(FIELDS, {"dims": [4]}, bilinear_type="all"), "bilinear_type must be"),
        (lambda: activation_layer("swoosh"), "unknown activation 'swoosh'"),
    ],
    ids=["mode", "no mode", "layer", "model", "activation"],
)
def test_an_unknown_choice_is_caught_by_either_name(make, message, caught):
    with pytest.raises(caught, match=message):
        make()
