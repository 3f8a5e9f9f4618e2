"""BERT4Rec against its formula, row by row; what its gaps are, and what may fill them."""

import math

import pytest
import torch
from torch.nn import functional as F

from core.models.matching_table import bert4rec
from core.training.batch_losses import loss_of
from torch_rechub.basic.features import RandomNormal, SequenceFeature
from torch_rechub.models.matching import BERT4Rec
from torch_rechub.trainers import MatchTrainer

HISTORIES = torch.tensor([[1, 2, 3, 4], [0, 0, 5, 6], [7, 0, 0, 0], [0, 0, 0, 0], [3, 0, 8, 0]])
X = {"history": HISTORIES}


def gelu(v):
    return 0.5 * v * (1 + math.erf(v / math.sqrt(2)))


def attention(parts, prefix, steps, heads):
    q, k, v = ([parts.linear(f"{prefix}w_{n}.", x) for x in steps] for n in "qkv")
    d = len(steps[0]) // heads
    found = []
    for q_t in q:
        read = []
        for head in range(heads):
            part = slice(head * d, (head + 1) * d)
            powers = [math.exp(parts.dot(q_t[part], k_s[part]) / math.sqrt(d)) for k_s in k]
            read += [
                math.fsum(p * v_s[i] for p, v_s in zip(powers, v)) / sum(powers)
                for i in range(part.start, part.stop)
            ]
        found.append(parts.linear(f"{prefix}w_o.", read))
    return found


def outputs_of(parts, steps, heads, num_blocks=2):
    """The vector u of each step; None is a gap."""
    mask, positions = parts.state["mask_emb"], parts.state["position_emb.weight"]
    x = [[a + b for a, b in zip(mask if e is None else e, p)] for e, p in zip(steps, positions)]
    for block in range(num_blocks):
        at = f"blocks.{block}."
        read = attention(parts, f"{at}attention.", x, heads)
        x = [
            parts.layer_norm(f"{at}attention_norm.", [a + b for a, b in zip(row, r)])
            for row, r in zip(x, read)
        ]
        hidden = [[gelu(v) for v in parts.linear(f"{at}feed_forward.0.", row)] for row in x]
        x = [
            parts.layer_norm(
                f"{at}forward_norm.",
                [a + b for a, b in zip(row, parts.linear(f"{at}feed_forward.2.", h))],
            )
            for row, h in zip(x, hidden)
        ]
    return [[gelu(v) for v in parts.linear("output.0.", row)] for row in x]


def two_heads():
    history = SequenceFeature("history", 12, 6, "concat")
    return BERT4Rec(history, max_len=4, dropout_rate=0.0, num_heads=2, mask_rate=0.5)


def scores(parts, u):
    table, bias = parts.state["item_emb.embed_dict.history.weight"], parts.state["item_bias"]
    return [parts.dot(u, e) + b for e, b in zip(table, bias)]


def test_the_scores_are_the_formula_at_the_gap_after_the_history(naive, randomized):
    model = randomized(two_heads()).eval()
    parts = naive(model)
    table = parts.state["item_emb.embed_dict.history.weight"]
    for ids, found in zip(HISTORIES.tolist(), model(X).tolist()):
        u = outputs_of(parts, [*(table[i] for i in ids if i), None], heads=2)[-1]
        assert found[1:] == pytest.approx(scores(parts, u)[1:], abs=1e-4)
        assert found[0] == -1e9  # padding is no item


def drawn(model, monkeypatch, gaps):
    """Let these be the gaps that are drawn."""
    draws = torch.where(gaps, model.mask_rate - 0.01, model.mask_rate)
    monkeypatch.setattr(torch, "rand", lambda shape, **_: draws.clone())


def test_the_loss_of_gaps_is_that_of_the_items_masked(naive, randomized, monkeypatch):
    model = randomized(two_heads()).eval()
    parts = naive(model)
    table = parts.state["item_emb.embed_dict.history.weight"]
    gaps = torch.tensor([[0, 1, 0, 1], [1, 1, 0, 1], [0, 1, 1, 1], [1, 1, 1, 1], [0, 0, 1, 0]])
    drawn(model, monkeypatch, gaps.bool())
    losses = []
    for ids, masked in zip(HISTORIES.tolist(), gaps.tolist()):
        items = [(i, m) for i, m in zip(ids, masked) if i]
        steps = [None if m else table[i] for i, m in items]
        u = outputs_of(parts, steps, heads=2) if steps else []
        for (i, m), u_t in zip(items, u):
            if m:
                s = scores(parts, u_t)
                losses.append(math.log(math.fsum(map(math.exp, s[1:]))) - s[i])
    assert len(losses) == 4
    expected = math.fsum(losses) / len(losses)
    assert model.auxiliary_loss(X).item() == pytest.approx(expected, rel=1e-5)


def test_without_gaps_the_loss_is_0_and_has_gradients(monkeypatch):
    model = two_heads()
    drawn(model, monkeypatch, torch.zeros(5, 4).bool())
    loss = model.auxiliary_loss(X)
    loss.backward()
    assert loss == 0
    assert all(p.grad is None or (p.grad == 0).all() for p in model.parameters())


def test_gaps_are_as_frequent_as_asked_and_never_padding():
    history = SequenceFeature("history", 12, 6, "concat")
    model = BERT4Rec(history, max_len=400, num_blocks=1, mask_rate=0.3)
    seen = []
    model.output.register_forward_pre_hook(lambda _, u: seen.append(len(u[0])))
    items = torch.randint(1, 12, (50, 400))
    items[:, :100] = 0
    model.auxiliary_loss({"history": items})
    assert seen[0] / (50 * 300) == pytest.approx(0.3, abs=0.02)


def test_a_gap_is_filled_from_both_sides(randomized, monkeypatch):
    model = randomized(two_heads()).eval()
    gaps = torch.tensor([[False, True, False, False]])
    losses = []
    for other in ([1, 2, 3, 4], [9, 2, 3, 4], [1, 2, 3, 9], [1, 5, 3, 4]):
        drawn(model, monkeypatch, gaps)
        losses.append(model.auxiliary_loss({"history": torch.tensor([other])}).item())
    assert len(set(losses)) == 4


def test_what_is_masked_is_not_seen(randomized, monkeypatch):
    model = randomized(two_heads()).eval()
    read = []
    model.output.register_forward_pre_hook(lambda _, u: read.append(u[0]))
    for item in (2, 5):
        drawn(model, monkeypatch, torch.tensor([[False, True, False, False]]))
        model.auxiliary_loss({"history": torch.tensor([[1, item, 3, 4]])})
    torch.testing.assert_close(*read)


@pytest.mark.parametrize(("left", "right"), [(0, 3), (3, 0), (2, 1)])
def test_the_loss_of_gaps_does_not_depend_on_padding(left, right, randomized, monkeypatch):
    model = randomized(two_heads()).eval()
    gaps = torch.rand(HISTORIES.shape) < 0.6
    found = []
    for pad in ((0, 0), (left, right)):
        drawn(model, monkeypatch, F.pad(gaps, pad, value=True))
        found.append(model.auxiliary_loss({"history": F.pad(HISTORIES, pad)}))
        monkeypatch.undo()
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("length", [0, 1])
def test_histories_without_items_give_finite_numbers_and_gradients(length):
    model, x = two_heads(), {"history": torch.zeros(3, length, dtype=torch.long)}
    logits, loss = model(x), model.auxiliary_loss(x)
    (logits[:, 1:].sum() + loss).backward()
    assert loss == 0
    assert logits.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_an_item_feature_scores_one_item_a_row_with_the_same_weights(randomized):
    every, one = randomized(bert4rec(item=False)).eval(), bert4rec().eval()
    one.load_state_dict(every.state_dict())
    items = torch.tensor([5, 6, 7, 8, 1])
    found = one({**X, "item": items})
    torch.testing.assert_close(found, every(X)[torch.arange(5), items])


def test_arguments_out_of_range_are_refused():
    history = SequenceFeature("history", 12, 6, "concat")
    for rate in (0, 1.0):
        with pytest.raises(ValueError, match="mask_rate must be above 0 and below 1, got"):
            BERT4Rec(history, mask_rate=rate)
    with pytest.raises(ValueError, match="6 must be a multiple of num_heads=4"):
        BERT4Rec(history, num_heads=4)
    with pytest.raises(ValueError, match="a history has 4 items, more than the 3"):
        BERT4Rec(history, max_len=3)(X)


def test_both_losses_are_trained_on(tmp_path):
    model, y = two_heads(), torch.tensor([5, 7, 8, 1, 2])
    trainer = MatchTrainer(model, mode=2, model_path=tmp_path, progress=False)
    torch.manual_seed(3)
    found = loss_of(trainer, (X, y))
    torch.manual_seed(3)
    expected = F.cross_entropy(model(X), y) + model.auxiliary_loss(X)
    torch.testing.assert_close(found, expected)
    before = model.item_bias.detach().clone()
    assert trainer.train_one_epoch([(X, y)]) == pytest.approx(found.item(), rel=0.5)
    assert not torch.equal(model.item_bias, before)


def test_gaps_alone_teach_what_comes_next():
    """Items count up by one, which no label says."""
    start = torch.randint(0, 11, (100, 1))
    x = {"history": (start + torch.arange(5)) % 11 + 1}
    history = SequenceFeature("history", 12, 16, "concat", initializer=RandomNormal(0, 1.0))
    model = BERT4Rec(history, max_len=5, dropout_rate=0.0, num_blocks=1, mask_rate=0.3)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(200):
        optimizer.zero_grad()
        model.auxiliary_loss(x).backward()
        optimizer.step()
    found = model.eval()({"history": x["history"][:, :4]}).argmax(dim=1)
    assert (found == x["history"][:, 4]).float().mean() > 0.9
