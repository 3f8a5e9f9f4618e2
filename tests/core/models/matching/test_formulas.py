"""Each retrieval model against its formula, row by row."""

import math

import pytest
import torch

from torch_rechub.basic.features import SequenceFeature, SparseFeature
from torch_rechub.models.matching import DSSM, FaceBookDSSM, GRU4Rec, SASRec, YoutubeDNN

T = 0.3


@pytest.fixture
def checked(models, randomized, naive, rows, make_inputs):
    """A model, its parts in plain numbers, and (row, what the model returns for it)."""

    def make(name, **kwargs):
        model = randomized(models[name].make(**kwargs)).eval()
        x = make_inputs(5)
        found = model(x)
        found = torch.stack(found, dim=-1) if isinstance(found, tuple) else found
        return model, naive(model), list(zip(rows(x), found.tolist()))

    return make


def user(parts, row):
    return [*parts.row("user", row["user"]), *parts.mean("item", row["history"]), row["age"]]


def test_dssm(checked):
    _, parts, results = checked("DSSM", temperature=T)
    for row, p in results:
        y_u = parts.mlp("user_mlp.mlp.", user(parts, row))
        item = parts.row("item", row["item"]) + parts.row("kind", row["kind"])
        y_i = parts.mlp("item_mlp.mlp.", item)
        assert p == pytest.approx(parts.sigmoid(parts.cosine(y_u, y_i) / T), abs=1e-5)


def weighed(parts, side, fields):
    """The fields, each times its weight a = σ(W_2 ReLU(W_1 z)), z the means, side by side."""
    first, second = (parts.state[f"{side}_senet.mlp.{layer}.weight"] for layer in (0, 2))
    z = [math.fsum(v) / len(v) for v in fields]
    hidden = [max(0.0, parts.dot(w, z)) for w in first]
    a = [parts.sigmoid(parts.dot(w, hidden)) for w in second]
    return [a_f * number for a_f, v in zip(a, fields, strict=True) for number in v]


def test_dssm_with_weighed_fields(checked):
    _, parts, results = checked("dssm_senet.DSSM", temperature=T)
    for row, p in results:
        users = [parts.row("user", row["user"]), parts.mean("item", row["history"])]
        y_u = parts.mlp("user_mlp.mlp.", [*weighed(parts, "user", users), row["age"]])
        items = [parts.row("item", row["item"]), parts.row("kind", row["kind"])]
        y_i = parts.mlp("item_mlp.mlp.", weighed(parts, "item", items))
        assert p == pytest.approx(parts.sigmoid(parts.cosine(y_u, y_i) / T), abs=1e-5)


def test_facebook_dssm(checked):
    # the negative is looked up in the tables of the positive, named by it or not
    _, parts, results = checked("FaceBookDSSM", temperature=T)
    for row, scores in results:
        y_u = parts.mlp("user_mlp.mlp.", user(parts, row))
        for score, prefix in zip(scores, ("", "neg_")):
            item = (
                row["item" if prefix == "" else "neg"],
                row["kind" if prefix == "" else "neg_kind"],
            )
            vector = parts.row("item", item[0]) + parts.row("kind", item[1])
            y_i = parts.mlp("item_mlp.mlp.", vector)
            assert score == pytest.approx(parts.cosine(y_u, y_i) / T, abs=1e-5)


def test_facebook_dssm_embeds_an_item_the_same_as_a_positive_and_as_a_negative():
    # also while training: statistics of each side's own would give away which side an item is on
    users, item, neg = ([SparseFeature(n, 9, 8)] for n in ("user", "item", "neg"))
    params = {"dims": [16, 8], "activation": "prelu"}
    model = FaceBookDSSM(users, item, neg, params, params).train()
    x = {"user": [1, 1, 1, 1], "item": [2, 3, 3, 4], "neg": [4, 5, 2, 6]}
    pos, neg_scores = model({name: torch.tensor(ids) for name, ids in x.items()})
    assert pos[0].item() == pytest.approx(neg_scores[2].item(), abs=1e-6)
    assert pos[3].item() == pytest.approx(neg_scores[0].item(), abs=1e-6)


def test_youtube_dnn(checked):
    _, parts, results = checked("YoutubeDNN", temperature=T)
    for row, logits in results:
        u = parts.mlp("user_mlp.mlp.", user(parts, row))
        candidates = [row["item"], *row["negatives"]]
        expected = [parts.cosine(u, parts.row("item", c)) / T for c in candidates]
        assert logits == pytest.approx(expected, abs=1e-4)


def gru(parts, layer, steps):
    """The states of one layer: r, z = σ(W x + U h), n = tanh(W x + r ⊙ U h), without biases."""
    h, states = [0.0] * len(steps[0]) if steps else [], []
    for x in steps:
        of_x = [parts.dot(w, x) for w in parts.state[f"gru.weight_ih_l{layer}"]]
        of_h = [parts.dot(w, h) for w in parts.state[f"gru.weight_hh_l{layer}"]]
        n = len(h)
        r = [parts.sigmoid(a + b) for a, b in zip(of_x[:n], of_h[:n])]
        z = [parts.sigmoid(a + b) for a, b in zip(of_x[n : 2 * n], of_h[n : 2 * n])]
        new = [math.tanh(a + g * b) for a, g, b in zip(of_x[2 * n :], r, of_h[2 * n :])]
        h = [(1 - g) * a + g * b for g, a, b in zip(z, new, h)]
        states.append(h)
    return states


@pytest.mark.parametrize("num_layers", [1, 3])
def test_gru4rec(checked, num_layers):
    _, parts, results = checked("GRU4Rec", num_layers=num_layers, temperature=T)
    for row, logits in results:
        states = [parts.row("item", i) for i in row["history"] if i != 0]
        for layer in range(num_layers):
            states = gru(parts, layer, states)
        h = states[-1] if states else [0.0] * 8
        u = parts.mlp("user_mlp.mlp.", [*parts.row("user", row["user"]), row["age"], *h])
        candidates = [row["item"], *row["negatives"]]
        expected = [parts.cosine(u, parts.row("item", c)) / T for c in candidates]
        assert logits == pytest.approx(expected, abs=1e-4)


def attention(parts, prefix, steps, heads):
    """Causal attention over the steps, which are all valid."""
    q, k, v = ([parts.linear(f"{prefix}w_{n}.", x) for x in steps] for n in "qkv")
    d, out = len(steps[0]) // heads, []
    for i in range(len(steps)):
        joined = []
        for h in range(heads):
            part = range(h * d, (h + 1) * d)
            e = [
                math.exp(math.fsum(q[i][c] * k[j][c] for c in part) / math.sqrt(d))
                for j in range(i + 1)
            ]
            weights = [value / math.fsum(e) for value in e]
            joined += [math.fsum(w * v[j][c] for j, w in enumerate(weights)) for c in part]
        out.append(parts.linear(f"{prefix}w_o.", joined))
    return out


@pytest.mark.parametrize("num_heads", [1, 4])
@pytest.mark.parametrize("num_blocks", [0, 2])
def test_sasrec(checked, num_heads, num_blocks):
    _, parts, results = checked("SASRec", num_heads=num_heads, num_blocks=num_blocks)
    items = parts.state["item_emb.embed_dict.history.weight"]

    def add(a, b):
        return [p + q for p, q in zip(a, b, strict=True)]

    for row, scores in results:
        valid = [t for t, i in enumerate(row["history"]) if i != 0]
        x = [
            add([math.sqrt(8) * v for v in items[row["history"][t]]], position)
            for t, position in zip(valid, parts.state["position_emb.weight"])
        ]
        for block in range(num_blocks if x else 0):
            prefix = f"blocks.{block}."
            normed = [parts.layer_norm(f"{prefix}attention_norm.", s) for s in x]
            read = attention(parts, f"{prefix}attention.", normed, num_heads)
            x = [add(s, a) for s, a in zip(x, read)]
            for t, s in enumerate(x):
                hidden = parts.linear(
                    f"{prefix}forward_layer.w_1.", parts.layer_norm(f"{prefix}forward_norm.", s)
                )
                hidden = [max(0.0, v) for v in hidden]
                x[t] = add(s, parts.linear(f"{prefix}forward_layer.w_2.", hidden))
        h = dict(zip(valid, [parts.layer_norm("last_layernorm.", s) for s in x]))
        for t, (pos, neg) in enumerate(scores):
            for score, name in ((pos, "next"), (neg, "other")):
                expected = parts.dot(h[t], items[row[name][t]]) if t in h else 0.0
                assert score == pytest.approx(expected, abs=1e-3)


# Particular models


def test_sasrec_does_not_see_what_comes_after(models, randomized, make_inputs):
    model = randomized(models["SASRec"].make()).eval()
    x = make_inputs(4, empty=False)
    x["history"] = torch.randint(1, 20, (4, 6))
    before = model(x)
    for t in range(5):
        changed = {**x, "history": x["history"].clone()}
        changed["history"][:, t + 1 :] = torch.randint(0, 20, (4, 5 - t))
        for found, expected in zip(model(changed), before):
            torch.testing.assert_close(found[:, : t + 1], expected[:, : t + 1])
    assert not torch.allclose(model(changed)[0][:, 5], before[0][:, 5])


def test_sasrec_reads_the_columns_that_its_features_name_on_any_device(models):
    model = (
        models["SASRec"].make().to("meta")
    )  # a tensor made on the CPU would meet one that is not
    x = {k: torch.ones(2, 6, dtype=torch.long, device="meta") for k in ("history", "next", "other")}
    with torch.no_grad():
        h = model.seq_forward(x, torch.ones(2, 6, 8, device="meta"))
    assert h.device.type == "meta"


def test_sasrec_takes_an_item_feature_of_its_own_name():
    names = ("seq", "pos", "neg")
    sequences = [SequenceFeature(n, 20, 8, "concat") for n in names]  # none names the table it uses
    model = SASRec(sequences, max_len=4, item_feature=SparseFeature("movie", 20, 8))
    assert next(iter(model.state_dict())) == "item_emb.embed_dict.seq.weight"
    assert sum("embed_dict" in key for key in model.state_dict()) == 1
    model.mode = "item"
    items = model({"movie": torch.arange(20)})
    assert torch.equal(items, model.item_emb.embed_dict["seq"].weight)
    assert model.item_groups({"movie": torch.tensor([4, 5, 4])}).tolist() == [0, 1, 0]


def test_sasrec_pairs_that_are_padding_do_not_count(models):
    x = {
        "history": torch.tensor([[0, 3, 4], [5, 6, 0]]),
        "next": torch.tensor([[3, 4, 7], [6, 0, 0]]),
    }
    valid = models["SASRec"].make().valid_pairs(x)
    assert valid.tolist() == [[False, True, True], [True, False, False]]


def test_sasrec_takes_histories_of_max_len_items_however_padded(models):
    model = models["SASRec"].make(max_len=3).eval()
    x = {k: torch.tensor([[0, 0, 3, 4, 5]]) for k in ("history", "next", "other")}
    model(x)
    x["history"] = torch.tensor([[0, 2, 3, 4, 5]])
    with pytest.raises(ValueError, match="a history has 4 items, more than the 3"):
        model(x)


def test_sasrec_refuses_other_features_and_old_checkpoints(models):
    pooled = [SequenceFeature(n, 20, 8) for n in ("seq", "pos", "neg")]
    with pytest.raises(ValueError, match=r"features must hold .*concat.* got .*'seq'"):
        SASRec(pooled)
    with pytest.raises(ValueError, match="seq, pos and neg, got 1"):
        SASRec(pooled[:1])
    with pytest.raises(ValueError, match="8 must be a multiple of num_heads=3"):
        models["SASRec"].make(num_heads=3)
    with pytest.raises(RuntimeError, match=r"torch-rechub 0\.x.*trained anew"):
        models["SASRec"].make().load_state_dict({"attention_layernorms.0.weight": torch.ones(8)})


@pytest.mark.parametrize("output_layer", [True, False])
def test_an_output_layer_among_the_parameters_changes_nothing(output_layer):
    users, item = [SparseFeature("u", 9, 8)], [SparseFeature("i", 9, 8)]
    history = [SequenceFeature("h", 9, 8, "concat", "i")]
    negatives = [SequenceFeature("n", 9, 8, "concat", "i")]
    params = {"dims": [8], "output_layer": output_layer}
    models = [
        DSSM(users, item, params, params),
        FaceBookDSSM(users, item, [SparseFeature("j", 9, 8)], params, params),
        YoutubeDNN(users, item, negatives, params),
        GRU4Rec(users, history, item, negatives, {**params, "num_layers": 2}),
    ]
    for model in models:
        assert len(model.user_mlp.mlp) == 4
    assert params == {"dims": [8], "output_layer": output_layer}


def test_what_does_not_fit_is_refused():
    users, item = [SparseFeature("u", 9, 8)], [SparseFeature("i", 9, 8)]
    history = [SequenceFeature("h", 9, 8, "concat", "i")]
    negatives = [SequenceFeature("n", 9, 8, "concat", "i")]
    with pytest.raises(ValueError, match="width 4, the item's 8: end user_params"):
        DSSM(users, item, {"dims": [4]}, {"dims": [8]})
    with pytest.raises(ValueError, match="width 4, the item's 8"):
        FaceBookDSSM(users, item, item, {"dims": [4]}, {"dims": [8]})
    with pytest.raises(ValueError, match=r"\['i', 'i'\] must hold one feature for each of \['i'\]"):
        FaceBookDSSM(users, item, item * 2, {"dims": [8]}, {"dims": [8]})
    for make in (
        lambda negatives, dims: YoutubeDNN(users, item, negatives, {"dims": dims}),
        lambda negatives, dims: GRU4Rec(users, history, item, negatives, {"dims": dims}),
    ):
        with pytest.raises(ValueError, match="width 4, the item's 8"):
            make(negatives, [4])
        with pytest.raises(ValueError, match=r"neg_item_feature must hold .*concat"):
            make([SequenceFeature("n", 9, 8, shared_with="i")], [8])
    with pytest.raises(ValueError, match="history_features is empty"):
        GRU4Rec(users, [], item, negatives, {"dims": [8]})


def test_several_features_of_an_item_lie_side_by_side():
    item = [SparseFeature("i", 9, 4), SparseFeature("kind", 5, 2)]
    negatives = [SequenceFeature(n, v, d, "concat") for n, v, d in (("n", 9, 4), ("k", 5, 2))]
    model = YoutubeDNN([SparseFeature("u", 3, 4)], item, negatives, {"dims": [6]}).eval()
    x = {"u": torch.tensor([1]), "i": torch.tensor([3]), "kind": torch.tensor([2])}
    logits = model({**x, "n": torch.tensor([[3, 4]]), "k": torch.tensor([[2, 2]])})
    assert logits[0, 0] == logits[0, 1] != logits[0, 2]


@pytest.mark.parametrize("keys", ["embed_dict", "mlp"])
def test_checkpoints_keep_the_names_they_had(models, keys):
    # those of DSSM, FaceBookDSSM, YoutubeDNN and GRU4Rec load as they were saved
    names = set(models["GRU4Rec"].make().state_dict()) | set(models["DSSM"].make().state_dict())
    assert {
        "embed_dict": {"embedding.embed_dict.item.weight", "embedding.embed_dict.user.weight"},
        "mlp": {"user_mlp.mlp.0.weight", "item_mlp.mlp.5.running_mean", "gru.weight_hh_l1"},
    }[keys] <= names
    assert not any("gru.bias" in name for name in names)
