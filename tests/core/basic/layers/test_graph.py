"""Graph convolution against powers of the dense matrix."""

import numpy as np
import pytest
import torch

from torch_rechub.basic.features import SparseFeature
from torch_rechub.basic.layers import LightGraphConvolution

N_USERS, N_ITEMS = 4, 5
EDGES = [(0, 0), (0, 2), (1, 2), (1, 3), (1, 0), (3, 3)]  # user 2, items 1 and 4 have none


def make(edges=EDGES, num_layers=3):
    user, item = SparseFeature("user", N_USERS), SparseFeature("item", N_ITEMS)
    return LightGraphConvolution(torch.tensor(edges).T, user, item, num_layers)


def whole(convolve, e):
    """The layer's outputs for users and items, concatenated."""
    return torch.cat(convolve(e[:N_USERS], e[N_USERS:]))


def dense(num_layers):
    """Σ_k Â^k / (K + 1), in double precision."""
    r = np.zeros((N_USERS, N_ITEMS))
    for user, item in EDGES:
        r[user, item] = 1
    a = np.block([[np.zeros((N_USERS, N_USERS)), r], [r.T, np.zeros((N_ITEMS, N_ITEMS))]])
    degree = a.sum(axis=1)
    scale = np.diag([d**-0.5 if d else 0.0 for d in degree])
    powers = [np.linalg.matrix_power(scale @ a @ scale, k) for k in range(num_layers + 1)]
    return sum(powers) / (num_layers + 1)


@pytest.mark.parametrize("num_layers", [0, 1, 3])
def test_it_is_the_mean_of_powers_of_the_normalized_matrix(num_layers):
    e = torch.randn(N_USERS + N_ITEMS, 6)
    found = whole(make(num_layers=num_layers), e)
    np.testing.assert_allclose(found, dense(num_layers) @ e.numpy(), rtol=1e-4, atol=1e-6)


def test_the_gradient_is_that_of_the_dense_product():
    convolve, matrix = make().double(), torch.from_numpy(dense(3))
    e = torch.randn(N_USERS + N_ITEMS, 6, dtype=torch.double, requires_grad=True)
    toward = torch.randn_like(e)
    (found,) = torch.autograd.grad((whole(convolve, e) * toward).sum(), e)
    torch.testing.assert_close(found, matrix.T @ toward, check_dtype=False)
    (summed,) = torch.autograd.grad(
        whole(convolve, e).sum(), e
    )  # its gradient is one number, expanded
    torch.testing.assert_close(summed, matrix.T @ torch.ones_like(e), rtol=1e-6, atol=1e-6)
    assert torch.autograd.gradcheck(lambda e: whole(convolve, e), e)
    assert torch.autograd.gradgradcheck(lambda e: whole(convolve, e), e)


def test_a_node_without_neighbors_keeps_its_share_and_moves_no_other():
    e = torch.randn(N_USERS + N_ITEMS, 6)
    found = whole(make(), e)
    for lonely in (2, N_USERS + 1, N_USERS + 4):
        torch.testing.assert_close(found[lonely], e[lonely] / 4)
        changed = e.clone()
        changed[lonely] = 100.0
        others = torch.arange(len(e)) != lonely
        assert torch.equal(whole(make(), changed)[others], found[others])


def test_repeated_interactions_count_once_in_any_order():
    e = torch.randn(N_USERS + N_ITEMS, 6)
    repeated = make([*EDGES[::-1], *EDGES, EDGES[2]])
    torch.testing.assert_close(whole(repeated, e), whole(make(), e))


def test_the_graph_moves_with_the_module_and_is_no_part_of_its_state():
    convolve = make()
    assert convolve.state_dict() == {}
    moved = convolve.to("meta")
    assert whole(moved, torch.empty(N_USERS + N_ITEMS, 6, device="meta")).shape == (9, 6)
