"""The last valid step and the valid steps first, against loops, padding anywhere."""

import pytest
import torch

from torch_rechub.basic.layers.sequence import last_valid, positions, to_front


@pytest.fixture
def mask():
    return torch.rand(30, 5) < torch.linspace(0, 1, 30).unsqueeze(1)  # none to all valid


@pytest.mark.parametrize("shape", [(30, 5), (30, 5, 3)])
@pytest.mark.parametrize("dtype", [torch.bool, torch.float32, torch.int64])
def test_the_last_valid_step(mask, shape, dtype):
    x = torch.randn(shape)
    found = last_valid(x, mask.to(dtype))
    for steps, valid, last in zip(x, mask.tolist(), found):
        kept = [step for step, is_valid in zip(steps, valid) if is_valid]
        assert torch.equal(last, kept[-1] if kept else torch.zeros(shape[2:]))


@pytest.mark.parametrize("shape", [(4, 0), (4, 0, 3)])
def test_sequences_without_a_step_have_none(shape):
    assert torch.equal(last_valid(torch.ones(shape), torch.ones(4, 0)), torch.zeros(4, *shape[2:]))


def test_the_valid_steps_come_first_in_their_order(mask):
    x = torch.randn(30, 5, 3)
    found, front = to_front(x, mask)
    for steps, valid, moved, where in zip(x, mask.tolist(), found, front):
        kept = [step for step, is_valid in zip(steps, valid) if is_valid]
        assert torch.equal(moved, torch.stack([*kept, *[torch.zeros(3)] * (5 - len(kept))]))
        assert where.tolist() == [True] * len(kept) + [False] * (5 - len(kept))


def test_positions_count_the_valid_steps_from_the_first(mask):
    found = positions(mask, max_len=5)
    assert found.min() >= 0
    assert found.max() < 5
    for where, valid in zip(found.tolist(), mask.tolist()):
        kept = [p for p, is_valid in zip(where, valid) if is_valid]
        assert kept == list(range(len(kept)))


def test_more_valid_steps_than_positions_are_refused():
    mask = torch.tensor([[True, False, True], [True, False, False]])
    assert positions(mask, max_len=2).tolist() == [[0, 0, 1], [0, 0, 0]]
    with pytest.raises(ValueError, match="a history has 2 items, more than the 1"):
        positions(mask, max_len=1)


def test_gradients_reach_the_valid_steps_alone(mask):
    x = torch.randn(30, 5, 3, requires_grad=True)
    to_front(x, mask)[0].sum().backward()
    assert torch.equal(x.grad, mask.float().unsqueeze(-1).expand(30, 5, 3))
