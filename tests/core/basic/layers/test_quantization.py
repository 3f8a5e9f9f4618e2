"""Vector quantization against loops over rows and entries; where its gradients go."""

import math

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from torch_rechub.models.generative.rqvae import (
    ResidualVectorQuantizer,
    VectorQuantizer,
    kmeans,
    sinkhorn_algorithm,
)


def nearest(x, codebook):
    """The number of the entry of least squared distance, by a loop."""
    squares = [sum((a - b) ** 2 for a, b in zip(x, e)) for e in codebook]
    return squares.index(min(squares))


def mean_square(rows, entries):
    pairs = [(a, b) for row, entry in zip(rows, entries) for a, b in zip(row, entry)]
    return math.fsum((a - b) ** 2 for a, b in pairs) / len(pairs)


# k-means


def test_the_centers_are_the_means_of_their_clusters():
    samples = torch.cat([torch.randn(20, 3) * 0.1 + 5 * i for i in range(4)])
    centers = kmeans(samples, 4)
    expected = torch.stack([part.mean(dim=0) for part in samples.split(20)])
    torch.testing.assert_close(centers[centers[:, 0].argsort()], expected)


def test_no_center_is_left_empty():
    # 30 vectors of 5 kinds: centers drawn at random would often leave a kind out
    kinds = torch.randn(5, 2) * 10
    for seed in range(10):
        torch.manual_seed(seed)
        centers = kmeans(kinds.repeat(6, 1), 5)
        assert torch.cdist(kinds, centers).min(dim=0).values.max() < 1e-4
        assert torch.cdist(kinds, centers).min(dim=1).values.max() < 1e-4


@pytest.mark.parametrize(("n", "d", "k"), [(400, 4, 8), (600, 16, 64), (50, 2, 50)])
def test_clusters_are_as_tight_as_those_of_scikit_learn(n, d, k):
    samples = torch.randn(n, d) + 4 * torch.randint(0, 6, (n, 1))
    ours, theirs = [], []
    for seed in range(5):
        torch.manual_seed(seed)
        distances = torch.cdist(samples.double(), kmeans(samples, k, 100).double())
        ours.append(distances.min(dim=1).values.square().sum().item())
        found = KMeans(k, n_init=1, max_iter=100, random_state=seed).fit(samples.double().numpy())
        theirs.append(found.inertia_)
    assert np.mean(ours) == pytest.approx(np.mean(theirs), rel=0.05, abs=1e-6)


def test_fewer_kinds_of_vectors_than_centers_are_no_fault():
    centers = kmeans(torch.tensor([[1.0], [1.0], [2.0], [2.0]]), 3)
    assert sorted(set(centers.flatten().tolist())) == [1.0, 2.0]


def test_kmeans_follows_the_seed_of_torch():
    samples = torch.randn(100, 3)
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(kmeans(samples, 8, num_iters=2))
    assert found[0].equal(found[1])
    assert not found[0].equal(found[2])


def test_more_centers_than_vectors_are_refused():
    with pytest.raises(ValueError, match=r"k-means of 4 clusters .* got 3: use a larger first"):
        kmeans(torch.randn(3, 2), 4)


# Sinkhorn


def test_sinkhorn_is_the_scaling_of_rows_and_columns():
    d, epsilon = torch.rand(6, 4).double(), 0.2
    q = [[math.exp(-v / epsilon) for v in row] for row in d.tolist()]
    for _ in range(30):
        for k in range(4):
            total = sum(row[k] for row in q)
            for row in q:
                row[k] /= total
        q = [[v / sum(row) for v in row] for row in q]
    torch.testing.assert_close(sinkhorn_algorithm(d, epsilon, 30), torch.tensor(q).double())


def test_every_code_is_used_as_often_and_no_small_epsilon_overflows():
    d = torch.rand(64, 8).double()
    d[:, 0] -= 0.9  # nearest to all
    for epsilon in (0.1, 0.003, 1e-5):
        q = sinkhorn_algorithm(d, epsilon, 200)
        assert q.isfinite().all()
        torch.testing.assert_close(q.sum(dim=1), torch.ones(64).double())
        if epsilon == 0.1:
            torch.testing.assert_close(q.sum(dim=0), torch.full((8,), 8.0).double())
        assert (q.argmax(dim=1) == 0).sum() < 32


# One level


@pytest.fixture
def level():
    level = VectorQuantizer(5, 3, beta=0.25, sk_epsilon=0.0)
    with torch.no_grad():
        level.embedding.weight.normal_()
    return level


@pytest.mark.parametrize("n", [1, 7])
def test_it_takes_the_nearest_entry_and_its_loss_is_the_formula(level, n):
    x = torch.randn(n, 3)
    x_q, loss, c = level(x)
    codebook = level.get_codebook().tolist()
    expected = [nearest(row, codebook) for row in x.tolist()]
    assert c.tolist() == expected
    torch.testing.assert_close(x_q, level.get_codebook_entry(c))
    assert loss.item() == pytest.approx(1.25 * mean_square(x.tolist(), x_q.tolist()), rel=1e-5)
    assert level.get_codebook_entry(c, shape=(1, n, 3)).shape == (1, n, 3)


def test_gradients_pass_straight_through_to_x(level):
    x = torch.randn(4, 3, requires_grad=True)
    weight = torch.randn(4, 3)
    (level(x)[0] * weight).sum().backward()
    assert x.grad.equal(weight)
    assert level.embedding.weight.grad is None


def test_the_codebook_is_moved_by_one_term_and_x_by_the_other(level):
    x = torch.randn(4, 3, requires_grad=True)
    _, loss, c = level(x)
    loss.backward()
    e = level.embedding.weight.detach()
    torch.testing.assert_close(x.grad, 0.25 * 2 * (x.detach() - e[c]) / 12)
    expected = torch.zeros(5, 3)
    for row, code in zip(x.detach(), c.tolist()):
        expected[code] += 2 * (e[code] - row) / 12
    torch.testing.assert_close(level.embedding.weight.grad, expected)


def test_kmeans_leaves_no_entry_dead_where_a_random_codebook_does():
    x = torch.randn(256, 4) * 10 + 50
    used = {}
    for kmeans_init in (False, True):
        level = VectorQuantizer(32, 4, kmeans_init=kmeans_init, sk_epsilon=0.0)
        used[kmeans_init] = len(level(x)[2].unique())
    assert used[True] == 32
    assert used[False] < 8


def test_only_the_first_batch_in_training_sets_the_entries():
    level = VectorQuantizer(4, 2, kmeans_init=True, sk_epsilon=0.0)
    before = level.get_codebook().clone()
    level.eval()(torch.randn(9, 2))
    assert level.get_codebook().equal(before)
    level.train()(torch.randn(9, 2))
    after = level.get_codebook().clone()
    assert not after.equal(before)
    level(torch.randn(9, 2) + 9)
    assert level.get_codebook().equal(after)


def test_entries_that_were_loaded_are_not_set_again(tmp_path):
    trained = VectorQuantizer(4, 2, kmeans_init=True)
    trained(torch.randn(9, 2))
    state = trained.state_dict()
    of_0_9 = {"embedding.weight": state["embedding.weight"]}
    for saved in (state, of_0_9):
        torch.save(saved, tmp_path / "w.pth")
        level = VectorQuantizer(4, 2, kmeans_init=True)
        level.load_state_dict(torch.load(tmp_path / "w.pth", weights_only=True))
        level(torch.randn(9, 2))
        assert level.get_codebook().equal(trained.get_codebook())


def test_a_first_batch_that_is_too_small_is_named():
    with pytest.raises(ValueError, match=r"k-means of 4 clusters .*first batch.*kmeans_init=False"):
        VectorQuantizer(4, 2, kmeans_init=True)(torch.randn(3, 2))


def test_sinkhorn_spreads_rows_that_are_alike_over_the_entries(level):
    level.sk_epsilon = 0.01
    x = level.get_codebook()[2].detach() + 0.01 * torch.randn(50, 3)
    assert set(level(x, use_sk=False)[2].tolist()) == {2}
    counts = level(x)[2].bincount(minlength=5)
    assert counts.min() >= 5
    assert level(x[:1])[2].tolist() == [2]  # one row has nothing to be spread with
    assert level(x[:1].repeat(6, 1))[0].isfinite().all()


def test_distances_are_scaled_to_minus_one_to_one():
    found = VectorQuantizer.center_distance_for_constraint(torch.tensor([[1.0, 2, 3], [4, 5, 9]]))
    torch.testing.assert_close(found, torch.tensor([[-1, -0.75, -0.5], [-0.25, 0, 1]]))
    same = VectorQuantizer.center_distance_for_constraint(torch.full((2, 3), 7.0))
    assert same.tolist() == [[0.0] * 3] * 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_e": 0}, "n_e must be at least 1, got 0"),
        ({"sk_epsilon": -0.1}, "sk_epsilon must be at least 0, got -0.1"),
    ],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        VectorQuantizer(**{"n_e": 4, "e_dim": 2, **arguments})


# Several levels


@pytest.fixture
def levels():
    levels = ResidualVectorQuantizer([5, 4, 3], 2, [0.0] * 3, beta=0.25)
    for level in levels.vq_layers:
        torch.nn.init.normal_(level.embedding.weight)
    return levels


def naive_levels(levels, x):
    """Codes, sums of entries and losses, row by row and level by level."""
    rest, codes, losses = x.tolist(), [[] for _ in x], []
    for level in levels.vq_layers:
        codebook = level.get_codebook().tolist()
        chosen = [nearest(row, codebook) for row in rest]
        entries = [codebook[c] for c in chosen]
        losses.append(1.25 * mean_square(rest, entries))
        rest = [[a - b for a, b in zip(row, entry)] for row, entry in zip(rest, entries)]
        for row, c in zip(codes, chosen):
            row.append(c)
    return codes, x - torch.tensor(rest), sum(losses) / len(losses)


@pytest.mark.parametrize("n", [1, 9])
def test_each_level_takes_what_is_left(levels, n):
    x = torch.randn(n, 2)
    x_q, loss, codes = levels(x)
    expected_codes, expected, expected_loss = naive_levels(levels, x)
    assert codes.tolist() == expected_codes
    torch.testing.assert_close(x_q, expected)
    assert loss.item() == pytest.approx(expected_loss, rel=1e-5)


def test_more_levels_leave_less():
    x = torch.randn(200, 4)
    left = []
    for n in (1, 2, 3):
        torch.manual_seed(0)
        x_q, _, _ = ResidualVectorQuantizer([8] * n, 4, [0.0] * n, kmeans_init=True)(x)
        left.append((x - x_q).square().mean().item())
    assert left[0] > 1.3 * left[1] > 1.3**2 * left[2]


def test_the_commitment_of_every_level_moves_x_and_a_codebook_is_moved_by_its_own(levels):
    x = torch.randn(6, 2, requires_grad=True)
    _, loss, codes = levels(x)
    loss.backward()
    rest, of_x = x.detach(), torch.zeros(6, 2)
    for level, chosen in zip(levels.vq_layers, codes.t()):
        e, of_entries = level.get_codebook().detach(), torch.zeros(level.n_e, 2)
        for row, c in zip(rest, chosen.tolist()):
            of_entries[c] += 2 * (e[c] - row) / 12 / 3
        torch.testing.assert_close(level.embedding.weight.grad, of_entries)
        rest = rest - e[chosen]
        of_x += 0.25 * 2 * rest / 12 / 3
    torch.testing.assert_close(x.grad, of_x)


def test_the_sum_passes_gradients_straight_through(levels):
    x = torch.randn(4, 2, requires_grad=True)
    levels(x)[0].sum().backward()
    assert x.grad.equal(torch.ones(4, 2))


def test_codebooks_of_one_size_are_stacked():
    levels = ResidualVectorQuantizer([4, 4], 3, [0.0, 0.0])
    assert levels.get_codebook().shape == (2, 4, 3)
    assert levels.get_codebook()[1].equal(levels.vq_layers[1].get_codebook())


def test_there_is_an_epsilon_for_each_level():
    with pytest.raises(ValueError, match=r"each of the 3 codebooks, got \[0.0\]"):
        ResidualVectorQuantizer([4, 4, 4], 3, [0.0])
