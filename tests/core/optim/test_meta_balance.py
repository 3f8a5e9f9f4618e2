"""MetaBalance, against its formula worked out from each task's own gradients."""

import copy
import math

import pytest
import torch
from torch import nn

from torch_rechub.basic.metaoptimizer import MetaBalance


class TwoTasks(nn.Module):
    """Two shared layers, and a tower for each task; the second task's loss is far larger."""

    def __init__(self):
        super().__init__()
        self.shared = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
        self.towers = nn.ModuleList(nn.Linear(2, 1).double() for _ in range(2))

    def losses(self, x):
        h = self.shared(x)
        return [self.towers[0](h).square().mean(), 50 * (self.towers[1](h) - 3).square().mean()]


@pytest.fixture
def model():
    return TwoTasks()


def batches(n):
    return torch.randn(n, 5, 3, dtype=torch.float64)


def test_gradients_are_those_of_the_formula_parameter_by_parameter_over_two_steps(model):
    r, beta = 0.6, 0.8
    shared = list(model.shared.parameters())
    optimizer = MetaBalance(shared, relax_factor=r, beta=beta)
    m = [[0.0, 0.0] for _ in shared]
    for x in batches(2):
        gradients = [torch.autograd.grad(model.losses(x)[task], shared) for task in (0, 1)]
        expected = []
        for i in range(len(shared)):
            target, other = gradients[0][i], gradients[1][i]
            m[i][0] = beta * m[i][0] + (1 - beta) * math.sqrt((target**2).sum())
            m[i][1] = beta * m[i][1] + (1 - beta) * math.sqrt((other**2).sum())
            expected.append(target + other * m[i][0] / m[i][1] * r + other * (1 - r))
        model.zero_grad()
        optimizer.step(model.losses(x))
        for parameter, gradient in zip(shared, expected):
            torch.testing.assert_close(parameter.grad, gradient, rtol=1e-9, atol=1e-12)
        with torch.no_grad():
            for parameter in shared:
                parameter -= 0.01 * parameter.grad


def test_three_tasks_are_each_scaled_to_the_first():
    w = nn.Parameter(torch.ones(2))
    MetaBalance([w], relax_factor=1.0).step([2 * w[0], 300 * w[1], -0.01 * w[1]])
    assert w.grad.tolist() == pytest.approx([2.0, 2.0 - 2.0])


@pytest.mark.parametrize(("r", "other"), [(0.0, 100.0), (0.5, 51.5), (1.0, 3.0)])
def test_the_relax_factor_goes_from_the_own_size_to_the_targets(r, other):
    w = nn.Parameter(torch.ones(2))
    MetaBalance([w], relax_factor=r).step([3 * w[0], 100 * w[1]])
    assert w.grad.tolist() == pytest.approx([3.0, other])


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e-12, 1e-30])
def test_the_target_keeps_its_own_gradient_however_small(scale):
    w = nn.Parameter(torch.ones(2))
    MetaBalance([w]).step([scale * (3 * w[0] + 4 * w[1])])
    assert w.grad.tolist() == pytest.approx([3 * scale, 4 * scale], rel=1e-6)


def test_beta_0_compares_the_norms_of_the_step_alone():
    w = nn.Parameter(torch.ones(2))
    optimizer = MetaBalance([w], relax_factor=1.0, beta=0.0)
    for size in (1.0, 7.0):
        w.grad = None
        optimizer.step([size * w[0], 20 * w[1]])
        assert w.grad.tolist() == pytest.approx([size, size])


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0]])
def test_a_parameter_that_a_task_does_not_reach_does_not_stop_the_others(order):
    both, target_only, other_only = (nn.Parameter(torch.ones(1)) for _ in range(3))
    parameters = [both, target_only, other_only]
    optimizer = MetaBalance([parameters[i] for i in order], relax_factor=1.0)
    optimizer.step([(2 * both + 3 * target_only).sum(), (10 * both + 20 * other_only).sum()])
    assert [p.grad.item() for p in parameters] == pytest.approx([4.0, 3.0, 20.0])


def test_a_parameter_that_no_task_reaches_has_no_gradient():
    used, unused, frozen = (nn.Parameter(torch.ones(1)) for _ in range(3))
    frozen.requires_grad_(False)
    optimizer = MetaBalance([unused, frozen, used])
    optimizer.step([(used * frozen).sum()])
    assert unused.grad is None
    assert frozen.grad is None
    assert used.grad.item() == 1.0


def test_a_task_that_comes_late_is_scaled_by_its_norm_and_not_by_its_start():
    w = nn.Parameter(torch.ones(2))
    optimizer = MetaBalance([w], relax_factor=1.0, beta=0.9)
    unrelated = nn.Parameter(torch.ones(1))
    for _ in range(20):
        optimizer.step([3 * w[0], unrelated.sum()])
    w.grad = None
    optimizer.step([3 * w[0], 60 * w[1]])
    assert w.grad.tolist() == pytest.approx([3.0, 3.0])


@pytest.mark.parametrize(
    ("target", "other", "expected"),
    [(3.0, 0.0, [3.0, 0.0]), (0.0, 10.0, [0.0, 3.0]), (0.0, 0.0, [0.0, 0.0])],
)
def test_a_gradient_of_zeros_gives_no_nan(target, other, expected):
    w = nn.Parameter(torch.ones(2))
    MetaBalance([w], relax_factor=0.7).step([target * w[0], other * w[1]])
    assert w.grad.tolist() == pytest.approx(expected)


def test_a_task_whose_gradient_died_long_ago_gives_no_nan():
    w = nn.Parameter(torch.ones(2))
    optimizer = MetaBalance([w], beta=0.1)
    optimizer.step([w[0], w[1]])
    for _ in range(60):
        w.grad = None
        optimizer.step([w[0], 0 * w[1]])
        assert w.grad.tolist() == [1.0, 0.0]


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_one_overflow_does_not_spoil_the_steps_after(bad):
    w = nn.Parameter(torch.ones(2))
    optimizer = MetaBalance([w], relax_factor=1.0)
    for size in (1.0, bad, 1.0):
        w.grad = None
        optimizer.step([size * 3 * w[0], size * 60 * w[1]])
    assert w.grad.tolist() == pytest.approx([3.0, 3.0])


def test_towers_get_their_plain_gradients(model):
    x = batches(1)[0]
    towers = list(model.towers.parameters())
    expected = torch.autograd.grad(sum(model.losses(x)), towers)
    MetaBalance(model.shared.parameters()).step(model.losses(x))
    for parameter, gradient in zip(towers, expected):
        torch.testing.assert_close(parameter.grad, gradient)


def test_gradients_add_to_those_that_are_there():
    w = nn.Parameter(torch.ones(2))
    w.grad = torch.tensor([100.0, 0.0])
    optimizer = MetaBalance([w], relax_factor=1.0)
    optimizer.step([3 * w[0], 60 * w[1]])
    assert w.grad.tolist() == pytest.approx([103.0, 3.0])


def test_an_auxiliary_task_that_dominates_no_longer_keeps_the_target_from_its_optimum():
    def target_loss(balance):
        w = nn.Parameter(torch.zeros(2))
        sgd, metabalance = torch.optim.SGD([w], lr=0.02), MetaBalance([w], relax_factor=1.0)
        for _ in range(300):
            losses = [(w - 1).square().sum(), 40 * (w + 1).square().sum()]
            sgd.zero_grad()
            if balance:
                metabalance.step(losses)
            else:
                sum(losses).backward()
            sgd.step()
        return (w.detach() - 1).square().sum().item()

    assert target_loss(balance=True) < target_loss(balance=False) / 1.5


def test_sparse_gradients_stay_sparse_and_are_balanced():
    table = nn.Embedding(6, 2, sparse=True)
    rows = torch.tensor([1, 1, 4])
    optimizer = MetaBalance(table.parameters(), relax_factor=1.0)
    optimizer.step([table(rows[:1]).sum(), 7 * table(rows).sum()])
    assert table.weight.grad.is_sparse
    expected = torch.zeros(6, 2)
    scale = math.sqrt(2) / math.sqrt(2 * 14**2 + 2 * 7**2)
    expected[1], expected[4] = 1 + 14 * scale, 7 * scale
    torch.testing.assert_close(table.weight.grad.to_dense(), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_small_gradients_are_balanced_in_every_precision(dtype):
    w = nn.Parameter(torch.ones(2, dtype=dtype))
    MetaBalance([w], relax_factor=1.0).step([2**-14 * w[0], 2**-10 * w[1]])
    assert w.grad.dtype == dtype
    assert w.grad.tolist() == [2**-14, 2**-14]


def test_groups_have_factors_of_their_own():
    a, b = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    optimizer = MetaBalance([{"params": [a], "relax_factor": 0.0}, {"params": [b]}], 1.0)
    optimizer.step([a[0] + b[0], 10 * (a[1] + b[1])])
    assert a.grad.tolist() == pytest.approx([1.0, 10.0])
    assert b.grad.tolist() == pytest.approx([1.0, 1.0])


def test_a_saved_state_goes_on_where_it_was():
    w = nn.Parameter(torch.ones(2))
    optimizer = MetaBalance([w])
    optimizer.step([3 * w[0], 60 * w[1]])
    restored = MetaBalance([w])
    restored.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    gradients = []
    for each in (optimizer, restored, MetaBalance([w])):
        w.grad = None
        each.step([30 * w[0], 6 * w[1]])
        gradients.append(w.grad.tolist())
    assert gradients[0] == gradients[1] != gradients[2]


def test_weights_are_moved_by_another_optimizer_alone(model):
    before = copy.deepcopy(model.state_dict())
    MetaBalance(model.parameters()).step(model.losses(batches(1)[0]))
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, before[name])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"relax_factor": -0.1}, "relax_factor must be at least 0 and at most 1, got -0.1"),
        ({"relax_factor": 1.1}, "relax_factor must be at least 0 and at most 1, got 1.1"),
        ({"beta": 1.0}, "beta must be at least 0 and below 1, got 1.0"),
        ({"beta": -0.1}, "beta must be at least 0 and below 1, got -0.1"),
    ],
)
def test_factors_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        MetaBalance([nn.Parameter(torch.ones(1))], **arguments)


def test_losses_that_cannot_be_balanced_are_refused_and_leave_gradients_alone():
    w = nn.Parameter(torch.ones(2))
    w.grad = torch.ones(2)
    optimizer = MetaBalance([w])
    for losses, message in [
        ([], "losses is empty"),
        ([w.sum(), w], r"task 1 must be a scalar .* got shape \(2,\)"),
        ([w.sum().detach(), w.sum()], "task 0 must be a scalar .* requires_grad=False"),
    ]:
        with pytest.raises(ValueError, match=message):
            optimizer.step(losses)
    assert w.grad.tolist() == [1.0, 1.0]


def test_the_number_of_tasks_stays_the_same():
    w = nn.Parameter(torch.ones(2))
    optimizer = MetaBalance([w])
    optimizer.step([w[0], w[1]])
    with pytest.raises(ValueError, match="3 losses, but 2 in the steps before"):
        optimizer.step([w[0], w[1], w.sum()])
