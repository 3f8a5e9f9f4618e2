"""HLLMModel: its formula by loops, and what padding and later events must not change."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from torch_rechub.models.generative import HLLMModel
from torch_rechub.models.generative.hllm import HLLMTransformerBlock

V, L, D = 15, 6, 4
SIZES = {"d_model": D, "n_heads": 2, "n_layers": 2, "max_seq_len": L, "num_time_buckets": 9}
KINDS = {
    "default": {},
    "no bias": {"use_rel_pos_bias": False},
    "no time": {"use_time_embedding": False},
    "log": {"time_bucket_fn": "log"},
    "warm": {"temperature": 1.0},
}


@pytest.fixture
def make(randomized):
    def make(embeddings=None, **kwargs):
        embeddings = torch.randn(V, D) * 3 if embeddings is None else embeddings
        model = HLLMModel(embeddings, V, **{**SIZES, **kwargs})
        given = model.item_embeddings.clone()
        randomized(model)
        model.item_embeddings.copy_(given)
        return model.eval()

    return make


@pytest.fixture
def model(make):
    return make()


def batch(length=L):
    """Whole, padded left, padded right, padding alone; and times that are padded too."""
    x = torch.randint(1, V, (4, length))
    x[1, : length // 3] = 0
    x[2, length // 2 :] = 0
    x[3] = 0
    return x, torch.randint(0, 6000, (4, length)).sort(descending=True).values * (x != 0)


def naive_block(block, rows, bias):
    """The events (n, D) of one sequence, without its padding; bias (H, n, n)."""
    attention, h = block.attention, block.norm1(rows)
    q, k, v = (w(h).tolist() for w in (attention.w_q, attention.w_k, attention.w_v))
    joined = []
    for i in range(len(rows)):
        row = []
        for head, part in enumerate((range(2), range(2, 4))):
            e = [
                math.exp(sum(q[i][c] * k[j][c] for c in part) / math.sqrt(2) + bias[head][i][j])
                for j in range(i + 1)
            ]
            row += [sum(w * v[j][c] for j, w in enumerate(e)) / sum(e) for c in part]
        joined.append(row)
    rows = rows + attention.w_o(torch.tensor(joined))
    first, *_, second = (part for part in block.ffn if isinstance(part, torch.nn.Linear))
    return rows + second(first(block.norm2(rows)).clamp(min=0))


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_its_formula(make, kind):
    given = torch.randn(V, D) * 3
    model = make(given, **KINDS[kind])
    x, times = batch()
    found = model(x, times)
    for b in range(4):
        rows = []
        for position, t in enumerate(t for t in range(L) if x[b, t] != 0):
            e = given[x[b, t]].tolist()
            norm = math.sqrt(sum(v * v for v in e))
            row = torch.tensor([v / norm for v in e]) + model.position_embedding.weight[position]
            if kind != "no time":
                before = t - 1 if position else t  # the first event is of bucket 0
                minutes = int(times[b, before] - times[b, t]) / 60
                f = math.log(max(minutes, 1)) if kind == "log" else math.sqrt(minutes)
                row = row + model.time_embedding.weight[min(int(f), 9)]
            rows.append(row)
        if not rows:
            continue
        n = len(rows)
        h = torch.stack(rows)
        bias = torch.zeros(2, n, n)
        if kind != "no bias":
            table = model.rel_pos_bias.rel_pos_bias_table
            bias = [[[table[(i - j) * 31 // L, a].item() if i >= j else 0 for j in range(n)]
                     for i in range(n)] for a in range(2)]  # fmt: skip
        for block in model.transformer_blocks:
            h = naive_block(block, h, bias)
        for row, t in zip(h, (t for t in range(L) if x[b, t] != 0)):
            for v in range(V):
                cosine = F.cosine_similarity(row, given[v], dim=0) / model.temperature
                assert found[b, t, v].item() == pytest.approx(cosine.item(), abs=2e-4)


def test_padding_is_not_read_at_either_end(model):
    x, times = batch(4)
    y = model(x, times)
    for left, right in ((2, 0), (0, 2), (1, 1)):
        padded = model(F.pad(x, (left, right)), F.pad(times, (left, right), value=99))
        torch.testing.assert_close(padded[:, left : left + 4][x != 0], y[x != 0])
    assert y.isfinite().all()
    assert (model.encode(x, times)[x == 0] == 0).all()


def test_an_output_never_sees_what_comes_later(model):
    x, times = batch()
    y = model(x, times)
    for t in range(1, L):
        other, later = x.clone(), times.clone()
        other[:, t:] = torch.randint(1, V, (4, L - t))
        later[:, t:] += 4321
        torch.testing.assert_close(model(other, later)[:, :t], y[:, :t])


def test_every_time_bucket_is_trained_the_first_too(model):
    x, times = batch()
    model(x, torch.zeros_like(times)).square().sum().backward()
    grad = model.time_embedding.weight.grad
    assert (grad[0] != 0).any()
    torch.testing.assert_close(model(x), model(x, torch.zeros_like(times)))
    assert (model(x, times) - model(x, times * 50))[x != 0].abs().max() > 0.01


def test_item_embeddings_are_given_normalized_and_not_trained(make):
    given = torch.randn(V, D)
    given[0] = 0
    model = make(given)
    torch.testing.assert_close(model.item_embeddings.norm(dim=1)[1:], torch.ones(V - 1))
    assert model.item_embeddings[0].tolist() == [0.0] * D
    assert "item_embeddings" not in dict(model.named_parameters())
    torch.testing.assert_close(make(given * 7).item_embeddings, model.item_embeddings)


def test_item_embeddings_may_be_a_file(tmp_path):
    given = torch.randn(V, D)
    np.save(tmp_path / "items.npy", given.numpy())
    torch.save(given, tmp_path / "items.pt")
    expected = HLLMModel(given, V, **SIZES).item_embeddings
    for name in ("items.npy", "items.pt"):
        assert HLLMModel(tmp_path / name, V, **SIZES).item_embeddings.equal(expected)
    assert HLLMModel(str(tmp_path / "items.pt"), V, **SIZES).item_embeddings.equal(expected)


@pytest.mark.parametrize("shape", [(V - 1, D), (V, D + 1), (V,)])
def test_embeddings_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=rf"\(vocab_size, d_model\) = \({V}, {D}\), got"):
        HLLMModel(torch.ones(shape), V, **SIZES)


def test_what_is_impossible_is_refused(make, model):
    with pytest.raises(ValueError, match="temperature must be above 0"):
        make(temperature=0)
    with pytest.raises(ValueError, match="must be a multiple of num_heads=3"):
        make(n_heads=3)
    with pytest.raises(ValueError, match=f"{L + 1} positions, but max_seq_len={L}"):
        model(torch.ones(1, L + 1, dtype=torch.long))
    with pytest.raises(IndexError, match=rf"'tokens': id {V} .* vocab_size={V}"):
        model(torch.tensor([[V]]))


def test_a_block_alone_reads_all_that_came_before():
    block, x = HLLMTransformerBlock(D, 2).eval(), torch.randn(3, 5, D)
    expected = block(x, padding_mask=torch.ones(3, 5))
    assert block(x).equal(expected)
    bias = torch.randn(1, 2, 5, 5)
    torch.testing.assert_close(block(x, bias)[1], naive_block(block, x[1], bias[0].tolist()))


def test_a_state_dict_of_0_9_loads(model):
    names = {"w_q": "W_Q", "w_k": "W_K", "w_v": "W_V", "w_o": "W_O"}
    state = {}
    for name, value in model.state_dict().items():
        for new, old in names.items():
            name = name.replace(f"attention.{new}.", f"{old}.")
        state[name] = value
    assert "transformer_blocks.1.W_O.bias" in state
    assert state["time_embedding.weight"].shape == (10, D)
    other = HLLMModel(torch.randn(V, D), V, **SIZES).eval()
    other.load_state_dict(state)
    x, times = batch()
    assert other(x, times).equal(model(x, times))
    assert "transformer_blocks.1.W_O.bias" in state  # the caller's dict is left alone
