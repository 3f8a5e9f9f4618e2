"""MIND, ComiRec and SINE against their formulas, row by row; what is particular to them."""

import math

import pytest
import torch
from torch.nn import functional as F

from core.models.matching_table import comirec_dr, comirec_sa, inputs, mind, sine
from core.training.batch_losses import loss_of
from torch_rechub.basic.features import SequenceFeature, SparseFeature
from torch_rechub.models.matching import DSSM, MIND, SINE
from torch_rechub.models.matching.mind import dynamic_interest_mask
from torch_rechub.trainers import MatchTrainer

MAKERS = [mind, comirec_dr, comirec_sa]
T = 0.3


def tables(model):
    return {name: view.weight.detach() for name, view in model.embedding.embed_dict.items()}


def interests_of(model, row):
    """The interests of one row without padding, each [v_user; interest] W, of length 1."""
    table = tables(model)
    ids = [i for i in row["history"] if i != 0]
    steps = table["item"][torch.tensor(ids, dtype=torch.long)].unsqueeze(0)
    mask = torch.ones(1, len(ids))
    if hasattr(model, "capsule"):  # whose own tests are a loop of the routing
        found = model.capsule(steps, mask)[0]
    else:
        found = model.multi_interest_sa(steps + model.position_emb.weight[: len(ids)], mask)[0]
    user = [*table["user"][row["user"]].tolist(), row["age"]]
    vectors = [torch.tensor(user + v.tolist()) @ model.convert_user_weight for v in found]
    return [(v / v.norm()).detach() for v in vectors]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("training", [True, False])
def test_scores_are_of_the_positives_interest_in_training_and_of_the_nearest_in_evaluation(
    make, training, randomized, rows
):
    model = randomized(make(temperature=T)).train(training)
    x = inputs(5)
    for row, logits in zip(rows(x), model(x).tolist()):
        u = interests_of(model, row)
        items = tables(model)["item"][torch.tensor([row["item"], *row["negatives"]])]
        cosine = [[float(u_k @ v) / float(v.norm()) for u_k in u] for v in items]
        label = max(range(4), key=lambda k: cosine[0][k])
        expected = [c[label] if training else max(c) for c in cosine]
        assert logits == pytest.approx([c / T for c in expected], abs=1e-4)


@pytest.mark.parametrize("power", [1, 2, 3.5])
def test_label_aware_attention_mixes_interests_by_a_power(power, randomized):
    model = randomized(mind(power=power))
    x = inputs(5)
    user, items = model.user_tower(x).tolist(), model.item_tower(x).tolist()
    found = model.label_aware(model.user_tower(x), model.item_tower(x)).tolist()
    for u, v, mixed in zip(user, items, found):
        s = [math.fsum(a * b for a, b in zip(u_k, v)) for u_k in u]
        e = [math.exp(math.copysign(abs(s_k) ** power, s_k)) for s_k in s]
        expected = [math.fsum(w * u_k[d] for w, u_k in zip(e, u)) / sum(e) for d in range(8)]
        assert mixed == pytest.approx(expected, abs=1e-5)


def test_a_higher_power_comes_nearer_to_the_nearest_interest():
    user = torch.tensor([[[9.0, 0], [0, 7.0]]])
    item = torch.tensor([[1.0, 1.0]])
    far, near, nearest = (mind(power=p).label_aware(user, item) for p in (0.1, 2, math.inf))
    assert far[0, 0] < near[0, 0] <= nearest[0, 0] == 9.0
    with pytest.raises(ValueError, match="power must be above 0, got 0"):
        mind(power=0)


def test_the_number_of_interests_grows_with_the_logarithm_of_the_history():
    for n in range(40):
        expected = max(1, min(4, math.floor(math.log2(n)) if n else 0))
        mask = torch.arange(40) < n
        found = dynamic_interest_mask(mask.flip(0).unsqueeze(0), 4)
        assert found.tolist() == [[k < expected for k in range(4)]]


def test_interests_that_a_history_is_too_short_for_change_no_score(randomized):
    model = randomized(mind(dynamic_interest=True)).eval()
    x = inputs(12)
    active = model.active_interest_mask(x)
    assert active.sum(dim=1).unique().tolist() == [1, 2]
    user = model.user_tower(x)
    for u, keep, alone in zip(user, active, model.user_tower(x, interest_mask=active)):
        assert torch.equal(u, alone)
        torch.testing.assert_close(u[~keep], u[:1].expand(int((~keep).sum()), -1))
    few = randomized(mind(interest_num=1)).eval()
    few.load_state_dict(
        {k: v[:1] if "routing" in k else v for k, v in model.state_dict().items()}, strict=True
    )
    short = active.sum(dim=1) == 1
    torch.testing.assert_close(few(x)[short], model(x)[short])


@pytest.mark.parametrize(("make", "dynamic"), [(mind, True), (mind, False), (comirec_sa, None)])
def test_embeddings_come_with_a_mask_so_that_an_index_holds_each_interest_once(
    make, dynamic, randomized, tmp_path
):
    model = randomized(make() if dynamic is None else make(dynamic_interest=dynamic))
    torch.save(model.state_dict(), tmp_path / "model.pth")
    x = inputs(12)
    n = (x["history"] != 0).sum(dim=1).tolist()
    counts = [max(1, min(4, int(math.log2(k)) if k else 0)) if dynamic else 4 for k in n]
    batches = [{name: c[part] for name, c in x.items()} for part in (slice(7), slice(7, 12))]
    trainer = MatchTrainer(model, mode=2, model_path=tmp_path)
    users, own = trainer.inference_interests(model, batches, tmp_path)
    assert torch.equal(users, trainer.inference_embedding(model, "user", batches, tmp_path))
    assert own.tolist() == [[k < count for k in range(4)] for count in counts]
    assert own.nonzero()[:, 0].bincount().tolist() == counts
    rows = {tuple(row) for u in users for row in u.tolist()}
    assert {tuple(row) for row in users[own].tolist()} == rows  # nothing but copies is left out
    assert model.mode is None


def test_a_model_of_one_embedding_a_user_has_no_interests(tmp_path):
    fields = [SparseFeature("user", 9, 4)], [SparseFeature("item", 9, 4)]
    model = DSSM(*fields, {"dims": [4]}, {"dims": [4]})
    with pytest.raises(ValueError, match="DSSM has one embedding a user, no interests"):
        MatchTrainer(model, model_path=tmp_path).inference_interests(model, [], tmp_path)


def test_user_vectors_are_the_same_every_time(randomized):
    model = randomized(mind()).train()
    x = inputs(4)
    assert torch.equal(model.user_tower(x), model.user_tower(x))


@pytest.mark.parametrize("make", [*MAKERS, sine])
def test_the_mask_is_true_where_the_history_has_an_item(make):
    history = torch.tensor([[3, 0, 4], [0, 0, 0], [0, 5, 6]])
    found = make().gen_mask({"history": history})
    assert found.tolist() == [[True, False, True], [False] * 3, [False, True, True]]


@pytest.mark.parametrize("make", [mind, comirec_dr, comirec_sa])
def test_a_history_may_be_as_long_as_the_model_was_made_for(make):
    model = make(max_length=3).eval()
    x = {**inputs(2), "history": torch.tensor([[0, 3, 0, 4, 5], [0, 0, 0, 0, 1]])}
    assert model.user_tower(x).shape == (2, 4, 8)
    with pytest.raises(ValueError, match="a history has 4 items, more than the 3"):
        model({**x, "history": torch.tensor([[2, 3, 0, 4, 5], [0, 0, 0, 0, 1]])})


def test_comirec_sa_knows_the_order_only_with_positions(randomized):
    x = inputs(4, empty=False)
    x["history"] = torch.randint(1, 20, (4, 6))
    turned = {**x, "history": x["history"].flip(1)}
    for max_length, same in ((None, True), (6, False)):
        model = randomized(comirec_sa(max_length=max_length)).eval()
        found = model.user_tower(x), model.user_tower(turned)
        assert torch.allclose(*found, atol=1e-6) is same


def test_histories_have_the_width_of_items():
    item = [SparseFeature("item", 20, 8)]
    history = [SequenceFeature("history", 20, 4, "concat")]
    negatives = [SequenceFeature("neg", 20, 8, "concat")]
    with pytest.raises(
        ValueError, match=r"width 4, the item's 8: history_features must be as wide"
    ):
        MIND([], history, item, negatives, 5)
    with pytest.raises(ValueError, match="interest_num must be at least 1"):
        mind(interest_num=0)


def attention(layer, x):
    """Of each head and column k, softmax_t(tanh(x W_k1) W_k2); the mean of the heads."""
    hidden = [(x @ w.T).tanh() for w in layer.w_1.weight.chunk(layer.k)]
    heads = layer.w_2.weight.chunk(layer.heads)
    parts = [torch.stack([h @ w for h, w in zip(hidden, head)], dim=1) for head in heads]
    return sum(torch.stack([p.exp() for p in part.T], 1) / part.exp().sum(0) for part in parts) / (
        layer.heads
    )


def norm(layer, x):
    centered = x - x.mean()
    y = centered / (centered.square().mean() + 1e-5).sqrt() * layer.weight
    return y if layer.bias is None else y + layer.bias


@pytest.mark.parametrize("num_heads", [1, 4])
def test_sine(num_heads, randomized, rows):
    model = randomized(sine(num_heads=num_heads, temperature=T)).eval()
    x, c = inputs(5, empty=False), model.concept_embedding.weight.detach()
    model.requires_grad_(False)
    item = tables(model)["item"]
    for row, logits in zip(rows(x), model(x)):
        steps = item[torch.tensor([i for i in row["history"] if i != 0])]
        z = (attention(model.concept_att, steps) * steps).sum(dim=0)
        s = {k: float(c_k @ z) for k, c_k in enumerate(c)}
        top = sorted(s, key=lambda k: -s[k])[:3]
        chosen = [c[k] / (1 + math.exp(-s[k])) for k in top]
        p_tk = attention(model.step_att, steps + model.position_embedding.weight[: len(steps)])
        phi, expected = [torch.zeros(8) for _ in top], []
        for t, x_t in enumerate(steps):
            own = norm(model.step_norm, model.w_3.weight @ x_t)
            e = torch.stack([own @ norm(model.concept_norm, c_k) for c_k in chosen]).exp()
            p_kt = e / e.sum()
            phi = [f + p * p_tk[t, k] * x_t for k, (f, p) in enumerate(zip(phi, p_kt))]
            expected.append(sum(p * c_k for p, c_k in zip(p_kt, chosen)))
        phi = [norm(model.interest_norm, f) for f in phi]
        expected = torch.stack(expected)
        read = (attention(model.next_att, expected) * expected).sum(dim=0)
        e = torch.stack([norm(model.next_norm, read) @ f / T for f in phi])
        e = (e - e.max()).exp()
        u = sum(w * f for w, f in zip(e / e.sum(), phi))
        candidates = item[torch.tensor([row["item"], *row["negatives"]])]
        torch.testing.assert_close(logits, candidates @ u, atol=1e-3, rtol=1e-3)


def test_each_interest_of_sine_has_a_matrix_of_its_own(randomized):
    model, x = randomized(sine()).eval(), inputs(5, empty=False)
    history = x["history"]
    steps, mask = model.embedding.lookup(x, model.history_features)[0], history != 0
    before = model.step_att(steps, mask)
    with torch.no_grad():
        model.step_att.w_1.weight[16:32].zero_()  # of the second of three
    after = model.step_att(steps, mask)
    assert [bool((after[..., k] != before[..., k]).any()) for k in range(3)] == [False, True, False]


@pytest.mark.parametrize("num_heads", [1, 4])
def test_weights_of_sine_with_one_matrix_for_all_predict_what_they_did(num_heads, randomized):
    model, x = randomized(sine(num_heads=num_heads)).eval(), inputs(5, empty=False)
    state = model.state_dict()
    shared = torch.randn(16, 8)  # h × D, as it was saved
    state["step_att.w_1.weight"] = shared
    model.load_state_dict(state)
    assert state["step_att.w_1.weight"] is shared
    assert model.step_att.w_1.weight.equal(torch.cat([shared] * 3))
    steps = model.embedding.lookup(x, model.history_features)[0]
    mask = x["history"] != 0
    for row, events, weights in zip(steps, mask, model.step_att(steps, mask)):
        valid = row[events]
        scores = (valid @ shared.T).tanh() @ model.step_att.w_2.weight.T
        expected = scores.unflatten(1, (num_heads, 3)).softmax(dim=0).mean(dim=1)
        torch.testing.assert_close(weights[: len(valid)], expected)


def test_sine_keeps_concepts_apart(tmp_path):
    model = sine(covariance_weight=3.0)
    c = model.concept_embedding.weight.detach().double()
    c = c - c.mean(dim=1, keepdim=True)
    pairs = [(i, j) for i in range(5) for j in range(5) if i != j]
    expected = 3 * sum(float(c[i] @ c[j] / 8) ** 2 for i, j in pairs) / 2
    assert model.auxiliary_loss({}).item() == pytest.approx(expected, rel=1e-4)
    x, y = inputs(8), torch.zeros(8, dtype=torch.long)
    trainer = MatchTrainer(model, mode=2, model_path=tmp_path, progress=False)
    loss = loss_of(trainer, (x, y)).item()
    assert loss == pytest.approx(F.cross_entropy(model(x), y).item() + expected, rel=1e-4)


def test_sine_refuses_what_it_cannot_read():
    columns = (["history"], ["item"], ["neg"], 20, 8, 16)
    with pytest.raises(ValueError, match="num_intention must be 1 to num_concept=4"):
        SINE(*columns, num_concept=4, num_intention=5, seq_max_len=6)
    with pytest.raises(ValueError, match="item_features must be the name of one column in a list"):
        SINE(["history"], "item", ["neg"], 20, 8, 16, 5, 2, 6)
    with pytest.raises(ValueError, match="temperature must be above 0"):
        sine(temperature=0)
    x = {**inputs(2), "history": torch.ones(2, 7, dtype=torch.long)}
    with pytest.raises(ValueError, match="a history has 7 items, more than the 6"):
        sine()(x)
