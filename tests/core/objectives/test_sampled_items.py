"""Losses of next items by drawn negatives, against loops over the draws."""

import math

import pytest
import torch

from torch_rechub.objectives.next_item import described_params, item_loss

V, N = 12, 9
CPU = torch.device("cpu")


def make(name, **params):
    return item_loss(name, {"seed": 0, **params}, V)


@pytest.fixture
def terms():
    """H, W and b of logits W h + b, and the right items."""
    h, w, b = torch.randn(N, 4), torch.randn(V, 4), torch.randn(V)
    items = torch.randint(1, V, (N,))
    return h, w, b, items


def naive(name, z, item, drawn, params):
    """The loss of one prediction by its logits z, from the formula."""
    p = z[item]
    negatives = [z[j] for j in drawn if j != item]
    sigmoid = [1 / (1 + math.exp(-q)) for q in negatives]
    if name == "sampled_softmax":
        shift = 0.0
        sums = math.exp(p)
        for j in drawn:
            frequency = params.get("frequency")
            share = 1 / (V - 1) if frequency is None else frequency[j] / sum(frequency[1:])
            shift = math.log(len(drawn) * share) if params.get("log_q", True) else 0.0
            sums += math.exp(z[j] - shift) if j != item else 0.0
        return math.log(sums) - p
    if name == "bpr_max":
        if not negatives:
            return 0.0
        total = sum(math.exp(q) for q in negatives)
        pairs = [(math.exp(q) / total, q) for q in negatives]
        beaten = sum(s / (1 + math.exp(q - p)) for s, q in pairs)
        return -math.log(beaten) + params.get("regularization", 1) * sum(s * q**2 for s, q in pairs)
    beta = 1.0
    if name == "gbce":
        alpha, t = len(drawn) / (V - 2), params.get("t", 0.75)  # V − 1 items without padding
        beta = alpha * (t * (1 - 1 / alpha) + 1 / alpha)
    terms = [math.log(1 - s) for s in sigmoid]
    return -(beta * math.log(1 / (1 + math.exp(-p))) + sum(terms)) / (1 + len(negatives))


LOSSES = [
    ("sampled_softmax", {"n_negatives": 6}),
    ("sampled_softmax", {"n_negatives": 6, "log_q": False}),
    ("sampled_softmax", {"n_negatives": 6, "frequency": [5, *range(1, V)]}),
    ("bpr_max", {"n_negatives": 6}),
    ("bpr_max", {"n_negatives": 6, "regularization": 0.2, "frequency": [5, *range(1, V)]}),
    ("gbce", {"n_negatives": 6}),
    ("gbce", {"n_negatives": 6, "t": 0.3}),
    ("bce", {}),
    ("bce", {"n_negatives": 6}),
]
each_loss = pytest.mark.parametrize(("name", "params"), LOSSES)


@each_loss
@pytest.mark.parametrize("shared", [None, False, True])
def test_a_loss_is_its_formula_over_the_drawn_items(name, params, shared, terms):
    h, w, b, items = terms
    params = params if shared is None else {**params, "shared": shared}
    loss, twin = make(name, **params), make(name, **params)
    by_default = name in ("sampled_softmax", "bpr_max")
    k = params.get("n_negatives", 1)
    drawn = twin.sampler(k) if shared or (shared is None and by_default) else twin.sampler(N, k)
    rows = drawn.expand(N, k).tolist()
    assert any(item in row for item, row in zip(items.tolist(), rows)) or k == 1
    logits = (h @ w.T + b).double()
    expected = [
        naive(name, z, item, row, params)
        for z, item, row in zip(logits.tolist(), items.tolist(), rows)
    ]
    assert loss.of_terms(h, w, b, items).item() == pytest.approx(sum(expected) / N, rel=1e-4)
    for reduction, found in (("none", expected), ("sum", sum(expected))):
        by_hand = make(name, reduction=reduction, **params)(logits, items)
        assert by_hand.tolist() == pytest.approx(found, rel=1e-4)


@each_loss
@pytest.mark.parametrize("shared", [False, True])
def test_terms_and_logits_have_the_same_gradients(name, params, shared, terms):
    h, w, b, items = terms
    weights = [t.double().requires_grad_() for t in (h, w, b)]
    of_terms = make(name, **params, shared=shared).of_terms(*weights, items)
    of_logits = make(name, **params, shared=shared)(weights[0] @ weights[1].T + weights[2], items)
    torch.testing.assert_close(of_terms, of_logits)
    torch.testing.assert_close(
        torch.autograd.grad(of_terms, weights), torch.autograd.grad(of_logits, weights)
    )


@each_loss
def test_padding_and_items_not_drawn_get_no_gradient(name, params, terms):
    h, w, b, items = terms
    w.requires_grad_()
    loss, twin = make(name, **params, shared=True), make(name, **params, shared=True)
    loss.of_terms(h, w, b, items).backward()
    touched = set(items.tolist()) | set(twin.sampler(params.get("n_negatives", 1)).tolist())
    assert set(w.grad.any(dim=1).nonzero().squeeze(1).tolist()) <= touched
    assert (w.grad[0] == 0).all()


@each_loss
def test_each_batch_has_a_draw_of_its_own(name, params, terms):
    loss = make(name, **params)
    found = {loss.of_terms(*terms).item() for _ in range(5)}
    assert len(found) > 1


@each_loss
def test_nothing_to_predict_is_loss_0(name, params, terms):
    h, w, _, items = terms
    h.requires_grad_()
    found = make(name, **params).of_terms(h[:0], w, None, items[:0])
    found.backward()
    assert found == 0
    padded = make(name, **params)(torch.randn(2, V), torch.zeros(2, dtype=torch.long))
    assert padded == 0


@each_loss
def test_one_item_of_a_catalog_has_no_negatives_and_a_finite_loss(name, params):
    del params
    if name == "gbce":
        with pytest.raises(ValueError, match="num_items must be at least 2"):
            item_loss(name, {}, 2)
        return
    loss = item_loss(name, {"n_negatives": 3}, 2)
    w = torch.randn(2, 4, requires_grad=True)
    found = loss.of_terms(torch.randn(5, 4), w, None, torch.ones(5, dtype=torch.long))
    found.backward()
    assert found.isfinite()
    assert w.grad.isfinite().all()


def test_sampled_softmax_is_close_to_cross_entropy_where_it_draws_much(terms):
    h, w, b, items = terms
    full = item_loss("cross_entropy", {})((h @ w.T + b), items)
    all_items = (h @ w.T + b).masked_fill(torch.arange(V) == 0, -torch.inf)
    full = torch.nn.functional.cross_entropy(all_items, items)
    for params in ({}, {"frequency": [0, *range(1, V)]}):
        found = make("sampled_softmax", n_negatives=50_000, **params).of_terms(h, w, b, items)
        assert found.item() == pytest.approx(full.item(), rel=0.02)
    plain = make("sampled_softmax", n_negatives=50_000, log_q=False).of_terms(h, w, b, items)
    assert plain.item() > full.item() + 2


@pytest.mark.parametrize(
    ("name", "params", "error", "message"),
    [
        ("gbce", {"temperature": 1}, TypeError, "'gbce' takes no 'temperature' .* takes n_negat"),
        ("gbce", {"frequency": [1] * V}, TypeError, "'gbce' takes no 'frequency'"),
        ("bce", {"t": 0.5}, TypeError, "'bce' takes no 't'"),
        ("bpr_max", {"log_q": True}, TypeError, "'bpr_max' takes no 'log_q'"),
        ("gbce", {"n_negatives": V}, ValueError, "gBCE needs at most 10 negatives"),
        ("gbce", {"t": 2, "n_negatives": 2}, ValueError, "t must be at least 0 and at most 1"),
        ("bce", {"n_negatives": 0}, ValueError, "n_negatives must be at least 1"),
        ("bce", {"reduction": "max"}, ValueError, "reduction must be"),
        ("bce", {"seed": 0.5}, ValueError, "seed must be a whole number"),
        ("sampled_softmax", {"frequency": [1]}, ValueError, "each of the 12 tokens"),
    ],
)
def test_impossible_arguments_are_refused(name, params, error, message):
    with pytest.raises(error, match=message):
        item_loss(name, params, V)


def test_a_model_of_unknown_vocabulary_is_refused():
    with pytest.raises(ValueError, match="give the model an attribute vocab_size"):
        item_loss("bce", {})


def test_frequencies_are_recorded_by_their_number():
    assert described_params({"n_negatives": 3, "frequency": torch.ones(V)}) == {
        "n_negatives": 3,
        "frequency": "of 12 tokens",
    }
    assert described_params(None) == {}
