"""DeepFFM and FAT-DeepFFM against their formula, row by row."""

import pytest
import torch

from torch_rechub.basic.features import DenseFeature, SparseFeature
from torch_rechub.models.ranking import DeepFFM, FatDeepFFM

SIZES = {"user": 9, "item": 7, "city": 5}
LINEAR = [SparseFeature(name, v, 1) for name, v in SIZES.items()]
CROSS = [SparseFeature(name, 3 * v, 4) for name, v in SIZES.items()]
MAKE = {
    "DeepFFM": lambda linear: DeepFFM(linear, CROSS, 4, {"dims": [6]}),
    "FatDeepFFM": lambda linear: FatDeepFFM(linear, CROSS, 4, 2, {"dims": [6]}),
    "FatDeepFFM, after": lambda linear: FatDeepFFM(
        linear, CROSS, 4, 2, {"dims": [6]}, attention="after"
    ),
}


def weighed(parts, vectors, network):
    """The vectors times their weights, for which `network` says how they come from d."""
    u = parts.state["cen.u"]
    d = [max(0.0, parts.dot(a, b)) for a, b in zip(u, vectors, strict=True)]
    return [[s * value for value in e] for s, e in zip(network(d), vectors, strict=True)]


def products(v):
    return [[a * b for a, b in zip(v[i][j], v[j][i])] for i, j in ((0, 1), (0, 2), (1, 2))]


def before(parts, v):
    def network(d):
        hidden = [max(0.0, value) for value in parts.linear("cen.mlp_att.0.", d)]
        return [max(0.0, value) for value in parts.linear("cen.mlp_att.2.", hidden)]

    all_of_them = weighed(parts, [v[i][j] for i in range(3) for j in range(3)], network)
    return products([all_of_them[3 * i : 3 * i + 3] for i in range(3)])


def after(parts, v):
    return weighed(parts, products(v), lambda d: parts.mlp("cen.mlp_att.mlp.", d, 2, output=False))


PAIRS = {"DeepFFM": lambda parts, v: products(v), "FatDeepFFM": before, "FatDeepFFM, after": after}


def check(name, model, state, linear, tables, rows, batch, naive):
    """`tables` are (V·F, D), where the embedding that id i has for field j is row i·F + j."""
    parts = naive(state)
    for row, p in zip(rows, model.eval()(batch).tolist()):
        v = [[tables[n][row[n] * 3 + j].tolist() for j in range(3)] for n in SIZES]
        pairs = [value for pair in PAIRS[name](parts, v) for value in pair]
        (deep,) = parts.mlp("mlp_out.mlp.", pairs, 1)
        logit = deep + parts.first_order("linear.", linear, row)
        assert p == pytest.approx(parts.sigmoid(logit), abs=1e-5)


@pytest.mark.parametrize("name", MAKE)
def test_it_is_its_formula(name, rows, batch, naive, randomized):
    linear = [*LINEAR, DenseFeature("age")]
    model = randomized(MAKE[name](linear))
    state = model.state_dict()
    tables = {n: state[f"ffm_embedding.embed_dict.{n}.weight"].reshape(-1, 4) for n in SIZES}
    check(name, model, state, linear, tables, rows, batch, naive)


def of_0_9(model):
    """A checkpoint as torch-rechub 0.9 names it, of a model that computes what its did."""
    old = {k: v for k, v in model.state_dict().items() if not k.startswith("linear.")}
    tables = {n: torch.randn(3 * v, 4) for n, v in SIZES.items()}
    old |= {f"ffm_embedding.embed_dict.{n}.weight": table for n, table in tables.items()}
    old |= {f"linear_embedding.embed_dict.{n}.weight": torch.randn(v, 1) for n, v in SIZES.items()}
    return old | {"b": torch.randn(1), "fields_offset": torch.arange(3)}, tables


@pytest.mark.parametrize("name", ["DeepFFM", "FatDeepFFM, after"])
def test_a_checkpoint_of_0_9_loads(name, rows, batch, naive, randomized):
    old, tables = of_0_9(randomized(MAKE[name](LINEAR)))
    fresh = MAKE[name](LINEAR)
    fresh.load_state_dict(old)
    renamed = {k.replace("linear_embedding.", "linear.embedding."): v for k, v in old.items()}
    renamed["linear.bias"] = renamed.pop("b")
    check(name, fresh, renamed, LINEAR, tables, rows, batch, naive)
    assert set(old) >= {"b", "fields_offset"}, "what was loaded is left as it was"


def test_a_checkpoint_of_0_9_says_where_its_attention_was(randomized):
    old, _ = of_0_9(randomized(MAKE["FatDeepFFM, after"](LINEAR)))
    with pytest.raises(RuntimeError, match=r"cen\.mlp_att: .* 0\.9.* attention='after'"):
        MAKE["FatDeepFFM"](LINEAR).load_state_dict(old)
    with pytest.raises(ValueError, match=r"'before' or 'after', got 'between'"):
        FatDeepFFM(LINEAR, CROSS, 4, 2, {"dims": [6]}, attention="between")


def test_ids_are_checked_against_the_number_of_ids(batch):
    model = MAKE["DeepFFM"](LINEAR)
    with pytest.raises(IndexError, match=r"'item': id 7 .* vocab_size=7"):
        model({**batch, "item": torch.tensor([1, 2, 3, 7])})


def test_fields_that_form_no_pairs_are_refused():
    with pytest.raises(ValueError, match=r"at least two fields of embed_dim=4, got 1 of 4"):
        DeepFFM(LINEAR, CROSS[:1], 4, {"dims": [6]})
    with pytest.raises(ValueError, match=r"at least two fields of embed_dim=8, got 3 of 4"):
        DeepFFM(LINEAR, CROSS, 8, {"dims": [6]})
    odd = [*CROSS[:2], SparseFeature("city", 16, 4)]
    with pytest.raises(ValueError, match=r"'city': vocab_size=16 is no multiple of .* 3"):
        DeepFFM(LINEAR, odd, 4, {"dims": [6]})
