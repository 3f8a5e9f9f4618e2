"""LR and the models of products of fields against their formulas, row by row."""

import pytest

from torch_rechub.models import ranking

MIXED = ["age", "user", "tags", "item", "pair"]
PARAMS = {"dims": [6, 3], "dropout": 0.3}


@pytest.fixture
def features(f):
    return [f[name] for name in MIXED]


def vectors(parts, features, row):
    """The embedding of each field."""
    fields = [feature for feature in features if hasattr(feature, "vocab_size")]
    return [parts.embedding("embedding.", feature, row[feature.name]) for feature in fields]


def dense(features, row):
    """The dense values, side by side."""
    values = [row[feature.name] for feature in features if not hasattr(feature, "vocab_size")]
    return [v for value in values for v in (value if isinstance(value, list) else [value])]


def pairs(v):
    return [(v[i], v[j]) for i in range(len(v)) for j in range(i + 1, len(v))]


def lr(parts, v, first, features, row):
    return first


def fm(parts, v, first, features, row):
    return first + sum(parts.dot(a, b) for a, b in pairs(v))


def fwfm(parts, v, first, features, row):
    weights = parts.state["r"]
    return first + sum(r * parts.dot(a, b) for r, (a, b) in zip(weights, pairs(v), strict=True))


def nfm(parts, v, first, features, row):
    pooled = [sum(a[d] * b[d] for a, b in pairs(v)) for d in range(4)]
    pooled = parts.batch_norm("norm.", pooled)
    return first + parts.mlp("mlp.mlp.", pooled + dense(features, row), 2)[0]


def pnn(*products):
    def score(parts, v, first, features, row):
        x = [entry for vector in v for entry in vector]
        if "inner" in products:
            x += [parts.dot(a, b) for a, b in pairs(v)]
        if "outer" in products:
            x += [sum(a[i] * b[j] for a in v for b in v) for i in range(4) for j in range(4)]
        return parts.mlp("mlp.mlp.", x + dense(features, row), 2)[0]

    return score


def dlrm(parts, v, first, features, row):
    v_0 = parts.mlp("bottom.mlp.", dense(features, row), 2, output=False)
    products = [parts.dot(a, b) for a, b in pairs([v_0, *v])]
    return parts.mlp("top.mlp.", v_0 + products, 2)[0]


CASES = {
    "LR": (lambda f: ranking.LR(f), lr),
    "FM": (lambda f: ranking.FM(f), fm),
    "FwFM": (lambda f: ranking.FwFM(f), fwfm),
    "NFM": (lambda f: ranking.NFM(f, PARAMS, dropout=0.4), nfm),
    "PNN": (lambda f: ranking.PNN(f, PARAMS), pnn("inner")),
    "PNN, outer": (lambda f: ranking.PNN(f, PARAMS, "outer"), pnn("outer")),
    "PNN, both": (lambda f: ranking.PNN(f, PARAMS, "both"), pnn("inner", "outer")),
    "DLRM": (lambda f: ranking.DLRM(f, {"dims": [5]}, PARAMS), dlrm),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_its_formula(name, features, rows, batch, naive, randomized):
    make, score = CASES[name]
    model = randomized(make(features)).eval()
    parts = naive(model.state_dict())
    for row, p in zip(rows, model(batch).tolist()):
        v = [] if name == "LR" else vectors(parts, features, row)
        has_first = hasattr(model, "linear")
        first = parts.first_order("linear.", features, row) if has_first else None
        expected = parts.sigmoid(score(parts, v, first, features, row))
        assert p == pytest.approx(expected, abs=1e-5)


def test_xdeepfm_adds_its_three_parts(features, batch, randomized):
    model = randomized(ranking.XDeepFM(features, PARAMS, [4, 3])).eval()
    ids = [feature for feature in features if hasattr(feature, "vocab_size")]
    cin = model.cin(model.embedding.fields(batch, ids))
    deep = model.mlp(model.embedding(batch, features, squeeze_dim=True))
    expected = (model.linear(batch) + cin + deep).squeeze(1)
    assert model.logits(batch).tolist() == pytest.approx(expected.tolist(), abs=1e-6)


def test_fwfm_starts_as_a_factorization_machine(features, batch):
    model, machine = ranking.FwFM(features), ranking.FM(features)
    state = model.state_dict()
    assert state.pop("r").tolist() == [1.0, 1.0, 1.0]
    machine.load_state_dict(state)
    assert model(batch).tolist() == pytest.approx(machine(batch).tolist(), abs=1e-6)


@pytest.mark.parametrize("structure", ["parallel", "stacked"])
def test_gdcn_joins_cross_and_deep_network(structure, f, rows, batch, naive, randomized):
    features = [f[name] for name in ("age", "user", "city", "tags")]
    model = randomized(ranking.GDCN(features, 2, PARAMS, structure)).eval()
    parts = naive(model.state_dict())
    for row, p in zip(rows, model(batch).tolist()):
        c_0 = parts.flat("embedding.", features, row)
        crossed = model.cross(batch["age"].new_tensor([c_0]))[0].tolist()
        if structure == "parallel":
            out = crossed + parts.mlp("mlp.mlp.", c_0, 2, output=False)
        else:
            out = parts.mlp("mlp.mlp.", crossed, 2, output=False)
        assert p == pytest.approx(parts.sigmoid(parts.linear("linear.fc.", out)[0]), abs=1e-5)


def test_what_makes_no_model_is_refused(f):
    user, city, age = f["user"], f["city"], f["age"]
    for make in (ranking.FwFM, lambda x: ranking.PNN(x, PARAMS)):
        with pytest.raises(ValueError, match="at least two fields, got 1"):
            make([user, age])
    for make in (ranking.FM, lambda x: ranking.NFM(x, PARAMS), lambda x: ranking.PNN(x, PARAMS)):
        with pytest.raises(ValueError, match=r"one embed_dim, got {'user': 4, 'city': 3}"):
            make([user, city])
    with pytest.raises(ValueError, match="no DenseFeature"):
        ranking.DLRM([user, f["item"]], PARAMS, PARAMS)
    with pytest.raises(ValueError, match="'inner', 'outer' or 'both', got 'cross'"):
        ranking.PNN([user, f["item"]], PARAMS, "cross")
    with pytest.raises(ValueError, match="'parallel' or 'stacked', got 'series'"):
        ranking.GDCN([user], 2, PARAMS, "series")
