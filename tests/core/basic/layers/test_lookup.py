"""Rows of a table and the table's gradient, as torch's own embedding has them."""

import pytest
import torch
from torch.nn import functional as F

from torch_rechub.basic.layers.lookup import look_up


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("shape", [(), (0,), (5,), (4, 3), (2, 3, 4)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_rows_and_gradient_are_those_of_torch(sparse, shape, dtype):
    torch.manual_seed(0)
    ours = torch.randn(6, 2).to(dtype).requires_grad_()
    theirs = ours.detach().clone().requires_grad_()
    ids = torch.randint(0, 6, shape)
    found, expected = look_up(ours, ids, sparse), F.embedding(ids, theirs)
    assert torch.equal(found, expected)
    direction = torch.randn(found.shape).to(dtype)
    found.backward(direction)
    expected.backward(direction)
    assert ours.grad.is_sparse is sparse
    torch.testing.assert_close(ours.grad.to_dense(), theirs.grad)


def test_the_gradient_has_a_gradient():
    weight = torch.randn(4, 2, dtype=torch.double, requires_grad=True)
    ids = torch.tensor([1, 3, 1])
    assert torch.autograd.gradcheck(lambda w: look_up(w, ids).sin(), weight)
    assert torch.autograd.gradgradcheck(lambda w: look_up(w, ids).sin(), weight)


def test_a_frozen_table_is_only_read():
    assert not look_up(torch.randn(4, 2), torch.tensor([0])).requires_grad
