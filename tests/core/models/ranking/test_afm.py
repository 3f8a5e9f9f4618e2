"""AFM against its formula, row by row."""

import math

import pytest
import torch

from torch_rechub.basic.features import SparseFeature
from torch_rechub.models.ranking import AFM


@pytest.mark.parametrize("names", [["user", "item"], ["tags", "user", "item", "age", "pair"]])
def test_it_is_its_formula(names, f, rows, batch, naive, randomized):
    features = [f[name] for name in names]
    model = randomized(AFM(features, 4, t=3)).eval()
    parts = naive(model.state_dict())
    fields = [feature for feature in features if hasattr(feature, "vocab_size")]
    for row, p in zip(rows, model(batch).tolist()):
        v = [parts.embedding("embedding.", feature, row[feature.name]) for feature in fields]
        products = [
            [a * b for a, b in zip(v[i], v[j])] for i in range(len(v)) for j in range(i + 1, len(v))
        ]
        hidden = [parts.linear("attention_liner.", product) for product in products]
        h = [entry for (entry,) in parts.state["h"]]
        e = [math.exp(parts.dot(h, [max(0.0, z) for z in hid])) for hid in hidden]
        pooled = [sum(w * q[d] for w, q in zip(e, products)) / sum(e) for d in range(4)]
        attended = parts.dot([entry for (entry,) in parts.state["p"]], pooled)
        assert p == pytest.approx(
            parts.sigmoid(parts.first_order("linear.", features, row) + attended), abs=1e-6
        )


def test_the_attention_weighs_the_pairs_and_is_trained(f, randomized, batch):
    model = randomized(AFM([f["user"], f["item"], f["tags"]], 4))
    weights = model.attention(torch.randn(5, 3, 4))
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(5))
    assert (weights.std(dim=1) > 1e-3).all()
    model(batch).sum().backward()
    assert model.h.grad.abs().max() > 1e-6
    assert model.attention_liner.weight.grad.abs().max() > 1e-6


def test_fields_that_form_no_pairs_of_the_width_are_refused(f):
    for features in ([f["user"]], [f["user"], f["item"]]):
        with pytest.raises(ValueError, match=r"at least two fields of embed_dim=8, got \d of 4"):
            AFM(features, 8)
    with pytest.raises(ValueError, match=r"fm_features must hold .* one embed_dim"):
        AFM([f["user"], f["city"]], 4)


def test_a_checkpoint_of_0_9_is_refused_with_the_reason():
    fields = [SparseFeature("user", 9, 4), SparseFeature("item", 7, 4)]
    model = AFM(fields, 4, t=5)
    old = {k: v for k, v in model.state_dict().items() if not k.startswith("linear.")}
    old |= {"linear.fc.weight": torch.randn(1, 8), "linear.fc.bias": torch.randn(1)}
    with pytest.raises(RuntimeError, match=r"torch-rechub 0\.x, where the first-order term"):
        model.load_state_dict(old)
