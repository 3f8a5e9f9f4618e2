"""Arguments without a use, which 0.9 took in silence: scripts run, and the log says so."""

import pytest

from torch_rechub.basic.features import SparseFeature
from torch_rechub.models.ranking import DCNv2, FiBiNet

FIELDS = [SparseFeature("user", 5, embed_dim=4), SparseFeature("item", 5, embed_dim=4)]


@pytest.mark.parametrize(
    ("model", "arguments"),
    [(DCNv2, {"n_cross_layers": 1, "mlp_params": {"dims": [4]}}), (FiBiNet, {"mlp_params": {}})],
)
def test_additional_arguments_are_named_in_the_log(model, arguments, caplog):
    model(FIELDS, **arguments)
    assert not caplog.records
    model(FIELDS, **arguments, gpu=3, l2=0.1)
    assert caplog.messages == [f"{model.__name__} does not use gpu, l2."]
