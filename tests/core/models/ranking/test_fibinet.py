"""FiBiNET against its formula, row by row."""

import pytest
import torch

from torch_rechub.models.ranking import FiBiNet


@pytest.mark.parametrize("kind", ["field_all", "field_each", "field_interaction"])
@pytest.mark.parametrize("dense", [[], ["age", "pair"]])
def test_it_is_its_formula(kind, dense, f, rows, batch, naive, randomized):
    fields = [f[name] for name in ("user", "tags", "item")]
    features = [*[f[name] for name in dense], *fields]
    model = randomized(FiBiNet(features, {"dims": [6], "dropout": 0.3}, 2, kind)).eval()
    parts = naive(model.state_dict())
    for row, p in zip(rows, model(batch).tolist()):
        v = torch.tensor([[parts.embedding("embedding.", s, row[s.name]) for s in fields]])
        both = [model.bilinear_interaction(e) for e in (v, model.senet_layer(v))]
        deep = torch.cat(both, dim=1).flatten().tolist()
        deep += [value for name in dense for value in parts.dense(row[name])]
        logit = parts.first_order("linear.", features, row) + parts.mlp("mlp.mlp.", deep, 1)[0]
        assert p == pytest.approx(parts.sigmoid(logit), abs=1e-5)


def test_one_field_alone_is_refused(f):
    with pytest.raises(ValueError, match="features must hold at least two fields, got 1"):
        FiBiNet([f["user"], f["age"]], {"dims": [4]})
