"""FinalMLP against its formula, row by row."""

import pytest

from torch_rechub.models.ranking import FinalMLP

NAMES = ["age", "user", "city", "tags", "pair"]


@pytest.mark.parametrize("contexts", [(["user", "age"], ["city"]), ([], ["user"]), ([], [])])
def test_it_is_its_formula(contexts, f, rows, batch, naive, randomized):
    features = [f[name] for name in NAMES]
    selecting = [[f[name] for name in names] for names in contexts]
    networks = ({"dims": [6, 4], "dropout": 0.3}, {"dims": [2], "dropout": 0.3})
    model = randomized(FinalMLP(features, *selecting, *networks, num_heads=2)).eval()
    parts = naive(model.state_dict())
    for row, p in zip(rows, model(batch).tolist()):
        e = parts.flat("embedding.", features, row)
        streams = []
        for k, context in enumerate(selecting):
            if context:
                known = parts.flat("embedding.", context, row)
                hidden = [max(0.0, v) for v in parts.linear(f"gates.{k}.gate.hidden.", known)]
                scores = parts.linear(f"gates.{k}.gate.output.", hidden)
            else:
                scores = parts.state[f"gates.{k}.a"]
            gated = [2 * parts.sigmoid(s) * v for s, v in zip(scores, e, strict=True)]
            layers = len(networks[k]["dims"])
            streams.append(parts.mlp(f"mlps.{k}.mlp.", gated, layers, output=False))
        (y,) = parts.linear("fusion.linear.", streams[0] + streams[1])
        for h in range(2):
            for i in range(2):
                w = model.fusion.w[h, i, 0].item()
                y += streams[0][2 * h + i] * w * streams[1][h]
        assert p == pytest.approx(parts.sigmoid(y), abs=1e-5)


def test_each_stream_starts_with_all_of_the_inputs_where_nothing_selects(f):
    model = FinalMLP([f["user"]], [], [], {"dims": [4]}, {"dims": [4]})
    assert [gate(None).tolist() for gate in model.gates] == [[1.0] * 4] * 2
