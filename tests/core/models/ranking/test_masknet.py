"""MaskNet against its formula, row by row."""

import pytest

from torch_rechub.models.ranking import MaskNet

NAMES = ["age", "user", "city", "tags", "pair"]
PARAMS = {"dims": [5], "dropout": 0.3}


def layer_norm(x, weight, bias):
    mean = sum(x) / len(x)
    variance = sum((v - mean) ** 2 for v in x) / len(x)
    scale = (variance + 1e-5) ** 0.5
    return [(v - mean) / scale * w + b for v, w, b in zip(x, weight, bias, strict=True)]


def block(parts, k, h, e):
    hidden = [max(0.0, v) for v in parts.linear(f"blocks.{k}.mask.0.", e)]
    mask = parts.linear(f"blocks.{k}.mask.2.", hidden)
    masked = [m * v for m, v in zip(mask, h, strict=True)]
    rows = parts.state[f"blocks.{k}.fc.weight"]
    out = [parts.dot(row, masked) for row in rows]
    state = parts.state
    normed = layer_norm(out, state[f"blocks.{k}.norm.weight"], state[f"blocks.{k}.norm.bias"])
    return [max(0.0, v) for v in normed]


@pytest.mark.parametrize("structure", ["serial", "parallel"])
def test_it_is_its_formula(structure, f, rows, batch, naive, randomized):
    features = [f[name] for name in NAMES]
    model = randomized(MaskNet(features, [6, 4], structure, PARAMS, ratio=1.5)).eval()
    parts = naive(model.state_dict())
    fields = [feature for feature in features if hasattr(feature, "vocab_size")]
    for row, p in zip(rows, model(batch).tolist()):
        e, n = [], []
        for k, feature in enumerate(fields):
            v = parts.embedding("embedding.", feature, row[feature.name])
            e += v
            norm = (parts.state[f"norms.{k}.{name}"] for name in ("weight", "bias"))
            n += layer_norm(v, *norm)
        dense = [row["age"], *row["pair"]]
        e, n = e + dense, n + dense
        if structure == "serial":
            h = block(parts, 1, block(parts, 0, n, e), e)
        else:
            h = block(parts, 0, n, e) + block(parts, 1, n, e)
        (y,) = parts.mlp("mlp.mlp.", h, 1)
        assert p == pytest.approx(parts.sigmoid(y), abs=1e-5)


def test_what_makes_no_model_is_refused(f):
    with pytest.raises(ValueError, match="'serial' or 'parallel', got 'stacked'"):
        MaskNet([f["user"]], [4], "stacked")
    with pytest.raises(ValueError, match=r"block_dims=\[\] and 1 such"):
        MaskNet([f["user"]], [])
    with pytest.raises(ValueError, match="and 0 such features"):
        MaskNet([f["age"]], [4])
    with pytest.raises(ValueError, match=r"ratio=0\.1 leaves no hidden unit next to 4 inputs"):
        MaskNet([f["user"]], [4], ratio=0.1)
