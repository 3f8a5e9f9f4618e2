"""PEPNet against its formula."""

import pytest
import torch

from torch_rechub.basic.features import SparseFeature
from torch_rechub.models.multi_task import PEPNet

USER, ITEM, SCENE = (SparseFeature(n, 6, d) for n, d in (("user", 3), ("item", 2), ("scene", 2)))
ROWS = [{"user": 1, "item": 2, "scene": 3}, {"user": 0, "item": 5, "scene": 0}]
X = {name: torch.tensor([row[name] for row in ROWS]) for name in ROWS[0]}


def test_it_is_its_formula(naive, randomized):
    towers = [{"dims": [4, 3]}, {"dims": [2]}]
    tasks = ["classification", "regression"]
    model = randomized(PEPNet([USER, ITEM], [SCENE], [USER], tasks, towers)).eval()
    parts = naive(model.state_dict())

    def gated(at, x, h):
        hidden = [max(0.0, v) for v in parts.linear(f"{at}hidden.", x)]
        return [2 * parts.sigmoid(z) * v for z, v in zip(parts.linear(f"{at}output.", hidden), h)]

    for row, found in zip(ROWS, model(X).tolist()):
        e, scene, user = (parts.flat("embedding.", f, row) for f in ([USER, ITEM], [SCENE], [USER]))
        o = gated("ep_gate.", scene + e, e)
        for t, n_layers in enumerate((2, 1)):
            h = o
            for layer in range(n_layers):
                at = f"towers.{t}."
                h = parts.mlp(f"{at}layers.{layer}.mlp.", h, 1, output=False)
                h = gated(f"{at}gates.{layer}.", user + o, h)
            y = parts.linear(f"towers.{t}.output.", h)[0]
            assert found[t] == pytest.approx(parts.sigmoid(y) if t == 0 else y, abs=1e-5)


def test_gates_give_the_embeddings_they_read_no_gradient(randomized):
    model = randomized(PEPNet([USER], [SCENE], [ITEM], ["regression"], [{"dims": [4]}]))
    read = []
    model.ep_gate.register_forward_pre_hook(lambda _, x: read.append(x[0]))
    model.towers[0].gates[0].register_forward_pre_hook(lambda _, x: read.append(x[0]))
    model(X)
    for inputs, own in zip(read, ("scene", "item")):
        table = model.embedding.get_parameter("stack_3")
        (g,) = torch.autograd.grad(inputs.sum(), [table], retain_graph=True, allow_unused=True)
        assert g is None, own
