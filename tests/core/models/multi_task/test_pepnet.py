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

    def gate(at, x):
        hidden = [max(0.0, v) for v in parts.linear(f"{at}hidden.", x)]
        return [2 * parts.sigmoid(z) for z in parts.linear(f"{at}output.", hidden)]

    def times(delta, h):
        return [g * v for g, v in zip(delta, h, strict=True)]

    for row, found in zip(ROWS, model(X).tolist()):
        e, scene, user = (parts.flat("embedding.", f, row) for f in ([USER, ITEM], [SCENE], [USER]))
        o = times(gate("ep_gate.", scene + e), e)
        gates = [gate(f"pp_gates.{layer}.", user + o) for layer in range(2)]
        assert [len(gate) for gate in gates] == [4 + 2, 3]
        for t, deltas in enumerate(([gates[0][:4], gates[1]], [gates[0][4:]])):
            h = o
            for layer, delta in enumerate(deltas):
                h = parts.mlp(f"towers.{t}.layers.{layer}.mlp.", h, 1, output=False)
                h = times(delta, h)
            y = parts.linear(f"towers.{t}.output.", h)[0]
            assert found[t] == pytest.approx(parts.sigmoid(y) if t == 0 else y, abs=1e-5)


def test_gates_give_the_embeddings_they_read_no_gradient(randomized):
    model = randomized(PEPNet([USER], [SCENE], [ITEM], ["regression"], [{"dims": [4]}]))
    read = []
    model.ep_gate.register_forward_pre_hook(lambda _, x: read.append(x[0]))
    model.pp_gates[0].register_forward_pre_hook(lambda _, x: read.append(x[0]))
    model(X)
    for inputs, own in zip(read, ("scene", "item")):
        table = model.embedding.get_parameter("stack_3")
        (g,) = torch.autograd.grad(inputs.sum(), [table], retain_graph=True, allow_unused=True)
        assert g is None, own
