"""Interests out of a history, against loops of their formulas."""

import math

import pytest
import torch

from torch_rechub.basic.layers import CapsuleNetwork, MultiInterestSA

MASK = torch.tensor(
    [[True, True, True, False], [False, True, False, True], [False] * 4, [True] * 4]
)


def dot(a, b):
    return math.fsum(p * q for p, q in zip(a, b, strict=True))


def softmax(values):
    e = [math.exp(v) for v in values]
    return [v / math.fsum(e) for v in e]


def valid_steps(x, mask):
    """Of each row, the steps that are no padding, in order, as lists."""
    return [[s for s, m in zip(row, keep) if m] for row, keep in zip(x.tolist(), mask.tolist())]


def test_self_attention_is_its_formula():
    layer = MultiInterestSA(3, interest_num=2, hidden_dim=5)
    x = torch.randn(4, 4, 3)
    w_1, w_2 = layer.W1.T.tolist(), layer.W2.T.tolist()
    for steps, found in zip(valid_steps(x, MASK), layer(x, MASK).tolist()):
        hidden = [[math.tanh(dot(w, s)) for w in w_1] for s in steps]
        for k in range(2):
            a = softmax([dot(w_2[k], h) for h in hidden])
            expected = [math.fsum(p * s[d] for p, s in zip(a, steps)) for d in range(3)]
            assert found[k] == pytest.approx(expected, abs=1e-5)


def test_self_attention_has_no_mask_or_one_of_any_form():
    layer = MultiInterestSA(3, interest_num=2)
    assert layer.W1.shape == (3, 12)
    x = torch.randn(4, 4, 3)
    torch.testing.assert_close(layer(x), layer(x, torch.ones(4, 4)))
    torch.testing.assert_close(layer(x, MASK), layer(x, MASK.float().unsqueeze(2)))
    layer(x, MASK).sum().backward()
    assert all((p.grad != 0).any() for p in layer.parameters())


def squash(s):
    n = math.sqrt(dot(s, s))
    return [n * n / (1 + n * n) * v / n for v in s] if n else s


def capsules(layer, steps, rounds, active=(0, 1)):
    """The capsules of one history by the loop of the papers, e_ji = W_ji e_i."""
    kind, d, k = layer.bilinear_type, 3, 2
    w = (layer.w[0] if kind == 2 else layer.linear.weight).tolist()
    e, b = {}, {}
    for j in active:
        for i, step in enumerate(steps):
            rows = {
                0: w,
                1: w[j * d : (j + 1) * d],
                2: w[i][j * d : (j + 1) * d] if kind == 2 else 0,
            }
            e[j, i] = [dot(row, step) for row in rows[kind]]
            b[j, i] = layer.routing_logits[j, i].item() if kind == 0 else 0.0
    for _ in range(rounds):
        v = {}
        c = {i: softmax([b[j, i] for j in active]) for i in range(len(steps))}
        for n, j in enumerate(active):
            total = [math.fsum(c[i][n] * e[j, i][x] for i in range(len(steps))) for x in range(d)]
            v[j] = squash(total)
        for j, i in b:
            b[j, i] += dot(e[j, i], v[j])
    return [v.get(j, [0.0] * d) for j in range(k)]


def map_each_place_apart(layer):
    """As after training."""
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.5)


@pytest.mark.parametrize("kind", [0, 1, 2])
@pytest.mark.parametrize("rounds", [1, 2, 3, 5])
def test_capsules_are_their_loop(kind, rounds):
    # of every number of rounds; the softmax is over capsules, and padding weighs nothing
    layer = CapsuleNetwork(3, 4, kind, interest_num=2, routing_times=rounds)
    map_each_place_apart(layer)
    x = torch.randn(4, 4, 3) * 2
    for steps, found in zip(valid_steps(x, MASK), layer(x, MASK)):
        expected = torch.tensor(capsules(layer, steps, rounds))
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_capsules_that_take_no_part_are_zero_and_take_nothing_from_others():
    layer = CapsuleNetwork(3, 4, 0, interest_num=2)
    x = torch.randn(4, 4, 3)
    active = torch.tensor([[True, False]]).expand(4, 2)
    for steps, found in zip(valid_steps(x, MASK), layer(x, MASK, interest_mask=active)):
        expected = torch.tensor(capsules(layer, steps, 3, active=(0,)))
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", [0, 1, 2])
@pytest.mark.parametrize("rounds", [1, 3])
def test_gradients_reach_the_maps_and_no_padding(kind, rounds):
    layer = CapsuleNetwork(3, 4, kind, interest_num=2, routing_times=rounds, relu_layer=True)
    x = torch.randn(4, 4, 3, requires_grad=True)
    layer(x, MASK).sum().backward()
    assert all((p.grad != 0).any() for p in layer.parameters())
    assert (x.grad[~MASK] == 0).all()
    assert not any("routing" in name for name, _ in layer.named_parameters())


def test_no_gradient_passes_through_the_routing():
    layer = CapsuleNetwork(3, 4, 0, interest_num=2)
    x = torch.randn(1, 4, 3) * 2
    layer(x, torch.ones(1, 4))[0, 0, 0].backward()
    b, e = layer.routing_logits, x[0] @ layer.linear.weight.T
    for _ in range(3):
        c = b.softmax(dim=0).detach()  # a constant of the sum
        total = c @ e
        length = total.norm(dim=1, keepdim=True)
        v = total * length / (1 + length**2)
        b = b + v @ e.T
    (expected,) = torch.autograd.grad(v[0, 0], layer.linear.weight)
    torch.testing.assert_close(layer.linear.weight.grad, expected)


def test_routing_starts_from_the_same_logits_every_time_and_after_loading():
    first, second = (CapsuleNetwork(3, 4, 0) for _ in range(2))
    x = torch.randn(2, 4, 3)
    mask = torch.ones(2, 4)
    assert torch.equal(first.train()(x, mask), first.eval()(x, mask))
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(x, mask), second(x, mask))
    v = first(x, mask)
    assert not torch.allclose(v[:, 0], v[:, 1])  # one map for all: only the logits differ


def test_before_training_an_item_says_the_same_at_every_place_but_not_to_every_capsule():
    layer, x = CapsuleNetwork(3, 4, 2, interest_num=2), torch.randn(1, 4, 3)
    v = layer(x, torch.ones(1, 4))
    torch.testing.assert_close(layer(x.flip(1), torch.ones(1, 4)), v)
    assert not torch.allclose(v[:, 0], v[:, 1])
    layer(x, torch.ones(1, 4)).sum().backward()
    assert not torch.allclose(layer.w.grad[0, 0], layer.w.grad[0, 1])  # training tells them apart


def test_a_relu_may_follow():
    layer = CapsuleNetwork(3, 4, relu_layer=True)
    assert (layer(torch.randn(4, 4, 3), MASK) >= 0).all()


def test_padding_may_exceed_the_length_but_items_may_not():
    layer = CapsuleNetwork(3, 2)
    map_each_place_apart(layer)
    x = torch.randn(1, 4, 3)
    found = layer(x, torch.tensor([[False, True, False, True]]))
    torch.testing.assert_close(found, layer(x[:, [1, 3]], torch.ones(1, 2)))
    with pytest.raises(ValueError, match="a history has 3 items, more than the 2"):
        layer(x, torch.tensor([[True, True, False, True]]))


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="bilinear_type must be 0, 1 or 2, got 3"):
        CapsuleNetwork(3, 4, 3)
    with pytest.raises(ValueError, match="routing_times must be at least 1, got 0"):
        CapsuleNetwork(3, 4, routing_times=0)
