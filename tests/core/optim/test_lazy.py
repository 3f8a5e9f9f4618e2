"""Lazy optimizers: the paper's formula in each row a batch touched, and nothing anywhere else."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adagrad, Adam, AdamW, SparseAdam

from torch_rechub.optim import (
    JointOptimizer,
    LazyAdagrad,
    LazyAdam,
    LazyAdamW,
    LazySGD,
    TouchedRows,
)

V, D = 12, 3


def batches(n=6, seed=0, rows=V):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(0, rows, (9,), generator=generator) for _ in range(n)]


def table(sparse=True, seed=1):
    torch.manual_seed(seed)
    return nn.Embedding(V, D, sparse=sparse)


def loss_of(rows):
    return (rows.sin() * torch.arange(1.0, D + 1)).sum()


def train(layer, optimizer, ids):
    for batch in ids:
        optimizer.zero_grad()
        loss_of(layer(batch)).backward()
        optimizer.step()
    return layer.weight.detach()


def naive(ids, rule):
    """Each row as a parameter of its own, visited only where a batch holds its id."""
    w = table().weight.detach().double()
    memory = [{} for _ in range(V)]
    for t, batch in enumerate(ids, 1):
        before = w.clone()
        for row in set(batch.tolist()):
            times = (batch == row).sum()
            g = times * before[row].cos() * torch.arange(1.0, D + 1, dtype=torch.double)
            w[row] = rule(before[row], g, memory[row], t)
    return w.float()


def adam(w, g, memory, t, lr=0.1, b1=0.8, b2=0.9, eps=1e-3, decay=0.0, decoupled=False, mean=False):
    if decoupled:
        w = w - lr * decay * w
    else:
        g = g + decay * w
    memory["m"] = b1 * memory.get("m", 0) + (1 - b1) * g
    g2 = (g * g).mean() if mean else g * g
    memory["v"] = b2 * memory.get("v", 0) + (1 - b2) * g2
    m, v = memory["m"] / (1 - b1**t), memory["v"] / (1 - b2**t)
    return w - lr * m / (v.sqrt() + eps)


ADAM = {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-3}


@pytest.mark.parametrize(
    ("optimizer", "options", "rule"),
    [
        (LazyAdam, {}, {}),
        (LazyAdam, {"weight_decay": 0.3}, {"decay": 0.3}),
        (LazyAdam, {"row_wise": True}, {"mean": True}),
        (LazyAdamW, {"weight_decay": 0.3}, {"decay": 0.3, "decoupled": True}),
        (LazyAdamW, {"row_wise": True}, {"decay": 0.01, "decoupled": True, "mean": True}),
    ],
)
def test_adam_is_its_formula_in_each_row_touched(optimizer, options, rule):
    layer = table()
    found = train(layer, optimizer(layer.parameters(), **ADAM, **options), batches())
    expected = naive(batches(), lambda *a: adam(*a, **rule))
    torch.testing.assert_close(found, expected)


def test_row_wise_adagrad_is_its_formula():
    def rule(w, g, memory, t):
        memory["s"] = memory.get("s", 0.5) + (g * g).mean()
        return w - 0.2 / (1 + (t - 1) * 0.1) * g / (memory["s"].sqrt() + 1e-3)

    layer = table()
    optimizer = LazyAdagrad(
        layer.parameters(), 0.2, 0.1, initial_accumulator_value=0.5, eps=1e-3, row_wise=True
    )
    torch.testing.assert_close(train(layer, optimizer, batches()), naive(batches(), rule))
    assert optimizer.state[layer.weight]["sum"].shape == (V, 1)


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_waits_in_rows_that_are_not_touched(nesterov):
    def rule(w, g, memory, t):
        g = g + 0.01 * w
        memory["b"] = 0.9 * memory.get("b", 0) + g
        return w - 0.05 * (g + 0.9 * memory["b"] if nesterov else memory["b"])

    layer = table()
    optimizer = LazySGD(layer.parameters(), 0.05, 0.9, 0.01, nesterov)
    torch.testing.assert_close(train(layer, optimizer, batches()), naive(batches(), rule))


@pytest.mark.parametrize(
    ("lazy", "torchs", "options"),
    [
        (LazyAdam, SparseAdam, {"lr": 0.1}),
        (LazyAdam, SparseAdam, {"lr": 0.1, "maximize": True}),
        (LazyAdagrad, Adagrad, {"lr": 0.1, "lr_decay": 0.1}),
        (LazySGD, SGD, {"lr": 0.1}),
        (LazySGD, SGD, {"lr": 0.1, "maximize": True}),
    ],
)
def test_as_torchs_own_optimizers_for_sparse_gradients(lazy, torchs, options):
    ours, theirs = table(), table()
    found = train(ours, lazy(ours.parameters(), **options), batches())
    torch.testing.assert_close(
        found, train(theirs, torchs(theirs.parameters(), **options), batches())
    )


def test_epsilon_is_that_of_adam_and_smaller_than_that_of_sparse_adam():
    # the first step, so that m̂ = g and √v̂ = |g|; every row is touched once
    settings = {"lr": 0.5, "betas": (0.9, 0.99), "eps": 0.2}
    ids = [torch.arange(V)]
    w = table().weight.detach()
    g = w.cos() * torch.arange(1.0, D + 1)
    cases = (LazyAdam, True, 0.2), (Adam, False, 0.2), (SparseAdam, True, 0.2 / 0.01**0.5)
    for optimizer, sparse, eps in cases:
        layer = table(sparse)
        found = train(layer, optimizer(layer.parameters(), **settings), ids)
        torch.testing.assert_close(found, w - 0.5 * g / (g.abs() + eps))


@pytest.mark.parametrize(
    ("lazy", "torchs", "options"),
    [
        (LazyAdam, Adam, {"lr": 0.1, "weight_decay": 0.1}),
        (LazyAdamW, AdamW, {"lr": 0.1}),
        (LazyAdagrad, Adagrad, {"lr": 0.1, "weight_decay": 0.1}),
        (LazySGD, SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1, "nesterov": True}),
    ],
)
def test_dense_gradients_are_torchs_optimizer(lazy, torchs, options):
    ours, theirs = table(sparse=False), table(sparse=False)
    found = train(ours, lazy(ours.parameters(), **options), batches())
    torch.testing.assert_close(
        found, train(theirs, torchs(theirs.parameters(), **options), batches())
    )


@pytest.mark.parametrize(("lazy", "torchs"), [(LazySGD, SGD), (LazyAdagrad, Adagrad)])
def test_without_decay_and_momentum_lazy_is_dense(lazy, torchs):
    ours, theirs = table(), table(sparse=False)
    found = train(ours, lazy(ours.parameters(), lr=0.1), batches())
    expected = train(theirs, torchs(theirs.parameters(), lr=0.1), batches())
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("optimizer", [LazyAdam, LazyAdamW, LazyAdagrad, LazySGD])
def test_rows_that_no_batch_touched_are_bit_for_bit_what_they_were(optimizer):
    layer = table()
    before = layer.weight.detach().clone()
    after = train(layer, optimizer(layer.parameters(), weight_decay=0.5), batches(rows=V // 2))
    assert torch.equal(after[V // 2 :], before[V // 2 :])
    assert not torch.isclose(after[: V // 2], before[: V // 2]).any()


def test_a_schedule_changes_the_rate():
    layer, same = table(), table()
    optimizer = LazySGD(layer.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    for batch in batches(3):
        train(layer, optimizer, [batch])
        schedule.step()
    for batch, lr in zip(batches(3), (1.0, 0.5, 0.25), strict=True):
        train(same, SGD(same.parameters(), lr=lr), [batch])
    torch.testing.assert_close(layer.weight, same.weight)


# One optimizer object


def joint(seed=1):
    layer, dense = table(seed=seed), nn.Linear(D, 1)
    parts = [Adam(dense.parameters(), lr=0.1), LazyAdam(layer.parameters(), lr=0.1)]
    return layer, dense, JointOptimizer(parts)


def step(layer, dense, optimizer, ids):
    optimizer.zero_grad()
    dense(layer(ids)).square().sum().backward()
    optimizer.step()


def test_a_schedule_moves_the_rates_of_all_parts():
    layer, dense, optimizer = joint()
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    step(layer, dense, optimizer, batches(1)[0])
    schedule.step()
    assert [g["lr"] for part in optimizer.optimizers for g in part.param_groups] == [0.05, 0.05]


def test_the_whole_state_goes_through_a_state_dict(tmp_path):
    layer, dense, optimizer = joint()
    ids = batches(4)
    for batch in ids[:2]:
        step(layer, dense, optimizer, batch)
    torch.save(optimizer.state_dict(), tmp_path / "state.pth")
    again, dense_again, restored = copy.deepcopy(layer), copy.deepcopy(dense), None
    parts = [Adam(dense_again.parameters(), lr=9.0), LazyAdam(again.parameters(), lr=9.0)]
    restored = JointOptimizer(parts)
    restored.load_state_dict(torch.load(tmp_path / "state.pth", weights_only=True))
    for batch in ids[2:]:
        step(layer, dense, optimizer, batch)
        step(again, dense_again, restored, batch)
    assert torch.equal(layer.weight, again.weight)
    assert torch.equal(dense.weight, dense_again.weight)


def test_parameters_can_be_added_and_a_closure_given():
    layer, dense, optimizer = joint()
    added = nn.Parameter(torch.ones(()))
    optimizer.add_param_group({"params": [added], "lr": 0.5})

    def closure():
        optimizer.zero_grad()
        loss = added * dense(layer(batches(1)[0])).sum()
        loss.backward()
        return loss

    loss = optimizer.step(closure)
    assert loss.requires_grad
    assert added.item() == pytest.approx(1 - math.copysign(0.5, added.grad), abs=1e-5)


# Adding up duplicates


@pytest.mark.parametrize("shape", [(), (1,), (4,), (2, 3)])
@pytest.mark.parametrize("n", [0, 1, 40])
def test_gradients_of_the_same_row_are_added_up(shape, n):
    torch.manual_seed(0)
    ids, values = torch.randint(0, 7, (n,)), torch.randn(n, *shape)
    grad = torch.sparse_coo_tensor(ids.unsqueeze(0), values, (7, *shape), check_invariants=True)
    rows, sums = TouchedRows()(grad)
    assert rows.tolist() == sorted(set(ids.tolist()))
    torch.testing.assert_close(sums, grad.to_dense()[rows])
    coalesced = TouchedRows()(grad.coalesce())
    assert torch.equal(coalesced[0], rows)


def test_tables_of_one_set_of_ids_share_the_search():
    touched, ids = TouchedRows(), torch.tensor([5, 2, 5])
    for width in (1, 3):
        grad = torch.sparse_coo_tensor(
            ids.clone().unsqueeze(0), torch.ones(3, width), (7, width), check_invariants=True
        )
        rows, sums = touched(grad)
        assert rows.tolist() == [2, 5]
        assert sums.tolist() == [[1.0] * width, [2.0] * width]
    other = torch.sparse_coo_tensor([[1, 1, 1]], torch.ones(3, 1), (7, 1), check_invariants=True)
    assert touched(other)[0].tolist() == [1]
