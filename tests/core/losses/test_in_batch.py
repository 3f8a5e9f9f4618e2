"""In-batch negatives: which rows are drawn, how often, and what their logits are."""

import pytest
import torch

from torch_rechub.losses.in_batch import (
    gather_inbatch_logits,
    group_rows,
    in_batch_scores,
    inbatch_negative_sampling,
)


@pytest.fixture
def scores():
    return torch.randn(6, 6)


# Which rows


@pytest.mark.parametrize("hard", [True, False])
@pytest.mark.parametrize("ratio", [1, 3, 5, 6, 99, None, 0, -1])
def test_other_rows_each_at_most_once(scores, ratio, hard):
    rows = inbatch_negative_sampling(scores, ratio, hard)
    k = ratio if ratio in (1, 3, 5) else 5
    assert rows.shape == (6, k)
    assert rows.dtype == torch.int64
    for i, row in enumerate(rows.tolist()):
        assert len(set(row) - {i}) == k
        assert set(row) <= set(range(6))


def test_hard_negatives_are_those_of_highest_score(scores):
    rows = inbatch_negative_sampling(scores, 3, hard_negative=True)
    for i, row in enumerate(rows.tolist()):
        others = [j for j in range(6) if j != i]
        assert row == sorted(others, key=lambda j: -scores[i, j].item())[:3]


def test_every_other_row_is_drawn_as_often():
    generator = torch.Generator().manual_seed(0)
    counts = torch.zeros(5, 5)
    for _ in range(3000):
        rows = inbatch_negative_sampling(torch.zeros(5, 5), 2, generator=generator)
        counts.scatter_add_(1, rows, torch.ones(5, 2))
    assert (counts.diagonal() == 0).all()
    expected = 3000 * 2 / 4
    others = counts[~torch.eye(5, dtype=torch.bool)]
    assert (others - expected).abs().max() < 5 * (expected * 0.5) ** 0.5  # 5 standard deviations


def test_a_seeded_draw_repeats_and_leaves_the_global_state_alone(scores):
    state = torch.get_rng_state()
    draws = [
        inbatch_negative_sampling(scores, 2, generator=torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    ]
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    torch.manual_seed(3)
    first = inbatch_negative_sampling(scores, 2)
    torch.manual_seed(3)
    assert torch.equal(inbatch_negative_sampling(scores, 2), first)


@pytest.mark.parametrize("hard", [True, False])
def test_what_is_no_negative_is_taken_last(scores, hard):
    scores[0, 1:4] = -torch.inf
    for _ in range(20):
        rows = inbatch_negative_sampling(scores, 3, hard)
        assert {4, 5} <= set(rows[0].tolist()) <= {1, 2, 3, 4, 5}


def test_a_row_alone_has_no_negatives():
    rows = inbatch_negative_sampling(torch.ones(1, 1), 3)
    assert rows.shape == (1, 0)
    assert gather_inbatch_logits(torch.ones(1, 1), rows).tolist() == [[1.0]]


def test_scores_must_be_square():
    with pytest.raises(ValueError, match=r"shape \(B, B\), got \(2, 3\)"):
        inbatch_negative_sampling(torch.ones(2, 3))


def test_a_draw_needs_no_gradient_and_changes_no_score(scores):
    scores.requires_grad_()
    before = scores.detach().clone()
    for hard in (True, False):
        rows = inbatch_negative_sampling(scores, 2, hard)
        assert not rows.requires_grad
    assert torch.equal(scores.detach(), before)


# Logits


def test_the_own_item_comes_first_and_gradients_flow(scores):
    scores.requires_grad_()
    rows = inbatch_negative_sampling(scores, 2)
    logits = gather_inbatch_logits(scores, rows)
    expected = [
        [scores[i, i].item(), *(scores[i, j].item() for j in row)]
        for i, row in enumerate(rows.tolist())
    ]
    assert logits.tolist() == expected
    logits.sum().backward()
    assert scores.grad.sum() == 18


def test_scores_are_products_without_the_same_item_elsewhere():
    user, item = torch.randn(4, 3), torch.randn(4, 3)
    found = in_batch_scores(user, item, torch.tensor([7, 8, 7, 9]))
    for i in range(4):
        for j in range(4):
            same = {i, j} == {0, 2}
            expected = -torch.inf if same else (user[i] * item[j]).sum().item()
            assert found[i, j].item() == pytest.approx(expected, abs=1e-6)
    torch.testing.assert_close(in_batch_scores(user, item), user @ item.T)


def test_of_several_interests_the_one_nearest_to_the_own_item_counts():
    user, item = torch.randn(4, 3, 5), torch.randn(4, 5)
    found = in_batch_scores(user, item)
    for i in range(4):
        products = [(user[i, k] @ item[i]).item() for k in range(3)]
        nearest = user[i, products.index(max(products))]
        torch.testing.assert_close(found[i], item @ nearest)


@pytest.mark.parametrize("n", [1, 40])
def test_rows_are_grouped_by_all_columns(n):
    columns = [
        torch.randint(0, 3, (n,)),
        torch.randint(0, 2, (n, 2)),
        torch.randn(3)[:2].repeat(n)[:n],
    ]
    groups = group_rows(columns)
    assert groups.shape == (n,)
    keys = [tuple(str(column[i].tolist()) for column in columns) for i in range(n)]
    for i in range(n):
        for j in range(n):
            assert (groups[i] == groups[j]).item() == (keys[i] == keys[j])


def test_rows_are_told_apart_however_far_apart_their_numbers_are():
    far = torch.tensor([-(2**62), 2**62, -(2**62), 2**62, 0])
    near = torch.tensor([0, 1, 0, 0, 0])
    groups = group_rows([far, near, far])
    assert (groups.unsqueeze(1) == groups).int().sum(dim=1).tolist() == [2, 1, 2, 1, 1]
