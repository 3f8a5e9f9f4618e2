"""NARM and STAMP against their formulas, row by row; what is particular to them."""

import math

import pytest
import torch
from torch.nn import functional as F

from core.models.matching_table import narm, stamp
from torch_rechub.basic.features import SequenceFeature, SparseFeature
from torch_rechub.basic.initializers import Pretrained
from torch_rechub.models.matching import NARM, STAMP

SESSIONS = torch.tensor([[1, 2, 3, 4], [0, 0, 5, 6], [7, 0, 0, 0], [3, 0, 3, 0]])


def dot(a, b):
    return math.fsum(p * q for p, q in zip(a, b, strict=True))


def times(matrix, x):
    return [dot(row, x) for row in matrix]


def transposed(matrix):
    return [list(column) for column in zip(*matrix)]


def add(*vectors):
    return [math.fsum(values) for values in zip(*vectors)]


def sigmoid(x):
    return [1 / (1 + math.exp(-v)) for v in x]


def states_of(state, steps):
    """torch's GRU: r, z = σ(…), n = tanh(W x + b + r ⊙ (U h + b')), h' = (1 − z) n + z h."""
    h, states = [0.0] * 6, []
    for x in steps:
        of_x = add(times(state["gru.weight_ih_l0"], x), state["gru.bias_ih_l0"])
        of_h = add(times(state["gru.weight_hh_l0"], h), state["gru.bias_hh_l0"])
        r, z = sigmoid(add(of_x[:6], of_h[:6])), sigmoid(add(of_x[6:12], of_h[6:12]))
        n = [math.tanh(a + g * b) for a, g, b in zip(of_x[12:], r, of_h[12:])]
        h = [(1 - g) * a + g * b for g, a, b in zip(z, n, h)]
        states.append(h)
    return states


def narm_session(state, steps):
    h = states_of(state, steps)
    of_last = times(transposed(state["a_1"]), h[-1])
    alpha = [
        dot(sigmoid(add(of_last, times(transposed(state["a_2"]), h_j))), transposed(state["v"])[0])
        for h_j in h
    ]
    local = [math.fsum(a * h_j[d] for a, h_j in zip(alpha, h)) for d in range(6)]
    return times(state["b"], h[-1] + local)


def stamp_session(state, steps):
    m_s = [math.fsum(column) / len(steps) for column in zip(*steps)]
    x_t, d = steps[-1], range(len(m_s))
    parts = [transposed(state[f"w_{n}_t"]) for n in (1, 2, 3)]
    alpha = [
        dot(
            sigmoid(add(*(times(w, v) for w, v in zip(parts, (x, x_t, m_s))), state["b_a"])),
            transposed(state["w_0"])[0],
        )
        for x in steps
    ]
    m_a = [math.fsum(a * x[i] for a, x in zip(alpha, steps)) for i in d]
    h_s, h_t = (
        [math.tanh(v) for v in add(times(state[f"{n}.0.weight"], x), state[f"{n}.0.bias"])]
        for n, x in (("f_s", m_a), ("f_t", x_t))
    )
    return [a * b for a, b in zip(h_s, h_t)]


@pytest.mark.parametrize(("make", "session"), [(narm, narm_session), (stamp, stamp_session)])
def test_the_scores_of_all_items_are_the_formula(make, session, randomized):
    model = randomized(make(item=False)).eval()
    state = {name: value.double().tolist() for name, value in model.state_dict().items()}
    table = state["item_emb.embed_dict.history.weight"]
    for ids, found in zip(SESSIONS.tolist(), model({"history": SESSIONS}).tolist()):
        u = session(state, [table[i] for i in ids if i != 0])
        assert found[1:] == pytest.approx([dot(u, e) for e in table[1:]], abs=1e-4)
        assert found[0] == -1e9  # padding is no item


@pytest.mark.parametrize("make", [narm, stamp])
@pytest.mark.parametrize(("left", "right"), [(0, 3), (3, 0)])
def test_the_scores_of_all_items_do_not_depend_on_padding(make, left, right, randomized):
    model = randomized(make(item=False)).eval()
    padded = F.pad(SESSIONS, (left, right))
    torch.testing.assert_close(model({"history": padded}), model({"history": SESSIONS}))
    shorter = {"history": SESSIONS[2:3, :1]}  # the width of the batch does not count either
    torch.testing.assert_close(model(shorter), model({"history": SESSIONS})[2:3])


@pytest.mark.parametrize("make", [narm, stamp])
def test_an_item_feature_scores_one_item_a_row_with_the_same_weights(make, randomized):
    every, one = randomized(make(item=False)).eval(), make().eval()
    one.load_state_dict(every.state_dict())
    items = torch.tensor([5, 6, 7, 8])
    found = one({"history": SESSIONS, "item": items})
    torch.testing.assert_close(found, every({"history": SESSIONS})[torch.arange(4), items])
    every.mode = "item"
    with pytest.raises(ValueError, match="made without item_feature"):
        every({"history": SESSIONS, "item": items})


def test_the_table_may_be_the_items(randomized):
    history = SequenceFeature("history", 20, 8, "concat", shared_with="item")
    model = randomized(NARM(history, 6, 0.0, 0.0, item_feature=SparseFeature("item", 20, 8)))
    names = [name for name in model.state_dict() if "embed_dict" in name]
    assert names == ["item_emb.embed_dict.item.weight"]
    with pytest.raises(ValueError, match="item_feature must be a SparseFeature, got"):
        NARM(history, 6, 0.0, 0.0, item_feature=history)


def test_narm_drops_items_and_session_vectors_while_training():
    x = {"history": SESSIONS}
    for dropouts in ((0.5, 0.0), (0.0, 0.5)):
        history = SequenceFeature("history", 20, 8, "concat")
        model = NARM(history, 6, *dropouts)
        with torch.no_grad():
            model.item_emb.embed_dict["history"].weight.normal_()
        assert not torch.equal(model.train()(x), model(x))
        assert torch.equal(model.eval()(x), model(x))


def test_stamp_starts_with_the_standard_deviations_it_is_given():
    history = SequenceFeature("history", 2000, 64, "concat", padding_idx=0)
    model = STAMP(history, weight_std=0.2, emb_std=0.01)
    table = model.item_emb.embed_dict["history"].weight
    assert table[1:].std().item() == pytest.approx(0.01, rel=0.05)
    assert (table[0] == 0).all()  # padding has no vector
    for w in (model.w_1_t, model.w_2_t, model.w_3_t, model.f_s[0].weight, model.f_t[0].weight):
        assert w.std().item() == pytest.approx(0.2, rel=0.1)
    assert (model.b_a == 0).all()
    given = torch.randn(20, 4)
    frozen = SequenceFeature("history", 20, 4, "concat", initializer=Pretrained(given))
    model = STAMP(frozen, 0.2, 0.01)
    assert torch.equal(model.item_emb.embed_dict["history"].weight, given)
