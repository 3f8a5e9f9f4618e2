"""Balancing of losses: each strategy against its formula, by hand or by autograd."""

import math

import pytest
import torch
from torch import nn

from torch_rechub.basic.features import DenseFeature, SparseFeature
from torch_rechub.models.multi_task import AITM, ESCM2, ESMM, MMOE, PLE, SharedBottom
from torch_rechub.objectives.balancing.choice import make_balancing
from torch_rechub.objectives.balancing.shared_layers import last_shared_weights
from torch_rechub.objectives.balancing.strategies import (
    FixedWeights,
    GradientBalance,
    GradNormWeights,
    UncertaintyWeights,
)
from torch_rechub.utils.mtl import MetaBalance, gradnorm, shared_task_layers

TYPES = ["classification", "regression"]


class Two(nn.Module):
    """Two tasks on a shared matrix, each with a head of its own."""

    def __init__(self):
        super().__init__()
        self.shared, self.heads = nn.Linear(3, 4), nn.Linear(4, 2)

    def shared_layers(self):
        return [self.shared]

    def losses(self, x, scale=1.0):
        y = self.heads(torch.tanh(self.shared(x)))
        return [(y[:, 0] ** 2).mean(), scale * (y[:, 1] - 1).abs().mean()]


@pytest.fixture
def model():
    return Two()


@pytest.fixture
def x():
    return torch.randn(6, 3)


def gradients(model):
    return [p.grad.clone() for p in model.parameters()]


def of(loss, model):
    found = torch.autograd.grad(loss, list(model.parameters()), retain_graph=True)
    return list(found)


def close(found, expected):
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


def penalty(model):
    return 0.3 * sum((p**2).sum() for p in model.parameters())


# Fixed weights


def test_fixed_weights(model, x):
    balancing = FixedWeights([0.25, 2.0])
    first, second = model.losses(x)
    expected = of(0.25 * first + 2 * second + penalty(model), model)
    balancing.backward([first, second], penalty(model))
    close(gradients(model), expected)
    assert balancing.weights().tolist() == [0.25, 2.0]
    assert balancing.trained_parameters() == []


# Uncertainty


def test_uncertainty_is_its_formula(model, x):
    balancing = UncertaintyWeights(model, TYPES)
    with torch.no_grad():
        balancing.s.copy_(torch.tensor([0.7, -0.4]))
    first, second = (loss.item() for loss in model.losses(x))
    w = [math.exp(-0.7), 0.5 * math.exp(0.4)]
    assert balancing.weights().tolist() == pytest.approx(w)
    losses = model.losses(x)
    expected = of(w[0] * losses[0] + w[1] * losses[1] + penalty(model), model)
    balancing.backward(losses, penalty(model))
    close(gradients(model), expected)
    # d/ds of w L + s / 2
    assert balancing.s.grad.tolist() == pytest.approx([0.5 - w[0] * first, 0.5 - w[1] * second])


@pytest.mark.parametrize("loss", [0.001, 0.3, 0.7, 2.0])
@pytest.mark.parametrize("start", [0.0, -3.0, 3.0])
def test_no_uncertainty_is_stuck(loss, start):
    balancing = UncertaintyWeights(nn.Linear(1, 1), TYPES)
    with torch.no_grad():
        balancing.s.fill_(start)
    optimizer = torch.optim.Adam(balancing.trained_parameters(), lr=0.05, betas=(0.9, 0.9))
    for _ in range(800):
        optimizer.zero_grad()
        balancing.backward([torch.tensor(loss)] * 2, 0.0)
        optimizer.step()
    # the minimum of c e^−s L + s / 2 is at e^s = 2 c L, so the weight c e^−s is 1 / (2 L)
    assert balancing.weights().tolist() == pytest.approx([1 / (2 * loss)] * 2, rel=0.02)


# GradNorm


def by_autograd(losses, w, layer, initial, alpha):
    """The gradients of w from the paper's definition, differentiated through the norms."""
    w = torch.tensor(w, requires_grad=True)
    norms = []
    for w_i, loss in zip(w, losses):
        g = torch.autograd.grad(loss, layer, retain_graph=True)
        norms.append(w_i.abs() * torch.cat([part.flatten() for part in g]).norm())
    norms = torch.stack(norms)
    rates = torch.stack([loss.detach() / start for loss, start in zip(losses, initial)])
    r = rates / rates.mean()
    targets = (norms.mean() * r**alpha).detach()
    return torch.autograd.grad((norms - targets).abs().sum(), w)[0]


@pytest.mark.parametrize("alpha", [0.0, 0.16, 1.5])
@pytest.mark.parametrize("w", [[1.0, 1.0], [0.2, 1.8]])
@pytest.mark.parametrize("initial", [[1.0, 1.0], [0.05, 9.0]])
def test_gradnorm_is_its_formula(model, x, alpha, w, initial):
    losses = model.losses(x, scale=3.0)
    weights = [nn.Parameter(torch.tensor([value])) for value in w]
    expected = by_autograd(losses, w, [model.shared.weight], initial, alpha)
    network = of(w[0] * losses[0] + w[1] * losses[1], model)
    assert gradnorm(losses, weights, model.shared.weight, initial, alpha) is None
    close(gradients(model), network)
    close([weight.grad.squeeze() for weight in weights], expected)


def test_each_task_has_a_target_of_its_own():
    w = nn.Parameter(torch.ones(2))
    weights = [nn.Parameter(torch.ones(())) for _ in range(2)]
    # like gradients; the first has trained ten times faster, so it is to have the smaller one
    gradnorm([w[0] + 0, w[1] + 0], weights, w, [10.0, 1.0], alpha=1.0)
    assert weights[0].grad > 0 > weights[1].grad


def test_a_weight_of_zero_has_a_gradient():
    w = nn.Parameter(torch.ones(2))
    weights = [nn.Parameter(torch.tensor(value)) for value in (0.0, 2.0)]
    gradnorm([w[0] * 3, w[1] * 5], weights, w, [3.0, 5.0], alpha=0.5)
    assert [weight.grad.item() for weight in weights] == [-3.0, 5.0]


@pytest.mark.parametrize("values", [[0.0, 1.0], [math.nan, 1.0], [math.inf, 1.0], [0.0, 0.0]])
def test_losses_out_of_the_ordinary_leave_the_weights_finite(values):
    model = Two()
    balancing = GradNormWeights(model, TYPES)
    for _ in range(3):
        losses = [value * (p := model.shared.weight).sum() / p.detach().sum() for value in values]
        balancing.backward(losses, 0.0)
        assert balancing.weights().isfinite().all()
        assert balancing.weights().sum().item() == pytest.approx(2)


def test_gradnorm_brings_the_gradients_to_one_size(model, x):
    balancing = GradNormWeights(model, TYPES, alpha=0.0, lr=0.01)
    for _ in range(300):
        balancing.backward(model.losses(x, scale=20.0), 0.0)
        assert balancing.weights().sum().item() == pytest.approx(2, abs=1e-5)
        assert (balancing.weights() > 0).all()
    norms = [
        w * torch.autograd.grad(loss, model.shared.weight)[0].norm()
        for w, loss in zip(balancing.weights(), (model.losses(x, 20.0)[i] for i in (0, 1)))
    ]
    assert norms[0].item() == pytest.approx(norms[1].item(), rel=0.15)


def test_gradnorm_steps_with_the_weights_of_before_and_a_penalty(model, x):
    balancing = GradNormWeights(model, TYPES)
    losses = model.losses(x)
    expected = of(losses[0] + losses[1] + losses[0] * losses[1] + penalty(model), model)
    balancing.backward(losses, losses[0] * losses[1] + penalty(model))
    close(gradients(model), expected)
    assert balancing.weights().tolist() != [1.0, 1.0]
    assert balancing.initial.tolist() == [loss.item() for loss in losses]
    balancing.backward(model.losses(x * 2), 0.0)
    assert balancing.initial.tolist() == [loss.item() for loss in losses]


# MetaBalance


def test_only_shared_layers_are_balanced(model, x):
    balancing = GradientBalance(model, TYPES, relax_factor=0.6, beta=0.5)
    m = [[0.0] * 2, [0.0] * 2]  # of both parameters of the shared layer, both tasks
    for step in range(1, 4):
        model.zero_grad()
        losses = model.losses(x * step, scale=9.0)
        plain = [of(loss, model) for loss in losses]
        auxiliary = losses[0] * losses[1] + penalty(model)
        expected = of(auxiliary, model)
        scales = []
        for p in range(4):
            for task in range(2):
                g = plain[task][p]
                if p < 2:
                    m[p][task] = 0.5 * m[p][task] + 0.5 * g.norm().item()
                    if task == 1:  # both norms are corrected alike, so it cancels
                        scales.append(m[p][0] / m[p][1] * 0.6 + 0.4)
                        g = g * scales[-1]
                expected[p] = expected[p] + g
        balancing.backward(losses, auxiliary)
        close(gradients(model), expected)
        assert balancing.weights().tolist() == pytest.approx([1.0, sum(scales) / 2], rel=1e-4)


def test_before_the_first_step_nothing_is_scaled(model):
    assert GradientBalance(model, TYPES).weights().tolist() == [1.0, 1.0]


# Which layers are shared

FEATURES = [SparseFeature("a", 9, 4), SparseFeature("b", 5, 3), DenseFeature("c")]
TOWERS = [{"dims": [4]}, {"dims": [5]}]
P = {"dims": [7, 6]}
MODELS = {
    "SharedBottom": (lambda: SharedBottom(FEATURES, TYPES, P, TOWERS), ["bottom_mlp.mlp.4"]),
    "without bottom": (lambda: SharedBottom(FEATURES, TYPES, {}, TOWERS), ["embedding"]),
    "MMOE": (
        lambda: MMOE(FEATURES, TYPES, 3, P, TOWERS),
        [f"experts.{i}.mlp.4" for i in range(3)],
    ),
    "PLE": (
        lambda: PLE(FEATURES, TYPES, 2, 1, 2, P, TOWERS),
        [f"cgc_layers.1.experts_shared.{i}.mlp.4" for i in range(2)],
    ),
    "AITM": (lambda: AITM(FEATURES, 2, P, TOWERS), ["embedding"]),
    "ESMM": (lambda: ESMM(FEATURES[:2], FEATURES[2:], P, P), ["embedding"]),
    "ESCM2": (lambda: ESCM2(FEATURES[:2], FEATURES[2:], P, P, P), ["embedding"]),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_last_shared_layer(name):
    make, expected = MODELS[name]
    model = make()
    names = {id(p): n for n, p in model.named_parameters()}
    found = [names[id(p)].rpartition(".")[0] for p in last_shared_weights(model)]
    assert found == expected


@pytest.mark.parametrize("name", MODELS)
def test_every_parameter_is_shared_or_not(name):
    model = MODELS[name][0]()
    names = {id(p): n for n, p in model.named_parameters()}
    shared, own = ([names[id(p)] for p in part] for part in shared_task_layers(model))
    assert sorted(shared + own) == sorted(names.values())
    assert not any(n.startswith(("tower", "bottoms", "info_gates", "aits")) for n in shared)
    assert all(n in shared for n in names.values() if n.startswith("embedding"))


def test_frozen_layers_are_left_out(model):
    for p in model.shared.parameters():
        p.requires_grad = False
    with pytest.raises(ValueError, match="no layer that the tasks of Two share has weights"):
        GradNormWeights(model, TYPES)


# Choosing


def test_the_names_of_0_9():
    from torch_rechub.optim import meta_balance as metaoptimizer

    assert MetaBalance is metaoptimizer.MetaBalance


@pytest.mark.parametrize(
    ("params", "kind"),
    [
        ({"method": "uwl"}, UncertaintyWeights),
        ({"method": "gradnorm"}, GradNormWeights),
        ({"method": "gradnorm", "alpha": 1.5, "lr": 0.01}, GradNormWeights),
        ({"method": "metabalance", "relax_factor": 0.5, "beta": 0.8}, GradientBalance),
    ],
)
def test_a_method_by_name(model, params, kind):
    before = dict(params)
    assert type(make_balancing(params, model, TYPES)) is kind
    assert params == before


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"method": "dwa"}, "must be one of uwl, gradnorm, metabalance, got 'dwa'"),
        ({"alpha": 0.1}, "got None"),
        ({"method": "uwl", "alpha": 0.1}, "do not fit 'uwl': .*alpha"),
        ({"method": "gradnorm", "alpha": -1}, "at least 0"),
        ({"method": "metabalance", "beta": 1}, "beta"),
    ],
)
def test_what_does_not_exist_is_refused(model, params, message):
    with pytest.raises(ValueError, match=message):
        make_balancing(params, model, TYPES)


@pytest.mark.parametrize("method", ["gradnorm", "metabalance"])
def test_the_error_for_a_model_without_shared_layers_says_how_to_name_them(method):
    with pytest.raises(ValueError, match=r"Linear does not say .* method shared_layers\(self\)"):
        make_balancing({"method": method}, nn.Linear(2, 2), TYPES)


@pytest.mark.parametrize("method", ["uwl", "gradnorm", "metabalance"])
def test_its_state_goes_through_a_file(model, x, method, tmp_path):
    first, second = (make_balancing({"method": method}, model, TYPES) for _ in range(2))

    def step(balancing):
        model.zero_grad()
        balancing.backward(model.losses(x, 5.0), 0.0)
        if balancing.trained_parameters():
            torch.optim.SGD(balancing.trained_parameters(), lr=0.1).step()
            balancing.zero_grad()
        return gradients(model), balancing.weights()

    for _ in range(3):
        step(first)
    torch.save(first.state_dict(), tmp_path / "state")
    second.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    assert torch.equal(first.weights(), second.weights())
    for _ in range(2):
        (g1, w1), (g2, w2) = step(first), step(second)
        assert all(torch.equal(a, b) for a, b in zip(g1, g2))
        assert torch.equal(w1, w2)
