"""HSTU against its formula, position by position, in Python floats."""

import copy
import math

import pytest
import torch

from torch_rechub.basic.layers import HSTUBlock, HSTULayer

SIZES = {"d_model": 5, "n_heads": 2, "dqk": 3, "dv": 4, "max_seq_len": 6, "num_time_buckets": 8}


def silu(x):
    return x / (1 + math.exp(-x))


def dot(a, b):
    return math.fsum(p * q for p, q in zip(a, b, strict=True))


def linear(state, x):
    return [b + dot(w, x) for w, b in zip(state["weight"], state["bias"], strict=True)]


def layer_norm(state, x):
    mean = math.fsum(x) / len(x)
    deviation = math.sqrt(math.fsum((v - mean) ** 2 for v in x) / len(x) + 1e-5)
    return [
        (v - mean) / deviation * w + b
        for v, w, b in zip(x, state["weight"], state["bias"], strict=True)
    ]


def naive(layer, x, valid, times):
    """Y of one sequence: rows of x, whether each is valid, and times or None."""
    state = {name: value.tolist() for name, value in layer.double().state_dict().items()}

    def part(name):
        return {k: state[f"{name}.{k}"] for k in ("weight", "bias")}

    H, dqk, dv, N = SIZES["n_heads"], SIZES["dqk"], SIZES["dv"], SIZES["max_seq_len"]
    parts = [
        [silu(v) for v in linear(part("proj1"), layer_norm(part("norm_in"), row))] for row in x
    ]
    y = []
    for i in range(len(x)):
        if not valid[i]:
            y.append([0.0] * SIZES["d_model"])
            continue
        av = []
        for h in range(H):
            total = [0.0] * dv
            for j in range(i + 1):
                if valid[j]:
                    q = parts[i][h * dqk : (h + 1) * dqk]
                    k = parts[j][(H + h) * dqk : (H + h + 1) * dqk]
                    v = parts[j][2 * H * dqk + H * dv + h * dv :][:dv]
                    rab = state["rab.pos_w"][j - i + N - 1][h]
                    if times is not None:
                        minutes = abs(times[i] - times[j]) / 60
                        rab += state["rab.ts_w"][min(int(math.sqrt(minutes)), 8)][h]
                    a = silu(dot(q, k) / math.sqrt(dqk) + rab) / N
                    total = [t + a * w for t, w in zip(total, v)]
            av += total
        u = parts[i][2 * H * dqk :][: H * dv]
        gated = [a * b for a, b in zip(layer_norm(part("norm_attn"), av), u)]
        y.append(linear(part("proj2"), gated))
    return y


@pytest.fixture
def layer():
    layer = HSTULayer(**SIZES).eval()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(0, 0.7)
    return layer


@pytest.fixture
def block():
    block = HSTUBlock(n_layers=3, **SIZES).eval()
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.normal_(0, 0.7)
    return block


def batch(length=6):
    x = torch.randn(4, length, 5, dtype=torch.float64)
    mask = torch.ones(4, length, dtype=torch.bool)
    mask[1, :2] = False  # padded at the left
    mask[2, 3:] = False  # at the right
    mask[3] = False  # altogether
    return x, mask, torch.randint(0, 5000, (4, length))


@pytest.mark.parametrize("length", [1, 4, 6])
@pytest.mark.parametrize("timed", [True, False])
def test_a_layer_is_its_formula(layer, length, timed):
    x, mask, times = batch(length)
    y = layer.double()(x, mask, times if timed else None)
    for b in range(len(x)):
        expected = naive(
            layer, x[b].tolist(), mask[b].tolist(), times[b].tolist() if timed else None
        )
        torch.testing.assert_close(
            y[b], torch.tensor(expected, dtype=torch.float64), atol=1e-9, rtol=1e-9
        )
    single = layer.float()(x.float(), mask, times if timed else None)
    torch.testing.assert_close(single.double(), y, atol=1e-5, rtol=1e-5)


def test_without_a_mask_every_position_is_valid(layer):
    x, mask, times = batch()
    torch.testing.assert_close(
        layer.double()(x, time_diffs=times), layer(x, torch.ones_like(mask), times)
    )


@pytest.mark.parametrize("dtype", [torch.int64, torch.float32])
def test_a_mask_of_numbers_is_taken(layer, dtype):
    x, mask, times = batch()
    layer.double()
    assert layer(x, mask.to(dtype), times).equal(layer(x, mask, times))


def test_a_block_adds_each_layer_to_its_input(block):
    x, mask, times = batch()
    expected = x.float()
    for layer in block.layers:
        expected = expected + layer(expected, mask, times)
    torch.testing.assert_close(block(x.float(), mask, times), expected)
    untimed = block(x.float(), mask)
    assert (untimed - expected).abs().max() > 0.01
    assert HSTUBlock(n_layers=0, **SIZES)(x, mask, times).equal(x)


def test_the_buckets_of_time_are_computed_once_for_all_layers(block, monkeypatch):
    calls = []
    for layer in block.layers:
        buckets = layer.rab.buckets
        monkeypatch.setattr(
            layer.rab, "buckets", lambda t, found=buckets: (calls.append(t), found(t))[1]
        )
    x, mask, times = batch()
    block(x.float(), mask, times)
    assert len(calls) == 1


def test_an_output_never_sees_what_comes_later(block):
    x, _, times = batch()
    x = x.float()
    y = block(x, time_diffs=times)
    for t in range(1, 6):
        other, later = x.clone(), times.clone()
        other[:, t:] += 1.0
        later[:, t:] += 9999
        changed = block(other, time_diffs=later)
        torch.testing.assert_close(changed[:, :t], y[:, :t])
        assert (changed[:, t] != y[:, t]).any(dim=1).all()


def test_padding_gives_nothing_and_gets_nothing(block):
    x, mask, times = batch()
    x = x.float()
    y = block(x, mask, times)
    other, elsewhere = x.clone(), times.clone()
    other[~mask] = 7.0
    elsewhere[~mask] = 123456
    torch.testing.assert_close(block(other, mask, elsewhere)[mask], y[mask])
    assert y[~mask].equal(x[~mask])
    assert y.isfinite().all()


def test_times_count_by_their_differences_alone(block):
    x, mask, times = batch()
    x = x.float()
    y = block(x, mask, times)
    torch.testing.assert_close(block(x, mask, times + 10**6), y)
    torch.testing.assert_close(block(x, mask, 10**6 - times), y)
    assert (block(x, mask, times * 9) - y)[mask].abs().max() > 0.01


def test_a_gradient_reaches_every_weight(layer):
    x, mask, times = batch()
    layer.float().train()(x.float(), mask, times * 10).square().sum().backward()
    for name, parameter in layer.named_parameters():
        # the future has no bias: it is never seen
        seen = parameter.grad[:6] if name == "rab.pos_w" else parameter.grad
        assert (seen != 0).any(), name
    assert (layer.rab.pos_w.grad[6:] == 0).all()


def test_sequences_that_are_too_long_are_refused(layer):
    with pytest.raises(ValueError, match="7 positions, but max_seq_len=6"):
        layer(torch.randn(1, 7, 5))


def test_dropout_is_for_training_alone(block):
    x, mask, times = batch()
    block.train()
    first, second = block(x.float(), mask, times), block(x.float(), mask, times)
    assert not first.equal(second)
    block.eval()
    assert block(x.float(), mask, times).equal(block(x.float(), mask, times))


def test_a_seed_gives_the_same_layer():
    states = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        states.append(HSTUBlock(n_layers=2, **SIZES).state_dict())
    same = [all(torch.equal(states[0][k], s[k]) for k in s) for s in states]
    assert same == [True, True, False]


def test_the_state_dict_has_the_names_of_0_9():
    shapes = {k: tuple(v.shape) for k, v in HSTUBlock(n_layers=1, **SIZES).state_dict().items()}
    assert shapes == {
        "layers.0.norm_in.weight": (5,),
        "layers.0.norm_in.bias": (5,),
        "layers.0.proj1.weight": (28, 5),
        "layers.0.proj1.bias": (28,),
        "layers.0.rab.pos_w": (11, 2),
        "layers.0.rab.ts_w": (9, 2),
        "layers.0.norm_attn.weight": (8,),
        "layers.0.norm_attn.bias": (8,),
        "layers.0.proj2.weight": (5, 8),
        "layers.0.proj2.bias": (5,),
    }


@pytest.mark.parametrize("timed", [True, False])
def test_a_compiled_block_computes_the_same(block, timed):
    x, mask, times = batch()
    compiled = torch.compile(copy.deepcopy(block), backend="eager", fullgraph=True)
    arguments = (x.float(), mask, times if timed else None)
    torch.testing.assert_close(compiled(*arguments), block(*arguments))
