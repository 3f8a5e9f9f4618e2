"""EDCN against its formula, row by row."""

import pytest
import torch

from torch_rechub.models.ranking import EDCN
from torch_rechub.models.ranking.edcn import BridgeModule, RegulationModule

KINDS = ["hadamard_product", "pointwise_addition", "concatenation", "attention_pooling"]


@pytest.mark.parametrize("regulated", [True, False])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dims", [None, [5]])
def test_it_is_its_formula(kind, regulated, dims, f, rows, batch, naive, randomized):
    features = [f[name] for name in ("pair", "user", "city", "tags")]
    params = {"dims": dims, "dropout": 0.3}
    model = randomized(EDCN(features, 2, params, kind, regulated, temperature=0.5)).eval()
    parts = naive(model.state_dict())
    n_hidden = len(dims or ()) + 1
    for row, p in zip(rows, model(batch).tolist()):
        z = parts.flat("embedding.", features, row)
        x_0 = None
        for layer in range(2):
            views = model.regulation_modules[layer](torch.tensor([z]))
            x_l, h_l = (view[0].tolist() for view in views)
            x_0 = x_0 or x_l
            dot = parts.dot(parts.state[f"cross_layers.{layer}.w.weight"][0], x_l)
            b = parts.state[f"cross_layers.{layer}.b"]
            x_l = [x_0[i] * dot + b[i] + x_l[i] for i in range(len(z))]
            h_l = parts.mlp(f"mlps.{layer}.mlp.", h_l, n_hidden, output=False)
            z = model.bridge_modules[layer](torch.tensor([x_l]), torch.tensor([h_l]))[0].tolist()
        logit = parts.linear("linear.fc.", x_l + h_l + z)[0]
        assert p == pytest.approx(parts.sigmoid(logit), abs=1e-5)


def test_fields_are_weighed_by_a_softmax_over_fields():
    module, x = RegulationModule(3, [2, 1, 3], tau=0.5), torch.randn(4, 6)
    torch.nn.init.normal_(module.g1)
    torch.nn.init.normal_(module.g2)
    for view, g in zip(module(x), (module.g1, module.g2)):
        weights = [w.exp() / (g / 0.5).exp().sum() for w in g / 0.5]
        expected = torch.cat(
            [x[:, :2] * weights[0], x[:, 2:3] * weights[1], x[:, 3:] * weights[2]], dim=1
        )
        torch.testing.assert_close(view, expected)
    sum(view.square().sum() for view in module(x)).backward()
    assert (module.g1.grad != 0).all()
    assert (module.g2.grad != 0).all()


def test_each_bridge_is_its_formula():
    x, h = torch.randn(3, 4), torch.randn(3, 4)
    assert torch.equal(BridgeModule(4, KINDS[0])(x, h), x * h)
    assert torch.equal(BridgeModule(4, KINDS[1])(x, h), x + h)
    bridge = BridgeModule(4, KINDS[2])
    w, b = bridge.parameters()
    torch.testing.assert_close(bridge(x, h), (torch.cat([x, h], dim=1) @ w.T + b).relu())
    bridge = BridgeModule(4, KINDS[3])
    w_x, b_x, p_x, w_h, b_h, p_h = bridge.parameters()
    a_x = ((x @ w_x.T + b_x).relu() @ p_x.T).exp()
    a_h = ((h @ w_h.T + b_h).relu() @ p_h.T).exp()
    expected = a_x / a_x.sum(1, keepdim=True) * x + a_h / a_h.sum(1, keepdim=True) * h
    torch.testing.assert_close(bridge(x, h), expected)


def test_what_cannot_be_built_is_refused(f):
    with pytest.raises(ValueError, match=r"bridge_type must be one of .* got 'sum'"):
        EDCN([f["user"]], 1, {}, "sum")
    with pytest.raises(ValueError, match="n_cross_layers must be at least 1, got 0"):
        EDCN([f["user"]], 0, {})
