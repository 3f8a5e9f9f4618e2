"""DCN V2 against its formula: how cross and deep network are joined."""

import pytest

from torch_rechub.models.ranking import DCNv2


@pytest.mark.parametrize("low_rank", [True, False])
@pytest.mark.parametrize("structure", ["parallel", "stacked", "crossnet_only"])
def test_it_is_its_formula(structure, low_rank, f, rows, batch, naive, randomized):
    features = [f[name] for name in ("age", "user", "city", "tags")]
    params = {"dims": [6, 3], "dropout": 0.3}
    model = randomized(DCNv2(features, 2, params, structure, low_rank, 3, 2)).eval()
    parts = naive(model.state_dict())
    for row, p in zip(rows, model(batch).tolist()):
        x_0 = parts.flat("embedding.", features, row)
        crossed = model.crossnet(batch["age"].new_tensor([x_0]))[0].tolist()
        if structure == "parallel":
            out = crossed + parts.mlp("parallel_dnn.mlp.", x_0, 2, output=False)
        elif structure == "stacked":
            out = parts.mlp("stacked_dnn.mlp.", crossed, 2, output=False)
        else:
            out = crossed
        assert p == pytest.approx(parts.sigmoid(parts.linear("linear.fc.", out)[0]), abs=1e-5)


def test_another_structure_is_refused(f):
    with pytest.raises(ValueError, match=r"model_structure must be one of parallel, .* 'series'"):
        DCNv2([f["user"]], 2, {"dims": [4]}, "series")
