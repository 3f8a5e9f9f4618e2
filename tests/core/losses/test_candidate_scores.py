"""Scores of candidates by row, against a product that gathers all of their vectors."""

import pytest
import torch

from torch_rechub.losses import candidate_scores as module
from torch_rechub.losses.candidate_scores import candidate_scores


def gathered(h, v, candidates):
    return (h.unsqueeze(1) * v[candidates]).sum(dim=2)


@pytest.mark.parametrize("numbers", [1, 24, 60, 2**21])
def test_scores_and_gradients_do_not_depend_on_the_block(monkeypatch, numbers):
    monkeypatch.setattr(module, "BLOCK_NUMBERS", numbers)
    h = torch.randn(7, 3, dtype=torch.float64, requires_grad=True)
    v = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    candidates = torch.randint(0, 5, (7, 4))  # which repeat within a row
    found, expected = candidate_scores(h, v, candidates), gathered(h, v, candidates)
    torch.testing.assert_close(found, expected)
    weights = torch.randn_like(found)
    gradients = torch.autograd.grad((found * weights).sum(), (h, v))
    torch.testing.assert_close(gradients, torch.autograd.grad((expected * weights).sum(), (h, v)))
    assert torch.autograd.gradcheck(lambda h, v: candidate_scores(h, v, candidates), (h, v))


def test_no_rows_have_no_scores():
    h, v = torch.randn(0, 3, requires_grad=True), torch.randn(5, 3, requires_grad=True)
    found = candidate_scores(h, v, torch.empty(0, 4, dtype=torch.long))
    found.sum().backward()
    assert found.shape == (0, 4)
    assert (v.grad == 0).all()


def test_under_autocast_scores_are_in_single_precision():
    h, v = torch.randn(4, 3), torch.randn(5, 3)
    candidates = torch.randint(0, 5, (4, 2))
    with torch.autocast("cpu", torch.bfloat16):
        found = candidate_scores(h.bfloat16(), v, candidates)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, gathered(h.bfloat16().float(), v, candidates))


class Sizes(torch.utils._python_dispatch.TorchDispatchMode):
    """Notes the largest tensor that any operation makes."""

    largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            self.largest = max(self.largest, out.numel())
        return out


def test_the_vectors_of_all_candidates_are_never_in_memory(monkeypatch):
    monkeypatch.setattr(module, "BLOCK_NUMBERS", 1000)
    h = torch.randn(400, 10, requires_grad=True)
    v = torch.randn(30, 10, requires_grad=True)
    candidates = torch.randint(0, 30, (400, 20))
    with Sizes() as sizes:
        candidate_scores(h, v, candidates).sum().backward()
    assert sizes.largest == 400 * 20  # the scores; the vectors would be ten times as many
